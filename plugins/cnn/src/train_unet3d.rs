//! Trains a 3D U-Net.

use crate::card::{Card, FORM, Images, Kind, Network, Unit};
use crate::checkpoint::{Measured, State, load, save};
use crate::curve::svg;
use crate::device::{Device, Predictor, learn, predictor};
use crate::model::Model;
use crate::occupied::Occupied;
use crate::patches::{Case, Drawing};
use crate::tiles::{Cost, cheapest};
use crate::window::read;
use ichor_image::{Turn, parallel::Parallel};
use ichor_sdk::json::json;
use ichor_sdk::prelude::*;
use ichor_unet::{Architecture, Precision, Stop, Weights};
use ichor_unet_training::{Dropping, Lesson, Loss, Normalise, Optimiser, Patch, Trainer};
use std::ops::Range;

/// What is made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
enum Aim {
    CrossEntropy,
    CrossEntropyAll,
    DiceCrossEntropy,
}

/// What a gradient does to the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
enum Rule {
    Sgd,
    Adam,
}

/// The learning rate over the training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
enum Schedule {
    Constant,
    Polynomial,
}

/// Trains a 3D U-Net to find what is marked in the cases' masks (Patel et al., Scientific Reports 9, 2019, Methods).
///
/// Patches are centred on voxels of the cavity, one half of them on marked ones; with the probability `augmented` a
/// patch is mirrored from side to side or turned in the axial plane. Dropout acts in the bottom scale. The last
/// `validation` cases are held out: the weights with their best mean Dice coefficient are kept. To the coefficient's
/// numerator and denominator 0.1 mL is added, so that a case with nothing to find counts 1 when nothing is marked, 0.5 when
/// 0.1 mL is, and 0.09 when 1 mL is.
///
/// The defaults are the paper's, but for the width and the number of patches, which fit a processor's day. With
/// `checkpoint` a training that was stopped goes on where it was, on a processor to the same bytes.
#[derive(Stage)]
#[stage(id = "train-unet3d", version = "0.1.0")]
#[input(cts, kind = "volume", unit = "HU", many, doc = "head CTs without contrast")]
#[input(cavities, kind = "mask", many, doc = "their cranial cavities, in the same order")]
#[input(masks, kind = "mask", many, doc = "what is to be found in them, in the same order")]
#[output(model, kind = "blob", doc = "the model, for segment-unet3d")]
#[output(metrics, kind = "table", doc = "loss and validation Dice over patches")]
#[output(curve, kind = "doc", doc = "the same as a picture")]
pub struct TrainUnet3d {
    /// Name of the model.
    #[param(default = "unet3d")]
    name: String,
    /// Version of the model.
    #[param(default = "1.0.0")]
    model_version: String,
    /// Licence of the model.
    #[param(default = "not stated")]
    licence: String,
    /// What the model may be used for.
    #[param(default = "research only")]
    intended_use: String,
    /// Name of what is to be found.
    #[param(default = "haematoma")]
    class: String,
    /// Model from which the training goes on; its network, window and orientation are kept. With `pool`, it learns another
    /// voxel size: the weights of a network for thick slices are a start for thin ones, and the other way round.
    #[param(input_file)]
    start: Option<String>,
    /// Channels of the first convolution; 32 in the paper.
    #[param(default = 8, min = 1, max = 32)]
    width: usize,
    /// Pooling along the axes R-L, A-P and I-S: 2, 2, 2 for thin slices, 2, 2, 1 for thick ones; if left out, that of
    /// `start`, or 2, 2, 2.
    #[param(min = 1, max = 2)]
    pool: Option<[usize; 3]>,
    /// HU that the network sees as 0 and 1.
    #[param(default = [-200.0, 200.0], unit = "HU")]
    window: [f64; 2],
    /// Voxels of a patch's output along the axes R-L, A-P and I-S, rounded up to what the network allows; 36 in the paper,
    /// 12 across thick slices.
    #[param(default = [36, 36, 36], min = 1, max = 256)]
    patch: [usize; 3],
    /// Patches in all.
    #[param(default = 5000, min = 1, max = 10000000)]
    patches: usize,
    /// Patches of a step.
    #[param(default = 1, min = 1, max = 64)]
    batch: usize,
    /// Learning rate.
    #[param(default = 0.001, min = 0.0, max = 10.0)]
    rate: f64,
    /// How the learning rate goes to its end: it stays, or falls as (1 - share of the patches seen)^0.9.
    #[param(default = "constant")]
    schedule: Schedule,
    /// Stochastic gradient descent with Nesterov momentum, as in the paper, or Adam (Kingma and Ba, ICLR 2015).
    #[param(default = "sgd")]
    optimiser: Rule,
    /// Nesterov momentum of `sgd`.
    #[param(default = 0.9, min = 0.0, max = 0.999)]
    momentum: f64,
    /// Share of values dropped in the bottom scale.
    #[param(default = 0.5, min = 0.0, max = 0.9)]
    dropout: f64,
    /// Share of a patch in the running mean and variance of the batch normalisation, which the model will use.
    #[param(default = 0.01, min = 0.0, max = 1.0)]
    running: f64,
    /// Share of the patches after which they are normalised by the running mean and variance, as the model will be used,
    /// instead of each patch's own: batch renormalisation (Ioffe, NIPS 2017); 1 never. A patch alone is a small batch.
    #[param(default = 1.0, min = 0.0, max = 1.0)]
    settled: f64,
    /// Share of patches that are mirrored or turned.
    #[param(default = 0.5, min = 0.0, max = 1.0)]
    augmented: f64,
    /// Largest turn in the axial plane.
    #[param(default = 15.0, min = 0.0, max = 45.0, unit = "degrees")]
    angle: f64,
    /// `cross-entropy`: as in the paper, over every marked voxel of a patch and as many others, drawn at random.
    /// `cross-entropy-all`: over all voxels. `dice-cross-entropy`: that, plus one minus the soft Dice coefficient of the patch.
    #[param(default = "cross-entropy")]
    loss: Aim,
    /// Share of the patches without a marked centre that are centred on voxels of `dense_hu`, where what looks like a
    /// haematoma and is none lies; the others lie anywhere in the cavity.
    #[param(default = 0.0, min = 0.0, max = 1.0)]
    dense: f64,
    /// From where to where voxels are dense.
    #[param(default = [50.0, 100.0], unit = "HU")]
    dense_hu: [f64; 2],
    /// Share of the weights before that stays in a running mean of the weights at each step, which is what is validated
    /// and kept; 0 keeps the weights themselves.
    #[param(default = 0.0, min = 0.0, max = 0.9999)]
    averaged: f64,
    /// Cases at the end of the lists that are held out.
    #[param(default = 0, min = 0, max = 10000)]
    validation: usize,
    /// Patches between validations and checkpoints.
    #[param(default = 500, min = 1, max = 10000000)]
    every: usize,
    /// Validations without a better Dice coefficient after which the training ends; 0 never ends it.
    #[param(default = 0, min = 0, max = 10000)]
    patience: usize,
    /// File that keeps the training's state, for going on after a stop.
    checkpoint: Option<String>,
    /// `auto` takes an NVIDIA GPU where there is one and the processor otherwise; `cuda` is refused without a GPU.
    #[param(default = "auto")]
    device: Device,
    /// Memory for a tile of a validation.
    #[param(default = 1024, min = 16, max = 1000000, unit = "MiB")]
    memory_mib: u64,
}

