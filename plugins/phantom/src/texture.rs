//! Smooth random fields in space, from a periodic table that is made once.

use crate::draw::Draw;
use crate::vector::Point;

const N: usize = 64;
const MASK: usize = N * N * N - 1;

/// A band-limited Gaussian-like field of mean 0 and standard deviation 1.
///
/// White noise on a periodic 64³ lattice, smoothed by a binomial filter in each direction (variance 2, hence
/// a correlation like exp(-r²/8)), read by trilinear interpolation. A table keeps it fast: the anatomy asks
/// for several values a point.
pub struct Texture(Box<[f32; N * N * N]>);

impl Texture {
    pub fn new(mut draw: Draw) -> Self {
        let mut data: Vec<f32> = (0..N * N * N).map(|_| draw.normal(0.0, 1.0)).collect();
        // [1 4 6 4 1] / 16 twice: variance 2.
        for stride in [1, N, N * N] {
            for _ in 0..2 {
                let old = data.clone();
                for (index, value) in data.iter_mut().enumerate() {
                    let along = index / stride % N;
                    let base = index - along * stride;
                    let at = |step: usize| old[base + (along + step) % N * stride];
                    *value = (at(N - 2) + at(2) + 4.0 * (at(N - 1) + at(1)) + 6.0 * at(0)) / 16.0;
                }
            }
        }
        let n = data.len() as f32;
        let mean = data.iter().sum::<f32>() / n;
        let sd = (data.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / n).sqrt();
        data.iter_mut().for_each(|v| *v = (*v - mean) / sd);
        let mut table = Box::new([0.0; N * N * N]);
        table.copy_from_slice(&data);
        Self(table)
    }

    /// The field where its correlation falls to exp(-1/2) at `size` mm. It repeats every `32 * size` mm.
    pub fn at(&self, p: Point, size: f32) -> f32 {
        let scale = 2.0 / size;
        let mut low = [0usize; 3];
        let mut frac = [0f32; 3];
        for axis in 0..3 {
            let x = p[axis] * scale + 4096.0; // keeps it positive: heads are much smaller than 64 periods
            let floor = x as i32;
            frac[axis] = x - floor as f32;
            low[axis] = floor as usize % N;
        }
        let next = low.map(|v| (v + 1) % N);
        let row = |y: usize, z: usize| {
            let base = N * (y + N * z);
            // The mask tells the compiler what the remainders already ensure.
            let (a, b) = (self.0[(base + low[0]) & MASK], self.0[(base + next[0]) & MASK]);
            a + (b - a) * frac[0]
        };
        let plane = |z: usize| {
            let (a, b) = (row(low[1], z), row(next[1], z));
            a + (b - a) * frac[1]
        };
        let (a, b) = (plane(low[2]), plane(next[2]));
        a + (b - a) * frac[2]
    }
}
