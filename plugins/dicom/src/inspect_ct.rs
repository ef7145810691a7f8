//! Looks whether a CT of a head is fit for measuring.

use crate::findings::{Findings, Verdict};
use crate::judge::{Done, judge};
use crate::kernel::{Class, class};
use crate::place::{Place, Stack};
use crate::series::FEWEST;
use crate::slice::{cross, dot};
use crate::voxels::{Sample, Visit, visit};
use crate::{head, histogram, noise, slice_table};
use ichor_sdk::prelude::*;

/// Noise from here on, with little correlation of neighbours, is that of a sharp kernel, HU.
const SHARP_NOISE: f64 = 12.0;
const SHARP_CORRELATION: f64 = 0.25;

/// Looks whether a CT of a head is fit for measuring.
///
/// Looked at are: gantry tilt (shear of the affine), slices that are there twice or too few, whether values are HU (air
/// near -1000, the median of the head, padding), noise and the kernel's class, and whether the head is cut off at the
/// vertex or above the foramen magnum. With `slices`, the table of load-dicom, also what the scanner's slices were
/// like: their distances, missing ones, overlap, the tilt that was undone. A volume alone is a regular grid and does
/// not tell.
///
/// The kernel's class comes from its name, if it is known; else it is guessed from the noise of soft tissue and said
/// to be a guess. Whether the head is cut off is judged by the area that bone encloses in the first and the last slice,
/// compared with the largest: above 4 % at the top (or tissue above 35 %) and above 40 % at the bottom are a warning.
#[derive(Stage)]
#[stage(id = "inspect-ct", version = "1.0.0", bytes_per_voxel = 0.5)]
#[input(ct, kind = "volume", doc = "a CT of a head, in HU")]
#[input(slices, kind = "table", optional, doc = "the slices that the CT was made of, from load-dicom")]
#[output(
    report,
    kind = "table",
    doc = "a row for each finding: finding, value, unit, verdict (ok, repaired, warn, fail), text"
)]
pub struct InspectCt {
    /// Fails when a finding's verdict is `fail`; else it is reported only.
    #[param(default = false)]
    strict: bool,
}

impl Run for InspectCt {
    fn run(&self, run: &Context) -> Result<()> {
        let ct = run.input(Self::CT)?;
        let table = run.optional(Self::SLICES)?.map(|t| t.table()).transpose()?;
        let known = table.map(|t| slice_table::read(&t)).transpose()?;
        let grid = ct.grid();
        let axis = slice_axis(grid);
        let mut f = Findings::default();

        let n = grid.shape[axis];
        let few = if n < FEWEST { Verdict::Fail } else { Verdict::Ok };
        f.add(
            "slices",
            n as f64,
            "",
            few,
            if n < FEWEST { "too few for a volume".into() } else { grid.to_string() },
        );
        let stack = known.as_ref().and_then(|k| Stack::measure(&k.places));
        match (&stack, &known) {
            (Some(stack), Some(known)) => {
                let untilted = !of_grid(grid, axis).is_some_and(|s| s.is_tilted());
                judge(&mut f, stack, known.tilt, Done { untilted, evened: true });
            }
            _ => {
                if let Some(stack) = of_grid(grid, axis) {
                    tilt_of_grid(&mut f, &stack);
                }
            }
        }
        run.progress(0.1, "comparing slices");
        repeated(&mut f, visit(ct.voxels(), Repeats { par: run, shape: grid.shape, axis }));
        run.check_cancelled()?;
        run.progress(0.3, "counting values");
        visit(ct.voxels(), histogram::Count(run)).judge(&mut f);
        run.check_cancelled()?;
        run.progress(0.6, "measuring noise");
        let measured = visit(ct.voxels(), noise::Measure { par: run, shape: grid.shape, axis });
        let meta = ct.meta();
        let name =
            known.and_then(|k| k.kernel).or_else(|| meta["ct"]["kernel"].as_str().map(ToOwned::to_owned));
        kernel(&mut f, name.as_deref(), measured);
        run.check_cancelled()?;
        run.progress(0.8, "looking for the skull");
        let (vertical, up) = vertical(grid);
        visit(ct.voxels(), head::Measure { par: run, grid, axis: vertical }).judge(&mut f, up);

        // What was repaired, the loader has said.
        f.log(run, &[Verdict::Warn, Verdict::Fail]);
        if let Some(failures) = f.failures().filter(|_| self.strict) {
            return Err(Error::bad_input(format!("the CT is not fit for use: {failures}")));
        }
        run.emit_table(Self::REPORT, &f.table())
    }
}

/// The axis across slices: the one with the largest voxels; of equals, the one that is nearest to upright.
fn slice_axis(grid: &Grid) -> usize {
    let spacing = grid.spacing();
    let (vertical, _) = vertical(grid);
    (0..3).fold(vertical, |best, a| if spacing[a] > 1.001 * spacing[best] { a } else { best })
}

/// The axis that is nearest to the patient's long axis, and whether it points to the head.
fn vertical(grid: &Grid) -> (usize, bool) {
    let letters = grid.affine.orientation();
    let axis = letters.iter().position(|l| matches!(l, 'S' | 'I')).unwrap_or(2);
    (axis, letters[axis] == 'S')
}

