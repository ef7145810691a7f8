//! Each head found by the others: how good the set is, and who does not belong in it.

use super::head::Head;
use crate::atlas::AtlasSet;
use crate::segment::fuse::Rule;
use crate::segment::{Atlases, Options, Watch, segment, verdict};
use ichor_sdk::{Context, Input, Result, Voxels};

/// Scales the median absolute deviation to the standard deviation of a normal distribution.
const NORMAL: f64 = 1.4826;
/// So many of them below the median, and at least so much, is an outlier.
const DEVIATIONS: f64 = 3.0;
const LEAST: f64 = 0.01;

/// What came of a head when it was left out.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// Correlation with the mean of the others.
    pub likeness: f64,
    /// Dice coefficient of the fused atlases with the mask, on 2 mm.
    pub fused: f64,
    /// Of the whole stage's mask with the mask, on the scan's voxels.
    pub whole: f64,
    /// Verdict of the checks.
    pub verdict: &'static str,
}

/// Finds the cavity of `head` with a set that it is not in.
///
/// # Errors
/// Those of `watch`.
pub fn find(
    run: &Context,
    set: &AtlasSet,
    head: &Head,
    ct: &Input,
    cavity: &Input,
    watch: Watch,
) -> Result<LeftOut> {
    let atlases = Atlases::new(run, set)?;
    let options =
        Options { atlases: 5, rule: Rule::Mean, deformable: true, enclosure: true, refine: true, seed: 1 };
    let scan = &head.scan;
    let mut mask = vec![0u8; scan.len()];
    let found = match ct.voxels() {
        Voxels::I16(hu) => segment(run, (hu, scan), &atlases, &options, &mut mask, watch),
        Voxels::U16(hu) => segment(run, (hu, scan), &atlases, &options, &mut mask, watch),
        _ => segment(run, (&ct.to_f32(run), scan), &atlases, &options, &mut mask, watch),
    }?;
    let pairs = |a: &mut dyn Iterator<Item = (bool, bool)>| {
        let (mut both, mut sum) = (0u64, 0u64);
        for (x, y) in a {
            both += u64::from(x && y);
            sum += u64::from(x) + u64::from(y);
        }
        2.0 * both as f64 / sum.max(1) as f64
    };
    let likeness = found.checks.iter().find(|c| c.name == "likeness").map_or(f64::NAN, |c| c.value);
    Ok(LeftOut {
        likeness,
        fused: pairs(&mut found.agreement.iter().zip(&head.share).map(|(&a, &s)| (a >= 0.5, s >= 0.5))),
        whole: pairs(&mut mask.iter().zip(cavity.mask()?).map(|(&a, &b)| (a != 0, b != 0))),
        verdict: verdict(&found.checks).name(),
    })
}

/// Marks heads that the others do not find.
pub fn outliers(heads: &mut [Head], results: &[Option<LeftOut>]) {
    let all: Vec<f64> = results.iter().flatten().map(|r| r.fused).collect();
    let Some(limit) = limit(&all) else { return };
    for (head, result) in heads.iter_mut().zip(results) {
        if let Some(result) = result
            && result.fused < limit
        {
            head.wrong = Some(format!(
                "an outlier: the other atlases agree with its mask by a Dice coefficient of {:.3}, below {limit:.3}",
                result.fused
            ));
        }
    }
}

/// Below it a value is an outlier.
fn limit(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    let deviation = median(&values.iter().map(|v| (v - middle).abs()).collect::<Vec<f64>>())?;
    Some(middle - (DEVIATIONS * NORMAL * deviation).max(LEAST))
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[half]),
        _ => Some(0.5 * (sorted[half - 1] + sorted[half])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_lie_below_the_median_by_three_deviations() {
        let alike = [0.96, 0.961, 0.959, 0.96];
        assert!((limit(&alike).unwrap() - 0.95).abs() < 1e-12);
        // Median 0.9, deviations 0.04, 0.02, 0, 0.02, 0.04, so 0.02.
        let spread = [0.86, 0.88, 0.9, 0.92, 0.94];
        assert!((limit(&spread).unwrap() - (0.9 - 3.0 * 1.4826 * 0.02)).abs() < 1e-12);
        assert_eq!(limit(&[]), None);
    }
}