/// Any voxel size, until those of the cases are known.
const ANY: [[f64; 2]; 3] = [[1e-3, 1e3]; 3];

struct Validation<'a> {
    net: Architecture,
    on: &'a dyn Predictor,
}

impl Cost for Validation<'_> {
    fn bytes(&self, input: [usize; 3]) -> u64 {
        self.on.bytes(input).map_or(u64::MAX, |n| n + 4 * input.iter().product::<usize>() as u64)
    }

    fn flops(&self, input: [usize; 3]) -> f64 {
        self.net.flops(input).unwrap_or(f64::INFINITY)
    }
}

impl Run for TrainUnet3d {
    fn run(&self, run: &Context) -> Result<()> {
        let model = self.first(run)?;
        let net = model.card.architecture();
        let cases = self.cases(run, &model.card)?;
        let (train, held) = cases.split_at(cases.len() - self.validation);
        if train.iter().all(Case::is_empty) {
            return Err(Error::bad_input("no case to train with has a marked voxel in its cavity"));
        }
        let output = net.output_at_least(self.patch);
        let side = model.card.input.orientation.chars().position(|c| "LR".contains(c)).unwrap_or(0);
        let window = model.card.input.window;
        let (augmented, angle) = (self.augmented, self.angle.to_radians());
        let balanced = self.loss == Aim::CrossEntropy;
        let drawing = Drawing {
            output,
            margin: net.margin(),
            window,
            side,
            augmented,
            angle,
            balanced,
            dense: self.dense,
        };
        let (device, why) = self.device.choose()?;
        let why = why.map_or(String::new(), |why| format!(": {why}"));
        run.info(&format!("trains on {}{why}", device.name()));
        let settings = self.settings(run, &model, cases.len(), device);
        let mut trainer = Trainer::new(&net, model.weights.clone()).map_err(Error::bad_input)?;
        let mut state = State { settings: settings.clone(), ..State::default() };
        let mut best = model.weights.clone();
        let mut mean = (self.averaged > 0.0).then(|| model.weights.clone());
        let resumed = self.checkpoint.as_ref().map(|path| load(path, &settings, &model.weights)).transpose();
        if let Some((old, trained)) = resumed.map_err(Error::bad_input)?.flatten() {
            run.info(&format!("goes on after {} patches", old.patches));
            trainer = Trainer::new(&net, trained.now).map_err(Error::bad_input)?;
            trainer.set_memory(&trained.memory).map_err(Error::bad_input)?;
            (state, best) = (old, trained.best);
            mean = mean.map(|_| trained.mean);
        }
        let loss = match self.loss {
            Aim::CrossEntropy | Aim::CrossEntropyAll => Loss::CrossEntropy,
            Aim::DiceCrossEntropy => Loss::DiceCrossEntropy,
        };
        let optimiser = match self.optimiser {
            Rule::Sgd => Optimiser::Sgd { momentum: self.momentum },
            Rule::Adam => Optimiser::Adam,
        };
        let shape = std::array::from_fn(|a| output[a] + 2 * net.margin()[a]);
        let mut sum = 0.0;
        let mut since = state.patches;
        while state.patches < self.patches && !self.is_stalled(&state) {
            run.check_cancelled()?;
            let n = state.patches as u64;
            let drawn = drawing.draw(run, train, run.seed(), n);
            let patch = Patch { image: &drawn.image, shape, target: &drawn.target, weight: &drawn.weight };
            let drop =
                Dropping { share: self.dropout, seed: ichor_image::random::at(run.seed() ^ 0xd809, n) };
            let running = state.patches as f64 >= self.settled * self.patches as f64;
            // A model to start from knows a mean and variance already.
            let seen = state.patches + if self.start.is_some() { KNOWN } else { 0 };
            let normalise = Normalise { share: self.running, seen, running };
            let lesson = Lesson { patch, loss, normalise, drop };
            let learned = learn(device, &UntilCancelled(run), &net, &trainer, lesson);
            run.check_cancelled()?;
            let learned = learned.map_err(Error::internal)?;
            trainer.take(&learned, normalise);
            sum += learned.loss;
            state.patches += 1;
            let last = state.patches == self.patches;
            if state.patches.is_multiple_of(self.batch) || last {
                let left = 1.0 - (state.patches - 1) as f64 / self.patches as f64;
                let rate = match self.schedule {
                    Schedule::Constant => self.rate,
                    Schedule::Polynomial => self.rate * left.powf(0.9),
                };
                let step = state.patches.div_ceil(self.batch);
                trainer.step(rate, optimiser, step);
                if let Some(mean) = &mut mean {
                    // Few steps are averaged over themselves.
                    let stays = self.averaged.min(step as f64 / (step + 9) as f64);
                    mean.approach(trainer.weights(), 1.0 - stays as f32);
                }
            }
            let fraction = state.patches as f64 / self.patches as f64;
            run.progress(fraction, &format!("patch {} of {}", state.patches, self.patches));
            // A checkpoint between two patches of a step would lose the gradient of the first.
            if last || state.patches >= since + self.every && state.patches.is_multiple_of(self.batch) {
                let weights = mean.as_ref().unwrap_or(trainer.weights());
                let dice = self.validate(run, &net, weights, held, window, device)?;
                let loss = sum / (state.patches - since) as f64;
                state.history.push(Measured { patches: state.patches, loss, dice });
                let row = state.history.len() - 1;
                let score = |n: usize| state.history.get(n).and_then(|m| m.dice).unwrap_or(f64::NEG_INFINITY);
                if row == 0 || held.is_empty() || score(row) > score(state.best) {
                    state.best = row;
                    best = weights.clone();
                }
                (sum, since) = (0.0, state.patches);
                run.info(&row_text(&state.history[row]));
                if let Some(path) = &self.checkpoint {
                    save(path, &state, &trainer, &best, weights).map_err(Error::io)?;
                }
            }
        }
        self.emit(run, model.card, best, &state, [train.len(), held.len()], device)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let model = self.first(run)?;
        let net = model.card.architecture();
        let output = net.output_at_least(self.patch);
        let shape = std::array::from_fn(|a| output[a] + 2 * net.margin()[a]);
        let sizes = net.sizes(shape).map_err(Error::bad_params)?;
        // Of every layer the input and the convolution's output are kept; its gradient and the padded one come and go.
        let maps: usize = net
            .layers()
            .iter()
            .filter_map(|l| Some((l, sizes.iter().find(|s| s.name == l.name)?)))
            .map(|(l, s)| 2 * l.outputs * s.shape.iter().product::<usize>())
            .sum();
        let weights = 24 * net.parameters() as u64;
        let tile = if self.validation > 0 { self.memory_mib << 20 } else { 0 };
        Ok(match self.device.choose()?.0 {
            // Burn keeps what each operation was given: about eight maps a layer.
            Device::Cuda => {
                Need { scratch_bytes: weights, device_bytes: weights + (16 * maps as u64).max(tile) }
            }
            _ => Need { scratch_bytes: weights + (7 * maps as u64).max(tile), device_bytes: 0 },
        })
    }
}

