//! A CT on grids that become coarser by two.

use super::window::window;
use ichor_image::resample::Sample;
use ichor_image::{GeometryError, Grid, Parallel, parallel::for_each_chunk};

/// A windowed CT on a grid; NaN where it does not count.
pub struct Level {
    /// Where the voxels are.
    pub grid: Grid,
    /// 0 to 1000, see [`window`], or NaN.
    pub data: Vec<f32>,
}

/// From which old voxels a new one is made: the first, and the weight of each.
type Weights = Vec<(usize, Vec<f32>)>;

impl Level {
    /// The CT on voxels of `mm` along its own axes: averages over each new voxel where axes become coarser, linear
    /// between voxel centres where not. Each voxel is windowed before it is averaged. `counts` are 0 for voxels
    /// that do not count, or empty.
    ///
    /// # Errors
    /// There are too many new voxels.
    pub fn new<T: Sample>(
        par: &dyn Parallel,
        data: &[T],
        counts: &[u8],
        from: &Grid,
        mm: f64,
    ) -> Result<Self, GeometryError> {
        let grid = from.respaced([mm; 3])?;
        let axes = [0, 1, 2].map(|a| weights(from.shape[a], grid.shape[a], mm / from.spacing()[a]));
        let mut out = average(par, data, from.shape, &grid, &axes, |v| window(v.to_f32()));
        if !counts.is_empty() {
            let share = average(par, counts, from.shape, &grid, &axes, |v| f32::from(u8::from(v != 0)));
            out.iter_mut().zip(share).filter(|(_, s)| *s < 0.5).for_each(|(v, _)| *v = f32::NAN);
        }
        Ok(Self { grid, data: out })
    }

    /// With other values.
    #[must_use]
    pub fn mapped(&self, value: impl Fn(f32) -> f32) -> Self {
        Self { grid: self.grid, data: self.data.iter().map(|v| value(*v)).collect() }
    }

    /// On voxels twice as wide, each the mean of the voxels that count among its eight, if they are half of them.
    #[must_use]
    pub fn half(&self, par: &dyn Parallel) -> Self {
        let [nx, ny, nz] = self.grid.shape;
        let shape = self.grid.shape.map(|n| n.div_ceil(2));
        let mut affine = self.grid.affine;
        for row in &mut affine.0 {
            row[3] += 0.5 * (row[0] + row[1] + row[2]);
            row[..3].iter_mut().for_each(|v| *v *= 2.0);
        }
        let mut data = vec![0f32; shape.iter().product()];
        for_each_chunk(par, &mut data, shape[0] * shape[1], &|k, plane| {
            for (n, out) in plane.iter_mut().enumerate() {
                let (i, j) = (n % shape[0], n / shape[0]);
                let (mut sum, mut count, mut all) = (0.0, 0, 0);
                for z in 2 * k..(2 * k + 2).min(nz) {
                    for y in 2 * j..(2 * j + 2).min(ny) {
                        for &v in &self.data[2 * i + nx * (y + ny * z)..][..2.min(nx - 2 * i)] {
                            all += 1;
                            if !v.is_nan() {
                                sum += v;
                                count += 1;
                            }
                        }
                    }
                }
                *out = if 2 * count >= all { sum / count as f32 } else { f32::NAN };
            }
        });
        Self { grid: Grid { shape, affine }, data }
    }
}

fn weights(old: usize, new: usize, factor: f64) -> Weights {
    let last = old as f64 - 1.0;
    let one = |t: usize| {
        let centre = (t as f64 + 0.5) * factor - 0.5;
        if factor <= 1.0 {
            let place = centre.clamp(0.0, last);
            let first = (place as usize).min(old.saturating_sub(2));
            let f = (place - first as f64) as f32;
            return if old == 1 { (0, vec![1.0]) } else { (first, vec![1.0 - f, f]) };
        }
        // Old voxel s reaches from s to s + 1.
        let (low, high) = (centre + 0.5 - factor / 2.0, centre + 0.5 + factor / 2.0);
        let (low, high) = (low.clamp(0.0, last), high.clamp(0.5, last + 1.0));
        let first = low as usize;
        let end = (high.ceil() as usize).clamp(first + 1, old);
        let overlap = |s: usize| ((s + 1) as f64).min(high) - (s as f64).max(low);
        let all: f64 = (first..end).map(overlap).sum();
        (first, (first..end).map(|s| (overlap(s) / all) as f32).collect())
    };
    (0..new).map(one).collect()
}

