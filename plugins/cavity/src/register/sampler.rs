//! Values and gradients between voxel centres.

use super::pyramid::Level;

/// A volume that is looked up in by voxel coordinates.
#[derive(Clone, Copy)]
pub struct Sampler<'a> {
    data: &'a [f32],
    row: usize,
    slice: usize,
    /// The last cell begins below these.
    end: [f32; 3],
}

impl<'a> Sampler<'a> {
    /// Of a level of a pyramid.
    pub fn new(level: &'a Level) -> Self {
        let [nx, ny, _] = level.grid.shape;
        let end = level.grid.shape.map(|n| n as f32 - 1.0);
        Self { data: &level.data, row: nx, slice: nx * ny, end }
    }

    /// The value at a place in voxels, linear along each axis, and its derivatives per voxel. `None` outside the
    /// outermost voxel centres and beside voxels that do not count.
    #[inline]
    pub fn at(&self, [x, y, z]: [f32; 3]) -> Option<(f32, [f32; 3])> {
        let [ex, ey, ez] = self.end;
        // Also false for NaN.
        if !(x >= 0.0 && x < ex && y >= 0.0 && y < ey && z >= 0.0 && z < ez) {
            return None;
        }
        let (i, j, k) = (x as usize, y as usize, z as usize);
        let (fx, fy, fz) = (x - i as f32, y - j as f32, z - k as f32);
        let cell = &self.data[i + self.row * j + self.slice * k..][..self.slice + self.row + 2];
        let (c00, c10) = (cell[0], cell[1]);
        let (c01, c11) = (cell[self.row], cell[self.row + 1]);
        let (d00, d10) = (cell[self.slice], cell[self.slice + 1]);
        let (d01, d11) = (cell[self.slice + self.row], cell[self.slice + self.row + 1]);
        let mix = |a: f32, b: f32, f: f32| a + f * (b - a);
        let (c0, c1) = (mix(c00, c10, fx), mix(c01, c11, fx));
        let (d0, d1) = (mix(d00, d10, fx), mix(d01, d11, fx));
        let (c, d) = (mix(c0, c1, fy), mix(d0, d1, fy));
        let value = mix(c, d, fz);
        if value.is_nan() {
            return None;
        }
        let gx = mix(mix(c10 - c00, c11 - c01, fy), mix(d10 - d00, d11 - d01, fy), fz);
        let gy = mix(c1 - c0, d1 - d0, fz);
        Some((value, [gx, gy, d - c]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Grid};

    #[test]
    fn a_product_of_ramps_is_met_with_its_derivatives() {
        let grid = Grid::new([4, 5, 6], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
        let f = |x: f32, y: f32, z: f32| (1.0 + x) * (2.0 - y) * (3.0 + 2.0 * z);
        let data = (0..120).map(|n| f((n % 4) as f32, (n / 4 % 5) as f32, (n / 20) as f32)).collect();
        let level = Level { grid, data };
        let sampler = Sampler::new(&level);
        let (value, [gx, gy, gz]) = sampler.at([1.25, 2.5, 3.75]).unwrap();
        assert!((value - f(1.25, 2.5, 3.75)).abs() < 1e-4);
        assert!((gx - f(0.0, 2.5, 3.75)).abs() < 1e-4 && (gy + f(1.25, 1.0, 3.75)).abs() < 1e-4);
        assert!((gz - 2.0 * 2.25 * -0.5).abs() < 1e-4);
        assert!(sampler.at([2.99, 3.99, 4.99]).is_some());
        assert!(
            [[-0.01, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, f32::NAN]]
                .iter()
                .all(|&p| sampler.at(p).is_none())
        );
    }
}
