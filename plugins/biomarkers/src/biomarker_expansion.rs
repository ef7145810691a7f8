//! Markers and scores of expansion.

mod clinical;
mod reported;
mod scores;

use crate::abc2::abc;
use crate::density::{Position, Scan, Settings, analyse};
use crate::fragile::note;
use crate::lesion::axial;
use crate::plane::Plane;
use clinical::Clinical;
use ichor_sdk::prelude::*;
use reported::Reported;

/// Puts the image markers of a haematoma's expansion together, and the published scores that rest on them.
///
/// Density signs come from the detector of `biomarker-heterogeneity`; shape, satellites and islands from the table of
/// `biomarker-irregularity` in `tables`, row `all`. What no table tells is null and says so. Clinical values are
/// parameters without defaults: a score that lacks one is null, and `_min` and `_max` bound it over all that the
/// missing values may be. Nothing is taken for absent because it was not given.
///
/// Scores predict groups, not patients; the image markers in them are computed and not validated on patients. For
/// research use, not for clinical decisions.
///
/// Where a definition says `fragile in`, the value moved on phantoms by more than 10 % (a sign or a count: in a tenth of
/// them) from thin slices to slices of 5 mm, by a shift of half a voxel, or when noise doubled (docs/benchmarks/density.md).
#[derive(Stage)]
#[stage(id = "biomarker-expansion", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "non-contrast head CT")]
#[input(mask, kind = "mask", grid = "ct", doc = "haematoma, without blood in ventricles")]
#[input(tables, kind = "table", many, optional, doc = "measurements of `biomarker-irregularity`")]
#[output(table, kind = "table", doc = "measurements: lesion, name, value, unit, definition")]
pub struct BiomarkerExpansion {
    /// Least difference between a patch and the clot.
    #[param(default = 5.0, min = 1.0, max = 100.0, unit = "HU")]
    min_delta_hu: f64,

    /// Least volume of a patch.
    #[param(default = 0.1, min = 0.0, unit = "mL")]
    min_patch_ml: f64,

    /// HU of brain; without it, the median of what lies 8 to 12 mm around the lesion.
    #[param(min = 0.0, max = 100.0, unit = "HU")]
    brain_hu: Option<f64>,

    /// How the patient lay: without it, a fluid level is not told from a blend sign.
    #[param(default = "unknown")]
    position: Position,

    /// Time from onset to the CT.
    #[param(min = 0.0, unit = "h")]
    onset_to_ct_h: Option<f64>,

    /// NIH stroke scale.
    #[param(min = 0, max = 42)]
    nihss: Option<u32>,

    /// Glucose in blood. For mmol/L, times 18.016.
    #[param(min = 0.0, unit = "mg/dL")]
    glucose_mg_dl: Option<f64>,

    /// Anticoagulant of any kind.
    anticoagulant: Option<bool>,

    /// Warfarin.
    warfarin: Option<bool>,

    /// An intracerebral haemorrhage before this one.
    recurrent_ich: Option<bool>,

    /// Blood in the ventricles.
    ivh: Option<bool>,

    /// Spot sign on CT angiography; `not_done` is a value of its own in scores.
    spot_sign: Option<SpotSign>,
}

/// What CT angiography showed.
#[derive(Param, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpotSign {
    Present,
    Absent,
    NotDone,
}

impl Run for BiomarkerExpansion {
    fn run(&self, run: &Context) -> Result<()> {
        let (ct, mask) = (run.input(Self::CT)?, run.input(Self::MASK)?);
        let tables: Vec<Table> = run.many(Self::TABLES)?.iter().map(Input::table).collect::<Result<_>>()?;
        let scan = Scan::of(&ct, &mask)?;
        run.emit_table(Self::TABLE, &self.measure(run, &scan, &tables, &|| run.check_cancelled())?)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let mask = run.input(Self::MASK)?;
        let voxels = mask.grid().len() as u64;
        let copy = if axial(mask.grid()) == 2 { 0 } else { voxels };
        Ok(Need { scratch_bytes: copy + 7 * voxels, device_bytes: 0 })
    }
}

impl BiomarkerExpansion {
    fn clinical(&self) -> Clinical {
        Clinical {
            hours: self.onset_to_ct_h,
            nihss: self.nihss,
            glucose: self.glucose_mg_dl,
            // Warfarin is an anticoagulant; that there is none at all says there is no warfarin.
            anticoagulant: self.anticoagulant.or_else(|| self.warfarin.filter(|w| *w)),
            warfarin: self.warfarin.or_else(|| self.anticoagulant.filter(|a| !*a)),
            recurrent: self.recurrent_ich,
            ivh: self.ivh,
            spot: self.spot_sign,
        }
    }

    fn measure(
        &self,
        par: &dyn Parallel,
        scan: &Scan,
        tables: &[Table],
        check: &dyn Fn() -> Result<()>,
    ) -> Result<Table> {
        let settings = Settings {
            min_delta_hu: self.min_delta_hu,
            min_patch_ml: self.min_patch_ml,
            brain_hu: self.brain_hu,
            position: self.position,
        };
        let analysis = analyse(par, scan, &settings, check)?;
        let volume = analysis.whole.voxels() as f64 * scan.grid.voxel_volume_mm3() / 1000.0;
        let abc = abc(par, &analysis.whole, &Plane::of(&scan.grid));
        let why = analysis.reason();
        let mut table = Table::measurements();
        let mut add = |name: &str, value: Cell, unit: &str, definition: &str, why: &str| {
            let definition = &format!("{definition}{}", note(name));
            let null = matches!(value, Cell::Null) && !why.is_empty();
            let definition =
                if null { format!("{definition}; undefined here: {why}") } else { definition.clone() };
            table.measure("all", name, value, unit, &definition);
        };
        add("volume", volume.into(), "mL", "number of voxels times the volume of a voxel", "");
        let empty = "the mask is empty";
        let kothari = abc.map(|x| x.volume_ml());
        let text =
            "A x B x C / 2, slices weighted by area (Kothari, Stroke 1996); 0.652 of an ellipsoid's volume";
        add("abc2", kothari.into(), "mL", text, empty);
        let whole = abc.map(|x| x.unweighted_ml());
        let text = "A x B x C / 2, every slice counted in full; 0.955 of an ellipsoid's volume";
        add("abc2_unweighted", whole.into(), "mL", text, empty);
        for (suffix, estimate) in [("", kothari), ("_unweighted", whole)] {
            let name = format!("abc2{suffix}_error");
            let text = format!("abc2{suffix} less volume");
            add(&name, estimate.map(|e| e - volume).into(), "mL", &text, empty);
            let percent = estimate.filter(|_| volume > 0.0).map(|e| 100.0 * (e / volume - 1.0));
            add(&format!("{name}_percent"), percent.into(), "%", &format!("{text}, over volume"), empty);
        }

        let markers = scores::Markers {
            volume,
            blend: analysis.any(|s| s.blend),
            hypodensity: analysis.any(|s| Some(s.hypodensity())),
            black_hole: analysis.any(|s| Some(s.black_hole())),
            swirl: analysis.any(|s| s.swirl()),
            fluid_level: analysis.any(|s| s.fluid_level),
            heterogeneous: analysis.judged().map(|s| s.barras() >= 3).reduce(|a, b| a || b),
            island: Reported::of(tables, "island_sign"),
            satellite: Reported::of(tables, "satellite_sign"),
            irregular: Reported::of(tables, "barras_irregular"),
        };
        scores::rows(&mut add, &markers, &self.clinical(), &why);
        Ok(table)
    }
}

#[cfg(test)]
mod tests;
