//! Arithmetic on the voxels of a window of a volume.

use ichor_image::Bounds;

/// A copy of the window's voxels as f32; `bounds` lies within the volume.
pub fn cut_f32<T: Copy + Into<f32>>(data: &[T], shape: [usize; 3], bounds: &Bounds) -> Vec<f32> {
    let mut out = vec![0.0; bounds.shape().iter().product()];
    bounds.rows(shape, |at, from, n| {
        out[at..][..n].iter_mut().zip(&data[from..][..n]).for_each(|(o, &v)| *o = v.into());
    });
    out
}
