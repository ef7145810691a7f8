//! Drops small clusters.

use crate::numbering::numbering;
use ichor_image::{Clusters, Connectivity};
use ichor_sdk::prelude::*;

/// More than a head has, mL: no mask of one holds more clusters than fit into it.
const HEAD_ML: f64 = 6000.0;

/// Removes the clusters of a mask that are too small, and numbers those that stay.
///
/// A cluster is a set of connected voxels. Its volume is its number of voxels times the volume of a voxel, the
/// determinant of the affine, so that gantry tilt counts. The numbers in `labels` go down in volume: 1 is the
/// largest cluster; of clusters with as many voxels, the one that comes first in the volume has the lower
/// number. The default limit is that of the published method, which removes clusters under 0.1 mL.
#[derive(Stage)]
#[stage(id = "filter-clusters", version = "1.0.0")]
#[input(mask, kind = "mask", doc = "what was segmented")]
#[output(mask, kind = "mask", grid = "mask", doc = "1 in the clusters that stay")]
#[output(
    labels,
    kind = "labels",
    grid = "mask",
    doc = "their numbers, 0 elsewhere; u16, or u32 for more than 65535"
)]
pub struct FilterClusters {
    /// Smallest volume of a cluster that stays.
    #[param(default = 0.1, min = 0, unit = "mL")]
    min_volume_ml: f64,
    /// Neighbours of a voxel: 6 share a face, 18 also an edge, 26 also a corner. With thick slices, parts of a
    /// haematoma often touch across slices by edges and corners only: hence 26.
    #[param(default = "26")]
    connectivity: Neighbours,
    /// All clusters that are large enough, or the largest of them alone.
    #[param(default = "all")]
    keep: Keep,
}

#[derive(Clone, Copy, Param)]
enum Neighbours {
    #[param(name = "6")]
    Six,
    #[param(name = "18")]
    Eighteen,
    #[param(name = "26")]
    TwentySix,
}

#[derive(PartialEq, Param)]
enum Keep {
    All,
    Largest,
}

impl From<Neighbours> for Connectivity {
    fn from(neighbours: Neighbours) -> Self {
        match neighbours {
            Neighbours::Six => Self::Six,
            Neighbours::Eighteen => Self::Eighteen,
            Neighbours::TwentySix => Self::TwentySix,
        }
    }
}

impl Run for FilterClusters {
    fn run(&self, run: &Context) -> Result<()> {
        let input = run.input(Self::MASK)?;
        let (grid, voxels) = (input.grid(), input.mask()?);
        let voxel_ml = grid.voxel_volume_mm3() / 1000.0;
        let found = Clusters::new(run, voxels, grid.shape, self.connectivity.into());
        run.check_cancelled()?;

        let numbers = numbering(&found.sizes, voxel_ml, self.min_volume_ml, self.keep == Keep::Largest);
        // Number 0 is the background's.
        let numbers: Vec<u32> = std::iter::once(0).chain(numbers).collect();
        let kept = numbers.iter().filter(|n| **n > 0).count();
        let dropped: usize =
            (0..found.sizes.len()).filter(|l| numbers[l + 1] == 0).map(|l| found.sizes[l]).sum();
        let (all, dropped_ml) = (found.sizes.len(), dropped as f64 * voxel_ml);
        run.info(&format!("{kept} of {all} clusters stay; {dropped_ml:.3} mL are removed"));

        let number = |label: u32| numbers[label as usize];
        found.paint(run, run.new_mask(Self::MASK, grid)?, &|label| u8::from(number(label) > 0));
        run.check_cancelled()?;
        match u16::try_from(kept) {
            Ok(_) => found.paint(run, run.new_labels(Self::LABELS, grid)?, &|label| number(label) as u16),
            Err(_) => found.paint(run, run.new_labels(Self::LABELS, grid)?, &number),
        }
        Ok(())
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let input = run.input(Self::MASK)?;
        let grid = input.grid();
        run.new_mask(Self::MASK, grid)?;
        let voxel_ml = grid.voxel_volume_mm3() / 1000.0;
        let most = HEAD_ML.min(voxel_ml * grid.len() as f64) / self.min_volume_ml.max(voxel_ml);
        if self.keep == Keep::Largest || most <= f64::from(u16::MAX) {
            run.new_labels::<u16>(Self::LABELS, grid)?;
        } else {
            run.new_labels::<u32>(Self::LABELS, grid)?;
        }
        // Runs of a noisy mask, one in 50 voxels.
        Ok(Need { scratch_bytes: grid.len() as u64 / 2, device_bytes: 0 })
    }
}
