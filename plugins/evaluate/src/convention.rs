//! Which points the distances between two masks are taken between, and how they are summed up.

use ichor_sdk::Param;

/// A convention for the distances between two masks. They differ more than methods do: the 95th-percentile Hausdorff
/// distance of one pair of masks is 4.5, 4.6, 6.1 or 6.6 mm in tools that are all in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Convention {
    /// Patel 2019.
    Paper,
    /// Voxels with one of six neighbours in the background.
    Border6,
    /// All voxels of the masks.
    Voxels,
    /// Voxels with one of four neighbours of their axial slice in the background.
    Axial4,
    /// MedPy.
    #[param(name = "medpy")]
    MedPy,
    /// Surface elements, by area.
    #[param(name = "surface-distance")]
    SurfaceDistance,
}

impl Convention {
    /// The name in pipelines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Border6 => "border6",
            Self::Voxels => "voxels",
            Self::Axial4 => "axial4",
            Self::MedPy => "medpy",
            Self::SurfaceDistance => "surface-distance",
        }
    }

    /// What the distances are taken between, for the definitions in a table.
    pub fn points(self) -> &'static str {
        match self {
            Self::Paper | Self::Voxels => "all voxels of each mask",
            Self::Border6 | Self::MedPy => "voxels with one of six neighbours in the background",
            Self::Axial4 => "voxels with one of four neighbours of their axial slice in the background",
            Self::SurfaceDistance => "surface elements between voxels, weighted by area",
        }
    }

    /// The same for what is defined on surfaces: the contour mean distance and the surface Dice.
    pub fn surface(self) -> &'static str {
        match self {
            Self::Paper => Self::Border6.points(),
            other => other.points(),
        }
    }

    /// How the 95th percentile is taken.
    pub fn percentile(self) -> &'static str {
        match self {
            Self::MedPy => "95th percentile of the distances of both directions together, linear (type 7)",
            Self::SurfaceDistance => "larger of the two directed 95th percentiles by area, nearest rank",
            _ => "larger of the two directed 95th percentiles, linear (type 7)",
        }
    }
}
