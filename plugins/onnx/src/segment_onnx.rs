//! Segments with any lab's 3D network in the ONNX format.

use crate::activation::{Activation, wins};
use crate::blend::blend;
use crate::form::{self, FLOAT, Form};
use crate::intensity::{Intensity, Scale, single};
use crate::mirror::{combinations, mirrored};
use crate::patches::{Blending, Patches};
use crate::runtime::{self, Network};
use ichor_image::Bounds;
use ichor_image::Turn;
use ichor_sdk::json::json;
use ichor_sdk::prelude::*;

/// Where the network runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
enum Device {
    Cpu,
    Cuda,
}

/// Segments with a 3D network in the ONNX format, such as nnU-Net and MONAI export, through ONNX Runtime
/// (`docs/onnx.md` shows how).
///
/// The network reads one channel, `[1, 1, d, h, w]`, and its first output is `[1, classes, d, h, w]`, both f32.
/// `orientation`, `spacing`, `patch` and `mirror` are in the order of these dimensions: d, h, w. The CT's axes are
/// turned to `orientation` without a copy; nothing is resampled, and a CT with other voxels is refused.
///
/// Patches lie and are weighted as nnU-Net v2 does it (Isensee et al., Nature Methods 18, 2021): equally far apart,
/// blended before the activation, 0 around a CT that is smaller than a patch. Patches without a voxel of the cavity
/// are left out, which changes no value inside it.
///
/// ONNX Runtime is no part of Ichor and is loaded when the stage runs: from `runtime`, else from the path in the
/// variable ORT_DYLIB_PATH, else from the system (`libonnxruntime.so`). It runs on as many threads as the run has.
/// Runs with the same library, the same kind of processor and as many threads give the same bytes; ONNX Runtime
/// promises no more than that. Give `runtime`, and the record of a run has its hash.
///
/// ONNX Runtime reads the model in C++. Run models that you do not trust with `isolate: true`: a defect of the
/// reader then ends a worker process, not the run. Planning reads the model without ONNX Runtime.
#[derive(Stage)]
#[stage(id = "segment-onnx", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "non-contrast head CT")]
#[input(
    cavity,
    kind = "mask",
    grid = "ct",
    optional,
    doc = "cranial cavity; without it the whole CT is segmented"
)]
#[output(probability, kind = "probs", grid = "ct", doc = "of the class; 0 outside the cavity")]
#[output(
    mask,
    kind = "mask",
    grid = "ct",
    doc = "where the class wins, or its probability is at least `threshold`"
)]
pub struct SegmentOnnx {
    /// Path of the model, one ONNX file with its weights in it.
    #[param(input_file)]
    model: String,
    /// Path of ONNX Runtime's library, version 1.17 or later.
    #[param(input_file)]
    runtime: Option<String>,
    /// Where the network runs. `cuda` is not offered yet.
    #[param(default = "cpu")]
    device: Device,
    /// Where the network's axes d, h and w point, e.g. `SPL` for nnU-Net on images stored as LPS, `RAS` for MONAI
    /// after `Orientationd(axcodes="RAS")`.
    orientation: String,
    /// Voxel size along d, h and w that the network was trained for, kept to within 2 %; null takes any.
    #[param(unit = "mm")]
    spacing: Option<[f64; 3]>,
    /// Values beyond are clipped to these.
    #[param(unit = "HU")]
    window: Option<[f64; 2]>,
    /// After clipping: `unit` makes the window 0 to 1, `zscore` subtracts `mean` and divides by `sd`, `none` leaves HU.
    scale: Scale,
    /// For `zscore`.
    #[param(unit = "HU")]
    mean: Option<f64>,
    /// For `zscore`.
    #[param(unit = "HU")]
    sd: Option<f64>,
    /// Size of a patch along d, h and w; null takes the size that the model was exported with.
    #[param(min = 1, max = 2048, unit = "voxels")]
    patch: Option<[usize; 3]>,
    /// Least share of a patch that overlaps the next one.
    #[param(default = 0.5, min = 0.0, max = 0.95)]
    overlap: f64,
    /// Weights where patches overlap: a Gaussian with a standard deviation of an eighth of the patch, or equal ones.
    #[param(default = "gaussian")]
    blending: Blending,
    /// Makes probabilities of the network's values; `none` when the network has done so.
    #[param(default = "softmax")]
    activation: Activation,
    /// Output channel of the class, counted from 0.
    #[param(default = 1, max = 1000)]
    class: usize,
    /// Least probability in the mask; null: where the class has the largest value of all, and 0.5 for `sigmoid` and for
    /// networks with one channel.
    #[param(min = 0.0, max = 1.0)]
    threshold: Option<f64>,
    /// Axes, 0 for d, 1 for h, 2 for w, along which patches are mirrored too; the mean over all combinations is taken.
    /// Each axis doubles the time.
    #[param(default = [], max = 2)]
    mirror: Vec<usize>,
    /// Memory that ONNX Runtime needs for a patch. The run is planned with it; ONNX Runtime is not held to it.
    #[param(default = 4096, min = 16, max = 1000000, unit = "MiB")]
    memory_mib: u64,
}

