//! From a stack of slices to the grid of a volume, and how slices come onto it.
//!
//! DICOM's coordinates (LPS) become RAS+ here, and nowhere else.

use crate::place::Stack;
use ichor_sdk::prelude::*;

/// What to do with a stack whose slices are shifted against each other by a tilted gantry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Tilt {
    /// Shift each slice in its own plane, so that the volume is orthogonal.
    Correct,
    /// Keep the shear, in the affine.
    Keep,
    /// Fail.
    Refuse,
}

/// What to do with a stack whose distances differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Irregular {
    /// Interpolate at equal distances.
    Resample,
    /// Fail.
    Refuse,
}

/// A gap of more than so many usual distances is not filled.
pub const WIDEST_GAP: f64 = 3.0;
/// No gantry tilts further, degrees.
const STEEPEST: f64 = 45.0;
/// No stack is as crooked, mm.
const MOST_CROOKED: f64 = 20.0;
/// A grid of more voxels than so many times those of the slices is a mistake.
const GROWTH: usize = 8;

/// The grid of the volume, and where slices lie on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub grid: Grid,
    /// Position of each slice along k, in voxels.
    pub k: Vec<f64>,
    /// Position of each slice's first pixel along i and j, in voxels.
    pub ij: Vec<[f64; 2]>,
    /// Whether slices become the grid's slices as they are.
    pub is_copy: bool,
    /// Whether slices were shifted to undo a tilt.
    pub untilted: bool,
}

/// Lays out a stack of slices of so many columns and rows.
pub fn lay_out(
    stack: &Stack,
    [columns, rows]: [usize; 2],
    tilt: Tilt,
    irregular: Irregular,
) -> Result<Layout> {
    check(stack, tilt, irregular)?;
    let slices = stack.depth.len();
    let regular = stack.is_regular() && !stack.is_crooked();
    let step = if stack.is_regular() { stack.mean_step() } else { stack.median };
    let length = stack.depth.last().copied().unwrap_or(0.0);
    let count = if stack.is_regular() { slices } else { (length / step).round() as usize + 1 };
    let shear = if stack.is_tilted() && tilt == Tilt::Keep { stack.shear } else { [0.0; 2] };
    let untilted = stack.is_tilted() && tilt == Tilt::Correct;
    let is_copy = regular && !untilted;

    let spacing = stack.first.spacing;
    let k: Vec<f64> = if stack.is_regular() {
        (0..slices).map(|n| n as f64).collect()
    } else {
        stack.depth.iter().map(|d| d / step).collect()
    };
    let ij: Vec<[f64; 2]> = stack
        .shift
        .iter()
        .zip(&stack.depth)
        .map(|(s, d)| if is_copy { [0.0; 2] } else { [0, 1].map(|a| (s[a] - shear[a] * d) / spacing[a]) })
        .collect();
    // The grid covers every slice; the first slice's pixels are on its lattice.
    let bound = |a: usize| {
        let low = ij.iter().map(|p| p[a]).fold(0.0, f64::min);
        let high = ij.iter().map(|p| p[a]).fold(0.0, f64::max);
        // A thousandth of a pixel is rounding.
        ((low + 1e-3).floor(), (high - 1e-3).ceil())
    };
    let (across, down) = (bound(0), bound(1));
    let shape = [
        columns.saturating_add((across.1 - across.0) as usize),
        rows.saturating_add((down.1 - down.0) as usize),
        count,
    ];
    let most = GROWTH.saturating_mul(columns * rows * slices);
    if shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_none_or(|n| n > most) {
        return Err(Error::bad_input(
            "the slices lie so far apart that a grid for all of them would be mostly empty; their positions are wrong",
        ));
    }
    let first = &stack.first;
    let corner = [across.0, down.0];
    let mut lps = [[0.0; 4]; 3];
    for (a, row) in lps.iter_mut().enumerate() {
        let along_k = stack.normal[a] + shear[0] * first.along_row[a] + shear[1] * first.along_column[a];
        row[0] = first.along_row[a] * spacing[0];
        row[1] = first.along_column[a] * spacing[1];
        row[2] = along_k * step;
        row[3] = first.position[a] + corner[0] * row[0] + corner[1] * row[1];
    }
    let ij = ij.into_iter().map(|p| [p[0] - corner[0], p[1] - corner[1]]).collect();
    Ok(Layout { grid: Grid::new(shape, to_ras(lps))?, k, ij, is_copy, untilted })
}

/// The first two axes turn round.
fn to_ras(lps: [[f64; 4]; 3]) -> Affine {
    let [x, y, z] = lps;
    // No -0.
    Affine([x.map(|v| 0.0 - v), y.map(|v| 0.0 - v), z])
}

fn check(stack: &Stack, tilt: Tilt, irregular: Irregular) -> Result<()> {
    let bad = |text: String| Err(Error::bad_input(text));
    let angle = stack.tilt();
    if angle > STEEPEST {
        return bad(format!(
            "the slices are shifted against each other as by a gantry tilt of {angle:.0}°; their positions are wrong"
        ));
    }
    if stack.crooked > MOST_CROOKED {
        return bad(format!(
            "slices lie up to {:.1} mm beside the line through all of them; these are several scans, or their positions \
             are wrong",
            stack.crooked
        ));
    }
    if let Some(n) = (0..stack.steps.len()).find(|&n| stack.steps[n] > WIDEST_GAP * stack.median) {
        return bad(format!(
            "between slices {} and {} (in the order of position) are {:.2} mm, more than {WIDEST_GAP} times the usual \
             {:.2}: slices are missing, and are not made up; add their files, or load the part on one side of the gap",
            n + 1,
            n + 2,
            stack.steps[n],
            stack.median
        ));
    }
    if tilt == Tilt::Refuse && stack.is_tilted() {
        return bad(format!("the gantry was tilted by {angle:.1}°; set `tilt: correct` or `tilt: keep`"));
    }
    if irregular == Irregular::Refuse && !stack.is_regular() {
        return bad(format!(
            "the distance of slices is not the same everywhere ({}); set `irregular: resample`",
            distances(&stack.steps)
        ));
    }
    if irregular == Irregular::Refuse && stack.is_crooked() {
        return bad(format!(
            "slices lie up to {:.2} mm beside the line through all of them; set `irregular: resample`",
            stack.crooked
        ));
    }
    Ok(())
}

/// Distances with how often in a row they occur: "4.22 mm (13 times), 1.14 mm, 7.38 mm (13 times)".
pub fn distances(steps: &[f64]) -> String {
    const MOST: usize = 6;
    let runs = runs(steps);
    let mut parts: Vec<String> = runs
        .iter()
        .take(MOST)
        .map(|&(mm, n)| if n == 1 { format!("{mm:.2} mm") } else { format!("{mm:.2} mm ({n} times)") })
        .collect();
    if runs.len() > MOST {
        parts.push(format!("and {} more changes", runs.len() - MOST));
    }
    parts.join(", ")
}

/// Neighbouring distances that are equal to 0.02 mm and a hundredth, with their number.
pub fn runs(steps: &[f64]) -> Vec<(f64, usize)> {
    let mut out: Vec<(f64, usize)> = Vec::new();
    for &step in steps {
        match out.last_mut() {
            Some((mm, n)) if (step - *mm).abs() <= 0.02 + 0.01 * *mm => *n += 1,
            _ => out.push((step, 1)),
        }
    }
    out
}
