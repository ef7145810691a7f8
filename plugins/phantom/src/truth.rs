//! The true values, as a table.

use crate::haematoma::Haematoma;
use crate::head::Head;
use ichor_image::Grid;
use ichor_sdk::Table;

/// What was counted on the voxels while the head was sampled.
#[derive(Default, Clone, Copy)]
pub struct Counts {
    /// Voxels of the cavity and of the haematoma mask.
    pub voxels: [usize; 2],
    /// Weight, sum and sum of squares of the density of blood without noise and blur.
    pub blood: [f64; 3],
    /// Sum and sum of squares of the CT within the haematoma mask.
    pub ct: [f64; 2],
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        for n in 0..2 {
            self.voxels[n] += other.voxels[n];
            self.ct[n] += other.ct[n];
        }
        for n in 0..3 {
            self.blood[n] += other.blood[n];
        }
    }
}

/// The table of true values, in the long form of measurements.
pub fn truth(head: &Head, grid: &Grid, seed: u64, cavity_ml: f64, counts: &Counts) -> Table {
    let mut t = Table::measurements();
    let voxel_ml = grid.voxel_volume_mm3() / 1000.0;
    let s = &head.subject;
    let mut all = |name: &str, value: f64, unit: &str, what: &str| t.measure("all", name, value, unit, what);
    all(
        "cavity_volume",
        cavity_ml,
        "mL",
        "inside the inner table above the plane of the foramen magnum, integrated",
    );
    all(
        "cavity_volume_voxels",
        counts.voxels[0] as f64 * voxel_ml,
        "mL",
        "the mask `cavity`; less where the field of view cuts it",
    );
    all("vault_thickness", f64::from(s.vault * head.size()), "mm", "mean thickness of the vault's bone");
    all("scalp_thickness", f64::from(s.scalp * head.size()), "mm", "scalp over the vault");
    all("atrophy", f64::from(s.atrophy), "", "0 full brain, 1 much shrunken");
    all(
        "leukoaraiosis",
        f64::from(s.leukoaraiosis),
        "HU",
        "hypodensity of white matter round the ventricles",
    );
    all("hu_csf", f64::from(s.hu.csf), "HU", "CSF");
    all("hu_white", f64::from(s.hu.white), "HU", "white matter");
    all("hu_grey", f64::from(s.hu.grey), "HU", "grey matter");
    let c = &s.calcified;
    let lumps = [c.pineal, c.choroid[0], c.choroid[1], c.pallidum, c.falx, c.carotid];
    all(
        "calcifications",
        lumps.iter().filter(|r| **r > 0.0).count() as f64,
        "",
        "kinds of calcification present, of six",
    );
    let volume = head.haematoma.as_ref().map_or(0.0, |h| h.volume_ml());
    all("haematoma_volume", volume, "mL", "clot and satellites, integrated before sampling");
    all("haematoma_volume_voxels", counts.voxels[1] as f64 * voxel_ml, "mL", "the mask `haematoma`");
    t.measure("all", "seed", seed.to_string(), "", "seed of the head");
    let Some(h) = &head.haematoma else { return t };
    haematoma(&mut t, h, head.midline_shift(), counts);
    t
}

/// The rows on the haematoma itself.
pub fn haematoma(t: &mut Table, h: &Haematoma, midline_shift: f32, counts: &Counts) {
    t.measure("all", "site", h.lesion.site.name(), "", "deep, lobar or cerebellar");
    t.measure(
        "all",
        "side",
        if h.centre[0] > 0.0 { "right" } else { "left" },
        "",
        "side of the clot's centre",
    );
    let mut all = |name: &str, value: f64, unit: &str, what: &str| t.measure("all", name, value, unit, what);
    let l = &h.lesion;
    all("irregularity", f64::from(l.irregularity), "", "0 ellipsoid to 1 many protuberances");
    all("protuberances", f64::from(h.protuberances), "", "lobes added to the ellipsoid");
    all("sphericity", h.sphericity(), "", "surface of the ball of equal volume over the main clot's surface");
    all("heterogeneity", f64::from(l.heterogeneity), "", "0 uniform to 1 swirled and patched");
    all("hypodense_patches", h.patches() as f64, "", "hypodense patches in the main clot");
    all(
        "fluid_level",
        f64::from(l.fluid_level),
        "",
        "share of the main clot that is plasma above a fluid level",
    );
    let satellites = h.satellites_ml();
    all("satellites", satellites.len() as f64, "", "separate haematomas beside the main clot");
    all("satellite_volume", satellites.iter().sum::<f64>() + 0.0, "mL", "volume of all satellites");
    all("oedema_width", f64::from(l.oedema_mm), "mm", "mean width of the rim of oedema");
    all("oedema_hu", f64::from(l.oedema_hu), "HU", "density of oedematous white matter");
    all(
        "midline_shift",
        f64::from(midline_shift),
        "mm",
        "shift of the septum pellucidum; positive to the right",
    );
    let mean_sd = |n: f64, sum: f64, squares: f64| {
        let mean = sum / n;
        (mean, (squares / n - mean * mean).max(0.0).sqrt())
    };
    let (mean, sd) = mean_sd(counts.blood[0], counts.blood[1], counts.blood[2]);
    all("blood_hu_mean", mean, "HU", "density of the blood itself: no partial volume, blur or noise");
    all("blood_hu_sd", sd, "HU", "standard deviation of the same");
    let (mean, sd) = mean_sd(counts.voxels[1] as f64, counts.ct[0], counts.ct[1]);
    all("ct_hu_mean", mean, "HU", "CT within the mask `haematoma`");
    all("ct_hu_sd", sd, "HU", "standard deviation of the same");
}
