//! A CT and a mask seen with axial slices along k, without a copy of the CT.

use crate::lesion::{Lesion, axial, axial_last};
use ichor_sdk::prelude::*;
use std::borrow::Cow;

/// A CT with the mask of a haematoma on its grid.
pub struct Scan<'a> {
    /// The grid with axial slices along k.
    pub grid: Grid,
    /// The mask on `grid`.
    pub mask: Cow<'a, [u8]>,
    voxels: Voxels<'a>,
    /// Steps in the CT's array along i, j and k of `grid`.
    strides: [usize; 3],
}

impl<'a> Scan<'a> {
    /// From the inputs of a stage.
    ///
    /// # Errors
    /// The grids differ.
    pub fn of(ct: &Input<'a>, mask: &Input<'a>) -> Result<Self> {
        if !ct.grid().same_as(mask.grid()) {
            return Err(Error::bad_input(format!(
                "the mask has {:?} voxels and the CT {:?}, or they lie elsewhere; bring the mask to the CT's grid with \
                 resample",
                mask.grid().shape,
                ct.grid().shape
            )));
        }
        Ok(Self::new(ct.voxels(), mask.mask()?, ct.grid()))
    }

    /// A CT and a mask on one grid.
    pub fn new(voxels: Voxels<'a>, mask: &'a [u8], grid: &Grid) -> Self {
        let axis = axial(grid);
        let strides = [1, grid.shape[0], grid.shape[0] * grid.shape[1]];
        let strides = [(axis + 1) % 3, (axis + 2) % 3, axis].map(|a| strides[a]);
        let (mask, turned) = axial_last(mask, grid);
        Self { grid: turned, mask, voxels, strides }
    }

    /// Where voxel (i, j, k) lies in the CT's array.
    pub fn place(&self, v: [usize; 3]) -> usize {
        (0..3).map(|a| v[a] * self.strides[a]).sum()
    }

    /// HU at a place of the CT's array.
    pub fn hu(&self, place: usize) -> f32 {
        match self.voxels {
            Voxels::U8(v) => v.get(place).map_or(0.0, |&v| v.into()),
            Voxels::I16(v) => v.get(place).map_or(0.0, |&v| v.into()),
            Voxels::U16(v) => v.get(place).map_or(0.0, |&v| v.into()),
            Voxels::U32(v) => v.get(place).map_or(0.0, |&v| v as f32),
            Voxels::F32(v) => v.get(place).copied().unwrap_or(0.0),
        }
    }

    /// HU of the voxels of a lesion, in the order of `grid`.
    pub fn hu_of(&self, lesion: &Lesion) -> Vec<f32> {
        let mut out = Vec::with_capacity(lesion.voxels());
        for run in &lesion.runs {
            let first = self.place([run.begin as usize, run.j as usize, run.k as usize]);
            out.extend((0..run.len()).map(|n| self.hu(first + n * self.strides[0])));
        }
        out
    }
}
