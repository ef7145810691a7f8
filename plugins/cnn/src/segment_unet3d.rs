//! Segments with a trained 3D U-Net.

use crate::device::{Arithmetic, Device, Predictor, predictor};
use crate::model::Model;
use crate::occupied::Occupied;
use crate::tiles::{Cost, Tile, Tiling, cheapest, of_size};
use crate::window::read;
use ichor_image::Bounds;
use ichor_image::Turn;
use ichor_sdk::json::json;
use ichor_sdk::prelude::*;
use ichor_unet::{Architecture, Precision, Stop};

/// Mirrored images that are segmented too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
enum Mirror {
    None,
    Sides,
    All,
}

/// Segments with a trained 3D U-Net (Patel et al., Scientific Reports 9, 2019).
///
/// The model is one file: weights, architecture, and a card that says for which voxels and which window of HU it was
/// made (`docs/models.md`). The CT's axes may lie in any order and direction: they are read as the model has them,
/// and nothing is resampled. A CT with other voxels than the model's is refused.
///
/// Values are clipped to the model's window and scaled to [0, 1]. Where the network looks beyond the scan it sees the
/// window's lowest value: air. It runs in tiles, only where the cavity is. Its convolutions are valid, so that every
/// voxel gets the same value, bit by bit, however large the tiles are; larger tiles overlap less and are faster.
///
/// On the CPU the kernels are Ichor's own, for AMX, AVX-512, AVX2 and any other processor; on a GPU they are Burn's.
#[derive(Stage)]
#[stage(id = "segment-unet3d", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "non-contrast head CT")]
#[input(
    cavity,
    kind = "mask",
    grid = "ct",
    optional,
    doc = "cranial cavity; without it the whole CT is segmented"
)]
#[input(
    trained,
    kind = "blob",
    optional,
    doc = "a model that train-unet3d has just made, in place of `model`"
)]
#[output(probability, kind = "probs", grid = "ct", doc = "of the model's class; 0 outside the cavity")]
#[output(mask, kind = "mask", grid = "ct", doc = "where the probability is at least `threshold`")]
pub struct SegmentUnet3d {
    /// Path of the model, a safetensors file with a card; needed unless `trained` is connected.
    #[param(input_file)]
    model: Option<String>,
    /// Where the network runs. `auto` takes an NVIDIA GPU when one is there, else the processor, and says so.
    #[param(default = "auto")]
    device: Device,
    /// Arithmetic of the convolutions; sums and softmax are f32 in both. `auto` takes bf16 where the processor or the
    /// GPU multiplies in it, else f32. On a processor that does not, bf16 halves the memory and is hardly faster.
    #[param(default = "auto")]
    precision: Arithmetic,
    /// Least probability that counts as the class.
    #[param(default = 0.5, min = 0.0, max = 1.0)]
    threshold: f64,
    /// Mean over mirrored images: `sides` mirrors left and right (twice the work), `all` every axis (eight times).
    #[param(default = "none")]
    mirror: Mirror,
    /// Memory for one tile. The tiles are the ones with the least work among those that fit.
    #[param(default = 4096, min = 16, max = 1000000, unit = "MiB")]
    memory_mib: u64,
    /// Size of a tile's output along the model's axes, rounded up to what the network allows, instead of one that is
    /// worked out from `memory_mib`.
    #[param(unit = "voxels")]
    tile: Option<[usize; 3]>,
}

/// A model, the device on which it runs, and how the CT is read for it.
struct Setup {
    model: Model,
    device: Device,
    precision: Precision,
    on: Box<dyn Predictor>,
    turn: Turn,
}