/// Patches that a model's running mean and variance count as, so that the first ones do not replace them.
const KNOWN: usize = 1 << 20;

/// mL added to the numerator and denominator of a Dice coefficient.
const FORGIVEN_ML: f64 = 0.1;

/// Dice coefficient of voxels in both masks and in either, counted twice where in both, with [`FORGIVEN_ML`].
fn forgiving_dice(both: usize, either: usize, voxel_mm3: f64) -> f64 {
    let forgiven = FORGIVEN_ML * 1000.0 / voxel_mm3;
    (2.0 * both as f64 + forgiven) / (either as f64 + forgiven)
}

/// The run's threads, which leave a loop's rest undone once the run should stop: a step of a wide network takes seconds,
/// and nobody takes what such a step has learned.
struct UntilCancelled<'a>(&'a Context<'a>);

impl Parallel for UntilCancelled<'_> {
    fn for_each(&self, n: usize, grain: usize, body: &(dyn Fn(Range<usize>) + Sync)) {
        self.0.for_each(n, grain, &|range| {
            if !self.0.cancelled() {
                body(range);
            }
        });
    }
}

fn row_text(m: &Measured) -> String {
    let dice = m.dice.map_or(String::new(), |d| format!(", validation Dice {d:.4}"));
    format!("{} patches: loss {:.4}{dice}", m.patches, m.loss)
}

