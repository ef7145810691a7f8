//! Keeps the voxels of a CT between two values: the example stage in Rust, on the SDK.
#![forbid(unsafe_code)]

use ichor_sdk::prelude::*;

/// Voxels that a thread gets at a time: large enough that handing them out costs nothing.
const GRAIN: usize = 1 << 16;

/// Keeps the voxels of a CT between two values.
#[derive(Stage)]
#[stage(id = "threshold-rust", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "CT")]
#[output(mask, kind = "mask", grid = "ct", doc = "1 where lower <= HU <= upper")]
pub struct Threshold {
    /// Lowest value kept.
    #[param(default = 50, unit = "HU")]
    lower: f64,
    /// Highest value kept.
    #[param(default = 100, unit = "HU")]
    upper: f64,
}

impl Run for Threshold {
    fn run(&self, run: &Context) -> Result<()> {
        if self.lower > self.upper {
            return Err(Error::bad_params("`lower` is above `upper`, so no voxel would be kept"));
        }
        let ct = run.input(Self::CT)?;
        let mask = run.new_mask(Self::MASK, ct.grid())?;
        match ct.voxels() {
            Voxels::I16(hu) => self.keep(run, hu, mask),
            Voxels::U16(hu) => self.keep(run, hu, mask),
            Voxels::F32(hu) => self.keep(run, hu, mask),
            _ => return Err(Error::bad_input("input `ct` has voxels that are neither i16, u16 nor f32")),
        }
        run.check_cancelled()
    }
}

impl Threshold {
    fn keep<T: Voxel + Into<f64>>(&self, run: &Context, hu: &[T], mask: &mut [u8]) {
        for_each_chunk(run, mask, GRAIN, &|n, part| {
            if run.cancelled() {
                return;
            }
            for (out, &hu) in part.iter_mut().zip(&hu[n * GRAIN..]) {
                *out = u8::from((self.lower..=self.upper).contains(&hu.into()));
            }
        });
    }
}

ichor_sdk::plugin!(Threshold);
