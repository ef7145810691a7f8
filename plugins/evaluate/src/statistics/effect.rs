//! How large a paired difference is.

use crate::statistics::{mean, sd};

/// Cohen's d of paired differences (d_z): their mean over their standard deviation; `None` when they do not vary.
pub fn cohens_dz(differences: &[f64]) -> Option<f64> {
    let sd = sd(differences);
    (sd > 0.0).then(|| mean(differences) / sd)
}
