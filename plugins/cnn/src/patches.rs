//! Patches for training, drawn as Patel et al. (Scientific Reports 9, 2019, Methods) draw them.

use crate::window::read;
use ichor_image::Turn;
use ichor_image::{Bounds, Grid, Parallel, Random};
use ichor_sdk::{Input, Voxels};

/// A scan with its truth.
pub struct Case<'a> {
    /// The CT.
    pub ct: Input<'a>,
    /// Where patches may be centred; 0 is outside.
    pub cavity: &'a [u8],
    /// The truth.
    pub mask: &'a [u8],
    /// How both are read along the model's axes.
    pub turn: Turn,
    /// The grid along the model's axes.
    pub grid: Grid,
    /// Voxels of the truth in the cavity, along the model's axes.
    foreground: Vec<[u16; 3]>,
    /// Voxels of the cavity outside the truth that are dense, likewise.
    dense: Vec<[u16; 3]>,
    /// The box around the cavity.
    bounds: Bounds,
}

/// A patch with its truth and the weight of every voxel of it.
pub struct Drawn {
    /// Window units, 0 to 1.
    pub image: Vec<f32>,
    /// 0 or 1.
    pub target: Vec<u8>,
    /// 0 or 1.
    pub weight: Vec<f32>,
}

/// How patches are drawn.
#[derive(Clone, Copy)]
pub struct Drawing {
    /// Voxels of the target.
    pub output: [usize; 3],
    /// Voxels of the image beyond it on every side.
    pub margin: [usize; 3],
    /// HU that become 0 and 1.
    pub window: [f32; 2],
    /// The model's axis from one side to the other.
    pub side: usize,
    /// Share of patches that are mirrored or rotated.
    pub augmented: f64,
    /// Largest rotation, radians.
    pub angle: f64,
    /// Whether only as many voxels beside the truth have weight as there are of it, or all.
    pub balanced: bool,
    /// Share of the patches without a centre in the truth that are centred on dense voxels.
    pub dense: f64,
}

impl<'a> Case<'a> {
    /// A scan; `None` when its cavity is empty. `dense` tells from which HU to which a voxel is dense.
    pub fn new(
        ct: Input<'a>,
        cavity: &'a [u8],
        mask: &'a [u8],
        turn: Turn,
        grid: Grid,
        dense: Option<[f64; 2]>,
    ) -> Option<Self> {
        let is_dense = dense.map(|range| within(ct.voxels(), range));
        let whole = Bounds { begin: [0; 3], end: turn.shape().map(|n| n as isize) };
        let (mut foreground, mut places) = (Vec::new(), Vec::new());
        let (mut low, mut high) = ([isize::MAX; 3], [isize::MIN; 3]);
        let [nx, ny, _] = turn.shape();
        turn.places(&whole, |n, at| {
            if cavity[at] == 0 {
                return;
            }
            let v = [n % nx, n / nx % ny, n / (nx * ny)];
            for a in 0..3 {
                low[a] = low[a].min(v[a] as isize);
                high[a] = high[a].max(v[a] as isize + 1);
            }
            if mask[at] != 0 {
                foreground.push(v.map(|n| n as u16));
            } else if is_dense.as_ref().is_some_and(|dense| dense[at]) {
                places.push(v.map(|n| n as u16));
            }
        });
        (low[0] < high[0]).then_some(Self {
            ct,
            cavity,
            mask,
            turn,
            grid,
            foreground,
            dense: places,
            bounds: Bounds { begin: low, end: high },
        })
    }

    /// Whether there is anything to find.
    pub fn is_empty(&self) -> bool {
        self.foreground.is_empty()
    }

    /// A voxel of the truth, or of the cavity around it.
    fn centre(&self, random: &mut Random, foreground: bool, dense: f64) -> [isize; 3] {
        let foreground = if foreground { &self.foreground[..] } else { &[] };
        if let Some(voxel) = listed(random, foreground, &self.dense, dense) {
            return voxel.map(|n| n as isize);
        }
        let n = self.bounds.shape();
        let mut v = self.bounds.begin;
        // The cavity fills about half of its box: this never runs out on a head.
        for _ in 0..1000 {
            v = std::array::from_fn(|a| self.bounds.begin[a] + random.below(n[a]) as isize);
            let at = self.turn.at(v.map(|n| n as usize));
            if self.cavity[at] != 0 && self.mask[at] == 0 {
                break;
            }
        }
        v
    }
}

