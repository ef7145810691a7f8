//! The stage that moves the outline of a mask to the inner table.

use crate::enclosure::{Enclosing, enclosure};
use crate::levelset::evolve::{Field, Outcome, evolve, half_width, start};
use crate::levelset::finish::one_piece;
use crate::levelset::native::write;
use crate::levelset::work::{Work, part_of};
use crate::levelset::{Densities, Motion};
use ichor_image::{Bounds, Interpolation, average_blocks, bounding_box, resample, upright};
use ichor_sdk::prelude::*;

/// Moves the outline of a cranial cavity to the inner table of the skull, by a geodesic active contour.
///
/// The front goes to the half height between brain and bone: along its normal, from inside outward, the first peak
/// of at least `bone_hu` is the inner table, and the edge is where the CT first crosses half way between
/// `brain_hu` and that peak; in thick slices a little higher, so that half of a voxel lies inside. So it does not depend on a fixed threshold, and thin bone has its edge where thick
/// bone has it. Where no bone lies within `bone_range_mm` ahead (foramen magnum, smaller foramina, defects of the
/// skull), the front holds to the prior: `prior` or, without it, the mask that it started from. On a grid of about
/// 1 mm, 2 mm across thicker slices; the distance is then read at the scan's own voxels, so the outline is finer
/// than a voxel. Largest piece, holes filled. See docs/cavity-convention.md for where a cavity ends.
///
/// The mask may come from anywhere: an atlas, thresholds, a network, a hand. It should be within some
/// `time_step` x `iterations` mm of the inner table and mostly inside the skull. Without a mask, what bone encloses
/// in most directions is the start.
#[derive(Stage)]
#[stage(id = "refine-levelset", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "head CT without contrast")]
#[input(mask, kind = "mask", grid = "ct", optional, doc = "cranial cavity to start from")]
#[input(
    prior,
    kind = "mask|probs",
    grid = "ct",
    optional,
    doc = "where the cavity ends when there is no bone (cut at 0.5); without it, the start"
)]
#[output(mask, kind = "mask", grid = "ct", doc = "cranial cavity to the inner table")]
#[output(table, kind = "table", doc = "volumes before and after, steps, share of the outline without bone")]
pub struct RefineLevelset {
    /// Weight c of the speed that Hounsfield units give.
    #[param(default = 1.0, min = 0.0, max = 5.0)]
    propagation_weight: f64,
    /// Weight beta of the curvature: more keeps the front out of small openings and rounds corners.
    #[param(default = 0.3, min = 0.0, max = 2.0, unit = "mm")]
    curvature_weight: f64,
    /// Weight eta of the attraction to edges of the image. The half height needs no help from it.
    #[param(default = 0.0, min = 0.0, max = 5.0, unit = "mm")]
    advection_weight: f64,
    /// Weight gamma of the pull toward the prior where no bone lies ahead, for each mm of distance.
    #[param(default = 0.2, min = 0.0, max = 2.0, unit = "1/mm")]
    prior_weight: f64,
    /// Share of `prior_weight` that holds where bone lies ahead.
    #[param(default = 0.0, min = 0.0, max = 1.0)]
    prior_at_bone: f64,
    /// Slope of the image at which the edge indicator is one half.
    #[param(default = 25.0, min = 1.0, max = 500.0, unit = "HU/mm")]
    edge_scale: f64,
    /// Time of a step: what the front moves at speed 1. Shorter where fine voxels need it.
    #[param(default = 0.25, min = 0.01, max = 0.35, unit = "mm")]
    time_step: f64,
    /// Most steps; 0 leaves the start as it is at working resolution.
    #[param(default = 40, max = 1000)]
    iterations: u32,
    /// Ends when the front moves less than this in 5 steps, mean over its voxels.
    #[param(default = 0.02, min = 0.0, max = 1.0, unit = "mm")]
    tolerance: f64,
    /// Hounsfield units of brain under the skull.
    #[param(default = 35.0, min = 0.0, max = 100.0, unit = "HU")]
    brain_hu: f64,
    /// Least peak that is bone. Thin bone in thick slices has a low one.
    #[param(default = 200.0, min = 120.0, max = 1000.0, unit = "HU")]
    bone_hu: f64,
    /// How far ahead of the front bone is looked for.
    #[param(default = 12.0, min = 2.0, max = 40.0, unit = "mm")]
    bone_range_mm: f64,
}

