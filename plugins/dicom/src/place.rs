//! Where the slices of a stack lie towards each other.

use crate::slice::{cross, dot};

/// Slices nearer than this along their normal are at one position, mm.
pub const SAME_MM: f64 = 0.02;

/// A slice's plane, in DICOM's coordinates (LPS, mm).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub position: [f64; 3],
    pub along_row: [f64; 3],
    pub along_column: [f64; 3],
    /// Distance of pixels along a row and along a column.
    pub spacing: [f64; 2],
    pub thickness: Option<f64>,
}

/// The geometry of a stack of parallel slices that is ordered along their normal.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// The first slice.
    pub first: Place,
    pub normal: [f64; 3],
    /// Each slice's distance from the first along the normal, mm, rising.
    pub depth: Vec<f64>,
    /// Each slice's distance from the first along a row and along a column, mm.
    pub shift: Vec<[f64; 2]>,
    /// Distances of neighbours along the normal, mm.
    pub steps: Vec<f64>,
    /// Distances of neighbours from first pixel to first pixel, mm: along the table, where the gantry is tilted.
    pub travel: Vec<f64>,
    /// The median of `steps`.
    pub median: f64,
    /// How far slices move along a row and along a column from one mm to the next: the line through them.
    pub shear: [f64; 2],
    /// How far a slice lies off that line, at most, mm.
    pub crooked: f64,
    /// By how much neighbours overlap (or, negative, leave a gap), from their thickness, mm.
    pub overlap: Vec<Option<f64>>,
}

impl Stack {
    /// Measures slices that are ordered along their normal; there must be two.
    pub fn measure(places: &[Place]) -> Option<Self> {
        let [first, .., last] = places else { return None };
        let normal = cross(first.along_row, first.along_column);
        let from_first =
            |p: &Place| -> [f64; 3] { std::array::from_fn(|a| p.position[a] - first.position[a]) };
        let depth: Vec<f64> = places.iter().map(|p| dot(from_first(p), normal)).collect();
        let shift: Vec<[f64; 2]> = places
            .iter()
            .map(|p| [dot(from_first(p), first.along_row), dot(from_first(p), first.along_column)])
            .collect();
        let pairs = || places.windows(2).zip(depth.windows(2));
        let steps: Vec<f64> = depth.windows(2).map(|d| d[1] - d[0]).collect();
        let travel = places.windows(2).map(|p| {
            let d: [f64; 3] = std::array::from_fn(|a| p[1].position[a] - p[0].position[a]);
            dot(d, d).sqrt()
        });
        let overlap =
            pairs().map(|(p, d)| Some(0.5 * (p[0].thickness? + p[1].thickness?) - (d[1] - d[0]))).collect();
        let length = dot(from_first(last), normal);
        let shear = if length > 0.0 { slope(&depth, &shift) } else { [0.0; 2] };
        let mean =
            |values: &dyn Fn(usize) -> f64| (0..places.len()).map(values).sum::<f64>() / places.len() as f64;
        let centre = [0, 1].map(|a| mean(&|n| shift[n][a] - shear[a] * depth[n]));
        let off = |n: usize| {
            let [u, v] = [0, 1].map(|a| shift[n][a] - shear[a] * depth[n] - centre[a]);
            u.hypot(v)
        };
        Some(Self {
            first: *first,
            normal,
            median: median(&steps),
            travel: travel.collect(),
            crooked: (0..places.len()).map(off).fold(0.0, f64::max),
            overlap,
            shear,
            steps,
            shift,
            depth,
        })
    }

    /// Angle between the line through the slices and their normal, degrees.
    pub fn tilt(&self) -> f64 {
        self.shear[0].hypot(self.shear[1]).atan().to_degrees()
    }

    /// Whether the shear moves the last slice by more than a quarter of a pixel (and 0.1 mm).
    pub fn is_tilted(&self) -> bool {
        let length = self.depth.last().copied().unwrap_or(0.0);
        (0..2).any(|a| (self.shear[a] * length).abs() > (0.25 * self.first.spacing[a]).max(0.1))
    }