/// What is known before ONNX Runtime is loaded.
struct Setup {
    bytes: Vec<u8>,
    form: Form,
    intensity: Intensity,
    turn: Turn,
    /// Along w, h, d, as arrays lie in memory.
    patch: [usize; 3],
    patches: Patches,
    flips: Vec<[bool; 3]>,
}

/// What a voxel of the turned volume gets.
#[derive(Clone, Copy, Default)]
struct Found {
    probability: f32,
    is_class: bool,
}

impl Run for SegmentOnnx {
    fn run(&self, run: &Context) -> Result<()> {
        let ct = run.input(Self::CT)?;
        let cavity = self.cavity(run, ct.grid())?.map(|c| c.mask()).transpose()?;
        let setup = self.set_up(&ct)?;
        let probability = run.new_probs(Self::PROBABILITY, 1, ct.grid())?;
        let mask = run.new_mask(Self::MASK, ct.grid())?;
        probability.fill(0.0);
        mask.fill(0);
        let patches = &setup.patches;
        let wanted: Vec<bool> = map_ranges(run, patches.len(), 1, &|n| {
            cavity.is_none_or(|c| setup.turn.any(c, &patches.bounds(patches.place(n.start))))
        });
        let total = wanted.iter().filter(|w| **w).count();
        if total == 0 {
            run.warn("the cavity is empty, and so is the mask");
        } else {
            self.segment(run, &ct, cavity, setup, &wanted, (&mut *probability, &mut *mask))?;
        }
        let meta = json!({ "model": file_name(&self.model), "class": self.class, "patches": total });
        run.set_meta(Self::PROBABILITY, &meta)?;
        run.set_meta(Self::MASK, &meta)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let ct = run.input(Self::CT)?;
        self.cavity(run, ct.grid())?;
        let setup = self.set_up(&ct)?;
        run.new_probs(Self::PROBABILITY, 1, ct.grid())?;
        run.new_mask(Self::MASK, ct.grid())?;
        let [nx, ny, _] = setup.turn.shape();
        let [px, py, pz] = setup.patch.map(|n| n as u64);
        let channels = setup.channels().unwrap_or(self.class + 1).max(2) as u64;
        // A patch as it is read, mirrored, answered, turned back and added up; and the slices that are not finished.
        let patch = 4 * px * py * pz * (2 + 3 * channels);
        let slices = 4 * channels * pz.min(setup.turn.shape()[2] as u64) * (nx * ny) as u64;
        // The model's file, what is made of it, and that again in the order in which it is used.
        let scratch = 3 * setup.bytes.len() as u64 + patch + slices;
        Ok(Need { scratch_bytes: scratch.saturating_add(self.memory_mib << 20), device_bytes: 0 })
    }
}

impl Setup {
    fn channels(&self) -> Option<usize> {
        self.form.outputs.first().and_then(|t| *t.shape.get(1)?)
    }
}

