//! Puts more voxels around an image.

use crate::outside::outside;
use crate::put::{COPY, describe, put};
use ichor_image::Bounds;
use ichor_sdk::prelude::*;

/// Puts more voxels around an image.
///
/// The image keeps its values and its place in the world; the new voxels get one value. Say how many: so many
/// voxels or mm on either side of each axis, or up to a size or a multiple of one, half on either side and an odd
/// one at the end.
#[derive(Stage)]
#[stage(id = "pad", version = "1.0.0")]
#[input(image, kind = "volume|mask|labels|probs", doc = "what is padded")]
#[output(image, kind = "volume|mask|labels|probs", like = "image", doc = "the same on a larger grid")]
pub struct Pad {
    /// Voxels on either side of i, j and k.
    voxels: Option<[usize; 3]>,
    /// Width on either side of i, j and k, rounded up to whole voxels.
    #[param(min = 0, unit = "mm")]
    mm: Option<[f64; 3]>,
    /// Voxels that i, j and k have at least; 0 leaves an axis as it is.
    shape: Option<[usize; 3]>,
    /// The number of voxels along i, j and k becomes a multiple of this, as networks need; 0 leaves an axis as it
    /// is.
    multiple: Option<[usize; 3]>,
    /// Value of the new voxels; by default -1024 for HU and 0 otherwise.
    value: Option<f64>,
}

/// Voxels on one side, at most.
const MOST: usize = 1 << 20;

impl Run for Pad {
    fn run(&self, run: &Context) -> Result<()> {
        self.make(run)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        self.make(run)?;
        Ok(Need::default())
    }
}

impl Pad {
    fn make(&self, run: &Context) -> Result<()> {
        let image = run.input(Self::IMAGE)?;
        let sides = self.sides(image.grid())?;
        if sides == [[0; 2]; 3] {
            return run.forward(Self::IMAGE, Self::IMAGE);
        }
        let shape = image.grid().shape;
        let bounds = Bounds {
            begin: sides.map(|[before, _]| -(before as isize)),
            end: std::array::from_fn(|a| (shape[a] + sides[a][1]) as isize),
        };
        let window = image.grid().window(&bounds);
        let to = Grid::new(window.shape, window.affine)
            .map_err(|e| Error::bad_params(format!("so much padding makes no grid: {e}")))?;
        let value = outside(self.value, image.kind(), image.unit(), "value")?;
        put(run, Self::IMAGE, &image, &to, COPY, value)?;
        describe(run, Self::IMAGE, &image, None)
    }

    /// Voxels before and after, along each axis.
    fn sides(&self, grid: &Grid) -> Result<[[usize; 2]; 3]> {
        let (shape, spacing) = (grid.shape, grid.spacing());
        let split = |more: usize| [more / 2, more - more / 2];
        let sides = match (self.voxels, self.mm, self.shape, self.multiple) {
            (Some(n), None, None, None) => n.map(|n| [n, n]),
            // Rounded up, but for what is rounding of the affine.
            (None, Some(mm), None, None) => {
                std::array::from_fn(|a| [(mm[a] / spacing[a] - 1e-6).ceil().max(0.0) as usize; 2])
            }
            (None, None, Some(least), None) => {
                std::array::from_fn(|a| split(least[a].saturating_sub(shape[a])))
            }
            (None, None, None, Some(step)) => std::array::from_fn(|a| {
                split(shape[a].checked_next_multiple_of(step[a]).map_or(0, |n| n - shape[a]))
            }),
            _ => {
                return Err(Error::bad_params(
                    "set one of `voxels`, `mm`, `shape` and `multiple`, and one alone",
                ));
            }
        };
        match sides.iter().flatten().max() {
            Some(&most) if most > MOST => Err(Error::bad_params(format!(
                "{most} voxels on one side are more than the {MOST} that can be added"
            ))),
            _ => Ok(sides),
        }
    }
}
