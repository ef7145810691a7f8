//! Which way slices are cut and how they are turned, decided from the affine.

use ichor_sdk::prelude::*;

/// How slices are cut.
#[derive(Param, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// Seen from below: patient's right on the left, anterior up.
    Axial,
    /// Seen from the front: patient's right on the left, superior up.
    Coronal,
    /// Seen from the patient's left: anterior on the left, superior up.
    Sagittal,
}

impl Plane {
    /// The name, as the pipeline writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Axial => "axial",
            Self::Coronal => "coronal",
            Self::Sagittal => "sagittal",
        }
    }

    /// Anatomical directions of the picture's left, right, top and bottom, and of the first and last tile.
    pub fn directions(self) -> [char; 6] {
        match self {
            Self::Axial => ['R', 'L', 'A', 'P', 'I', 'S'],
            Self::Coronal => ['R', 'L', 'S', 'I', 'A', 'P'],
            Self::Sagittal => ['A', 'P', 'S', 'I', 'R', 'L'],
        }
    }
}

/// The voxel axes of a plane and the map from them to the picture.
///
/// Each anatomical axis is taken to be the voxel axis nearest to it, so slices are those that were scanned,
/// also on an oblique grid. Picture coordinates are mm in the slice, x to the right along voxel axis `u`, y
/// down, with voxel (0, 0) at (0, 0). A slice that is sheared (gantry tilt, seen from the side) is drawn sheared.
#[derive(Clone, Debug)]
pub struct View {
    /// Voxel axis that runs across the picture.
    pub u: usize,
    /// Voxel axis that runs down or up the picture.
    pub v: usize,
    /// Voxel axis across the slices.
    pub n: usize,
    /// Whether the last tile has the lowest slice number.
    pub backwards: bool,
    to_mm: [[f64; 2]; 2],
}

impl View {
    pub fn new(grid: &Grid, plane: Plane) -> Self {
        let letters = grid.affine.orientation();
        let [_, right, _, bottom, _, last] = plane.directions();
        let axis = |direction: char| {
            let pair = ["RL", "AP", "SI"].into_iter().find(|p| p.contains(direction)).unwrap_or_default();
            letters.iter().position(|&l| pair.contains(l)).unwrap_or(0)
        };
        let (u, v, n) = (axis(right), axis(bottom), axis(last));
        let along = |a: usize, direction: char| {
            let sign = if letters[a] == direction { 1.0 } else { -1.0 };
            grid.affine.0.map(|row| sign * row[a])
        };
        let dot = |p: [f64; 3], q: [f64; 3]| p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
        let unit = |p: [f64; 3]| p.map(|c| c / dot(p, p).sqrt());
        let (across, down) = (along(u, right), along(v, bottom));
        let x = unit(across);
        let lean = dot(down, x);
        let y = unit(std::array::from_fn(|a| down[a] - lean * x[a]));
        let column = |a: usize| grid.affine.0.map(|row| row[a]);
        let to_mm = [[dot(column(u), x), dot(column(v), x)], [0.0, dot(column(v), y)]];
        Self { u, v, n, backwards: letters[n] != last, to_mm }
    }

    /// Voxel coordinates (u, v) to picture coordinates in mm.
    pub fn to_mm(&self, [a, b]: [f64; 2]) -> [f64; 2] {
        let m = &self.to_mm;
        [m[0][0] * a + m[0][1] * b, m[1][1] * b]
    }

    /// Picture coordinates in mm to voxel coordinates (u, v).
    pub fn to_voxel(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let m = &self.to_mm;
        let b = y / m[1][1];
        [(x - m[0][1] * b) / m[0][0], b]
    }