impl Drawing {
    /// Patch `number` of the sequence of `seed`: the same whatever was drawn before.
    pub fn draw(&self, par: &dyn Parallel, cases: &[Case], seed: u64, number: u64) -> Drawn {
        let mut random = Random::new(seed).stream(number);
        let foreground = random.uniform() < 0.5;
        let with: Vec<&Case> = cases.iter().filter(|c| !foreground || !c.is_empty()).collect();
        let case = match with.len() {
            0 => &cases[random.below(cases.len())],
            n => with[random.below(n)],
        };
        let centre = case.centre(&mut random, foreground, self.dense);
        let (mut mirror, mut angle) = (false, 0.0);
        if random.uniform() < self.augmented {
            mirror = random.uniform() < 0.5;
            angle = if mirror { 0.0 } else { self.angle * (2.0 * random.uniform() - 1.0) };
        }
        let begin: [isize; 3] = std::array::from_fn(|a| centre[a] - (self.output[a] / 2) as isize);
        let end = std::array::from_fn(|a| begin[a] + self.output[a] as isize);
        let target = Bounds { begin, end };
        let input = target.grown(self.margin);
        let mut image = self.image(par, case, &input, angle);
        let mut truth = self.truth(case, &target, angle);
        if mirror {
            mirrored(&mut image, input.shape(), self.side);
            mirrored(&mut truth, target.shape(), self.side);
        }
        let weight = if self.balanced { weights(&truth, &mut random) } else { vec![1.0; truth.len()] };
        Drawn { image, target: truth, weight }
    }

    fn image(&self, par: &dyn Parallel, case: &Case, bounds: &Bounds, angle: f64) -> Vec<f32> {
        if angle == 0.0 {
            return read(par, &case.ct, &case.turn, bounds, self.window);
        }
        // Read the box that the turned patch touches, once, and take the values out of it.
        let n = bounds.shape();
        let more = [n[0] / 4 + 2, n[1] / 4 + 2, 0];
        let wide = bounds.grown(more);
        let values = read(par, &case.ct, &case.turn, &wide, self.window);
        let size = wide.shape();
        let mut out = vec![0.0; n.iter().product()];
        let turned = Rotation::new(case, bounds, angle);
        ichor_image::parallel::for_each_chunk(par, &mut out, n[0] * n[1], &|k, plane| {
            let from = &values[k * size[0] * size[1]..];
            for (at, out) in plane.iter_mut().enumerate() {
                let [x, y] = turned.at(at % n[0], at / n[0]);
                let (x, y) = (x - wide.begin[0] as f64, y - wide.begin[1] as f64);
                let (i, j) = (
                    (x.floor()).clamp(0.0, size[0] as f64 - 2.0),
                    (y.floor()).clamp(0.0, size[1] as f64 - 2.0),
                );
                let (u, v) = ((x - i).clamp(0.0, 1.0) as f32, (y - j).clamp(0.0, 1.0) as f32);
                let p = i as usize + size[0] * j as usize;
                let row = |p: usize| from[p] + u * (from[p + 1] - from[p]);
                *out = row(p) + v * (row(p + size[0]) - row(p));
            }
        });
        out
    }

    fn truth(&self, case: &Case, bounds: &Bounds, angle: f64) -> Vec<u8> {
        let n = bounds.shape();
        let mut out = vec![0; n.iter().product()];
        if angle == 0.0 {
            case.turn.places(bounds, |to, at| out[to] = u8::from(case.mask[at] != 0));
            return out;
        }
        let turned = Rotation::new(case, bounds, angle);
        let shape = case.turn.shape();
        for (at, out) in out.iter_mut().enumerate() {
            let [x, y] = turned.at(at % n[0], at / n[0] % n[1]);
            let v = [x.round() as isize, y.round() as isize, bounds.begin[2] + (at / (n[0] * n[1])) as isize];
            if (0..3).all(|a| v[a] >= 0 && v[a] < shape[a] as isize) {
                *out = u8::from(case.mask[case.turn.at(v.map(|n| n as usize))] != 0);
            }
        }
        out
    }
}

/// One voxel of the truth, if there is any; else, with the probability `share`, one of the dense ones, if there are any.
fn listed(random: &mut Random, truth: &[[u16; 3]], dense: &[[u16; 3]], share: f64) -> Option<[u16; 3]> {
    let of = |list: &[[u16; 3]], random: &mut Random| list[random.below(list.len())];
    if !truth.is_empty() {
        return Some(of(truth, random));
    }
    let is_wanted = share > 0.0 && random.uniform() < share;
    (is_wanted && !dense.is_empty()).then(|| of(dense, random))
}

/// Which voxels lie in a range of HU, its ends included.
fn within(voxels: Voxels, range: [f64; 2]) -> Vec<bool> {
    fn of<T: Copy + Into<f64>>(values: &[T], [low, high]: [f64; 2]) -> Vec<bool> {
        values.iter().map(|&v| (low..=high).contains(&v.into())).collect()
    }
    match voxels {
        Voxels::I16(v) => of(v, range),
        Voxels::U16(v) => of(v, range),
        Voxels::U8(v) => of(v, range),
        Voxels::U32(v) => of(v, range),
        Voxels::F32(v) => of(v, range),
    }
}

