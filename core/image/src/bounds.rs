//! The box around a mask, and windows cut out of volumes and put back.

use crate::{Parallel, parallel::map_ranges};

/// A box of voxels: `begin` is in, `end` is out. It may reach beyond the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First voxel along each axis.
    pub begin: [isize; 3],
    /// One past the last voxel along each axis.
    pub end: [isize; 3],
}

impl Bounds {
    /// Voxels along each axis.
    pub fn shape(&self) -> [usize; 3] {
        std::array::from_fn(|a| (self.end[a] - self.begin[a]).max(0) as usize)
    }

    /// The box with `voxels` more on both sides of each axis.
    pub fn grown(&self, voxels: [usize; 3]) -> Self {
        Self {
            begin: std::array::from_fn(|a| self.begin[a] - voxels[a] as isize),
            end: std::array::from_fn(|a| self.end[a] + voxels[a] as isize),
        }
    }

    /// The part of the box that lies in a volume of this shape.
    pub fn clipped(&self, shape: [usize; 3]) -> Self {
        let clip = |v: isize, n: usize| v.clamp(0, n as isize);
        Self {
            begin: std::array::from_fn(|a| clip(self.begin[a], shape[a])),
            end: std::array::from_fn(|a| clip(self.end[a], shape[a])),
        }
    }

    /// A copy of the box's voxels, `fill` where it reaches beyond the volume.
    pub fn cut<T: Copy>(&self, data: &[T], shape: [usize; 3], fill: T) -> Vec<T> {
        let mut out = vec![fill; self.shape().iter().product()];
        self.rows(shape, |at, from, n| out[at..][..n].copy_from_slice(&data[from..][..n]));
        out
    }

    /// Writes a window's voxels back into a volume; what reaches beyond it is dropped.
    pub fn paste<T: Copy>(&self, window: &[T], data: &mut [T], shape: [usize; 3]) {
        self.rows(shape, |from, at, n| data[at..][..n].copy_from_slice(&window[from..][..n]));
    }

    /// Calls `body(position in the window, position in the volume, length)` for the rows that lie in both.
    pub fn rows(&self, shape: [usize; 3], mut body: impl FnMut(usize, usize, usize)) {
        let inner = self.clipped(shape);
        let n = inner.shape();
        if n.contains(&0) {
            return;
        }
        let size = self.shape();
        let offset: [usize; 3] = std::array::from_fn(|a| (inner.begin[a] - self.begin[a]) as usize);
        let start = inner.begin.map(|v| v as usize);
        for k in 0..n[2] {
            for j in 0..n[1] {
                let window = offset[0] + size[0] * (offset[1] + j + size[1] * (offset[2] + k));
                let volume = start[0] + shape[0] * (start[1] + j + shape[1] * (start[2] + k));
                body(window, volume, n[0]);
            }
        }
    }
}

/// The smallest box with all voxels that are not 0; `None` if there is none.
pub fn bounding_box(par: &dyn Parallel, mask: &[u8], shape: [usize; 3]) -> Option<Bounds> {
    let [nx, ny, nz] = shape;
    assert_eq!(mask.len(), nx * ny * nz, "mask and shape disagree");
    let parts = map_ranges(par, ny * nz, 1024, &|rows| {
        let mut found: Option<Bounds> = None;
        for r in rows {
            let row = &mask[r * nx..][..nx];
            let Some(first) = first_set(row) else { continue };
            let last = row.iter().rposition(|&v| v != 0).unwrap_or(first);
            let (first, last) = (first as isize, last as isize);
            let (j, k) = ((r % ny) as isize, (r / ny) as isize);
            let b = Bounds { begin: [first, j, k], end: [last + 1, j + 1, k + 1] };
            found = Some(found.map_or(b, |f| union(&f, &b)));
        }
        found
    });
    parts.into_iter().flatten().reduce(|a, b| union(&a, &b))
}

fn union(a: &Bounds, b: &Bounds) -> Bounds {
    Bounds {
        begin: std::array::from_fn(|n| a.begin[n].min(b.begin[n])),
        end: std::array::from_fn(|n| a.end[n].max(b.end[n])),
    }
}

/// Position of the first byte that is not 0; skips zeros 32 at a time.
pub(crate) fn first_set(row: &[u8]) -> Option<usize> {
    let mut at = 0;
    for block in row.chunks(32) {
        if block.iter().fold(0, |a, &b| a | b) != 0 {
            return block.iter().position(|&v| v != 0).map(|p| at + p);
        }
        at += block.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Serial;

    #[test]
    fn box_of_two_voxels() {
        let shape = [70, 5, 4];
        let mut mask = vec![0; 1400];
        assert_eq!(bounding_box(&Serial, &mask, shape), None);
        mask[65 + 70 * (1 + 5 * 2)] = 1;
        mask[3 + 70 * (4 + 5)] = 7;
        let b = bounding_box(&Serial, &mask, shape).unwrap();
        assert_eq!(b, Bounds { begin: [3, 1, 1], end: [66, 5, 3] });
    }

    #[test]
    fn windows_beyond_the_volume_are_filled_and_pasted_back() {
        let data: Vec<i32> = (0..27).collect();
        let b = Bounds { begin: [1, 1, 1], end: [3, 3, 3] }.grown([1, 0, 2]);
        let window = b.cut(&data, [3; 3], -1);
        assert_eq!(b.shape(), [4, 2, 6]);
        assert_eq!(&window[..8], [-1; 8]);
        assert_eq!(&window[8..16], [3, 4, 5, -1, 6, 7, 8, -1]);
        let mut back = vec![0; 27];
        b.paste(&window, &mut back, [3; 3]);
        assert_eq!(back[3..9], data[3..9]);
        assert_eq!(back[..3], [0; 3]);
    }
}
