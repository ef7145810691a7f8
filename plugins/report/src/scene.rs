//! What is to be drawn.

use crate::palette::Rgb;
use crate::plane::Plane;
use crate::window::Window;
use ichor_sdk::Voxels;
use ichor_sdk::prelude::Grid;

/// A mask or label map on the volume's grid; every label is outlined, or one.
pub struct Overlay<'a> {
    pub voxels: Voxels<'a>,
    /// The label that is outlined; all of them without it.
    pub only: Option<u32>,
    pub name: String,
    pub colour: Rgb,
}

/// A volume, what is outlined on it, and how they are shown.
pub struct Scene<'a> {
    pub voxels: Voxels<'a>,
    pub grid: Grid,
    pub overlays: Vec<Overlay<'a>>,
    /// The overlay that slices and field follow; all of them without it.
    pub focus: Option<usize>,
    pub window: Window,
    /// The volume's unit in words, or nothing.
    pub unit: &'static str,
    pub plane: Plane,
    /// Largest number of tiles.
    pub slices: usize,
    pub columns: Option<usize>,
    /// The longer side of a tile in pixels.
    pub tile_px: usize,
    /// Side of a square field in mm; the whole head without it.
    pub tile_mm: Option<f64>,
}