/// The plane turned about a patch's middle, in mm.
struct Rotation {
    middle: [f64; 2],
    offset: [f64; 2],
    matrix: [f64; 4],
}

impl Rotation {
    fn new(case: &Case, bounds: &Bounds, angle: f64) -> Self {
        let (s, c) = angle.sin_cos();
        let [x, y, _] = case.grid.spacing();
        let offset = [0, 1].map(|a| (bounds.shape()[a] as f64 - 1.0) / 2.0);
        let middle = [0, 1].map(|a| bounds.begin[a] as f64 + offset[a]);
        Self { middle, offset, matrix: [c, -s * y / x, s * x / y, c] }
    }

    /// Where voxel (i, j) of the patch comes from in the volume.
    fn at(&self, i: usize, j: usize) -> [f64; 2] {
        let (x, y) = (i as f64 - self.offset[0], j as f64 - self.offset[1]);
        let [a, b, c, d] = self.matrix;
        [self.middle[0] + a * x + b * y, self.middle[1] + c * x + d * y]
    }
}

fn mirrored<T: Copy>(data: &mut [T], shape: [usize; 3], axis: usize) {
    let stride: usize = shape[..axis].iter().product();
    for block in data.chunks_mut(stride * shape[axis]) {
        for n in 0..shape[axis] / 2 {
            for s in 0..stride {
                block.swap(n * stride + s, (shape[axis] - 1 - n) * stride + s);
            }
        }
    }
}

/// The paper's weights: all of the truth and as many voxels around it, drawn at random; everything when there is no
/// truth, or more than half of the patch.
fn weights(target: &[u8], random: &mut Random) -> Vec<f32> {
    let found = target.iter().filter(|t| **t != 0).count();
    let mut left = target.len() - found;
    if found == 0 || found > left {
        return vec![1.0; target.len()];
    }
    let mut wanted = found;
    target
        .iter()
        .map(|&t| {
            if t != 0 {
                return 1.0;
            }
            // Every set of `found` voxels is as likely as any other.
            let taken = random.below(left) < wanted;
            left -= 1;
            wanted -= usize::from(taken);
            f32::from(u8::from(taken))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_background_as_truth_has_weight() {
        let mut target = vec![0u8; 1000];
        target[100..300].fill(1);
        let mut taken = vec![0.0; 1000];
        for n in 0..200 {
            let w = weights(&target, &mut Random::new(4).stream(n));
            assert!(w[100..300].iter().all(|v| *v == 1.0) && w.iter().sum::<f32>() == 400.0);
            taken.iter_mut().zip(w).for_each(|(t, w)| *t += f64::from(w) / 200.0);
        }
        // A quarter of the background, everywhere: five standard errors.
        assert!(
            taken[..100]
                .iter()
                .chain(&taken[300..])
                .all(|t| (t - 0.25).abs() < 5.0 * (0.25f64 * 0.75 / 200.0).sqrt())
        );
        for n in [0, 600] {
            let mut target = vec![0u8; 1000];
            target[..n].fill(1);
            assert_eq!(weights(&target, &mut Random::new(1)), vec![1.0; 1000]);
        }
    }

    #[test]
    fn dense_voxels_are_drawn_as_often_as_asked_and_never_before_the_truth() {
        let (truth, dense) = ([[1, 1, 1]], [[2, 2, 2], [3, 3, 3]]);
        let mut random = Random::new(6);
        let mut draw = |truth: &[[u16; 3]], dense: &[[u16; 3]], share: f64| {
            (0..4000).map(|_| listed(&mut random, truth, dense, share)).collect::<Vec<_>>()
        };
        assert!(draw(&truth, &dense, 1.0).iter().all(|v| *v == Some([1, 1, 1])));
        assert!(draw(&[], &dense, 0.0).iter().chain(&draw(&[], &[], 1.0)).all(Option::is_none));
        let drawn = draw(&[], &dense, 0.3);
        // Five standard errors of 1200 and of 600.
        for (wanted, expected, apart) in
            [(None, 2800, 145), (Some([2, 2, 2]), 600, 113), (Some([3, 3, 3]), 600, 113)]
        {
            assert!(drawn.iter().filter(|v| **v == wanted).count().abs_diff(expected) < apart, "{wanted:?}");
        }
    }

    #[test]
    fn a_range_of_hu_has_its_ends() {
        let found = within(Voxels::I16(&[-60, 49, 50, 75, 100, 101]), [50.0, 100.0]);
        assert_eq!(found, [false, false, true, true, true, false]);
        assert_eq!(within(Voxels::F32(&[f32::NAN, 49.9, 50.0]), [50.0, 100.0]), [false, false, true]);
    }

    #[test]
    fn mirroring_exchanges_the_ends_of_an_axis() {
        let mut v: Vec<u8> = (0..12).collect();
        mirrored(&mut v, [2, 3, 2], 1);
        assert_eq!(v, [4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7]);
    }
}