/// Voxels of the grid of the first guess, mm.
const COARSE: f64 = 2.0;
/// The box around a large adult's cavity with room to move, mm³.
const BOX_MM3: f64 = 190.0 * 220.0 * 180.0;
/// Bytes a working voxel: CT, phi, prior, edges, speed, a copy of one of them and marks.
const WORK_BYTES: f64 = 28.0;

impl Run for RefineLevelset {
    fn run(&self, run: &Context) -> Result<()> {
        let ct = run.input(Self::CT)?;
        let scan = *ct.grid();
        let mask = run.optional(Self::MASK)?;
        let prior = run.optional(Self::PRIOR)?;
        let given = Given {
            mask: mask.as_ref().map(Input::mask).transpose()?,
            prior: prior.as_ref().map(Input::voxels),
            check: &|fraction, what| {
                run.progress(fraction, what);
                run.check_cancelled()
            },
        };
        let out = run.new_mask(Self::MASK, &scan)?;
        let report = match ct.voxels() {
            Voxels::I16(hu) => self.refine(run, hu, &scan, &given, out),
            Voxels::U16(hu) => self.refine(run, hu, &scan, &given, out),
            _ => self.refine(run, &ct.to_f32(run), &scan, &given, out),
        }?;
        if report.outcome.steps > 0 && report.outcome.moved >= 5.0 * self.tolerance {
            run.warn(&format!(
                "the front still moves after {} steps (by {:.2} mm in the last 5, on average): the mask may be far \
                 from the inner table; raise `iterations`",
                report.outcome.steps, report.outcome.moved
            ));
        }
        run.emit_table(Self::TABLE, &report.table())
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let ct = run.input(Self::CT)?;
        let scan = ct.grid();
        run.new_mask(Self::MASK, scan)?;
        let whole = Bounds { begin: [0; 3], end: scan.shape.map(|n| n as isize) };
        let work = Work::new(scan, whole)?.grid;
        let extent = BOX_MM3.min(scan.len() as f64 * scan.voxel_volume_mm3());
        let bytes = WORK_BYTES * extent / work.voxel_volume_mm3();
        let copy = if matches!(ct.dtype(), DType::I16 | DType::U16 | DType::F32) { 0 } else { 4 };
        Ok(Need { scratch_bytes: bytes as u64 + copy * scan.len() as u64, device_bytes: 0 })
    }
}

/// What the front starts from and holds to.
struct Given<'a> {
    mask: Option<&'a [u8]>,
    prior: Option<Voxels<'a>>,
    check: &'a dyn Fn(f64, &str) -> Result<()>,
}

/// What came out.
struct Report {
    start_ml: f64,
    end_ml: f64,
    outcome: Outcome,
}

impl Report {
    fn table(&self) -> Table {
        let mut t = Table::measurements();
        let mut all =
            |name: &str, value: Cell, unit: &str, what: &str| t.measure("all", name, value, unit, what);
        all("start_volume", self.start_ml.into(), "mL", "inside the front before it moved");
        all("volume", self.end_ml.into(), "mL", "inside the front at its end, between voxels too");
        all("steps", self.outcome.steps.into(), "", "steps of the level set");
        let what = "how far the front moved in the last 5 steps, mean over its voxels";
        all("moved", self.outcome.moved.into(), "mm", what);
        let what = "share of the front ahead of which no bone lies, so that the prior decided";
        all("open_share", self.outcome.open.into(), "", what);
        all("band", self.outcome.band.into(), "", "voxels of the narrow band");
        t
    }
}

impl RefineLevelset {
    fn motion(&self) -> Motion {
        Motion {
            propagation: self.propagation_weight as f32,
            curvature: self.curvature_weight as f32,
            advection: self.advection_weight as f32,
            prior: self.prior_weight as f32,
            prior_at_bone: self.prior_at_bone as f32,
            edge_scale: self.edge_scale as f32,
            time_step: self.time_step as f32,
            iterations: self.iterations,
            tolerance: self.tolerance,
        }
    }