impl SegmentOnnx {
    fn cavity<'a>(&self, run: &Context<'a>, grid: &Grid) -> Result<Option<Input<'a>>> {
        let cavity = run.optional(Self::CAVITY)?;
        if let Some(c) = cavity.as_ref().filter(|c| !c.grid().same_as(grid)) {
            return Err(Error::bad_input(format!(
                "the CT has {grid} and the cavity {}, or they lie apart; resample one like the other",
                c.grid()
            )));
        }
        Ok(cavity)
    }

    fn set_up(&self, ct: &Input) -> Result<Setup> {
        if self.device == Device::Cuda {
            return Err(Error::unsupported(
                "`device: cuda` is not offered for ONNX models yet; leave it out, or set it to cpu",
            ));
        }
        single(ct)?;
        let intensity = Intensity::new(self.scale, self.window, self.mean, self.sd)?;
        runtime::check(self.runtime.as_deref())?;
        let (bytes, form) = form::open(&self.model)?;
        let patch = self.fit(&form).map_err(Error::bad_input)?;
        let turned = self.turned(ct.grid())?;
        let patches = Patches::new(turned.shape, patch, self.overlap, self.blending);
        let turn = Turn::new(ct.grid(), &turned);
        let flips = combinations([2, 1, 0].map(|a| self.mirror.contains(&a)));
        Ok(Setup { bytes, form, intensity, turn, patch, patches, flips })
    }

    /// The CT's grid with its axes as the network has them, w first.
    fn turned(&self, grid: &Grid) -> Result<Grid> {
        let letters: Vec<char> = self.orientation.chars().rev().collect();
        let letters = <[char; 3]>::try_from(letters).ok();
        let turned = letters.and_then(|l| grid.reoriented(l)).ok_or_else(|| {
            Error::bad_params(format!(
                "`orientation` is `{}`; three letters are needed, one of R and L, of A and P, and of S and I each, \
                 e.g. SPL",
                self.orientation
            ))
        })?;
        let mut found = turned.spacing();
        found.reverse();
        let Some(wanted) = self.spacing else { return Ok(turned) };
        if (0..3).all(|a| (found[a] - wanted[a]).abs() <= 0.02 * wanted[a]) {
            return Ok(turned);
        }
        let text = |s: [f64; 3]| s.map(|v| ((v * 1000.0).round() / 1000.0).to_string()).join(" x ");
        Err(Error::bad_input(format!(
            "the network is for voxels of {} mm along {}, and the CT has {} mm; put `resample` before this stage, or \
             correct `spacing`",
            text(wanted),
            self.orientation,
            text(found)
        )))
    }

    /// The size of a patch along w, h, d, when the model is one that this stage can run.
    fn fit(&self, form: &Form) -> Result<[usize; 3], String> {
        let model = &self.model;
        let [input] = &form.inputs[..] else {
            let names: Vec<&str> = form.inputs.iter().map(|t| t.name.as_str()).collect();
            return Err(format!(
                "the model `{model}` has {} inputs ({}), and this stage gives one, the CT",
                names.len(),
                names.join(", ")
            ));
        };
        let Some(output) = form.outputs.first() else {
            return Err(format!("the model `{model}` has no output"));
        };
        for (tensor, what) in [(input, "reads"), (output, "gives")] {
            if tensor.element != FLOAT {
                return Err(format!(
                    "the model `{model}` {what} numbers of ONNX type {} as `{}`, and this stage works with f32; export \
                     it in single precision",
                    tensor.element, tensor.name
                ));
            }
        }
        let [batch, channel, d, h, w] = input.shape[..] else {
            return Err(format!(
                "the model `{model}` reads a tensor of {} dimensions, and this stage gives five: [1, 1, d, h, w]",
                input.shape.len()
            ));
        };
        if let Some(n) = batch.filter(|n| *n != 1) {
            return Err(format!("the model `{model}` reads {n} patches at once, and this stage gives one"));
        }
        if let Some(n) = channel.filter(|n| *n != 1) {
            return Err(format!(
                "the model `{model}` reads {n} images at once, and this stage gives one, the CT"
            ));
        }
        if let Some(n) = output.shape.get(1).copied().flatten() {
            if self.class >= n {
                return Err(format!(
                    "`class` is {}, and the model `{model}` has {n} channel{}, counted from 0",
                    self.class,
                    if n == 1 { "" } else { "s" }
                ));
            }
            self.channels_fit(n)?;
        }
        let mut patch = [0; 3];
        for (a, (of_model, name)) in [(w, 'w'), (h, 'h'), (d, 'd')].into_iter().enumerate() {
            let given = self.patch.map(|p| p[2 - a]);
            patch[a] = match (of_model, given) {
                (Some(n), Some(p)) if n != p => {
                    return Err(format!(
                        "`patch` has {p} voxels along {name}, and the model `{model}` was exported for {n}; leave \
                         `patch` out, or export it with open dimensions"
                    ));
                }
                (Some(n), _) | (None, Some(n)) => n,
                (None, None) => {
                    return Err(format!(
                        "the model `{model}` takes patches of any size; set `patch` to the one it was trained with"
                    ));
                }
            };
        }
        match patch.iter().try_fold(1usize, |n, p| n.checked_mul(*p)) {
            Some(n) if n <= 1 << 30 && patch.iter().all(|p| *p > 0) => Ok(patch),
            _ => Err(format!(
                "a patch of {} x {} x {} voxels is no size to work with",
                patch[2], patch[1], patch[0]
            )),
        }
    }

    fn channels_fit(&self, channels: usize) -> Result<(), String> {
        match (channels, self.activation) {
            (1, Activation::Softmax) => Err(format!(
                "the model `{}` has one channel, of which softmax makes 1 everywhere; set `activation` to sigmoid \
                 or none",
                self.model
            )),
            _ => Ok(()),
        }
    }

    fn segment(
        &self,
        run: &Context,
        ct: &Input,
        cavity: Option<&[u8]>,
        setup: Setup,
        wanted: &[bool],
        (probability, mask): (&mut [f32], &mut [u8]),
    ) -> Result<()> {
        let Setup { bytes, intensity, turn, patch, patches, flips, .. } = setup;
        run.progress(0.0, "load the model");
        let dims = [patch[2], patch[1], patch[0]];
        let mut network =
            Network::new(self.runtime.as_deref(), &self.model, &bytes, dims, run.max_threads())?;
        drop(bytes);
        let total = wanted.iter().filter(|w| **w).count();
        run.info(&format!(
            "{total} of {} patches of {} x {} x {} voxels",
            wanted.len(),
            dims[0],
            dims[1],
            dims[2]
        ));
        let mut done = 0;
        let mut predict = |_: usize, bounds: &Bounds| -> Result<Vec<f32>> {
            run.progress(done as f64 / total as f64, &format!("patch {} of {total}", done + 1));
            let image = intensity.read(run, ct.voxels(), &turn, bounds);
            let mut sum: Vec<f32> = Vec::new();
            for &flip in &flips {
                run.check_cancelled()?;
                if flip == [false; 3] {
                    sum = network.infer(&image)?;
                } else {
                    let found = network.infer(&mirrored(&image, patch, flip))?;
                    sum.iter_mut().zip(mirrored(&found, patch, flip)).for_each(|(s, f)| *s += f);
                }
            }
            if flips.len() > 1 {
                let share = 1.0 / flips.len() as f32;
                sum.iter_mut().for_each(|s| *s *= share);
            }
            let channels = sum.len() / patch.iter().product::<usize>();
            if self.class >= channels {
                return Err(Error::bad_params(format!(
                    "`class` is {}, and the model `{}` gives {channels} channels, counted from 0",
                    self.class, self.model
                )));
            }
            self.channels_fit(channels).map_err(Error::bad_params)?;
            done += 1;
            Ok(sum)
        };
        let [nx, ny, _] = turn.shape();
        let mut plane = vec![Found::default(); nx * ny];
        let mut finished = |k: usize, values: &[f32]| {
            let inside = |at: usize| cavity.is_none_or(|c| c[at] != 0);
            for_each_chunk(run, &mut plane, 16 * nx, &|rows, part| {
                let mut voxel = vec![0.0; values.len() / (nx * ny)];
                for (n, found) in part.iter_mut().enumerate() {
                    let n = 16 * nx * rows + n;
                    if !inside(turn.at([n % nx, n / nx, k])) {
                        *found = Found::default();
                        continue;
                    }
                    voxel.iter_mut().enumerate().for_each(|(c, v)| *v = values[n + nx * ny * c]);
                    *found = self.found(&voxel);
                }
            });
            for (n, found) in plane.iter().enumerate() {
                if !(-1e-3..=1.001).contains(&found.probability) {
                    return Err(Error::bad_params(format!(
                        "the model `{}` gives {}, which is no probability; set `activation` to softmax or sigmoid",
                        self.model, found.probability
                    )));
                }
                let at = turn.at([n % nx, n / nx, k]);
                probability[at] = found.probability.clamp(0.0, 1.0);
                mask[at] = u8::from(found.is_class);
            }
            Ok(())
        };
        blend(run, &patches, wanted, &mut predict, &mut finished)
    }

    fn found(&self, values: &[f32]) -> Found {
        let probability = self.activation.probability(values, self.class);
        let is_class = match self.threshold {
            Some(least) => probability >= least as f32,
            None if self.activation == Activation::Sigmoid || values.len() == 1 => probability >= 0.5,
            None => wins(values, self.class),
        };
        Found { probability, is_class }
    }
}

