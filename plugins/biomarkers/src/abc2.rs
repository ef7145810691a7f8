//! ABC/2, the bedside estimate of a haematoma's volume (Kothari et al., Stroke 1996;27:1304-1305).

use crate::diameter::{largest_distance, outline};
use crate::lesion::{Lesion, Run};
use crate::plane::Plane;
use ichor_image::Parallel;

/// The three lengths, mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Abc {
    /// Largest diameter in the axial slice with the largest area.
    pub a: f64,
    /// Largest extent at right angles to A in the same slice.
    pub b: f64,
    /// Sum over slices of slice spacing times 1, 0.5 or 0: the slice's area is at least 75 %, at least 25 %
    /// or less of the largest.
    pub c: f64,
    /// The same with every slice counted in full.
    pub c_unweighted: f64,
}

impl Abc {
    /// A x B x C / 2, mL.
    pub fn volume_ml(&self) -> f64 {
        self.a * self.b * self.c / 2000.0
    }

    /// The same with the C in which every slice counts in full, mL.
    pub fn unweighted_ml(&self) -> f64 {
        self.a * self.b * self.c_unweighted / 2000.0
    }
}

/// Measures A, B and C; `None` for a lesion without voxels. Of slices that share the largest area, the one
/// of lowest k counts.
pub fn abc(par: &dyn Parallel, lesion: &Lesion, plane: &Plane) -> Option<Abc> {
    let area = |slice: &[Run]| slice.iter().map(Run::len).sum::<usize>();
    let largest = lesion.slices().reduce(|x, y| if area(y) > area(x) { y } else { x })?;
    let (a, from, to) = largest_distance(par, &outline_mm(largest, plane))?;
    let whole = area(largest) as f64;
    let (mut c, mut slices) = (0.0, 0.0);
    for slice in lesion.slices() {
        let share = area(slice) as f64 / whole;
        c += if share >= 0.75 { 1.0 } else { f64::from(u8::from(share >= 0.25)) / 2.0 };
        slices += 1.0;
    }
    Some(Abc {
        a,
        b: extent_across(largest, plane, [(to[0] - from[0]) / a, (to[1] - from[1]) / a]),
        c: c * plane.slice_spacing,
        c_unweighted: slices * plane.slice_spacing,
    })
}

/// Largest distance in mm between corners of one slice's voxels, over all slices.
pub fn axial_diameter(par: &dyn Parallel, lesion: &Lesion, plane: &Plane) -> Option<f64> {
    let diameters = lesion.slices().filter_map(|s| largest_distance(par, &outline_mm(s, plane)));
    diameters.map(|(d, ..)| d).reduce(f64::max)
}

fn outline_mm(slice: &[Run], plane: &Plane) -> Vec<[f64; 2]> {
    outline(slice).iter().map(|p| plane.apply(p.map(f64::from))).collect()
}

