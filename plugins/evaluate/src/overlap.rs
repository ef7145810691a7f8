//! How far two masks overlap.

/// Numbers of voxels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// In the mask.
    pub mask: usize,
    /// In the reference.
    pub reference: usize,
    /// In both.
    pub both: usize,
}

impl Overlap {
    /// Dice similarity coefficient; two empty masks agree.
    pub fn dice(&self) -> f64 {
        match self.mask + self.reference {
            0 => 1.0,
            n => 2.0 * self.both as f64 / n as f64,
        }
    }

    /// The part of the reference that is in the mask.
    pub fn sensitivity(&self) -> Option<f64> {
        (self.reference > 0).then(|| self.both as f64 / self.reference as f64)
    }

    /// The part of the mask that is in the reference.
    pub fn precision(&self) -> Option<f64> {
        (self.mask > 0).then(|| self.both as f64 / self.mask as f64)
    }

    /// Volume of the mask minus that of the reference, in percent of the latter; 0 when both are empty, `None` when
    /// the reference alone is.
    pub fn volume_difference_percent(&self) -> Option<f64> {
        match (self.mask, self.reference) {
            (0, 0) => Some(0.0),
            (_, 0) => None,
            (mask, reference) => Some(100.0 * (mask as f64 - reference as f64) / reference as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_masks_have_defined_answers() {
        let of = |mask, reference| Overlap { mask, reference, both: 0 };
        assert_eq!((of(0, 0).dice(), of(0, 0).volume_difference_percent()), (1.0, Some(0.0)));
        assert_eq!((of(5, 0).dice(), of(5, 0).volume_difference_percent()), (0.0, None));
        assert_eq!((of(0, 5).dice(), of(0, 5).volume_difference_percent()), (0.0, Some(-100.0)));
        assert_eq!((of(0, 5).sensitivity(), of(0, 5).precision()), (Some(0.0), None));
    }
}