/// The last part of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Tensor;

    fn stage() -> SegmentOnnx {
        SegmentOnnx {
            model: "m.onnx".into(),
            runtime: None,
            device: Device::Cpu,
            orientation: "SPL".into(),
            spacing: None,
            window: None,
            scale: Scale::None,
            mean: None,
            sd: None,
            patch: None,
            overlap: 0.5,
            blending: Blending::Gaussian,
            activation: Activation::Softmax,
            class: 1,
            threshold: None,
            mirror: vec![],
            memory_mib: 64,
        }
    }

    fn form(input: &[usize], output: &[usize]) -> Form {
        let tensor = |name: &str, shape: &[usize]| Tensor {
            name: name.into(),
            element: FLOAT,
            shape: shape.iter().map(|n| Some(*n).filter(|n| *n > 0)).collect(),
        };
        Form { inputs: vec![tensor("x", input)], outputs: vec![tensor("y", output)] }
    }

    #[test]
    fn the_patch_is_the_model_s_or_the_one_that_is_given() {
        let fixed = form(&[1, 1, 8, 12, 16], &[1, 2, 8, 12, 16]);
        let open = form(&[0, 1, 0, 0, 0], &[]);
        assert_eq!(stage().fit(&fixed), Ok([16, 12, 8]));
        let given = |patch| SegmentOnnx { patch: Some(patch), ..stage() };
        assert_eq!(given([4, 5, 6]).fit(&open), Ok([6, 5, 4]));
        assert_eq!(given([8, 12, 16]).fit(&fixed), Ok([16, 12, 8]));
        let error = given([8, 12, 32]).fit(&fixed).unwrap_err();
        assert!(
            error.starts_with("`patch` has 32 voxels along w, and the model `m.onnx` was exported for 16")
        );
        assert!(stage().fit(&open).unwrap_err().contains("set `patch` to the one it was trained with"));
        assert!(given([2048, 2048, 2048]).fit(&open).unwrap_err().contains("no size to work with"));
    }

    #[test]
    fn models_of_another_form_are_refused_in_a_sentence() {
        let says = |form: &Form, part: &str| {
            let error = stage().fit(form).unwrap_err();
            assert!(error.contains(part) && error.contains("`m.onnx`"), "{error}");
        };
        let fine = form(&[1, 1, 8, 8, 8], &[1, 2, 8, 8, 8]);
        says(&form(&[1, 1, 8, 8], &[1, 2, 8, 8]), "4 dimensions");
        says(&form(&[1, 3, 8, 8, 8], &[1, 2, 8, 8, 8]), "reads 3 images at once");
        says(&form(&[4, 1, 8, 8, 8], &[4, 2, 8, 8, 8]), "reads 4 patches at once");
        says(&form(&[1, 1, 8, 8, 8], &[1, 1, 8, 8, 8]), "has 1 channel, counted from 0");
        let mut two = fine.clone();
        two.inputs.extend(fine.inputs.clone());
        says(&two, "has 2 inputs (x, x)");
        let mut half = fine.clone();
        half.inputs[0].element = 10;
        says(&half, "reads numbers of ONNX type 10 as `x`");
        says(&Form { outputs: vec![], ..fine }, "has no output");
        let one = SegmentOnnx { class: 0, ..stage() };
        assert!(
            one.fit(&form(&[1, 1, 8, 8, 8], &[1, 1])).unwrap_err().contains("softmax makes 1 everywhere")
        );
    }

    #[test]
    fn axes_and_spacing_are_those_of_the_network() {
        let grid = Grid::new([40, 30, 20], Affine::from_spacing([0.5, 0.6, 5.0], [0.0; 3])).unwrap();
        let with =
            |orientation: &str, spacing| SegmentOnnx { orientation: orientation.into(), spacing, ..stage() };
        let turned = with("SPL", Some([5.05, 0.6, 0.5])).turned(&grid).unwrap();
        assert_eq!((turned.shape, turned.affine.orientation()), ([40, 30, 20], ['L', 'P', 'S']));
        let turned = with("RAS", Some([0.5, 0.6, 5.0])).turned(&grid).unwrap();
        assert_eq!((turned.shape, turned.affine.orientation()), ([20, 30, 40], ['S', 'A', 'R']));
        let error = with("SPL", Some([1.0, 0.6, 0.5])).turned(&grid).unwrap_err();
        assert_eq!(
            error.message(),
            "the network is for voxels of 1 x 0.6 x 0.5 mm along SPL, and the CT has 5 x 0.6 x 0.5 mm; put `resample` \
             before this stage, or correct `spacing`"
        );
        for wrong in ["", "SP", "SPLR", "SSL", "xyz", "spl"] {
            assert!(
                with(wrong, None).turned(&grid).unwrap_err().message().contains("three letters are needed")
            );
        }
    }

    #[test]
    fn the_mask_is_the_winner_or_what_reaches_the_threshold() {
        let logits = [0.0, 0.4, 0.3];
        assert!(stage().found(&logits).is_class && stage().found(&logits).probability < 0.5);
        let with = |threshold, activation| SegmentOnnx { threshold, activation, ..stage() };
        assert!(!with(Some(0.5), Activation::Softmax).found(&logits).is_class);
        assert!(with(Some(0.35), Activation::Softmax).found(&logits).is_class);
        assert!(with(None, Activation::Sigmoid).found(&[5.0, 0.1]).is_class);
        assert!(!with(None, Activation::Sigmoid).found(&[-5.0, -0.1]).is_class);
    }
}