impl TrainUnet3d {
    /// The model to start from: given, or with random weights.
    fn first(&self, run: &Context) -> Result<Model> {
        if let Some(path) = &self.start {
            let mut model = Model::open(path)?;
            if let Some(pool) = self.pool {
                model.card.network.pool = pool;
                model.card.input.spacing_mm = ANY;
            }
            return Ok(model);
        }
        let [low, high] = self.window;
        if low >= high {
            return Err(Error::bad_params(format!("the window from {low} to {high} HU is none")));
        }
        let (width, pool) = (self.width, self.pool.unwrap_or([2; 3]));
        let network = Network {
            kind: Kind::Unet3dValid,
            inputs: 1,
            outputs: 2,
            width,
            depth: 3,
            pool,
            slope: Architecture::thin(width).slope,
            epsilon: 1e-5,
        };
        let window = [low as f32, high as f32];
        let input = Images { unit: Unit::Hu, window, orientation: "LPS".into(), spacing_mm: ANY };
        let card = Card {
            form: FORM,
            name: self.name.clone(),
            version: self.model_version.clone(),
            intended_use: self.intended_use.clone(),
            licence: self.licence.clone(),
            network,
            input,
            classes: vec!["background".into(), self.class.clone()],
            training: serde_json::Value::Null,
        };
        let mut weights = Weights::random(&card.architecture(), run.seed());
        for c in &mut weights.convolutions {
            // As networks are begun: nothing but the weights is random.
            c.bias.fill(0.0);
            if let Some(n) = &mut c.norm {
                n.gamma.fill(1.0);
                n.beta.fill(0.0);
                n.mean.fill(0.0);
                n.variance.fill(1.0);
            }
        }
        Ok(Model { card, weights })
    }