    fn refine<T: Copy + Sync + Into<f32>>(
        &self,
        par: &dyn Parallel,
        hu: &[T],
        scan: &Grid,
        given: &Given,
        out: &mut [u8],
    ) -> Result<Report> {
        (given.check)(0.0, "averaging to 1 mm")?;
        let travel = f64::from(self.iterations) * self.time_step * self.propagation_weight;
        let (work, mut phi) = match given.mask {
            Some(mask) => {
                let bounds = bounding_box(par, mask, scan.shape).ok_or_else(|| {
                    Error::bad_input("the mask is empty: there is no outline to start from")
                })?;
                let work = Work::new(scan, part_of(scan, scan, &bounds, margin(travel))?)?;
                let share = work.bring(par, mask, scan, 0.0);
                (work, share)
            }
            None => first_guess(par, hu, scan, travel)?,
        };
        let (shape, spacing) = (work.grid.shape, work.grid.spacing());
        if shape.iter().any(|&n| n < 3) {
            return Err(Error::bad_input(format!("{scan} are too few to move an outline in")));
        }
        let outline = |share: &mut [f32]| {
            share.iter_mut().for_each(|v| *v = 0.5 - *v);
            start(par, share, shape, spacing);
        };
        outline(&mut phi);
        let start_ml = inside_ml(&phi, &work.grid);
        if start_ml == 0.0 {
            return Err(Error::bad_input("the mask is too small: it vanishes at 1 mm"));
        }
        let prior = match given.prior {
            None => None,
            Some(values) => {
                let mut prior = match values {
                    Voxels::U8(v) => work.bring(par, v, scan, 0.0),
                    Voxels::F32(v) => work.bring(par, v, scan, 0.0),
                    _ => return Err(Error::bad_input("input `prior` is neither a mask nor probabilities")),
                };
                outline(&mut prior);
                Some(prior)
            }
        };
        let hu = work.bring(par, hu, scan, -1024.0);
        (given.check)(0.3, "moving the front")?;
        let prior = prior.unwrap_or_else(|| phi.clone());
        let field = Field { hu: &hu, prior: &prior, shape, spacing, slab: work.slab };
        let densities = Densities {
            brain: self.brain_hu as f32,
            bone: self.bone_hu as f32,
            range: self.bone_range_mm as f32,
        };
        let check = |done: f64| (given.check)(0.3 + 0.5 * done, "moving the front");
        let outcome = evolve(par, &mut phi, &field, &self.motion(), densities, &check)?;
        drop((hu, prior));
        if one_piece(par, &mut phi, shape) == 0 {
            return Err(Error::bad_input(
                "nothing is left of the mask: it lies in bone or air, not in the cranial cavity",
            ));
        }
        (given.check)(0.9, "writing the mask")?;
        write(par, &phi, &work, scan, out)?;
        Ok(Report { start_ml, end_ml: inside_ml(&phi, &work.grid), outcome })
    }
}

/// Room around the start: for the front's way, the band and its neighbours.
fn margin(travel: f64) -> f64 {
    travel.min(15.0) + f64::from(half_width([2.0; 3])) + 3.0
}

/// Volume inside the front, with partial voxels.
fn inside_ml(phi: &[f32], grid: &Grid) -> f64 {
    let size = grid.voxel_volume_mm3().cbrt();
    let sum: f64 = phi.iter().map(|&p| (0.5 - f64::from(p) / size).clamp(0.0, 1.0)).sum();
    if sum < 1.0 { 0.0 } else { sum * grid.voxel_volume_mm3() / 1000.0 }
}

/// The working grid around what bone encloses, and shares of that.
fn first_guess<T: Copy + Sync + Into<f32>>(
    par: &dyn Parallel,
    hu: &[T],
    scan: &Grid,
    travel: f64,
) -> Result<(Work, Vec<f32>)> {
    let whole = Bounds { begin: [0; 3], end: scan.shape.map(|n| n as isize) };
    let (small, from) = average_blocks(par, hu, scan, &whole, COARSE);
    let grid = upright(&from, [COARSE; 3]);
    let hu = resample(par, &small, &from, &grid, Interpolation::Linear, -1024.0);
    let thickest = scan.spacing().into_iter().fold(0.0, f64::max);
    let found = enclosure(par, &hu, &grid, &Enclosing::of_slices(thickest)).ok_or_else(|| {
        Error::bad_input(
            "bone encloses no cavity of soft tissue: check that the image is a head CT in HU, or give a mask",
        )
    })?;
    let bounds = bounding_box(par, &found.mask, grid.shape)
        .ok_or_else(|| Error::internal("the first guess is empty"))?;
    let work = Work::new(scan, part_of(scan, &grid, &bounds, margin(travel))?)?;
    let mask: Vec<f32> = found.mask.iter().map(|&v| f32::from(v)).collect();
    let share = resample(par, &mask, &grid, &work.grid, Interpolation::Linear, 0.0);
    Ok((work, share))
}
