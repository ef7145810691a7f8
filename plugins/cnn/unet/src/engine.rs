//! Runs the network scale by scale.
//!
//! A scale's two convolutions run through slabs of planes: the map between them is a ring of a few planes, and the
//! map behind them is pooled, cropped or turned into probabilities as it comes. Whole maps exist only between
//! scales.

use crate::kernel::{Classes, Kernels, Map, Scratch, Sink, Sources, tile_planes};
use crate::pack::{Folded, Layer};
use crate::{Architecture, Isa, Precision, Weights};
use ichor_image::parallel::Parallel;
use std::cell::Cell;

/// Why [`Engine::infer`] gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `cancelled` said so.
    Cancelled,
    /// The input does not fit the network; the sentence says how.
    Refused(String),
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Cancelled => f.write_str("cancelled"),
            Stop::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Stop {}

/// A network with its weights packed for one set of kernels.
pub struct Engine {
    net: Architecture,
    kernels: Kernels,
    layers: Vec<Layer>,
    /// The last layer: a row of padded channels a class, and the biases.
    classes: (Vec<f32>, Vec<f32>),
}

/// The maps' sizes for one input.
struct Plan {
    /// Outputs of the two convolutions of every scale on the way down, the bottom last.
    down: Vec<[[usize; 3]; 2]>,
    /// Coarse maps up-scaled, and outputs of the two convolutions, of every scale on the way up, by scale.
    up: Vec<[[usize; 3]; 3]>,
}

/// Tiles in a slab at least, so that every thread has some.
const SLAB: usize = 3000;

/// Work done so far, and who wants to know.
struct Report<'a> {
    done: Cell<f64>,
    total: f64,
    cancelled: &'a dyn Fn() -> bool,
    progress: &'a dyn Fn(f64),
}

impl Report<'_> {
    fn add(&self, work: f64) -> Result<(), Stop> {
        self.done.set(self.done.get() + work);
        (self.progress)((self.done.get() / self.total).min(1.0));
        if (self.cancelled)() { Err(Stop::Cancelled) } else { Ok(()) }
    }
}

/// Planes of tiles in a slab of a map.
fn slab(shape: [usize; 3]) -> usize {
    SLAB.div_ceil((shape[0] * shape[1]).div_ceil(4)).max(1)
}

/// Planes that the ring between two convolutions keeps: those a slab reads, and one that came with them.
fn ring(shape: [usize; 3]) -> usize {
    (2 * slab(shape) + 3).min(shape[2])
}

impl Engine {
    /// Folds batch normalisation into the weights and packs them for `isa`. An error says which layer's weights do
    /// not fit, or that the processor lacks `isa`, or that `isa` does not compute in `precision`.
    pub fn new(
        net: &Architecture,
        weights: &Weights,
        precision: Precision,
        isa: Isa,
    ) -> Result<Engine, String> {
        Engine::build(net, weights, precision, isa, true)
    }

    pub(crate) fn build(
        net: &Architecture,
        weights: &Weights,
        precision: Precision,
        isa: Isa,
        winograd: bool,
    ) -> Result<Engine, String> {
        weights.check(net)?;
        let kernels = Kernels::new(isa, precision)?;
        let mut layers = Vec::new();
        let mut classes = (Vec::new(), Vec::new());
        for (layer, convolution) in net.layers().iter().zip(&weights.convolutions) {
            let (weight, bias) = convolution.folded();
            if layer.kernel == 1 {
                let padded = kernels.channels(layer.inputs);
                let mut rows = vec![0.0; padded * layer.outputs];
                for (row, of) in rows.chunks_mut(padded).zip(weight.chunks(layer.inputs)) {
                    row[..layer.inputs].copy_from_slice(of);
                }
                classes = (rows, bias);
                continue;
            }
            let up_first = layer.name.starts_with("up") && layer.name.ends_with(".0");
            let up = if up_first { layer.inputs - layer.outputs } else { 0 };
            let folded = Folded {
                weight: &weight,
                bias: &bias,
                up,
                plain: layer.inputs - up,
                up_axes: net.pool.map(|p| up_first && p == 2),
                slope: net.slope,
            };
            // At the bottom tiles may start at odd voxels.
            let winograd = winograd && !layer.name.starts_with("bottom");
            layers.push(if layers.is_empty() {
                Layer::first(&kernels, &folded)
            } else if winograd {
                Layer::winograd(&kernels, &folded)
            } else {
                Layer::direct(&kernels, &folded)
            });
        }
        Ok(Engine { net: *net, kernels, layers, classes })
    }

