//! The value of voxels that the image does not reach.

use ichor_sdk::{Error, Kind, Result, Unit};

/// What is asked for with parameter `name`, or -1024 (air) for HU and 0 for everything else.
///
/// # Errors
/// A value that the kind does not allow.
pub fn outside(asked: Option<f64>, kind: Kind, unit: Unit, name: &str) -> Result<f64> {
    let value = asked.unwrap_or(if unit == Unit::Hu { -1024.0 } else { 0.0 });
    let (is_fine, allowed) = match kind {
        Kind::Mask => (value == 0.0 || value == 1.0, "0 or 1 for a mask"),
        Kind::Labels => (value >= 0.0 && value.fract() == 0.0, "a whole number, at least 0, for labels"),
        Kind::Probs => ((0.0..=1.0).contains(&value), "from 0 to 1 for probabilities"),
        _ => (value.is_finite(), "a finite number"),
    };
    if is_fine {
        Ok(value)
    } else {
        Err(Error::bad_params(format!("`{name}` is {value}, but must be {allowed}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn air_surrounds_a_ct_and_nothing_the_rest() {
        assert_eq!(outside(None, Kind::Volume, Unit::Hu, "outside").unwrap(), -1024.0);
        assert_eq!(outside(None, Kind::Volume, Unit::None, "outside").unwrap(), 0.0);
        assert_eq!(outside(None, Kind::Mask, Unit::Label, "outside").unwrap(), 0.0);
        assert_eq!(outside(Some(-3000.5), Kind::Volume, Unit::Hu, "outside").unwrap(), -3000.5);
    }

    #[test]
    fn what_a_kind_cannot_hold_is_refused() {
        for (value, kind) in
            [(0.5, Kind::Mask), (-1.0, Kind::Labels), (1.5, Kind::Labels), (1.1, Kind::Probs)]
        {
            let error = outside(Some(value), kind, Unit::None, "outside").unwrap_err();
            assert!(error.to_string().contains(&format!("`outside` is {value}")));
        }
    }
}