impl Run for SegmentUnet3d {
    fn run(&self, run: &Context) -> Result<()> {
        let ct = run.input(Self::CT)?;
        let cavity = run.optional(Self::CAVITY)?;
        let grid = *ct.grid();
        if let Some(c) = cavity.as_ref().filter(|c| !c.grid().same_as(&grid)) {
            return Err(Error::bad_input(format!(
                "the CT has {grid} and the cavity {}, or they lie apart; resample one like the other",
                c.grid()
            )));
        }
        let cavity = cavity.map(|c| c.mask()).transpose()?;
        let setup = self.set_up(run, self.model(run)?, &grid)?;
        let net = setup.model.card.architecture();
        let occupied = match cavity {
            Some(mask) => Occupied::of(run, mask, &setup.turn, net.alignment()),
            None => Occupied::all(setup.turn.shape(), net.alignment()),
        };
        let tiling = self.tiling(&setup, &occupied)?;
        let probability = run.new_probs(Self::PROBABILITY, 1, &grid)?;
        probability.fill(0.0);
        if tiling.tiles.is_empty() {
            run.warn("the cavity is empty, and so is the mask");
        } else {
            let n = tiling.tiles.len();
            run.info(&format!(
                "{n} tile{} on {} in {}",
                if n == 1 { "" } else { "s" },
                setup.device.described(),
                if setup.precision == Precision::F32 { "f32" } else { "bf16" }
            ));
        }
        let mut done = 0.0;
        for (n, tile) in tiling.tiles.iter().enumerate() {
            let what = format!("tile {} of {}", n + 1, tiling.tiles.len());
            let share = setup.flops(tile.input.shape()) / tiling.flops;
            let found =
                self.predict(run, &setup, &ct, tile, &|part| run.progress(done + share * part, &what))?;
            setup.turn.places(&tile.output, |from, at| {
                if cavity.is_none_or(|c| c[at] != 0) {
                    probability[at] = found[from];
                }
            });
            done += share;
        }
        let mask = run.new_mask(Self::MASK, &grid)?;
        let least = self.threshold as f32;
        for ((m, &p), at) in mask.iter_mut().zip(probability.iter()).zip(0..) {
            *m = u8::from(p >= least && cavity.is_none_or(|c| c[at] != 0));
        }
        let card = &setup.model.card;
        let meta = json!({ "model": card.name, "model_version": card.version, "class": card.classes.get(1) });
        run.set_meta(Self::PROBABILITY, &meta)?;
        run.set_meta(Self::MASK, &meta)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let ct = run.input(Self::CT)?;
        run.new_probs(Self::PROBABILITY, 1, ct.grid())?;
        run.new_mask(Self::MASK, ct.grid())?;
        self.device.choose()?;
        if run.optional(Self::TRAINED)?.is_some_and(|blob| blob.bytes().is_empty()) {
            // Of a model that is still to be made, only the limit of its tiles is known.
            return Ok(Need { scratch_bytes: self.memory_mib << 20, device_bytes: 0 });
        }
        let setup = self.set_up(run, self.model(run)?, ct.grid())?;
        let all = Occupied::all(setup.turn.shape(), setup.model.card.architecture().alignment());
        let tile = self.tiling(&setup, &all)?.bytes;
        // The file, the numbers in it, and the engine's own form of them.
        let weights = 12 * setup.model.card.architecture().parameters() as u64;
        Ok(match setup.device {
            Device::Cuda => {
                Need { scratch_bytes: weights + 8 * voxels(&all) as u64, device_bytes: tile + weights }
            }
            _ => Need { scratch_bytes: weights + tile, device_bytes: 0 },
        })
    }
}

fn voxels(occupied: &Occupied) -> usize {
    (0..3).map(|a| occupied.shape[a] * occupied.block[a]).product()
}

impl Setup {
    fn flops(&self, input: [usize; 3]) -> f64 {
        self.model.card.architecture().flops(input).unwrap_or(f64::INFINITY)
    }
}

impl Cost for Setup {
    fn bytes(&self, input: [usize; 3]) -> u64 {
        // The input twice while it is mirrored, and a sum beside the output.
        let own = 12 * input.iter().product::<usize>() as u64;
        self.on.bytes(input).map_or(u64::MAX, |n| n.saturating_add(own))
    }

    fn flops(&self, input: [usize; 3]) -> f64 {
        self.flops(input)
    }
}

impl SegmentUnet3d {
    fn model(&self, run: &Context) -> Result<Model> {
        match (run.optional(Self::TRAINED)?, &self.model) {
            (None, Some(path)) => Model::open(path),
            (Some(blob), None) => Model::read(blob.bytes())
                .map_err(|why| Error::bad_input(format!("the model on `trained` is refused: {why}"))),
            (None, None) => Err(Error::bad_params("no model is given: set `model` to the path of one")),
            (Some(_), Some(path)) => Err(Error::bad_params(format!(
                "there are two models, `{path}` and the one on `trained`: take one away"
            ))),
        }
    }

