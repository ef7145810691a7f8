//! The stage that finds the cranial cavity with atlases.

use crate::atlas::{file, shipped};
use crate::quality::Verdict;
use crate::quality::checks::{Check, overall, table};
use crate::segment::coarse::{SPACING, grid_of};
use crate::segment::fuse::Rule;
use crate::segment::{Atlases, Found, Options, segment};
use ichor_image::{Bounds, block_grid};
use ichor_sdk::prelude::*;

/// Finds the cranial cavity of a head CT: what bone encloses, atlases where there is no bone, and a level set that
/// ends at the inner table.
///
/// After Patel et al., Med. Image Anal. 36:216, 2017 (multi-atlas registration with level-set refinement), but not a
/// reproduction: (1) the CT is averaged to 2 mm, and soft tissue from which bone lies ahead in most directions is a
/// first guess that needs no atlas; (2) the mean of the atlases is registered to the scan round the cavity by an
/// affine map, started from that guess; (3) the `atlases` heads most like the scan are laid on it and fused; (4) both
/// are joined: the skull decides where there is bone, the atlases where there is none (foramen magnum, defects of the
/// skull); (5) the outline moves to the half height between brain and bone, see `refine-levelset` and
/// docs/cavity-convention.md for where a cavity ends.
///
/// The mask is never without a verdict: `qc` has the checks of `cavity-qc` and those of the atlases, each `pass`,
/// `review` or `fail`, with reasons; the last row is the worst. Where there is no head, or a skull without a brain,
/// the mask is empty or the verdict is `fail`.
#[derive(Stage)]
#[stage(id = "cavity-atlas", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "head CT without contrast")]
#[output(mask, kind = "mask", grid = "ct", doc = "cranial cavity to the inner table")]
#[output(
    agreement,
    kind = "probs",
    doc = "share of the atlases inside, on upright voxels of about 2 mm; `resample` brings it to the CT"
)]
#[output(
    qc,
    kind = "table",
    doc = "a row a check: name, value, unit, range, verdict, reason; the last: overall"
)]
pub struct CavityAtlas {
    /// Atlas set made by `build-atlas`; without it, the one in the plugin, made of phantoms.
    #[param(input_file)]
    atlas: Option<String>,
    /// How many of the atlases, the most alike, are fused.
    #[param(default = 5, min = 1, max = 64)]
    atlases: usize,
    /// How atlases are made one: `mean` of their signed distances, `majority`, `local-weighted` by likeness round each
    /// place, or `staple`.
    #[param(default = "mean")]
    fusion: Rule,
    /// Deform the atlases smoothly after the affine map.
    #[param(default = true)]
    deformable: bool,
    /// Whether what bone encloses has a say in where the front starts.
    #[param(default = true)]
    enclosure: bool,
    /// Move the outline to the inner table by the level set.
    #[param(default = true)]
    refine: bool,
    /// End the run with an error when the overall verdict is `fail`.
    #[param(default = false)]
    strict: bool,
    /// Seed of the voxels that are compared; without it, the run's seed for this stage.
    seed: Option<u64>,
}

impl CavityAtlas {
    fn options(&self, run: &Context) -> Options {
        Options {
            atlases: self.atlases,
            rule: self.fusion,
            deformable: self.deformable,
            enclosure: self.enclosure,
            refine: self.refine,
            seed: self.seed.unwrap_or_else(|| run.seed()),
        }
    }
}

impl Run for CavityAtlas {
    fn run(&self, run: &Context) -> Result<()> {
        let ct = run.input(Self::CT)?;
        let scan = *ct.grid();
        let set = match &self.atlas {
            Some(path) => {
                let bytes = std::fs::read(path)
                    .map_err(|e| Error::io(format!("the atlas set `{path}` cannot be read: {e}")))?;
                file::read(&bytes, &format!("`{path}`"))?
            }
            None => file::read(shipped::FILE, shipped::NAME)?,
        };
        let atlases = Atlases::new(run, &set)?;
        let options = self.options(run);
        let mask = run.new_mask(Self::MASK, &scan)?;
        let watch = |fraction: f64, what: &str| {
            run.progress(fraction, what);
            run.check_cancelled()
        };
        let found = match ct.voxels() {
            Voxels::I16(hu) => segment(run, (hu, &scan), &atlases, &options, mask, &watch),
            Voxels::U16(hu) => segment(run, (hu, &scan), &atlases, &options, mask, &watch),
            _ => segment(run, (&ct.to_f32(run), &scan), &atlases, &options, mask, &watch),
        }?;
        let (verdict, reasons) = overall(&found.checks);
        if self.strict && verdict == Verdict::Fail {
            return Err(Error::bad_input(format!("the cavity mask fails: {reasons}")));
        }
        if verdict != Verdict::Pass {
            run.warn(&format!("cavity mask, {}: {reasons}", verdict.name()));
        }
        run.info(&told(&found, &atlases));
        run.new_probs(Self::AGREEMENT, 1, &found.grid)?.copy_from_slice(&found.agreement);
        run.emit_table(Self::QC, &table(&found.checks))
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let ct = run.input(Self::CT)?;
        let scan = ct.grid();
        run.new_mask(Self::MASK, scan)?;
        run.new_probs(Self::AGREEMENT, 1, &grid_of(scan))?;
        let whole = Bounds { begin: [0; 3], end: scan.shape.map(|n| n as isize) };
        let coarse = block_grid(scan, &whole, SPACING).1.len().max(grid_of(scan).len()) as u64;
        // A large adult's cavity with room to move on 1 mm, as in `refine-levelset`.
        let extent = (190.0 * 220.0 * 180.0f64).min(scan.len() as f64 * scan.voxel_volume_mm3());
        let copy = if matches!(ct.dtype(), DType::I16 | DType::U16 | DType::F32) { 0 } else { 4 };
        let scratch_bytes = 48 * coarse + 28 * extent as u64 + copy * scan.len() as u64 + (48 << 20);
        Ok(Need { scratch_bytes, device_bytes: 0 })
    }
}

/// What the log says.
fn told(found: &Found, atlases: &Atlases) -> String {
    let name = |n: &usize| {
        let name = atlases.set.atlases.get(*n).and_then(|a| a.about.get("name")?.as_str());
        name.map_or_else(|| format!("{}", n + 1), ToOwned::to_owned)
    };
    let names: Vec<String> = found.chosen.iter().map(name).collect();
    let likeness = found.checks.iter().find(|c| c.name == "likeness").map_or(f64::NAN, |c: &Check| c.value);
    match &found.start {
        Some(start) => format!(
            "{:.0} mL; likeness {likeness:.3} from {start}; atlases {}; Dice coefficient with them {:.3}",
            found.ml,
            names.join(", "),
            found.atlas_dice
        ),
        None => format!("{:.0} mL; no pose of the atlases fits", found.ml),
    }
}