    /// Whether slices lie off their line by more than a quarter of a pixel (and 0.1 mm).
    pub fn is_crooked(&self) -> bool {
        self.crooked > (0.25 * self.first.spacing[0].min(self.first.spacing[1])).max(0.1)
    }

    /// How far a slice lies from where it would be if all distances were the same, at most, mm.
    pub fn unevenness(&self) -> f64 {
        let step = self.mean_step();
        self.depth.iter().enumerate().map(|(n, d)| (d - n as f64 * step).abs()).fold(0.0, f64::max)
    }

    /// Mean distance of neighbours along the normal, mm.
    pub fn mean_step(&self) -> f64 {
        self.depth.last().copied().unwrap_or(0.0) / self.steps.len().max(1) as f64
    }

    /// Whether all distances are the same, as far as scanners write them: every slice within 0.05 mm and a
    /// hundredth of the distance.
    pub fn is_regular(&self) -> bool {
        self.unevenness() <= 0.05 + 0.01 * self.median
    }

    /// Slices that are missing: where a few distances are a multiple of the usual one.
    pub fn missing(&self) -> usize {
        let lost = |step: &f64| {
            let ratio = step / self.median;
            let whole = ratio.round();
            if whole >= 2.0 && (ratio - whole).abs() < 0.1 { whole as usize - 1 } else { 0 }
        };
        let gaps = self.steps.iter().filter(|s| lost(s) > 0).count();
        if 4 * gaps > self.steps.len() { 0 } else { self.steps.iter().map(lost).sum() }
    }
}

/// Least squares through the points, for both shifts.
fn slope(depth: &[f64], shift: &[[f64; 2]]) -> [f64; 2] {
    let n = depth.len() as f64;
    let mean = depth.iter().sum::<f64>() / n;
    let square: f64 = depth.iter().map(|d| (d - mean).powi(2)).sum();
    [0, 1].map(|a| {
        let centre = shift.iter().map(|s| s[a]).sum::<f64>() / n;
        let mixed: f64 = depth.iter().zip(shift).map(|(d, s)| (d - mean) * (s[a] - centre)).sum();
        if square > 0.0 { mixed / square } else { 0.0 }
    })
}

/// The middle value; of an even number the lower of the two, so that it is one that occurs.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(positions: &[[f64; 3]]) -> Stack {
        let place = |&position: &[f64; 3]| Place {
            position,
            along_row: [1.0, 0.0, 0.0],
            along_column: [0.0, 1.0, 0.0],
            spacing: [0.5, 0.5],
            thickness: Some(5.0),
        };
        Stack::measure(&positions.iter().map(place).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn tilt_is_the_shear_of_positions() {
        for sign in [1.0, -1.0] {
            let shear = sign * 20f64.to_radians().tan();
            let positions: Vec<_> =
                (0..9).map(|n| [0.0, shear * 5.0 * f64::from(n), 5.0 * f64::from(n)]).collect();
            let s = stack(&positions);
            assert!((s.tilt() - 20.0).abs() < 1e-9 && s.is_tilted() && s.is_regular() && !s.is_crooked());
            assert!((s.shear[1] - shear).abs() < 1e-12);
            assert!((s.travel[0] - 5.0 / 20f64.to_radians().cos()).abs() < 1e-9);
            assert!(s.overlap.iter().all(|o| o.unwrap().abs() < 1e-9));
        }
        assert!(!stack(&[[0.0; 3], [0.0, 0.0, 5.0], [0.0, 0.01, 10.0]]).is_tilted());
    }

    #[test]
    fn distances_are_judged() {
        let line = |depths: &[f64]| stack(&depths.iter().map(|&d| [0.0, 0.0, d]).collect::<Vec<_>>());
        assert!(line(&[0.0, 5.0, 10.04, 15.0]).is_regular());
        let gap = line(&[0.0, 5.0, 10.0, 20.0, 25.0, 30.0]);
        assert!(!gap.is_regular());
        assert_eq!((gap.missing(), gap.median), (1, 5.0));
        let change = line(&[0.0, 4.0, 8.0, 12.0, 19.0, 26.0, 33.0]);
        assert_eq!((change.missing(), change.median), (0, 4.0));
        assert_eq!(change.overlap[0], Some(1.0));
    }
}
