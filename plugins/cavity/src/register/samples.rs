//! The voxels of the fixed image that are compared.

use super::head::Head;
use super::pyramid::Level;
use ichor_image::random;

/// Places relative to `centre` and their values, in the order of memory.
pub struct Samples {
    /// World RAS+ mm.
    pub centre: [f64; 3],
    /// x, y and z in mm from the centre, and the windowed value.
    pub points: Vec<[f32; 4]>,
    /// The box round them, mm from the centre.
    pub corners: [[f64; 3]; 8],
}

/// Whether registration looks at voxel (i, j, k) of a grid that `steps` halvings lead to; the head was found on one
/// that `head_steps` halvings lead to.
pub fn inside(head: &Head, head_steps: usize, steps: usize, [i, j, k]: [usize; 3]) -> bool {
    let to = |v: usize, n: usize| {
        if steps <= head_steps {
            v >> (head_steps - steps)
        } else {
            // The middle of the voxels that became one.
            ((v << (steps - head_steps)) + (1 << (steps - head_steps)) / 2).min(n - 1)
        }
    };
    let [nx, ny, nz] = head.grid.shape;
    head.domain[head.grid.index(to(i, nx), to(j, ny), to(k, nz))] != 0
}

impl Samples {
    /// At most `count` of the voxels of the domain that count: one at random of each of `count` runs of them.
    pub fn new(
        level: &Level,
        steps: usize,
        (head, head_steps): (&Head, usize),
        centre: [f64; 3],
        count: usize,
        seed: u64,
    ) -> Self {
        let [nx, ny, _] = level.grid.shape;
        let place = |n: usize| [n % nx, n / nx % ny, n / nx / ny];
        let all: Vec<usize> = (0..level.data.len())
            .filter(|&n| !level.data[n].is_nan() && inside(head, head_steps, steps, place(n)))
            .collect();
        let count = count.min(all.len());
        let pick = |n: usize| {
            let (begin, end) = (n * all.len() / count, (n + 1) * all.len() / count);
            all[begin + (random::at(seed, n as u64) % (end - begin) as u64) as usize]
        };
        let (mut low, mut high) = ([0f64; 3], [0f64; 3]);
        let points = (0..count)
            .map(|n| {
                let at = pick(n);
                let p = level.grid.affine.apply(place(at).map(|v| v as f64));
                let p = [0, 1, 2].map(|a| p[a] - centre[a]);
                low = [0, 1, 2].map(|a| low[a].min(p[a]));
                high = [0, 1, 2].map(|a| high[a].max(p[a]));
                [p[0] as f32, p[1] as f32, p[2] as f32, level.data[at]]
            })
            .collect();
        let corner = |n: usize| [0, 1, 2].map(|a| if n >> a & 1 == 0 { low[a] } else { high[a] });
        Self { centre, points, corners: std::array::from_fn(corner) }
    }
}
