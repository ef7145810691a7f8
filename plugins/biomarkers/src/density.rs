//! Density within haematomas: patches darker than the clot, found by one detector, and the signs that they make.
//! `biomarker-heterogeneity` and `biomarker-expansion` share it.

mod edge;
mod field;
mod level;
mod patches;
mod scan;
mod signs;

pub use patches::Patch;
pub use scan::Scan;
pub use signs::Signs;

use crate::lesion::{Lesion, of_clusters};
use field::Field;
use ichor_image::{Clusters, Connectivity};
use ichor_sdk::prelude::*;

/// What lies below the patient, so that a fluid level can be told from any other border.
#[derive(Param, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    Unknown,
    Supine,
    Prone,
    LeftDown,
    RightDown,
}

impl Position {
    /// The direction against gravity, RAS+.
    pub fn up(self) -> Option<[f64; 3]> {
        match self {
            Self::Unknown => None,
            Self::Supine => Some([0.0, 1.0, 0.0]),
            Self::Prone => Some([0.0, -1.0, 0.0]),
            Self::LeftDown => Some([1.0, 0.0, 0.0]),
            Self::RightDown => Some([-1.0, 0.0, 0.0]),
        }
    }
}

/// What the detector is told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Least difference from the clot, HU.
    pub min_delta_hu: f64,
    /// Least volume of a patch, mL.
    pub min_patch_ml: f64,
    /// HU of brain; measured around the lesion when absent.
    pub brain_hu: Option<f64>,
    pub position: Position,
}

/// Lesions below this are not looked into, mL: they have no inside 2 mm from their edge worth a histogram.
const LEAST_LESION_ML: f64 = 0.5;

/// What was found in one lesion.
pub struct Inside {
    pub lesion: Lesion,
    /// HU of voxels away from the lesion's edge, in the order of memory.
    pub core_hu: Vec<f32>,
    /// Patches and signs, or why there are none to tell.
    pub signs: std::result::Result<Signs, String>,
    /// The voxels of the scan that each patch covers.
    places: Vec<Vec<usize>>,
}

/// Everything found in a mask.
pub struct Analysis {
    pub whole: Lesion,
    /// By decreasing volume; of equals, the first in memory comes first.
    pub lesions: Vec<Inside>,
}

impl Analysis {
    /// Lesions whose inside could be judged.
    pub fn judged(&self) -> impl Iterator<Item = &Signs> {
        self.lesions.iter().filter_map(|l| l.signs.as_ref().ok())
    }

    /// Why nothing could be judged.
    pub fn reason(&self) -> String {
        match self.lesions.first() {
            None => "the mask is empty".into(),
            Some(l) => l.signs.as_ref().err().cloned().unwrap_or_default(),
        }
    }

    /// A sign over all lesions: true where one has it, false where all that could be judged have not, `None` where
    /// none could be judged or where one is not known.
    pub fn any(&self, of: impl Fn(&Signs) -> Option<bool>) -> Option<bool> {
        let found: Vec<Option<bool>> = self.judged().map(of).collect();
        if found.contains(&Some(true)) {
            return Some(true);
        }
        (!found.is_empty() && !found.contains(&None)).then_some(false)
    }

    /// Writes the number of each patch's sign into a label map of the scan, all 0 before.
    pub fn paint(&self, out: &mut [u8]) {
        for lesion in &self.lesions {
            let Ok(signs) = &lesion.signs else { continue };
            for (n, places) in lesion.places.iter().enumerate() {
                let value = signs.label(n);
                for &at in places {
                    if let Some(out) = out.get_mut(at) {
                        *out = value;
                    }
                }
            }
        }
    }
}

/// Looks into every lesion of a scan.
///
/// # Errors
/// HU that are not finite, or the run was cancelled.
pub fn analyse(
    par: &dyn Parallel,
    scan: &Scan,
    settings: &Settings,
    check: &dyn Fn() -> Result<()>,
) -> Result<Analysis> {
    let clusters = Clusters::new(par, &scan.mask, scan.grid.shape, Connectivity::TwentySix);
    let (whole, mut each) = of_clusters(&clusters, true);
    drop(clusters);
    each.sort_by_key(|lesion| std::cmp::Reverse(lesion.voxels()));
    let mut lesions = Vec::with_capacity(each.len());
    for lesion in each {
        check()?;
        lesions.push(look_into(par, scan, lesion, settings)?);
    }
    Ok(Analysis { whole, lesions })
}

fn look_into(par: &dyn Parallel, scan: &Scan, lesion: Lesion, settings: &Settings) -> Result<Inside> {
    let volume = lesion.voxels() as f64 * scan.grid.voxel_volume_mm3() / 1000.0;
    if volume < LEAST_LESION_ML {
        let reason = format!("the lesion is smaller than {LEAST_LESION_ML} mL");
        return Ok(Inside { lesion, core_hu: Vec::new(), signs: Err(reason), places: Vec::new() });
    }
    let field = Field::of(par, scan, &lesion, settings.brain_hu)?;
    let core_hu = field.core_voxels().map(|n| field.hu[n]).collect();
    let found = patches::detect(par, &field, settings);
    let places = found.as_ref().map_or_else(
        |_| Vec::new(),
        |f| {
            f.patches
                .iter()
                .map(|p| p.voxels.iter().map(|&n| field.place(scan, n as usize)).collect())
                .collect()
        },
    );
    let signs = found.map(|found| Signs::of(par, &field, found, settings));
    Ok(Inside { lesion, core_hu, signs, places })
}

#[cfg(test)]
mod tests;