fn average<T: Sample>(
    par: &dyn Parallel,
    data: &[T],
    [nx, ny, _]: [usize; 3],
    grid: &Grid,
    axes: &[Weights; 3],
    value: impl Fn(T) -> f32 + Sync,
) -> Vec<f32> {
    let mut out = vec![0f32; grid.len()];
    let [mx, my, _] = grid.shape;
    for_each_chunk(par, &mut out, mx * my, &|k, plane| {
        // Rows of the new y and z with the old x; x comes last.
        let mut rows = vec![0f32; nx * my];
        let (first, slices) = &axes[2][k];
        for (z, wz) in slices.iter().enumerate() {
            let slice = &data[(first + z) * nx * ny..][..nx * ny];
            for (to, (first, lines)) in rows.chunks_exact_mut(nx).zip(&axes[1]) {
                for (y, wy) in lines.iter().enumerate() {
                    let weight = wz * wy;
                    for (t, &v) in to.iter_mut().zip(&slice[(first + y) * nx..][..nx]) {
                        *t += weight * value(v);
                    }
                }
            }
        }
        for (out, row) in plane.chunks_exact_mut(mx).zip(rows.chunks_exact(nx)) {
            for (o, (first, weights)) in out.iter_mut().zip(&axes[0]) {
                *o = row[*first..].iter().zip(weights).map(|(v, w)| v * w).sum();
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Serial};

    fn grid(shape: [usize; 3], spacing: [f64; 3]) -> Grid {
        Grid::new(shape, Affine::from_spacing(spacing, [5.0, -3.0, 7.0])).unwrap()
    }

    #[test]
    fn a_ramp_stays_a_ramp_when_averaged_and_when_made_finer() {
        let from = grid([40, 30, 12], [0.7, 1.3, 5.0]);
        let ramp = |p: [f64; 3]| 2.0 * p[0] - 3.0 * p[1] + 1.5 * p[2] + 150.0;
        let value = |g: &Grid, n: usize| {
            let [x, y, _] = g.shape;
            ramp(g.affine.apply([n % x, n / x % y, n / x / y].map(|v| v as f64)))
        };
        let data: Vec<i16> = (0..from.len()).map(|n| (16.0 * value(&from, n)).round() as i16).collect();
        let data: Vec<f32> = data.iter().map(|&v| f32::from(v) / 16.0).collect();
        let level = Level::new(&Serial, &data, &[], &from, 2.0).unwrap();
        assert_eq!(level.grid.shape, [14, 20, 30]);
        let inner = |g: &Grid, n: usize, edge: usize| {
            let [x, y, z] = g.shape;
            [(n % x, x), (n / x % y, y), (n / x / y, z)].iter().all(|&(v, n)| v >= edge && v + edge < n)
        };
        for (level, edge) in [(&level, 1), (&level.half(&Serial), 1)] {
            // A voxel counts with the value at its centre wherever it is cut: up to 0.1 mm of the steepest slope.
            for n in (0..level.grid.len()).filter(|&n| inner(&level.grid, n, edge)) {
                let (got, want) = (f64::from(level.data[n]), value(&level.grid, n) + 100.0);
                assert!((got - want).abs() < 0.35, "{got} for {want} at {n}");
            }
        }
    }

    #[test]
    fn voxels_that_do_not_count_are_left_out_and_nan_is_air() {
        let from = grid([8, 8, 8], [1.0; 3]);
        let mut data = vec![300f32; 512];
        data[0] = f32::NAN;
        let counts: Vec<u8> = (0..512).map(|n| u8::from(n % 8 < 4)).collect();
        let level = Level::new(&Serial, &data, &counts, &from, 2.0).unwrap();
        assert_eq!(level.data[0], 7.0 / 8.0 * 400.0);
        assert_eq!((level.data[1], level.data[2].is_nan()), (400.0, true));
        let half = level.half(&Serial);
        assert_eq!((half.grid.shape, half.data[1].is_nan()), ([2, 2, 2], true));
        assert!(half.data[2] == 400.0);
    }

    #[test]
    fn thin_and_odd_volumes_have_a_pyramid() {
        for shape in [[1, 1, 1], [3, 1, 7], [5, 9, 2]] {
            let from = grid(shape, [0.9, 3.0, 2.5]);
            let level = Level::new(&Serial, &vec![100i16; from.len()], &[], &from, 2.0).unwrap();
            let half = level.half(&Serial).half(&Serial);
            assert!(level.data.iter().chain(&half.data).all(|v| (v - 200.0).abs() < 1e-3), "{shape:?}");
        }
    }
}
