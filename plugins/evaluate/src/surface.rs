//! Points of a mask between which distances are taken: voxels, or corners between voxels.

use crate::window::View;

/// Which points of a mask count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Points {
    /// All voxels.
    Voxels,
    /// Voxels with one of the six that share a face in the background.
    Border,
    /// Voxels with one of the four in the plane across this axis in the background.
    Contour(usize),
    /// Corners between eight voxels that are neither all set nor all clear.
    Corners,
}

/// The points of a mask, worked out a row at a time: a volume of them would cost more than it saves.
#[derive(Clone, Copy)]
pub struct Surface<'a> {
    view: View<'a>,
    points: Points,
    /// Points along each axis.
    pub shape: [usize; 3],
}

impl<'a> Surface<'a> {
    /// The points of a mask.
    pub fn new(view: View<'a>, points: Points) -> Self {
        let more = usize::from(points == Points::Corners);
        Self { view, points, shape: view.shape.map(|n| n + more) }
    }

    /// Writes row (.., j, k): 0 where there is no point, else 1, for corners which of the eight voxels are set. When
    /// there is none, it may write nothing and says so.
    pub fn row(&self, j: usize, k: usize, out: &mut [u8]) -> bool {
        let axis = match self.points {
            Points::Corners => return corners(&self.view, j, k, out),
            Points::Voxels => {
                out.copy_from_slice(self.view.row(j, k));
                return any(out);
            }
            Points::Border => 3,
            Points::Contour(axis) => axis,
        };
        let row = self.view.row(j, k);
        if !any(row) {
            return false;
        }
        out.copy_from_slice(row);
        let (j, k) = (j as isize, k as isize);
        let mut around = [None; 4];
        if axis != 1 {
            around[..2].copy_from_slice(&[self.view.row_or_none(j - 1, k), self.view.row_or_none(j + 1, k)]);
        } else {
            around[..2].fill(Some(row));
        }
        if axis != 2 {
            around[2..].copy_from_slice(&[self.view.row_or_none(j, k - 1), self.view.row_or_none(j, k + 1)]);
        } else {
            around[2..].fill(Some(row));
        }
        let [Some(a), Some(b), Some(c), Some(d)] = around else { return true };
        // A voxel stays where one of its neighbours is clear; at both ends of the row one is.
        let n = row.len();
        for i in 0..n {
            out[i] &= (a[i] & b[i] & c[i] & d[i]) ^ 1;
        }
        if axis != 0 {
            out[0] = row[0];
            out[n - 1] = row[n - 1];
            for i in 1..n - 1 {
                out[i] |= row[i] & ((row[i - 1] & row[i + 1]) ^ 1);
            }
        }
        any(out)
    }
}

fn any(row: &[u8]) -> bool {
    row.iter().fold(0, |a, v| a | v) != 0
}

/// Corner (i, j, k) lies between voxels (i - 1, j - 1, k - 1) and (i, j, k). A bit for each of the eight, 0 where all
/// are set.
fn corners(view: &View, j: usize, k: usize, out: &mut [u8]) -> bool {
    out.fill(0);
    let n = view.shape[0];
    for (dj, dk) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let Some(row) = view.row_or_none((j + dj) as isize - 1, (k + dk) as isize - 1) else { continue };
        let bit = 2 * dj + dk;
        // A voxel is the second along i of the corner before it, and the first of the one after.
        out[..n].iter_mut().zip(row).for_each(|(code, v)| *code |= v << (3 - bit));
        out[1..].iter_mut().zip(row).for_each(|(code, v)| *code |= v << (7 - bit));
    }
    out.iter_mut().for_each(|code| *code = if *code == 255 { 0 } else { *code });
    any(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Window;
    use ichor_image::{Affine, Grid, Serial, random::at};

    fn grid(shape: [usize; 3]) -> Grid {
        Grid::new(shape, Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap()
    }

    #[test]
    fn a_solid_box_is_left_with_its_shell() {
        // 5 x 4 x 3 voxels, up to the border of the image.
        let shape = [6, 5, 3];
        let inside = |n: usize| !n.is_multiple_of(6) && !(n / 6).is_multiple_of(5);
        let mask: Vec<u8> = (0..90).map(|n| u8::from(inside(n))).collect();
        let window = Window::new(&Serial, &mask, &mask, &grid(shape)).unwrap();
        let count = |points| {
            let surface = Surface::new(window.mask, points);
            let mut row = vec![0; surface.shape[0]];
            let mut sum = 0;
            for (j, k) in (0..surface.shape[1]).flat_map(|j| (0..surface.shape[2]).map(move |k| (j, k))) {
                if surface.row(j, k, &mut row) {
                    sum += row.iter().filter(|v| **v != 0).count();
                }
            }
            sum
        };
        assert_eq!(count(Points::Voxels), 60);
        assert_eq!(count(Points::Border), 60 - 3 * 2);
        assert_eq!(count(Points::Contour(2)), 60 - 3 * 2 * 3);
        assert_eq!(count(Points::Contour(0)), 60 - 5 * 2);
        assert_eq!(count(Points::Contour(1)), 60 - 3 * 4);
        assert_eq!(count(Points::Corners), 6 * 5 * 4 - 4 * 3 * 2);
    }

    #[test]
    fn rows_are_those_of_a_look_at_every_neighbour() {
        let shape = [9usize, 7, 6];
        let mask: Vec<u8> = (0..378).map(|n| u8::from(!at(3, n).is_multiple_of(4))).collect();
        let window = Window::new(&Serial, &mask, &mask, &grid(shape)).unwrap();
        let set = |v: [isize; 3]| {
            let inside = (0..3).all(|a| v[a] >= 0 && v[a] < shape[a] as isize);
            inside && mask[v[0] as usize + 9 * (v[1] as usize + 7 * v[2] as usize)] == 1
        };
        for (points, axes) in [(Points::Border, vec![0, 1, 2]), (Points::Contour(1), vec![0, 2])] {
            let surface = Surface::new(window.mask, points);
            let mut row = vec![0; 9];
            for (j, k) in (0..7).flat_map(|j| (0..6).map(move |k| (j, k))) {
                if !surface.row(j, k, &mut row) {
                    row.fill(0);
                }
                for (i, got) in row.iter().enumerate() {
                    let v = [i, j, k].map(|n| n as isize);
                    let clear = |a: &usize, d: isize| {
                        let mut next = v;
                        next[*a] += d;
                        !set(next)
                    };
                    let want = set(v) && axes.iter().any(|a| clear(a, -1) || clear(a, 1));
                    assert_eq!(*got == 1, want, "{v:?} {points:?}");
                }
            }
        }
    }
}
