//! Where a network runs.

use ichor_image::Parallel;
use ichor_sdk::prelude::*;
use ichor_unet::{Architecture, Engine, Isa, Precision, Stop, Weights};
#[cfg(feature = "cuda")]
use ichor_unet_burn::cuda::Gpu;
use ichor_unet_training::{Learned, Lesson, Trainer};

/// Where the network runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Device {
    Auto,
    Cpu,
    Cuda,
}

/// Arithmetic of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Arithmetic {
    Auto,
    F32,
    Bf16,
}

/// A network that is ready to run.
pub trait Predictor {
    /// As [`Engine::infer`].
    ///
    /// # Errors
    /// It was cancelled, or the device has failed.
    fn infer(
        &self,
        par: &dyn Parallel,
        input: Vec<f32>,
        shape: [usize; 3],
        cancelled: &dyn Fn() -> bool,
        progress: &dyn Fn(f64),
    ) -> Result<Vec<f32>, Stop>;

    /// Most bytes at once for an input of this shape, the input and the weights not counted.
    ///
    /// # Errors
    /// The shape does not go through the network.
    fn bytes(&self, shape: [usize; 3]) -> Result<u64, String>;
}

impl Predictor for Engine {
    fn infer(
        &self,
        par: &dyn Parallel,
        input: Vec<f32>,
        shape: [usize; 3],
        cancelled: &dyn Fn() -> bool,
        progress: &dyn Fn(f64),
    ) -> Result<Vec<f32>, Stop> {
        self.infer(par, &input, shape, cancelled, progress)
    }

    fn bytes(&self, shape: [usize; 3]) -> Result<u64, String> {
        self.memory(shape)
    }
}

#[cfg(feature = "cuda")]
impl Predictor for Gpu {
    fn infer(
        &self,
        _: &dyn Parallel,
        input: Vec<f32>,
        shape: [usize; 3],
        cancelled: &dyn Fn() -> bool,
        _: &dyn Fn(f64),
    ) -> Result<Vec<f32>, Stop> {
        if cancelled() {
            return Err(Stop::Cancelled);
        }
        self.infer(input, shape).map_err(Stop::Refused)
    }

    fn bytes(&self, shape: [usize; 3]) -> Result<u64, String> {
        self.bytes(shape)
    }
}

impl Device {
    /// The device that runs, never `Auto`; and for `Auto` without a GPU the reason.
    ///
    /// # Errors
    /// A GPU is asked for and cannot be had.
    pub fn choose(self) -> Result<(Self, Option<String>)> {
        match self {
            Self::Cpu => Ok((Self::Cpu, None)),
            Self::Cuda => match gpu() {
                Ok(()) => Ok((Self::Cuda, None)),
                Err(why) => Err(Error::bad_params(format!(
                    "`device` is cuda, but {why}; set it to cpu or auto, or run where an NVIDIA GPU and its driver are"
                ))),
            },
            Self::Auto => Ok(match gpu() {
                Ok(()) => (Self::Cuda, None),
                Err(why) => (Self::Cpu, Some(why)),
            }),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }

    /// Its name, and the kernels of a processor.
    pub fn described(self) -> String {
        match self {
            Self::Cpu => format!("cpu ({})", Isa::best().name()),
            _ => self.name().to_owned(),
        }
    }
}

impl Arithmetic {
    /// What is computed in on a device: bf16 where that is faster.
    pub fn choose(self, device: Device) -> Precision {
        match self {
            Self::F32 => Precision::F32,
            Self::Bf16 => Precision::Bf16,
            Self::Auto if device == Device::Cuda || Isa::best().is_fast_in_bf16() => Precision::Bf16,
            Self::Auto => Precision::F32,
        }
    }
}

/// The network on a device.
///
/// # Errors
/// The weights do not fit the network, or the device does not take it.
pub fn predictor(
    net: &Architecture,
    weights: &Weights,
    device: Device,
    precision: Precision,
) -> Result<Box<dyn Predictor>, String> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda => Ok(Box::new(Gpu::new(net, weights, precision)?)),
        _ => cpu(net, weights, precision),
    }
}

/// What a patch teaches the network, on a device.
///
/// # Errors
/// The patch does not fit the network, or the device fails.
pub fn learn(
    device: Device,
    par: &dyn Parallel,
    net: &Architecture,
    trainer: &Trainer,
    lesson: Lesson,
) -> Result<Learned, String> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda => ichor_unet_burn::cuda::learn(net, trainer.weights(), lesson),
        _ => trainer.differentiate(par, lesson),
    }
}

/// The network on this machine's processor.
///
/// # Errors
/// The weights do not fit the network.
pub fn cpu(
    net: &Architecture,
    weights: &Weights,
    precision: Precision,
) -> Result<Box<dyn Predictor>, String> {
    Ok(Box::new(Engine::new(net, weights, precision, Isa::best())?))
}

#[cfg(feature = "cuda")]
fn gpu() -> Result<(), String> {
    ichor_unet_burn::cuda::probe()
}

#[cfg(not(feature = "cuda"))]
fn gpu() -> Result<(), String> {
    Err("this build of the plugin has no GPU part (feature `cuda`)".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_can_always_be_had() {
        assert_eq!(Device::Cpu.choose().unwrap(), (Device::Cpu, None));
        assert_eq!(Arithmetic::F32.choose(Device::Cpu), Precision::F32);
        if let Err(error) = Device::Cuda.choose() {
            assert!(error.message().starts_with("`device` is cuda, but "), "{error}");
            assert!(matches!(Device::Auto.choose().unwrap(), (Device::Cpu, Some(_))));
        }
    }
}