/// The longest line across the slice at right angles to `along`, from outer edge to outer edge. Lines are
/// tried a voxel's width apart; each runs through the voxels whose centres are nearest.
fn extent_across(slice: &[Run], plane: &Plane, along: [f64; 2]) -> f64 {
    let pitch = plane.pitch();
    let width = pitch[0].min(pitch[1]);
    let across = [-along[1], along[0]];
    let dot = |p: [f64; 2], q: [f64; 2]| p[0] * q[0] + p[1] * q[1];
    // Of a line through a voxel's centre, what lies in the voxel: it leaves through the nearer pair of sides.
    let (u, v) = (plane.apply([1.0, 0.0]), plane.apply([0.0, 1.0]));
    let determinant = (u[0] * v[1] - u[1] * v[0]).abs();
    let through = determinant / dot(u, along).abs().max(dot(v, along).abs());
    let mut lines = std::collections::BTreeMap::new();
    for run in slice {
        for i in run.begin..run.end {
            let p = plane.apply([f64::from(i), f64::from(run.j)]);
            let s = dot(p, across);
            let line: &mut [f64; 2] = lines.entry((dot(p, along) / width).round() as i64).or_insert([s, s]);
            *line = [line[0].min(s), line[1].max(s)];
        }
    }
    lines.values().map(|[low, high]| high - low + through).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesion::whole;
    use ichor_image::{Affine, Grid, Serial};

    /// An ellipsoid by voxel centres, its axes along those of a grid with the given spacing, in the middle.
    fn ellipsoid(semi: [f64; 3], spacing: [f64; 3]) -> (Lesion, Plane) {
        let shape: [usize; 3] = std::array::from_fn(|c| 2 * (semi[c] / spacing[c]).ceil() as usize + 3);
        let grid = Grid::new(shape, Affine::from_spacing(spacing, [0.0; 3])).unwrap();
        let mut mask = vec![0u8; grid.len()];
        for (n, out) in mask.iter_mut().enumerate() {
            let at = [n % shape[0], n / shape[0] % shape[1], n / shape[0] / shape[1]];
            let r = |c: usize| (at[c] as f64 - (shape[c] as f64 - 1.0) / 2.0) * spacing[c] / semi[c];
            *out = u8::from(r(0).powi(2) + r(1).powi(2) + r(2).powi(2) <= 1.0);
        }
        (whole(&mask, shape), Plane::of(&grid))
    }

    #[test]
    fn ellipsoid_gives_the_analytic_ratios_to_its_volume() {
        // ABC/2 over 4/3 pi abc is 3/pi with the whole C. An ellipsoid's slice at height z has 1 - (z/c)²
        // of the largest area: at least 75 % up to z = c/2, at least 25 % up to c √3/2, so that the weighted
        // C is (1 + (√3 - 1)/2)/2 of the whole.
        let semi = [30.0, 20.0, 15.0];
        let (lesion, plane) = ellipsoid(semi, [0.45; 3]);
        let abc = abc(&Serial, &lesion, &plane).unwrap();
        for (found, expected) in [(abc.a, 60.0), (abc.b, 40.0), (abc.c_unweighted, 30.0)] {
            assert!((found - expected).abs() < 0.9, "{found} for {expected}"); // two voxels
        }
        let volume = 4.0 / 3.0 * std::f64::consts::PI * 30.0 * 20.0 * 15.0 / 1000.0;
        assert!((abc.unweighted_ml() / volume - 3.0 / std::f64::consts::PI).abs() < 0.04);
        let weighted = 3.0 / std::f64::consts::PI * (1.0 + (3f64.sqrt() - 1.0) / 2.0) / 2.0;
        assert!((abc.volume_ml() / volume - weighted).abs() < 0.02, "{}", abc.volume_ml() / volume);
    }

    #[test]
    fn thick_slices_are_weighted_by_area() {
        // Areas of 16, 12, 11, 4 and 3 voxels: 100, 75, 69, 25 and 19 % of the largest.
        let mut lesion = Lesion::default();
        for (k, rows) in [&[4, 4, 4, 4][..], &[4, 4, 4], &[4, 4, 3], &[4], &[3]].iter().enumerate() {
            for (j, &n) in rows.iter().enumerate() {
                lesion.runs.push(Run { begin: 0, end: n, j: j as u32, k: k as u32 });
            }
        }
        let grid = Grid::new([4, 4, 5], Affine::from_spacing([0.5, 0.5, 5.0], [0.0; 3])).unwrap();
        let abc = abc(&Serial, &lesion, &Plane::of(&grid)).unwrap();
        assert_eq!((abc.c, abc.c_unweighted), (15.0, 25.0));
        // The square's diagonals cross at right angles.
        assert!((abc.a - 8f64.sqrt()).abs() < 1e-12 && (abc.b - 8f64.sqrt()).abs() < 0.5);
    }

    #[test]
    fn rectangle_lying_askew_on_sheared_axes_has_its_own_length_and_width() {
        // 40 x 10 mm turned by 25 degrees, drawn on axes at 70 degrees to each other.
        let (s, c) = 70f64.to_radians().sin_cos();
        let affine = Affine([[0.4, 0.4 * c, 0.0, 0.0], [0.0, 0.4 * s, 0.0, 0.0], [0.0, 0.0, 5.0, 0.0]]);
        let grid = Grid::new([200, 200, 1], affine).unwrap();
        let plane = Plane::of(&grid);
        let centre = plane.apply([99.5, 99.5]);
        let (s, c) = 25f64.to_radians().sin_cos();
        let mask: Vec<u8> = (0..grid.len())
            .map(|n| {
                let p = plane.apply([(n % 200) as f64, (n / 200) as f64]);
                let d = [p[0] - centre[0], p[1] - centre[1]];
                let (along, across) = (d[0] * c + d[1] * s, d[1] * c - d[0] * s);
                u8::from(along.abs() <= 20.0 && across.abs() <= 5.0)
            })
            .collect();
        let abc = abc(&Serial, &whole(&mask, grid.shape), &plane).unwrap();
        assert!((abc.a - 1700f64.sqrt()).abs() < 0.6, "{abc:?}"); // the diagonal
        // The longest chord at right angles to the diagonal: 10 mm across, at its angle.
        assert!((abc.b - 10.0 * 1700f64.sqrt() / 40.0).abs() < 0.6, "{abc:?}");
    }
}
