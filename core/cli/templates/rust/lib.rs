//! The plugin `@NAME@`: one stage, to be made into yours.
#![forbid(unsafe_code)]

use ichor_sdk::prelude::*;

/// Voxels that a thread gets at a time.
const GRAIN: usize = 1 << 16;

/// Marks the voxels of a CT that are above a value.
#[derive(Stage)]
#[stage(id = "@NAME@", version = "0.1.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "CT")]
#[output(
    mask,
    kind = "mask",
    grid = "ct",
    doc = "1 where the CT is above the value"
)]
pub struct Above {
    /// Voxels must be above this.
    #[param(default = 50, min = -1024, max = 3071, unit = "HU")]
    above: f64,
}

impl Run for Above {
    fn run(&self, run: &Context) -> Result<()> {
        let ct = run.input(Self::CT)?;
        let mask = run.new_mask(Self::MASK, ct.grid())?;
        match ct.voxels() {
            Voxels::I16(hu) => self.mark(run, hu, mask),
            Voxels::U16(hu) => self.mark(run, hu, mask),
            Voxels::F32(hu) => self.mark(run, hu, mask),
            _ => {
                return Err(Error::bad_input(
                    "input `ct` has voxels that are neither i16, u16 nor f32",
                ));
            }
        }
        run.check_cancelled()
    }
}

impl Above {
    fn mark<T: Voxel + Into<f64>>(&self, par: &dyn Parallel, hu: &[T], mask: &mut [u8]) {
        for_each_chunk(par, mask, GRAIN, &|n, part| {
            for (out, &hu) in part.iter_mut().zip(&hu[n * GRAIN..]) {
                *out = u8::from(hu.into() > self.above);
            }
        });
    }
}

ichor_sdk::plugin!(Above);

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs loops on the test's own thread, where a host would use several.
    struct Alone;

    impl Parallel for Alone {
        fn for_each(&self, n: usize, grain: usize, body: &(dyn Fn(std::ops::Range<usize>) + Sync)) {
            (0..n)
                .step_by(grain.max(1))
                .for_each(|begin| body(begin..(begin + grain).min(n)));
        }
    }

    #[test]
    fn a_voxel_at_the_value_is_not_above_it() {
        let mut mask = [9; 4];
        Above { above: 50.0 }.mark(&Alone, &[-1000i16, 50, 51, 3071], &mut mask);
        assert_eq!(mask, [0, 0, 1, 1]);
    }
}
