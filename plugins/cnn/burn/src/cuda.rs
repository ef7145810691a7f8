//! NVIDIA GPUs through Burn.

use crate::gradient::differentiate;
use crate::network::{Unet, image, numbers};
use burn::backend::Autodiff;
use burn::cubecl::config::cache::CacheConfig;
use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{FloatDType, Tensor};
use burn_cuda::{Cuda, CudaDevice};
use ichor_unet::{Architecture, Precision, Weights};
use ichor_unet_training::{Learned, Lesson};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// What a loaded NVIDIA driver shows: its control device, or that of Windows' Linux.
const DRIVER: [&str; 2] = ["/dev/nvidiactl", "/dev/dxg"];

/// Whether a GPU is there that computes.
///
/// # Errors
/// There is no driver, or the device does not open; as the end of a sentence.
pub fn probe() -> Result<(), String> {
    if cfg!(target_os = "linux") && !DRIVER.iter().any(|path| Path::new(path).exists()) {
        return Err("no NVIDIA driver is loaded here".into());
    }
    configure();
    // Burn panics where it finds no library or device.
    let sum = guarded(|| numbers(Tensor::<Cuda, 1>::ones([8], &CudaDevice::default()).sum()))?;
    if sum == [8.0] { Ok(()) } else { Err("the GPU does not add up 8 ones".into()) }
}

/// A network on the first GPU.
pub struct Gpu {
    net: Architecture,
    unet: Unet<Cuda>,
    device: CudaDevice,
    precision: Precision,
}

impl Gpu {
    /// Brings the weights, which [`Weights::check`] has let pass, to the GPU with the normalisation folded in.
    ///
    /// # Errors
    /// The device does not take them.
    pub fn new(net: &Architecture, weights: &Weights, precision: Precision) -> Result<Self, String> {
        configure();
        guarded(|| {
            let device = CudaDevice::default();
            Ok(Self {
                net: *net,
                unet: Unet::folded(net, weights, float(precision), &device),
                device,
                precision,
            })
        })
    }

    /// As [`ichor_unet::Engine::infer`], on the GPU. The convolutions of f32 may be computed in TF32.
    ///
    /// # Errors
    /// The input does not fit the network, or the device fails.
    pub fn infer(&self, input: Vec<f32>, shape: [usize; 3]) -> Result<Vec<f32>, String> {
        self.net.output_shape(shape)?;
        guarded(|| {
            let input = image(input, self.net.inputs, shape, &self.device).cast(float(self.precision));
            let classes = softmax(self.unet.forward(input).cast(FloatDType::F32), 1);
            let [n, outputs, z, y, x] = classes.dims();
            numbers(classes.slice([0..n, 1..outputs, 0..z, 0..y, 0..x]))
        })
    }

    /// Bytes on the GPU for an input of this shape: the maps that are alive at once, and as much again for what Burn
    /// needs beside them.
    ///
    /// # Errors
    /// The shape does not go through the network.
    pub fn bytes(&self, shape: [usize; 3]) -> Result<u64, String> {
        let sizes = self.net.sizes(shape)?;
        let voxels = |name: &str| {
            sizes.iter().find(|s| s.name == name).map_or(0, |s| s.shape.iter().product::<usize>())
        };
        let (mut skips, mut largest) = (0, 0);
        for layer in self.net.layers() {
            let out = layer.outputs * voxels(&layer.name);
            // A convolution reads little more than it writes a channel; a concatenation is there twice.
            largest = largest.max(out + 2 * layer.inputs * voxels(&layer.name));
            skips += if layer.name.starts_with("down") && layer.name.ends_with(".1") { out } else { 0 };
        }
        let element = if self.precision == Precision::F32 { 4 } else { 2 };
        Ok(2 * element * (skips + largest) as u64)
    }
}

/// As [`ichor_unet_training::Trainer::differentiate`], on the first GPU. The convolutions may be computed in TF32.
///
/// # Errors
/// The patch does not fit the network, or the device fails.
pub fn learn(net: &Architecture, weights: &Weights, lesson: Lesson) -> Result<Learned, String> {
    configure();
    guarded(|| differentiate::<Autodiff<Cuda>>(net, weights, lesson, &CudaDevice::default()))
}

fn float(precision: Precision) -> FloatDType {
    match precision {
        Precision::F32 => FloatDType::F32,
        Precision::Bf16 => FloatDType::BF16,
    }
}

/// Burn keeps what it compiled and tuned where the user's caches are, not beside the data.
fn configure() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let home = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let Some(cache) = home("XDG_CACHE_HOME").or_else(|| Some(home("HOME")?.join(".cache"))) else {
            return;
        };
        let cache = CacheConfig::File(cache.join("ichor").join("cubecl"));
        let mut config = CubeClRuntimeConfig::default();
        config.autotune.cache = cache.clone();
        config.compilation.cache = Some(cache);
        // Refused, with a panic, when something has used the runtime before.
        let _ = guarded(|| {
            CubeClRuntimeConfig::set(config);
            Ok(())
        });
    });
}

/// What the body makes.
///
/// # Errors
/// It panicked, as Burn does where the GPU fails; the first line of what was said.
pub fn guarded<T>(body: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text =
            text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no reason given").to_owned();
        std::mem::forget(payload); // dropping it may panic again
        Err(format!("the GPU does not answer: {}", text.lines().next().unwrap_or_default()))
    })
}