    fn set_up(&self, run: &Context, model: Model, grid: &Grid) -> Result<Setup> {
        let card = &model.card;
        if (card.network.inputs, card.network.outputs) != (1, 2) {
            return Err(Error::bad_input(format!(
                "the model `{}` reads {} images and tells {} classes apart; this stage needs one and two",
                card.name, card.network.inputs, card.network.outputs
            )));
        }
        let turned = card.fit(grid).map_err(Error::bad_input)?;
        let (device, why) = self.device.choose()?;
        if let Some(why) = why {
            run.info(&format!("on the processor: {why}"));
        }
        let precision = self.precision.choose(device);
        let net: Architecture = card.architecture();
        let on = predictor(&net, &model.weights, device, precision).map_err(Error::unsupported)?;
        Ok(Setup { turn: Turn::new(grid, &turned), model, device, precision, on })
    }

    fn tiling(&self, setup: &Setup, occupied: &Occupied) -> Result<Tiling> {
        let net = setup.model.card.architecture();
        if let Some(tile) = self.tile {
            let blocks = std::array::from_fn(|a| tile[a].div_ceil(occupied.block[a]));
            return Ok(of_size(&net, occupied, setup, blocks));
        }
        match cheapest(&net, occupied, setup, self.memory_mib << 20) {
            Ok(tiling) => Ok(tiling.unwrap_or(Tiling { tiles: Vec::new(), flops: 0.0, bytes: 0 })),
            Err(least) => Err(Error::bad_params(format!(
                "the smallest tile of the model `{}` needs {} MiB; set `memory_mib` to that or more",
                setup.model.card.name,
                least.div_ceil(1 << 20)
            ))),
        }
    }

    /// The class's probability in a tile.
    fn predict(
        &self,
        run: &Context,
        setup: &Setup,
        ct: &Input,
        tile: &Tile,
        progress: &dyn Fn(f64),
    ) -> Result<Vec<f32>> {
        run.check_cancelled()?;
        let bounds = &tile.input;
        let mut input = read(run, ct, &setup.turn, bounds, setup.model.card.input.window);
        let mirrors = self.mirrors(setup);
        let share = 1.0 / mirrors.len() as f64;
        let mut sum: Vec<f32> = Vec::new();
        for (n, &axes) in mirrors.iter().enumerate() {
            // One alone takes the input with it.
            let image = match axes {
                [false, false, false] if mirrors.len() == 1 => std::mem::take(&mut input),
                _ => mirrored(run, &input, bounds, axes),
            };
            let report = |part: f64| progress(share * (n as f64 + part));
            let found = setup.on.infer(run, image, bounds.shape(), &|| run.cancelled(), &report);
            let found = found.map_err(|stop| match stop {
                Stop::Cancelled => Error::cancelled(),
                Stop::Refused(why) => Error::internal(why),
            })?;
            let found = if n == 0 { found } else { mirrored(run, &found, &tile.output, axes) };
            if n == 0 {
                sum = found;
            } else {
                sum.iter_mut().zip(found).for_each(|(s, f)| *s += f);
            }
        }
        if mirrors.len() > 1 {
            sum.iter_mut().for_each(|s| *s *= share as f32);
        }
        Ok(sum)
    }

    /// The axes that are mirrored in each run of the network.
    fn mirrors(&self, setup: &Setup) -> Vec<[bool; 3]> {
        let all = (0..8).map(|n| [n & 1 != 0, n & 2 != 0, n & 4 != 0]);
        let sides = setup.model.card.input.orientation.chars().map(|c| "LR".contains(c));
        let sides: Vec<bool> = sides.collect();
        match self.mirror {
            Mirror::None => vec![[false; 3]],
            Mirror::Sides => {
                all.filter(|axes| (0..3).all(|a| !axes[a] || sides.get(a) == Some(&true))).collect()
            }
            Mirror::All => all.collect(),
        }
    }
}

/// A box of voxels mirrored along axes.
fn mirrored(run: &Context, data: &[f32], bounds: &Bounds, axes: [bool; 3]) -> Vec<f32> {
    let shape = bounds.shape();
    let whole = Bounds { begin: [0; 3], end: shape.map(|n| n as isize) };
    Turn::upright(shape).mirrored(axes).cut(run, data, &whole, 0.0, &|v| v)
}
