//! The stage that makes an atlas set of CTs whose cavity is known.

mod groupwise;
mod head;
mod left_out;
mod manifest;

use crate::atlas::{MOST, file};
use groupwise::Group;
use head::Head;
use ichor_sdk::prelude::*;
use left_out::{LeftOut, outliers};

/// Makes an atlas set for `cavity-atlas` of head CTs with masks of their cranial cavity.
///
/// Each mask is checked first: on the grid of its CT, one piece, the volume of an adult's cavity, without bone. Heads
/// are brought to their mean by affine maps found round the cavity, twice, and stored there: signed distances to the
/// cavity's surface on voxels of `spacing_mm`, and the windowed CT on voxels twice as wide, which tells later how
/// alike a scan is. What lies more than `margin_mm` from the cavity, the face above all, is not stored, but the
/// scan's own values and what the manifest says are: whether a set may be given away is for those to decide who own
/// the scans.
///
/// Then each head is left out once and found again by the others, as `cavity-atlas` would: the report has how well.
/// Heads that the others cannot find (below the median by three times the scaled median absolute deviation, and by
/// at least 0.01) are left out of the set. Masks should follow docs/cavity-convention.md; a set of other masks finds
/// other cavities.
///
/// The file says at its beginning what is in it (names, licence, spacing, SHA-256 of every CT and mask, version of
/// the stage) and has a checksum.
#[derive(Stage)]
#[stage(id = "build-atlas", version = "1.0.0")]
#[input(cts, kind = "volume", unit = "HU", many, doc = "head CTs without contrast, at least 3, at most 64")]
#[input(cavities, kind = "mask", many, doc = "their cranial cavities, in the same order")]
#[output(set, kind = "blob", doc = "the atlas set, for the parameter `atlas` of `cavity-atlas`")]
#[output(
    report,
    kind = "table",
    doc = "a row a head: volume, likeness and Dice coefficients when left out, kept or rejected, and why"
)]
pub struct BuildAtlas {
    /// Name of the set.
    #[param(default = "atlases")]
    name: String,
    /// Under which licence or agreement the set may be used.
    #[param(default = "not stated")]
    licence: String,
    /// Names of the heads, in order; by default numbers.
    #[param(default = [])]
    names: Vec<String>,
    /// Voxels of the mean and the distances.
    #[param(default = 2.0, min = 1.0, max = 4.0, unit = "mm")]
    spacing_mm: f64,
    /// How far round the cavity CTs are stored.
    #[param(default = 15.0, min = 12.0, max = 30.0, unit = "mm")]
    margin_mm: f64,
    /// Volumes of cavities that are accepted.
    #[param(default = [900.0, 2200.0], min = 0, max = 10000, unit = "mL")]
    volume_ml: [f64; 2],
    /// Largest share of a mask that is bone (above 300 HU) more than 2 mm from the mask's surface.
    #[param(default = 0.02, min = 0.0, max = 1.0)]
    bone: f64,
    /// Leave out each head once, for the report and to reject outliers.
    #[param(default = true)]
    leave_one_out: bool,
}

/// Fewer heads have no mean.
const LEAST: usize = 3;

