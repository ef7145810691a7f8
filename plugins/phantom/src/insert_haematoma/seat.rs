//! How a head lies: from the form of its cavity to the reference head of the phantom.

use crate::cavity::{self, Inner};
use crate::draw::Draw;
use crate::subject::Subject;
use crate::texture::Texture;
use crate::vector::Point;
use ichor_image::parallel::map_ranges;
use ichor_image::{Affine, Grid, Parallel};
use ichor_sdk::{Error, Result};

/// Head coordinates (mm, right, front, top of the head, from the middle of its cavity), and the map between them, the
/// image's world and the reference head.
pub struct Seat {
    to_head: Affine,
    to_world: Affine,
    /// Middle of the reference head's cavity.
    middle: Point,
    /// Millimetres of this head for one of the reference head, along each axis.
    size: Point,
}

/// First and second moments of a body.
struct Moments {
    mean: [f64; 3],
    covariance: [[f64; 3]; 3],
}

/// Largest pitch of a head that is believed, radians.
const MOST_PITCH: f64 = 0.6;
/// Largest turn about the vertical and about the front that is looked for, radians, and shift of the middle, mm.
const MOST: [f64; 3] = [0.5, 0.3, 8.0];
/// Deeper is all the same for the likeness of left and right, mm.
const DEEP: f32 = 25.0;

impl Seat {
    /// The seat of a head by the form of its cavity: turned about the vertical and the front so that left and right are
    /// most alike, and about the horizontal so that its second moments lie as the reference's do, with the reference's
    /// extent. `mask` and `depth` (mm to the border) are on `grid`.
    ///
    /// # Errors
    /// The cavity is empty or flat.
    pub fn new(par: &dyn Parallel, mask: &[u8], depth: &[f32], grid: &Grid) -> Result<Self> {
        let found = Moments::of_mask(par, mask, grid)
            .ok_or_else(|| Error::bad_input("the cavity is empty, so there is no place for blood"))?;
        let reference = Moments::of_reference();
        let [yaw, roll, aside] = symmetry(par, depth, grid, found.mean)?;
        let upright = times(&about_front(roll), &about_top(yaw));
        let tilt = |c: &[[f64; 3]; 3]| 0.5 * (2.0 * c[1][2]).atan2(c[1][1] - c[2][2]);
        let pitch = tilt(&turned(&upright, &found.covariance)) - tilt(&reference.covariance);
        let pitch = if pitch.abs() > MOST_PITCH { 0.0 } else { pitch };
        let rotation = times(&about_right(pitch), &upright);
        let c = turned(&rotation, &found.covariance);
        let size: [f64; 3] = std::array::from_fn(|n| (c[n][n] / reference.covariance[n][n]).sqrt());
        if size.iter().any(|s| !(0.3..3.0).contains(s)) {
            return Err(Error::bad_input(
                "the cavity has not the form of a head's, so places in it cannot be told; give a whole cranial cavity",
            ));
        }
        let mut to_head = Affine([[0.0; 4]; 3]);
        for (row, r) in to_head.0.iter_mut().zip(&rotation) {
            row[..3].copy_from_slice(r);
            row[3] = -(0..3).map(|n| r[n] * found.mean[n]).sum::<f64>();
        }
        // The middle of the cavity may lie beside the plane of symmetry.
        to_head.0[0][3] -= aside;
        let to_world = to_head.inverse()?;
        let size = size.map(|s| s.clamp(0.75, 1.25) as f32);
        Ok(Self { to_head, to_world, middle: reference.mean.map(|v| v as f32), size })
    }

    /// Mean size of the head against the reference.
    pub fn scale(&self) -> f32 {
        (self.size[0] * self.size[1] * self.size[2]).cbrt()
    }

    /// A point of the head in the reference head.
    pub fn to_reference(&self, p: Point) -> Point {
        std::array::from_fn(|n| self.middle[n] + p[n] / self.size[n])
    }

    /// The inverse.
    pub fn of_reference(&self, q: Point) -> Point {
        std::array::from_fn(|n| (q[n] - self.middle[n]) * self.size[n])
    }

    /// From voxels of a grid to the head.
    pub fn voxel_to_head(&self, grid: &Grid) -> Affine {
        self.to_head.after(&grid.affine)
    }

    /// From the head to the world.
    pub fn world(&self, p: Point) -> [f64; 3] {
        self.to_world.apply(p.map(f64::from))
    }

    /// Away from gravity for a patient on the back: the world's front, in the head.
    pub fn anterior(&self) -> Point {
        std::array::from_fn(|n| self.to_head.0[n][1] as f32)
    }
}

/// What `place::allowed` asks, for a point with `room` mm to the next border.
pub fn inner(room: f32) -> Inner {
    Inner { distance: -room, vault: -room, below: -1e3, floor_bone: 0.0 }
}

