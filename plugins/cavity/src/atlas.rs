//! Sets of atlases: heads whose cavity is known, in the space of their mean.

pub mod file;
mod pack;
pub mod posed;
pub mod shipped;

use crate::register::prepare::Prepared;
use crate::register::pyramid::Level;
use ichor_image::{Grid, Parallel};
use ichor_sdk::json::{Map, Value};
use ichor_sdk::{Error, Result};

/// Millimetres of a step of a stored distance.
pub const STEP_MM: f32 = 0.25;
/// Hounsfield units of a step of a stored density, from -100 HU up.
pub const STEP_HU: f32 = 4.0;
/// Stored density of a voxel that does not count.
pub const NOTHING: u8 = 255;
/// The largest distance that is stored, mm.
pub const FAR_MM: f32 = 16.0;
/// Most atlases of a set.
pub const MOST: usize = 64;

/// One head.
#[derive(Clone, Debug, PartialEq)]
pub struct Atlas {
    /// Its entry in the manifest.
    pub about: Map<String, Value>,
    /// Signed distance to its cavity's surface in steps of [`STEP_MM`], negative inside, on the set's grid.
    pub distance: Vec<i8>,
    /// Its windowed CT in steps of [`STEP_HU`], on the set's image grid.
    pub image: Vec<u8>,
}

/// Heads that were brought to their mean by affine maps.
#[derive(Clone, Debug, PartialEq)]
pub struct AtlasSet {
    /// Name, licence, tool and what else the manifest says of the whole.
    pub about: Map<String, Value>,
    /// Of the mean and the distances; right, front and up.
    pub grid: Grid,
    /// Mean of the windowed CTs in steps of [`STEP_HU`].
    pub mean: Vec<u8>,
    /// Of the atlases' images.
    pub image_grid: Grid,
    /// At least one.
    pub atlases: Vec<Atlas>,
}

/// A windowed value, 0 to 1000, as it is stored; what is not a number does not count.
pub fn packed(windowed: f32) -> u8 {
    if windowed.is_nan() { NOTHING } else { (windowed / STEP_HU).round().clamp(0.0, 250.0) as u8 }
}

/// The windowed value of what is stored.
pub fn unpacked(stored: u8) -> f32 {
    if stored == NOTHING { f32::NAN } else { f32::from(stored) * STEP_HU }
}

impl AtlasSet {
    /// Mean of the atlases' distances, mm.
    pub fn mean_distance(&self) -> Vec<f32> {
        let mut sum = vec![0f32; self.grid.len()];
        for atlas in &self.atlases {
            sum.iter_mut().zip(&atlas.distance).for_each(|(s, &d)| *s += f32::from(d));
        }
        let scale = STEP_MM / self.atlases.len() as f32;
        sum.iter_mut().for_each(|s| *s *= scale);
        sum
    }

    /// The mean made ready to be registered, with the surroundings of the mean cavity as its domain.
    ///
    /// # Errors
    /// The set has no cavity.
    pub fn prepared(&self, par: &dyn Parallel, mean_distance: &[f32], levels: usize) -> Result<Prepared> {
        let finest = Level { grid: self.grid, data: self.mean.iter().map(|&v| unpacked(v)).collect() };
        posed::on_cavity(par, posed::pyramid(par, finest, levels), (mean_distance, &self.grid))
            .ok_or_else(|| Error::bad_input("the atlas set has no cavity"))
    }
}