impl Run for BuildAtlas {
    fn run(&self, run: &Context) -> Result<()> {
        let (cts, cavities) = (run.many(Self::CTS)?, run.many(Self::CAVITIES)?);
        self.check_count(cts.len(), cavities.len())?;
        let mut heads = Vec::with_capacity(cts.len());
        for (n, (ct, cavity)) in cts.iter().zip(&cavities).enumerate() {
            run.check_cancelled()?;
            run.progress(0.2 * n as f64 / cts.len() as f64, "checking masks");
            let name = self.names.get(n).cloned().unwrap_or_else(|| (n + 1).to_string());
            heads.push(Head::new(run, name, ct, cavity, self.volume_ml, self.bone)?);
        }
        let fit: Vec<usize> = (0..heads.len()).filter(|&n| heads[n].wrong.is_none()).collect();
        self.check_fit(&fit, &heads)?;
        let watch = |fraction: f64, what: &str| {
            run.progress(fraction, what);
            run.check_cancelled()
        };
        let spacing = self.spacing_mm;
        let group = Group::new(run, &heads, &fit, (spacing, self.margin_mm), &|done, what| {
            watch(0.2 + 0.3 * done, what)
        })?;
        let mut results: Vec<Option<LeftOut>> = vec![None; heads.len()];
        if self.leave_one_out {
            for (m, &n) in fit.iter().enumerate() {
                let about = |_: f64, what: &str| watch(0.5 + 0.45 * m as f64 / fit.len() as f64, what);
                let others: Vec<usize> = fit.iter().copied().filter(|&o| o != n).collect();
                let set = group.assemble(&others, self.about(), &|o| manifest::of_head(&heads[o]));
                results[n] = Some(left_out::find(run, &set, &heads[n], &cts[n], &cavities[n], &about)?);
            }
            outliers(&mut heads, &results);
        }
        let kept: Vec<usize> = (0..heads.len()).filter(|&n| heads[n].wrong.is_none()).collect();
        self.check_fit(&kept, &heads)?;
        watch(0.95, "packing")?;
        let set = group.assemble(&kept, self.about(), &|n| {
            manifest::measured(manifest::of_head(&heads[n]), group.map(n), results[n].as_ref())
        });
        for head in &heads {
            if let Some(why) = &head.wrong {
                run.warn(&format!("head {} is not in the set: {why}", head.name));
            }
        }
        run.emit_blob(Self::SET, file::MEDIA_TYPE, file::EXTENSION, file::write(&set)?)?;
        run.emit_table(Self::REPORT, &manifest::report(&heads, &results))
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let (cts, cavities) = (run.many(Self::CTS)?, run.many(Self::CAVITIES)?);
        self.check_count(cts.len(), cavities.len())?;
        // Every head on 2 mm (CT, distance), and one scan's mask and float copy at full size.
        let coarse = |g: &Grid| g.len() as f64 * g.voxel_volume_mm3() / 8.0;
        let all: f64 = cts.iter().map(|c| 24.0 * coarse(c.grid())).sum();
        let largest = cts.iter().map(|c| 5 * c.grid().len() as u64).max().unwrap_or(0);
        Ok(Need { scratch_bytes: all as u64 + largest + (256 << 20), device_bytes: 0 })
    }
}

impl BuildAtlas {
    fn check_count(&self, cts: usize, cavities: usize) -> Result<()> {
        if cts != cavities {
            return Err(Error::bad_input(format!(
                "{cts} CTs and {cavities} masks are connected; give each CT its mask, in the same order"
            )));
        }
        if !(LEAST..=MOST).contains(&cts) {
            return Err(Error::bad_input(format!(
                "{cts} heads are connected; an atlas set is made of {LEAST} to {MOST}"
            )));
        }
        if !self.names.is_empty() && self.names.len() != cts {
            return Err(Error::bad_params(format!(
                "`names` has {} names for {cts} heads; give each its own or none at all",
                self.names.len()
            )));
        }
        Ok(())
    }

    fn check_fit(&self, fit: &[usize], heads: &[Head]) -> Result<()> {
        if fit.len() >= LEAST {
            return Ok(());
        }
        let why = heads.iter().find_map(|h| Some((&h.name, h.wrong.as_ref()?)));
        let why = why.map_or_else(String::new, |(name, why)| format!(", such as {name}: {why}"));
        Err(Error::bad_input(format!(
            "{} of {} heads are left, and an atlas set needs {LEAST}; the others were rejected{why}",
            fit.len(),
            heads.len()
        )))
    }

    fn about(&self) -> manifest::About {
        manifest::of_set(&self.name, &self.licence, self.spacing_mm, self.margin_mm)
    }
}