    fn cases<'a>(&self, run: &Context<'a>, card: &Card) -> Result<Vec<Case<'a>>> {
        let (cts, cavities, masks) =
            (run.many(Self::CTS)?, run.many(Self::CAVITIES)?, run.many(Self::MASKS)?);
        let n = cts.len();
        if cavities.len() != n || masks.len() != n {
            return Err(Error::bad_input(format!(
                "there are {n} CTs, {} cavities and {} masks; give one of each a case",
                cavities.len(),
                masks.len()
            )));
        }
        if n <= self.validation {
            return Err(Error::bad_params(format!(
                "of {n} cases {} are held out: none is left to train with",
                self.validation
            )));
        }
        let mut out = Vec::new();
        for (n, ((ct, cavity), mask)) in cts.into_iter().zip(cavities).zip(masks).enumerate() {
            let grid = *ct.grid();
            let place = format!("case {}", n + 1);
            if !grid.same_as(cavity.grid()) || !grid.same_as(mask.grid()) {
                return Err(Error::bad_input(format!("{place}: CT, cavity and mask lie on different grids")));
            }
            let turned = card.fit(&grid).map_err(|why| Error::bad_input(format!("{place}: {why}")))?;
            let turn = Turn::new(&grid, &turned);
            let dense = (self.dense > 0.0).then_some(self.dense_hu);
            let case = Case::new(ct, cavity.mask()?, mask.mask()?, turn, turned, dense);
            out.push(case.ok_or_else(|| Error::bad_input(format!("{place}: the cavity is empty")))?);
        }
        Ok(out)
    }

    /// Everything that decides the result, as text.
    fn settings(&self, run: &Context, start: &Model, cases: usize, device: Device) -> String {
        json!([
            start.card.text(),
            start.weights.convolutions.first().map(|c| &c.weight),
            [self.patch[0], self.patch[1], self.patch[2], self.batch, self.validation, self.every, cases],
            [self.rate, self.momentum, self.dropout, self.augmented, self.angle, self.running, self.settled],
            [self.dense, self.dense_hu[0], self.dense_hu[1], self.averaged],
            // Of what depends on the end.
            (self.schedule == Schedule::Polynomial || self.settled < 1.0).then_some(self.patches),
            format!("{:?} {:?} {:?}", self.loss, self.schedule, self.optimiser),
            run.seed(),
            device.name(),
        ])
        .to_string()
    }

    fn is_stalled(&self, state: &State) -> bool {
        self.patience > 0 && state.history.len() > state.best + self.patience
    }

    /// Mean Dice coefficient of the cases held out, inside their cavities, with [`FORGIVEN_ML`] in each.
    fn validate(
        &self,
        run: &Context,
        net: &Architecture,
        weights: &Weights,
        held: &[Case],
        window: [f32; 2],
        device: Device,
    ) -> Result<Option<f64>> {
        if held.is_empty() {
            return Ok(None);
        }
        let on = predictor(net, weights, device, Precision::F32).map_err(Error::internal)?;
        let mut sum = 0.0;
        for case in held {
            let occupied = Occupied::of(run, case.cavity, &case.turn, net.alignment());
            let cost = Validation { net: *net, on: &*on };
            let tiling = cheapest(net, &occupied, &cost, self.memory_mib << 20).map_err(|least| {
                Error::bad_params(format!(
                    "a tile needs {} MiB: set `memory_mib` to that",
                    least.div_ceil(1 << 20)
                ))
            })?;
            // Voxels found, marked, and both; tiles overlap a little, so that the volume is made first.
            let mut found = vec![false; case.cavity.len()];
            for tile in tiling.iter().flat_map(|t| &t.tiles) {
                let input = read(run, &case.ct, &case.turn, &tile.input, window);
                let shape = tile.input.shape();
                let p =
                    on.infer(run, input, shape, &|| run.cancelled(), &|_| {}).map_err(|stop| match stop {
                        Stop::Cancelled => Error::cancelled(),
                        Stop::Refused(why) => Error::internal(why),
                    })?;
                case.turn.places(&tile.output, |from, at| found[at] = p[from] >= 0.5 && case.cavity[at] != 0);
            }
            let (mut both, mut either) = (0usize, 0usize);
            for ((&f, &m), &c) in found.iter().zip(case.mask).zip(case.cavity) {
                let m = m != 0 && c != 0;
                both += usize::from(f && m);
                either += usize::from(f) + usize::from(m);
            }
            sum += forgiving_dice(both, either, case.grid.voxel_volume_mm3());
        }
        Ok(Some(sum / held.len() as f64))
    }

    fn emit(
        &self,
        run: &Context,
        mut card: Card,
        weights: Weights,
        state: &State,
        [trained, held]: [usize; 2],
        device: Device,
    ) -> Result<()> {
        let kept = state.history.get(state.best).copied().unwrap_or_default();
        card.training = json!({
            "cases": trained, "held_out": held, "patches": kept.patches, "validation_dice": kept.dice,
            "seed": run.seed(), "optimiser": format!("{:?}", self.optimiser), "rate": self.rate, "momentum": self.momentum, "batch": self.batch,
            "dropout": self.dropout, "augmented": self.augmented, "angle_degrees": self.angle,
            "loss": format!("{:?}", self.loss), "schedule": format!("{:?}", self.schedule),
            "running": self.running, "settled": self.settled, "averaged": self.averaged, "dense": self.dense,
            "dense_hu": self.dense_hu, "device": device.name(),
        });
        (card.name, card.version) = (self.name.clone(), self.model_version.clone());
        (card.licence, card.intended_use) = (self.licence.clone(), self.intended_use.clone());
        if self.start.is_none() || self.pool.is_some() {
            card.input.spacing_mm = self.spacing(run)?;
        }
        let bytes = Model { card, weights }.write().map_err(Error::internal)?;
        run.emit_blob(Self::MODEL, "application/octet-stream", "safetensors", bytes)?;
        let mut table = Table::new(&["patches", "loss", "validation_dice", "kept"]);
        for (n, m) in state.history.iter().enumerate() {
            table.rows.push(vec![m.patches.into(), m.loss.into(), m.dice.into(), (n == state.best).into()]);
        }
        run.emit_table(Self::METRICS, &table)?;
        run.emit_doc(Self::CURVE, "image/svg+xml", "svg", &svg(&state.history))
    }

    /// The voxel sizes of the cases and a fifth more on both sides: what a model from scratch is for.
    fn spacing(&self, run: &Context) -> Result<[[f64; 2]; 3]> {
        let mut out = [[f64::INFINITY, 0.0f64]; 3];
        for ct in run.many(Self::CTS)? {
            let turned = ct.grid().reoriented(['L', 'P', 'S']).unwrap_or(*ct.grid());
            for (range, s) in out.iter_mut().zip(turned.spacing()) {
                *range = [range[0].min(s / 1.2), range[1].max(s * 1.2)];
            }
        }
        Ok(out.map(|r| r.map(|s| (s * 1000.0).round() / 1000.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_that_is_marked_in_an_empty_head_counts_more_than_much() {
        // Voxels of 10 mm3: 10 are 0.1 mL, 100 are 1 mL.
        let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-12, "{got} {want}");
        close(forgiving_dice(0, 0, 10.0), 1.0);
        close(forgiving_dice(0, 10, 10.0), 0.5);
        close(forgiving_dice(0, 100, 10.0), 1.0 / 11.0);
        // 30 mL, of which 27 are found and 3 falsely: 0.9.
        assert!((forgiving_dice(2700, 6000, 10.0) - 0.9).abs() < 2e-4);
    }
}