    /// The finer of the two spacings in the picture, mm.
    pub fn finest(&self) -> f64 {
        self.to_mm[0][0].abs().min(self.to_mm[1][1].abs())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Grids of 10 x 24 x 42 mm (R, A, S) in every order and direction of axes, each with the voxel at the
    /// patient's left, anterior, superior corner.
    pub(crate) fn grids() -> Vec<(Grid, [usize; 3])> {
        let (shape, spacing) = ([10, 12, 14], [1.0, 2.0, 3.0]); // along R, A, S
        let mut out = Vec::new();
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for flips in 0..8 {
                let mut m = [[0.0; 4]; 3];
                let mut corner = [0; 3];
                for (axis, &world) in order.iter().enumerate() {
                    let flipped = flips >> axis & 1 == 1;
                    m[world][axis] = if flipped { -spacing[world] } else { spacing[world] };
                    m[world][3] = if flipped { spacing[world] * (shape[world] - 1) as f64 } else { 0.0 };
                    // Left is at world 0; anterior and superior are at the far end.
                    corner[axis] = if (world == 0) != flipped { 0 } else { shape[world] - 1 };
                }
                out.push((Grid::new(order.map(|w| shape[w]), Affine(m)).unwrap(), corner));
            }
        }
        out
    }

    #[test]
    fn the_left_anterior_superior_corner_lands_where_a_radiologist_expects_it() {
        for (grid, corner) in grids() {
            for (plane, want_x, want_y, want_last) in [
                (Plane::Axial, 9.0, 0.0, true),    // right and up, on the last tile
                (Plane::Coronal, 9.0, 0.0, false), // right and up, on the first tile
                (Plane::Sagittal, 0.0, 0.0, true), // left and up, on the last tile
            ] {
                let view = View::new(&grid, plane);
                let at = view.to_mm([corner[view.u] as f64, corner[view.v] as f64]);
                let end = [view.u, view.v].map(|a| grid.shape[a] as f64 - 1.0);
                let corners = [[0.0, 0.0], [end[0], 0.0], [0.0, end[1]], end].map(|c| view.to_mm(c));
                let low = [0, 1].map(|c| corners.iter().fold(f64::INFINITY, |m, p| m.min(p[c])));
                assert!((at[0] - low[0] - want_x).abs() < 1e-9, "{grid} {plane:?} {at:?} {low:?}");
                assert!((at[1] - low[1] - want_y).abs() < 1e-9, "{grid} {plane:?} {at:?} {low:?}");
                assert_eq!((corner[view.n] == 0) == view.backwards, want_last, "{grid} {plane:?}");
            }
        }
    }

    #[test]
    fn oblique_grids_keep_their_lengths_and_shear_is_drawn() {
        // LPS, rotated by 18.5 degrees about x: in the axial slice nothing is foreshortened.
        let (s, c) = 18.5f64.to_radians().sin_cos();
        let tilted =
            Affine([[-0.5, 0.0, 0.0, 0.0], [0.0, -0.5 * c, -4.0 * s, 0.0], [0.0, -0.5 * s, 4.0 * c, 0.0]]);
        let view = View::new(&Grid::new([8, 8, 8], tilted).unwrap(), Plane::Axial);
        let at = view.to_mm([3.0, 5.0]);
        assert!((at[0] - 1.5).abs() < 1e-12 && (at[1] - 2.5).abs() < 1e-12, "{at:?}");
        // Gantry tilt, uncorrected: slices are vertical in z but their rows lean.
        let sheared = Affine([[-0.5, 0.0, 0.0, 0.0], [0.0, -0.5 * c, 0.0, 0.0], [0.0, 0.5 * s, 4.0, 0.0]]);
        let view = View::new(&Grid::new([8, 8, 8], sheared).unwrap(), Plane::Sagittal);
        let (p, q) = (view.to_mm([0.0, 0.0]), view.to_mm([0.0, 2.0]));
        let step = [q[0] - p[0], q[1] - p[1]];
        assert!((step[0].hypot(step[1]) - 8.0).abs() < 1e-9);
        assert!((step[1] + 8.0 * c).abs() < 1e-9, "18.5 degrees off the perpendicular: {step:?}");
        let back = view.to_voxel(view.to_mm([2.5, 3.25]));
        assert!((back[0] - 2.5).abs() < 1e-9 && (back[1] - 3.25).abs() < 1e-9);
    }
}