/// The grid's slices as a stack. Positions are RAS here, which changes no angle and no distance.
fn of_grid(grid: &Grid, axis: usize) -> Option<Stack> {
    let column = |c: usize| grid.affine.0.map(|row| row[c]);
    let unit = |v: [f64; 3]| {
        let length = dot(v, v).sqrt();
        v.map(|x| x / length)
    };
    let [a, b] = [(axis + 1) % 3, (axis + 2) % 3];
    let along_row = unit(column(a));
    // Square to the row in the plane of the slice, so that the normal has length 1; to the side on which slices rise.
    let normal = unit(cross(column(a), column(b)));
    let side = if dot(normal, column(axis)) < 0.0 { -1.0 } else { 1.0 };
    let along_column = cross(normal, along_row).map(|v| v * side);
    let spacing = grid.spacing();
    let places: Vec<Place> = (0..grid.shape[axis])
        .map(|n| Place {
            position: std::array::from_fn(|r| grid.affine.0[r][3] + n as f64 * grid.affine.0[r][axis]),
            along_row,
            along_column,
            spacing: [spacing[a], spacing[b]],
            thickness: None,
        })
        .collect();
    Stack::measure(&places)
}

fn tilt_of_grid(f: &mut Findings, stack: &Stack) {
    if stack.is_tilted() {
        let text = "the affine is sheared: slices lie shifted above each other, which many programs ignore";
        f.add("gantry tilt", stack.tilt(), "deg", Verdict::Warn, text);
    } else {
        f.add("gantry tilt", stack.tilt(), "deg", Verdict::Ok, "the affine is not sheared");
    }
}

/// Neighbouring slices that are the same.
struct Repeats<'a> {
    par: &'a dyn Parallel,
    shape: [usize; 3],
    axis: usize,
}

impl Visit for Repeats<'_> {
    type Out = usize;

    fn visit<T: Sample>(self, voxels: &[T]) -> usize {
        let [nx, ny, _] = self.shape;
        let stride = [1, nx, nx * ny];
        let plane: Vec<usize> = (0..3).filter(|&a| a != self.axis).collect();
        let (a, b) = (plane[0], plane[1]);
        let same = |n: usize| {
            let value = |x: usize, y: usize, n: usize| {
                voxels.get(x * stride[a] + y * stride[b] + n * stride[self.axis]).copied()
            };
            let first = value(0, 0, n);
            let mut differs = false; // within the slice: one colour is no picture
            for y in 0..self.shape[b] {
                for x in 0..self.shape[a] {
                    let v = value(x, y, n);
                    if v != value(x, y, n + 1) {
                        return false;
                    }
                    differs |= v != first;
                }
            }
            differs
        };
        let pairs = self.shape[self.axis].saturating_sub(1);
        map_ranges(self.par, pairs, 1, &|range| usize::from(same(range.start))).into_iter().sum()
    }
}

fn repeated(f: &mut Findings, n: usize) {
    if n > 0 {
        f.add("repeated slices", n as f64, "", Verdict::Warn, "slices that are the same as the one before");
    } else {
        f.add("repeated slices", 0.0, "", Verdict::Ok, "no slice is the same as the one before");
    }
}

fn kernel(f: &mut Findings, name: Option<&str>, measured: Option<noise::Noise>) {
    let Some(noise) = measured else {
        f.add("noise", None, "HU", Verdict::Warn, "too little soft tissue to measure it");
        return named(f, name, None);
    };
    let text = format!(
        "median standard deviation in soft tissue; neighbouring pixels correlate by {:.2}",
        noise.correlation
    );
    f.add("noise", noise.deviation, "HU", Verdict::Ok, text);
    named(f, name, Some(noise));
}

fn named(f: &mut Findings, name: Option<&str>, noise: Option<noise::Noise>) {
    const SHARP: &str = "a sharp kernel: noise and edges mislead thresholds of HU";
    match (name, name.and_then(class), noise) {
        (Some(name), Some(Class::Soft), _) => {
            f.add("kernel", None, "", Verdict::Ok, format!("{name}, for soft tissue"));
        }
        (Some(name), Some(Class::Sharp), _) => {
            f.add("kernel", None, "", Verdict::Warn, format!("{name}, {SHARP}"))
        }
        (name, _, Some(noise)) => {
            let known =
                name.map_or("not stated".to_owned(), |name| format!("{name}, a name that is not known here"));
            if noise.deviation > SHARP_NOISE && noise.correlation < SHARP_CORRELATION {
                let text = format!("{known}; by its noise (a guess) {SHARP}");
                f.add("kernel", None, "", Verdict::Warn, text);
            } else {
                f.add(
                    "kernel",
                    None,
                    "",
                    Verdict::Ok,
                    format!("{known}; by its noise (a guess) for soft tissue"),
                );
            }
        }
        (_, _, None) => {
            f.add("kernel", None, "", Verdict::Warn, "not known, and not to be guessed without soft tissue")
        }
    }
}
