//! How much memory work on the cranial cavity will need, before it is found.

use ichor_sdk::prelude::*;

/// The box around a large adult's cavity, mm³: about 150 x 175 x 125 mm.
const BOX_MM3: f64 = 3.3e6;

/// Voxels of the box around the cavity: those of an adult, or all if there are fewer.
pub fn box_voxels(grid: &Grid) -> u64 {
    (BOX_MM3 / grid.voxel_volume_mm3()).min(grid.len() as f64) as u64
}

/// Bytes of a copy of the CT as f32, for types that stages do not read as they are.
pub fn copy_bytes(ct: &Input) -> u64 {
    match ct.dtype() {
        DType::I16 | DType::U16 | DType::F32 => 0,
        _ => 4 * ct.grid().len() as u64,
    }
}
