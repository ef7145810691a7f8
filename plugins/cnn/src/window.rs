//! The CT as a network reads it.

use ichor_image::Turn;
use ichor_image::{Bounds, Parallel};
use ichor_sdk::{Input, Voxels};

/// A box of the turned CT, `low` to `high` as 0 to 1; what lies beyond the CT counts as air, 0.
pub fn read(par: &dyn Parallel, ct: &Input, turn: &Turn, bounds: &Bounds, [low, high]: [f32; 2]) -> Vec<f32> {
    let scale = 1.0 / (high - low);
    // NaN becomes 0 too.
    let to = move |v: f32| if v > low { ((v - low) * scale).min(1.0) } else { 0.0 };
    match ct.voxels() {
        Voxels::I16(v) => turn.cut(par, v, bounds, 0.0, &|v| to(f32::from(v))),
        Voxels::U16(v) => turn.cut(par, v, bounds, 0.0, &|v| to(f32::from(v))),
        Voxels::U8(v) => turn.cut(par, v, bounds, 0.0, &|v| to(f32::from(v))),
        Voxels::U32(v) => turn.cut(par, v, bounds, 0.0, &|v| to(v as f32)),
        Voxels::F32(v) => turn.cut(par, v, bounds, 0.0, &to),
    }
}