/// Turn about the vertical, turn about the front (radians) and place of the plane (mm right of the cavity's middle, turned) for
/// which the depths of left and right are most alike.
fn symmetry(par: &dyn Parallel, depth: &[f32], grid: &Grid, middle: [f64; 3]) -> Result<[f64; 3]> {
    let to_voxel = grid.affine.inverse()?;
    let at = |w: [f64; 3]| -> f32 {
        let v = to_voxel.apply(w).map(f64::round);
        if (0..3).any(|a| v[a] < 0.0 || v[a] >= grid.shape[a] as f64) {
            return 0.0;
        }
        let v = v.map(|v| v as usize);
        depth[grid.index(v[0], v[1], v[2])].min(DEEP)
    };
    let unlike = |[yaw, roll, aside]: [f64; 3], step: f64| -> f64 {
        let n = [85.0, 110.0, 90.0].map(|reach| (reach / step) as i32);
        let rotation = times(&about_front(roll), &about_top(yaw));
        let world = |h: [f64; 3]| -> [f64; 3] {
            std::array::from_fn(|r| middle[r] + (0..3).map(|c| rotation[c][r] * h[c]).sum::<f64>())
        };
        let mut sum = 0.0f64;
        for k in -n[2]..=n[2] {
            for j in -n[1]..=n[1] {
                for i in 0..=n[0] {
                    let h = [(f64::from(i) + 0.5) * step, f64::from(j) * step, f64::from(k) * step];
                    let (l, r) =
                        (at(world([aside - h[0], h[1], h[2]])), at(world([aside + h[0], h[1], h[2]])));
                    sum += f64::from((l - r).abs());
                }
            }
        }
        sum
    };
    let mut best = [0.0f64; 3];
    for (steps, share, lattice) in [(4, 0.25, 9.0), (2, 0.1, 8.0), (2, 0.04, 7.0), (2, 0.015, 6.0)] {
        let width = 2 * steps + 1usize;
        let tried = map_ranges(par, width.pow(3), 1, &|range| {
            let n = range.start;
            let places = [n % width, n / width % width, n / (width * width)];
            let candidate: [f64; 3] =
                std::array::from_fn(|a| best[a] + (places[a] as f64 - steps as f64) * share * MOST[a]);
            (unlike(candidate, lattice), candidate)
        });
        best = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map_or(best, |t| t.1);
    }
    Ok(best)
}

fn about_top(a: f64) -> [[f64; 3]; 3] {
    [[a.cos(), -a.sin(), 0.0], [a.sin(), a.cos(), 0.0], [0.0, 0.0, 1.0]]
}

fn about_front(a: f64) -> [[f64; 3]; 3] {
    [[a.cos(), 0.0, a.sin()], [0.0, 1.0, 0.0], [-a.sin(), 0.0, a.cos()]]
}

/// Turns what lies up in front down.
fn about_right(a: f64) -> [[f64; 3]; 3] {
    [[1.0, 0.0, 0.0], [0.0, a.cos(), a.sin()], [0.0, -a.sin(), a.cos()]]
}

fn times(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|k| a[r][k] * b[k][c]).sum()))
}

/// R C Rᵀ.
fn turned(r: &[[f64; 3]; 3], c: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let entry = |a: usize, b: usize| {
        (0..3).flat_map(|m| (0..3).map(move |n| (m, n))).map(|(m, n)| r[a][m] * c[m][n] * r[b][n]).sum()
    };
    std::array::from_fn(|a| std::array::from_fn(|b| entry(a, b)))
}

impl Moments {
    fn of_sums(n: f64, first: [f64; 3], second: [[f64; 3]; 3]) -> Self {
        let mean = first.map(|s| s / n);
        let covariance =
            std::array::from_fn(|a| std::array::from_fn(|b| second[a][b] / n - mean[a] * mean[b]));
        Self { mean, covariance }
    }

    /// Of a mask, in the world.
    fn of_mask(par: &dyn Parallel, mask: &[u8], grid: &Grid) -> Option<Self> {
        let [nx, ny, nz] = grid.shape;
        let parts = map_ranges(par, ny * nz, 256, &|rows| {
            let mut sums = [0.0f64; 10];
            for row in rows {
                let (mut n, mut x, mut xx) = (0u64, 0u64, 0u64);
                for (i, _) in mask[row * nx..][..nx].iter().enumerate().filter(|(_, v)| **v != 0) {
                    n += 1;
                    x += i as u64;
                    xx += (i * i) as u64;
                }
                let (n, x, xx, y, z) = (n as f64, x as f64, xx as f64, (row % ny) as f64, (row / ny) as f64);
                let terms = [n, x, n * y, n * z, xx, x * y, x * z, n * y * y, n * y * z, n * z * z];
                sums.iter_mut().zip(terms).for_each(|(s, t)| *s += t);
            }
            sums
        });
        let mut s = [0.0f64; 10];
        for part in parts {
            s.iter_mut().zip(part).for_each(|(s, t)| *s += t);
        }
        if s[0] < 1.0 {
            return None;
        }
        let second = [[s[4], s[5], s[6]], [s[5], s[7], s[8]], [s[6], s[8], s[9]]];
        let voxels = Self::of_sums(s[0], [s[1], s[2], s[3]], second);
        let linear = std::array::from_fn(|r| std::array::from_fn(|c| grid.affine.0[r][c]));
        Some(Self { mean: grid.affine.apply(voxels.mean), covariance: turned(&linear, &voxels.covariance) })
    }

    /// Of the cavity of a phantom of average form.
    fn of_reference() -> Self {
        const STEP: f32 = 4.0;
        let mut subject = Subject::new(0, None);
        (subject.bumps, subject.egg) = (0.0, 0.14);
        let texture = Texture::new(Draw::new(0, 0));
        let (mut n, mut first, mut second) = (0.0, [0.0; 3], [[0.0; 3]; 3]);
        for k in -16..=20 {
            for j in -27..=19 {
                for i in -18..=18 {
                    let q = [i, j, k].map(|v| v as f32 * STEP);
                    if cavity::inner(&subject, &texture, q).distance >= 0.0 {
                        continue;
                    }
                    let q = q.map(f64::from);
                    n += 1.0;
                    for a in 0..3 {
                        first[a] += q[a];
                        (0..3).for_each(|b| second[a][b] += q[a] * q[b]);
                    }
                }
            }
        }
        Self::of_sums(n, first, second)
    }
}