    fn plan(&self, shape: [usize; 3]) -> Result<Plan, String> {
        let sizes = self.net.sizes(shape)?;
        let depth = self.net.depth;
        let (down, up) = sizes.split_at(3 * depth + 2);
        let down = down.chunks(3).map(|s| [s[0].shape, s[1].shape]).collect();
        let up = up[..3 * depth].chunks(3).rev().map(|s| [s[0].shape, s[1].shape, s[2].shape]).collect();
        Ok(Plan { down, up })
    }

    /// Layers by where they are: down and bottom `2 s`, up behind them from the coarsest on.
    fn down(&self, s: usize) -> [&Layer; 2] {
        [&self.layers[2 * s], &self.layers[2 * s + 1]]
    }

    fn up(&self, s: usize) -> [&Layer; 2] {
        let at = 2 * (self.net.depth + 1) + 2 * (self.net.depth - 1 - s);
        [&self.layers[at], &self.layers[at + 1]]
    }

    fn map(&self, layer: &Layer, shape: [usize; 3], planes: usize) -> Map {
        Map::new(self.kernels.item, layer.outputs, shape, planes)
    }

    /// Multiplications and additions that the engine does for an input of shape `shape`, which are fewer than
    /// [`Architecture::flops`].
    pub fn work(&self, shape: [usize; 3]) -> Result<f64, String> {
        let plan = self.plan(shape)?;
        let of = |layer: &Layer, shape: [usize; 3]| {
            let tiles: usize =
                (0..3).map(|a| (shape[a] + usize::from(layer.up_axes[a])).div_ceil(2)).product();
            layer.work * tiles as f64
        };
        let mut work = 0.0;
        for (s, sizes) in plan.down.iter().enumerate() {
            work += of(self.down(s)[0], sizes[0]) + of(self.down(s)[1], sizes[1]);
        }
        for (s, sizes) in plan.up.iter().enumerate() {
            work += of(self.up(s)[0], sizes[1]) + of(self.up(s)[1], sizes[2]);
        }
        Ok(work)
    }

