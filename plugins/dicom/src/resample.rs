//! Slices at their true positions to the slices of a grid.

use crate::layout::Layout;
use crate::pixel::{AIR, Hu};
use ichor_sdk::prelude::*;

/// A voxel of the volume.
pub trait Value: Voxel {
    /// From an interpolated number.
    fn from_number(v: f32) -> Self;
}

impl Value for i16 {
    fn from_number(v: f32) -> Self {
        v.round() as i16 // saturates; between two i16 lies none beyond
    }
}

impl Value for f32 {
    fn from_number(v: f32) -> Self {
        v
    }
}

/// Copies slices one behind the other.
pub fn copy<T: Value>(par: &dyn Parallel, slices: &[Hu], out: &mut [T]) {
    let Some(n) = slices.first().map(Hu::len) else { return };
    for_each_chunk(par, out, n, &|k, plane| {
        let Some(slice) = slices.get(k) else { return };
        plane.iter_mut().enumerate().for_each(|(n, v)| *v = T::from_number(slice.at(n)));
    });
}

/// Interpolates linearly: inside each slice's own plane, then between the two slices on either side of a grid slice.
/// Beyond the first and the last slice, by half a distance at most, they are repeated; outside a slice is air.
pub fn resample<T: Value>(par: &dyn Parallel, slices: &[Hu], columns: usize, layout: &Layout, out: &mut [T]) {
    let [nx, ny, _] = layout.grid.shape;
    for_each_chunk(par, out, nx * ny, &|k, plane| {
        let k = k as f64;
        let above = layout.k.partition_point(|&at| at <= k + 1e-6).clamp(1, slices.len() - 1);
        let below = above - 1;
        let weight = ((k - layout.k[below]) / (layout.k[above] - layout.k[below])).clamp(0.0, 1.0);
        // Within a millionth of a slice it is the slice.
        let weight = if weight < 1e-6 {
            0.0
        } else if weight > 1.0 - 1e-6 {
            1.0
        } else {
            weight as f32
        };
        let mut row = [vec![0.0f32; nx], vec![0.0f32; nx]];
        let taps = [below, above].map(|n| Taps::new(&slices[n], columns, layout.ij[n]));
        for (j, line) in plane.chunks_exact_mut(nx).enumerate() {
            for (side, taps) in taps.iter().enumerate() {
                if [1.0 - weight, weight][side] > 0.0 {
                    taps.row(j, &mut row[side]);
                }
            }
            let [a, b] = &row;
            match weight {
                0.0 => line.iter_mut().zip(a).for_each(|(v, &a)| *v = T::from_number(a)),
                1.0 => line.iter_mut().zip(b).for_each(|(v, &b)| *v = T::from_number(b)),
                w => {
                    line.iter_mut()
                        .zip(a.iter().zip(b))
                        .for_each(|(v, (&a, &b))| *v = T::from_number(a + w * (b - a)));
                }
            }
        }
    });
}

/// A slice that lies shifted on the grid: every pixel has the same fractions.
struct Taps<'a> {
    slice: &'a Hu,
    columns: usize,
    rows: usize,
    /// Whole part of where grid pixel 0 lies on the slice.
    whole: [isize; 2],
    fraction: [f32; 2],
}

impl<'a> Taps<'a> {
    fn new(slice: &'a Hu, columns: usize, ij: [f64; 2]) -> Self {
        let rows = slice.len() / columns.max(1);
        let start = ij.map(|v| {
            let at = (-v * 1e6).round() / 1e6; // rounding is no fraction
            (at.floor() as isize, (at - at.floor()) as f32)
        });
        let [(x, fx), (y, fy)] = start;
        Self { slice, columns, rows, whole: [x, y], fraction: [fx, fy] }
    }

    /// Pixel of the slice, air outside.
    fn pixel(&self, x: isize, y: isize) -> f32 {
        let inside = (0..self.columns as isize).contains(&x) && (0..self.rows as isize).contains(&y);
        if inside { self.slice.at(x as usize + self.columns * y as usize) } else { AIR.into() }
    }

    /// Row `j` of the grid.
    fn row(&self, j: usize, out: &mut [f32]) {
        let y = self.whole[1] + j as isize;
        let [fx, fy] = self.fraction;
        let down = |x: isize| {
            let upper = self.pixel(x, y);
            if fy == 0.0 { upper } else { upper + fy * (self.pixel(x, y + 1) - upper) }
        };
        let mut left = down(self.whole[0]);
        for (i, v) in out.iter_mut().enumerate() {
            let right = down(self.whole[0] + i as isize + 1);
            *v = if fx == 0.0 { left } else { left + fx * (right - left) };
            left = right;
        }
    }
}

impl Hu {
    /// Pixels.
    pub fn len(&self) -> usize {
        match self {
            Self::Whole(v) => v.len(),
            Self::Decimal(v) => v.len(),
        }
    }

    /// The value of a pixel that is there.
    pub fn at(&self, n: usize) -> f32 {
        match self {
            Self::Whole(v) => v[n].into(),
            Self::Decimal(v) => v[n],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;

    fn layout(shape: [usize; 3], k: &[f64], ij: &[[f64; 2]]) -> Layout {
        let grid = Grid::new(shape, Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
        Layout { grid, k: k.to_vec(), ij: ij.to_vec(), is_copy: false, untilted: true }
    }

    #[test]
    fn slices_are_met_at_their_true_positions() {
        let slices = [0i16, 10, 40].map(|v| Hu::Whole(vec![v; 4]));
        let mut out = [0f32; 16];
        resample(&Serial, &slices, 2, &layout([2, 2, 4], &[0.0, 1.0, 2.5], &[[0.0; 2]; 3]), &mut out);
        let planes: Vec<f32> = out.chunks(4).map(|p| p[0]).collect();
        assert_eq!(planes, [0.0, 10.0, 30.0, 40.0]);
        let mut whole = [0i16; 16];
        resample(&Serial, &slices, 2, &layout([2, 2, 4], &[0.0, 1.0, 2.5], &[[0.0; 2]; 3]), &mut whole);
        assert_eq!(whole[8], 30);
    }

    #[test]
    fn shifts_are_whole_pixels_and_fractions_with_air_outside() {
        let slices = [Hu::Whole(vec![0, 100]), Hu::Whole(vec![0, 100])];
        let mut out = [0f32; 6];
        resample(&Serial, &slices, 2, &layout([3, 1, 2], &[0.0, 1.0], &[[1.0, 0.0], [0.25, 0.0]]), &mut out);
        assert_eq!(out[..3], [-1024.0, 0.0, 100.0]);
        assert_eq!(out[3..], [-256.0, 75.0, 100.0 - 0.25 * 0.0 - 0.75 * 1124.0]);
    }
}
