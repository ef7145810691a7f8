//! One slice of a CT as its file describes it.

use crate::place::Place;

/// How a stored number becomes a pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stored {
    /// 8 or 16.
    pub allocated: u32,
    /// Bits that count, 1 to `allocated`.
    pub bits: u32,
    /// How far up they stand.
    pub shift: u32,
    pub signed: bool,
    /// What stands for "nothing was measured here".
    pub padding: Option<Padding>,
    pub slope: f64,
    pub intercept: f64,
}

/// Lowest and highest value of pixels that are padding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Padding {
    pub low: i32,
    pub high: i32,
    /// The value does not fit in the bits that count: it is looked for in all of them.
    pub in_all_bits: bool,
}

/// A slice: an image of its own, or a frame of a multi-frame image. Positions and directions are DICOM's (LPS), in mm.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Which of the files, from 0.
    pub file: usize,
    /// Which frame of it, from 0.
    pub frame: usize,
    pub sop_class: String,
    pub sop_instance: String,
    pub study: String,
    pub series: String,
    pub frame_of_reference: String,
    pub series_number: i64,
    pub acquisition: Option<i64>,
    /// Centre of the first pixel.
    pub position: [f64; 3],
    /// Direction in which columns are counted, of length 1.
    pub along_row: [f64; 3],
    /// Direction in which rows are counted, of length 1 and square to the other.
    pub along_column: [f64; 3],
    /// Distance of pixels along a row and along a column, mm.
    pub spacing: [f64; 2],
    pub columns: usize,
    pub rows: usize,
    /// Slice thickness, mm.
    pub thickness: Option<f64>,
    /// Gantry tilt as the header states it, degrees.
    pub tilt: Option<f64>,
    pub kernel: Option<String>,
    pub stored: Stored,
    /// Whether slope and intercept are stated.
    pub rescaled: bool,
    /// Whether the header says that the result is something else than HU.
    pub not_hu: bool,
    /// Whether pixels went through a compression that changes them.
    pub lossy: bool,
}

impl Slice {
    /// The direction square to the slice, so that rows, columns and it are right-handed.
    pub fn normal(&self) -> [f64; 3] {
        cross(self.along_row, self.along_column)
    }

    /// Its plane.
    pub fn place(&self) -> Place {
        Place {
            position: self.position,
            along_row: self.along_row,
            along_column: self.along_column,
            spacing: self.spacing,
            thickness: self.thickness,
        }
    }

    /// Pixels.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }
}

/// Scalar product.
pub fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Vector product.
pub fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