    /// Bytes of the packed weights.
    pub fn weight_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes() as u64).sum()
    }

    /// Softmax probabilities of classes 1 and up (x fastest, then y, z, class; shape
    /// [`Architecture::output_shape`]) for an `input` of shape `shape` (x fastest, then y, z, channel).
    /// `progress` hears the share of the work done, 0 to 1, from the calling thread; `cancelled` is asked as often.
    pub fn infer(
        &self,
        par: &dyn Parallel,
        input: &[f32],
        shape: [usize; 3],
        cancelled: &dyn Fn() -> bool,
        progress: &dyn Fn(f64),
    ) -> Result<Vec<f32>, Stop> {
        let plan = self.plan(shape).map_err(Stop::Refused)?;
        let total = self.work(shape).map_err(Stop::Refused)?;
        let need = self.net.inputs * shape.iter().product::<usize>();
        if input.len() != need {
            let have = input.len();
            return Err(Stop::Refused(format!(
                "an input of {shape:?} voxels has {need} numbers, not {have}"
            )));
        }
        let report = Report { done: Cell::new(0.0), total, cancelled, progress };
        let scratch = Scratch::new(self.scratch_words());
        let depth = self.net.depth;
        let mut skips: Vec<Map> = Vec::new();
        let mut map: Option<Map> = None;
        for s in 0..=depth {
            let [_, second] = self.down(s);
            let out = plan.down[s][1];
            let mut sink = Sink::default();
            let mut pooled = None;
            let mut skip = None;
            let mut whole = None;
            if s < depth {
                let crop = [0, 1, 2].map(|a| (out[a] - plan.up[s][0][a]) / 2);
                let to = [0, 1, 2].map(|a| out[a] / self.net.pool[a]);
                sink.pooled = Some((pooled.insert(self.map(second, to, to[2])), self.net.pool[2] == 2));
                let to = plan.up[s][0];
                sink.skip = Some((skip.insert(self.map(second, to, to[2])), crop));
            } else {
                sink.out = Some(whole.insert(self.map(second, out, out[2])));
            }
            let source = Sources { plain: map.as_ref(), up: None };
            self.pair(par, self.down(s), source, (input, shape), plan.down[s], sink, &scratch, &report)?;
            map = pooled.or(whole);
            skips.extend(skip);
        }
        let voxels = plan.up[0][2].iter().product::<usize>();
        let mut probabilities = vec![0f32; (self.net.outputs - 1) * voxels];
        for s in (0..depth).rev() {
            let skip = skips.pop();
            let out = plan.up[s][2];
            let mut sink = Sink::default();
            let mut whole = None;
            if s == 0 {
                let (weights, bias) = (&self.classes.0, &self.classes.1);
                sink.classes = Some(Classes { weights, bias, out: &mut probabilities });
            } else {
                sink.out = Some(whole.insert(self.map(self.up(s)[1], out, out[2])));
            }
            let source = Sources { plain: skip.as_ref(), up: map.as_ref() };
            let sizes = [plan.up[s][1], out];
            self.pair(par, self.up(s), source, (input, shape), sizes, sink, &scratch, &report)?;
            map = whole;
        }
        Ok(probabilities)
    }

    /// The two convolutions of a scale, slab by slab.
    #[allow(clippy::too_many_arguments)]
    fn pair(
        &self,
        par: &dyn Parallel,
        [first, second]: [&Layer; 2],
        source: Sources,
        (input, shape): (&[f32], [usize; 3]),
        sizes: [[usize; 3]; 2],
        mut sink: Sink,
        scratch: &Scratch,
        report: &Report,
    ) -> Result<(), Stop> {
        let step = slab(sizes[1]);
        let mut between = self.map(first, sizes[0], ring(sizes[0]).max(2 * step + 3));
        let (planes, hang) = (sizes[0][2], usize::from(first.up_axes[2]));
        let tiles_of = |layer: &Layer, shape: [usize; 3]| {
            let side = |a: usize| (shape[a] + usize::from(layer.up_axes[a])).div_ceil(2);
            (side(0) * side(1)) as f64
        };
        let mut done = 0;
        let end = tile_planes(second, sizes[1][2]);
        for begin in (0..end).step_by(step) {
            let next = (begin + step).min(end);
            // Planes that this slab reads, and how many planes of tiles make them.
            let need = (2 * next + 2).min(planes);
            let upto = (need + hang).div_ceil(2).min(tile_planes(first, planes));
            if source.plain.is_none() && source.up.is_none() {
                let rows = 2 * done..(2 * upto).min(planes);
                self.kernels.first(par, first, input, shape, rows, &mut between);
            } else {
                let sink = Sink { out: Some(&mut between), ..Sink::default() };
                self.kernels.convolve(par, first, source, sizes[0], done..upto, sink, scratch);
            }
            report.add(first.work * tiles_of(first, sizes[0]) * (upto - done) as f64)?;
            done = upto;
            let plain = Sources { plain: Some(&between), up: None };
            let part = Sink {
                out: sink.out.as_deref_mut(),
                pooled: sink.pooled.as_mut().map(|(map, z)| (&mut **map, *z)),
                skip: sink.skip.as_mut().map(|(map, crop)| (&mut **map, *crop)),
                classes: sink.classes.as_mut().map(|c| Classes { out: &mut *c.out, ..*c }),
            };
            self.kernels.convolve(par, second, plain, sizes[1], begin..next, part, scratch);
            report.add(second.work * tiles_of(second, sizes[1]) * (next - begin) as f64)?;
        }
        Ok(())
    }

    fn scratch_words(&self) -> usize {
        self.layers.iter().map(|layer| layer.scratch.end).max().unwrap_or(0)
    }

    /// Bytes that [`Engine::infer`] holds at its peak for an input of shape `shape`, the output counted, the input
    /// and the weights not. An error says why the shape does not fit.
    pub fn memory(&self, shape: [usize; 3]) -> Result<u64, String> {
        let plan = self.plan(shape)?;
        let depth = self.net.depth;
        let bytes = |layer: &Layer, shape: [usize; 3], planes: usize| {
            Map::bytes_of(self.kernels.item, layer.outputs, shape, planes) as u64
        };
        let whole = |layer: &Layer, shape: [usize; 3]| bytes(layer, shape, shape[2]);
        let between = |layer: &Layer, sizes: [[usize; 3]; 2]| {
            bytes(layer, sizes[0], ring(sizes[0]).max(2 * slab(sizes[1]) + 3))
        };
        let (mut skips, mut source, mut peak) = (0, 0, 0);
        for s in 0..=depth {
            let [first, second] = self.down(s);
            let out = plan.down[s][1];
            let (mut skip, mut next) = (0, whole(second, out));
            if s < depth {
                skip = whole(second, plan.up[s][0]);
                next = whole(second, [0, 1, 2].map(|a| out[a] / self.net.pool[a]));
            }
            skips += skip;
            peak = peak.max(skips + source + next + between(first, plan.down[s]));
            source = next;
        }
        let probabilities =
            4 * (self.net.outputs as u64 - 1) * plan.up[0][2].iter().product::<usize>() as u64;
        for s in (0..depth).rev() {
            let [first, second] = self.up(s);
            let [skip, middle, out] = plan.up[s];
            let next = if s == 0 { 0 } else { whole(second, out) };
            peak = peak.max(probabilities + skips + source + next + between(first, [middle, out]));
            skips -= whole(self.down(s)[1], skip);
            source = next;
        }
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        Ok(peak + (4 * self.scratch_words() * threads) as u64)
    }
}
