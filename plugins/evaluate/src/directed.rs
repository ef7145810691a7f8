//! Distances from every point of one set to the nearest point of another.

use crate::metric::Metric;
use crate::nearest::Nearest;
use crate::quantile::quantile_after_zeros;
use crate::surface::Surface;
use ichor_image::{Parallel, parallel::map_ranges};

/// Rows of points that one thread works on at a time.
const ROWS: usize = 64;

/// Distances in mm from the points of one set to another set.
#[derive(Default)]
pub struct Directed {
    /// How many points lie in the other set, too.
    pub zeros: usize,
    /// The distances of all others, in the order of memory.
    pub far: Vec<f64>,
}

/// The distances from the points of `from` to the nearest point of `to`; `nearest` holds those of `to` that can be
/// nearest to one outside.
pub fn directed(par: &dyn Parallel, from: &Surface, to: &Surface, nearest: &Nearest) -> Directed {
    let parts = for_each_point(par, from, to, nearest, &|part: &mut Directed, _, distance| match distance {
        None => part.zeros += 1,
        Some(distance) => part.far.push(distance),
    });
    let mut all = Directed { zeros: 0, far: Vec::with_capacity(parts.iter().map(|p| p.far.len()).sum()) };
    for part in parts {
        all.zeros += part.zeros;
        all.far.extend(part.far);
    }
    all
}

/// Calls `visit` with what its rows have gathered so far, the value of a point of `from`, and its distance to the
/// nearest point of `to`, `None` where it is one itself. What the rows gathered comes in their order.
pub fn for_each_point<T: Default + Send>(
    par: &dyn Parallel,
    from: &Surface,
    to: &Surface,
    nearest: &Nearest,
    visit: &(dyn Fn(&mut T, u8, Option<f64>) + Sync),
) -> Vec<T> {
    let [nx, ny, nz] = from.shape;
    map_ranges(par, ny * nz, ROWS, &|rows| {
        let mut part = T::default();
        let (mut here, mut there) = (vec![0; nx], vec![0; nx]);
        let mut guess = 0;
        for (j, k) in rows.map(|r| (r % ny, r / ny)) {
            if !from.row(j, k, &mut here) {
                continue;
            }
            let shared = to.row(j, k, &mut there);
            for i in (0..nx).filter(|i| here[*i] != 0) {
                let distance = (!shared || there[i] == 0).then(|| {
                    let (distance, found) = nearest.find([i, j, k].map(|v| v as i32), guess);
                    guess = found;
                    distance
                });
                visit(&mut part, here[i], distance);
            }
        }
        part
    })
}

/// The points of two sets as a place to look for the nearest.
pub fn points(par: &dyn Parallel, sets: [&Surface; 2], metric: Metric) -> [Nearest; 2] {
    let gather = |set: &Surface| {
        let [nx, ny, nz] = set.shape;
        let parts = map_ranges(par, ny * nz, ROWS, &|rows| {
            let (mut part, mut row): (Vec<[i32; 3]>, _) = (Vec::new(), vec![0; nx]);
            for (j, k) in rows.map(|r| (r % ny, r / ny)) {
                if set.row(j, k, &mut row) {
                    let set = (0..nx).filter(|i| row[*i] != 0);
                    part.extend(set.map(|i| [i, j, k].map(|v| v as i32)));
                }
            }
            part
        });
        parts.concat()
    };
    Nearest::pair(par, metric, sets.map(gather))
}

impl Directed {
    /// How many points there are.
    pub fn len(&self) -> usize {
        self.zeros + self.far.len()
    }

    /// The largest distance.
    pub fn max(&self) -> f64 {
        self.far.iter().copied().fold(0.0, f64::max)
    }

    /// The sum of all distances.
    pub fn sum(&self) -> f64 {
        self.far.iter().sum()
    }

    /// The mean distance.
    pub fn mean(&self) -> f64 {
        self.sum() / self.len() as f64
    }

    /// How many are at most `tolerance` mm, and as much more as the rounding of an affine makes.
    pub fn within(&self, tolerance: f64) -> usize {
        let limit = tolerance * (1.0 + 1e-6);
        self.zeros + self.far.iter().filter(|d| **d <= limit).count()
    }

    /// The distance below which the fraction `p` of the points lies: linear between order statistics (type 7). Leaves
    /// `far` in another order.
    pub fn quantile(&mut self, p: f64) -> f64 {
        quantile_after_zeros(self.zeros, &mut self.far, p)
    }
}
