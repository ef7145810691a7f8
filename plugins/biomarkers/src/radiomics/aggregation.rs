//! Which matrices are merged before features are computed, and which features are averaged (IBSI 3.6 to 3.11).

use ichor_sdk::prelude::*;

/// Names as in the IBSI reference manual. Zones and neighbourhoods have no directions: they know 2D, 2.5D and 3D
/// only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Aggregation {
    /// Features of each slice and direction, averaged.
    #[param(name = "2D averaged")]
    Averaged2,
    /// Directions merged, features of each slice averaged.
    #[param(name = "2D slice-merged")]
    SliceMerged2,
    /// Slices merged, features of each direction averaged.
    #[param(name = "2.5D direction-merged")]
    DirectionMerged25,
    /// Slices and directions merged.
    #[param(name = "2.5D merged")]
    Merged25,
    /// Features of each direction in space, averaged.
    #[param(name = "3D averaged")]
    Averaged3,
    /// Directions in space merged.
    #[param(name = "3D merged")]
    Merged3,
}

impl Aggregation {
    pub fn name(self) -> &'static str {
        match self {
            Self::Averaged2 => "2D averaged",
            Self::SliceMerged2 => "2D slice-merged",
            Self::DirectionMerged25 => "2.5D direction-merged",
            Self::Merged25 => "2.5D merged",
            Self::Averaged3 => "3D averaged",
            Self::Merged3 => "3D merged",
        }
    }

    /// The name for families without directions.
    pub fn space(self) -> &'static str {
        self.name().split(' ').next().unwrap_or_default()
    }

    /// Whether neighbours in other slices count.
    pub fn volumetric(self) -> bool {
        matches!(self, Self::Averaged3 | Self::Merged3)
    }

    /// Whether each slice has features of its own.
    pub fn by_slice(self) -> bool {
        matches!(self, Self::Averaged2 | Self::SliceMerged2)
    }

    /// Whether directions are merged.
    pub fn merged(self) -> bool {
        matches!(self, Self::SliceMerged2 | Self::Merged25 | Self::Merged3)
    }
}

/// Means of features over matrices; matrices of which a feature is not defined do not count for it.
pub struct Mean<const N: usize>([(f64, f64); N]);

impl<const N: usize> Mean<N> {
    pub fn new() -> Self {
        Self([(0.0, 0.0); N])
    }

    pub fn add(&mut self, values: [f64; N]) {
        for (sum, v) in self.0.iter_mut().zip(values) {
            if v.is_finite() {
                *sum = (sum.0 + v, sum.1 + 1.0);
            }
        }
    }

    pub fn value(&self) -> [f64; N] {
        self.0.map(|(sum, n)| sum / n)
    }
}
