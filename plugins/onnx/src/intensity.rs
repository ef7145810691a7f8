//! The CT as a network reads it.

use ichor_image::Turn;
use ichor_image::{Bounds, Parallel};
use ichor_sdk::{Error, Input, Param, Result, Voxels};

/// What is done to values after the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Scale {
    Unit,
    Zscore,
    None,
}

/// Clipping to a window, then (value - shift) / divisor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intensity {
    window: [f32; 2],
    shift: f32,
    divisor: f32,
}

impl Intensity {
    /// From the stage's parameters.
    ///
    /// # Errors
    /// They are incomplete or contradict each other.
    pub fn new(scale: Scale, window: Option<[f64; 2]>, mean: Option<f64>, sd: Option<f64>) -> Result<Self> {
        if let Some([low, high]) = window.filter(|[low, high]| low >= high) {
            return Err(Error::bad_params(format!(
                "`window` is {low} to {high}; the lower value comes first, and they differ"
            )));
        }
        if scale != Scale::Zscore && (mean.is_some() || sd.is_some()) {
            return Err(Error::bad_params("`mean` and `sd` are for `scale: zscore`; leave them out"));
        }
        let (shift, divisor) = match (scale, window, mean, sd) {
            (Scale::Unit, Some([low, high]), ..) => (low, high - low),
            (Scale::Unit, None, ..) => {
                return Err(Error::bad_params("`scale: unit` needs `window`: the HU that become 0 and 1"));
            }
            (Scale::Zscore, _, Some(mean), Some(sd)) if sd > 0.0 => (mean, sd),
            (Scale::Zscore, ..) => {
                return Err(Error::bad_params(
                    "`scale: zscore` needs `mean` and `sd` > 0, in HU, as the network was trained with",
                ));
            }
            (Scale::None, ..) => (0.0, 1.0),
        };
        let window = window.unwrap_or([f64::MIN, f64::MAX]).map(|v| v as f32);
        Ok(Self { window, shift: shift as f32, divisor: divisor as f32 })
    }

    /// What the network reads for a value in HU; 0 for what is not a number.
    pub fn of(&self, hu: f32) -> f32 {
        if hu.is_nan() {
            return 0.0;
        }
        let [low, high] = self.window;
        (hu.clamp(low, high) - self.shift) / self.divisor
    }

    /// A box of the turned CT; 0 beyond the CT.
    pub fn read(&self, par: &dyn Parallel, ct: Voxels, turn: &Turn, bounds: &Bounds) -> Vec<f32> {
        match ct {
            Voxels::I16(v) => turn.cut(par, v, bounds, 0.0, &|v| self.of(f32::from(v))),
            Voxels::U16(v) => turn.cut(par, v, bounds, 0.0, &|v| self.of(f32::from(v))),
            Voxels::U8(v) => turn.cut(par, v, bounds, 0.0, &|v| self.of(f32::from(v))),
            Voxels::U32(v) => turn.cut(par, v, bounds, 0.0, &|v| self.of(v as f32)),
            Voxels::F32(v) => turn.cut(par, v, bounds, 0.0, &|v| self.of(v)),
        }
    }
}

/// The CT's voxels, refused when there are several volumes.
///
/// # Errors
/// It has more than one channel.
pub fn single(ct: &Input) -> Result<()> {
    match ct.channels() {
        1 => Ok(()),
        n => Err(Error::bad_input(format!("the CT has {n} channels; this stage reads one"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_and_scale() {
        let unit = Intensity::new(Scale::Unit, Some([-20.0, 80.0]), None, None).unwrap();
        assert_eq!([-1000.0, 30.0, 80.0, f32::INFINITY].map(|v| unit.of(v)), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(unit.of(f32::NAN), 0.0);
        let z = Intensity::new(Scale::Zscore, Some([0.0, 100.0]), Some(40.0), Some(20.0)).unwrap();
        assert_eq!([-5.0, 40.0, 500.0].map(|v| z.of(v)), [-2.0, 0.0, 3.0]);
        let none = Intensity::new(Scale::None, None, None, None).unwrap();
        assert_eq!([-1000.0, 3071.0].map(|v| none.of(v)), [-1000.0, 3071.0]);
    }

    #[test]
    fn what_is_missing_or_contradicts_is_said() {
        let error =
            |scale, window, mean, sd| Intensity::new(scale, window, mean, sd).unwrap_err().to_string();
        assert!(error(Scale::Unit, None, None, None).contains("needs `window`"));
        assert!(error(Scale::Unit, Some([5.0, 5.0]), None, None).contains("the lower value comes first"));
        assert!(error(Scale::Zscore, None, Some(1.0), None).contains("needs `mean` and `sd`"));
        assert!(error(Scale::Zscore, None, Some(1.0), Some(0.0)).contains("`sd` > 0"));
        assert!(error(Scale::None, None, Some(1.0), None).contains("leave them out"));
    }
}
