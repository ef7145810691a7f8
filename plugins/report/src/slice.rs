//! One slice of a volume: read, windowed and drawn at any scale.

use crate::plane::View;
use crate::values::{Value, with_voxels};
use crate::window::Window;
use ichor_sdk::Voxels;

/// Where a picture lies on a slice.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The top left corner in the view's mm.
    pub corner: [f64; 2],
    /// Side of a pixel in mm; pixels are square.
    pub pixel: f64,
    pub width: usize,
    pub height: usize,
}

impl Frame {
    /// A point in the view's mm, in pixels.
    pub fn to_pixels(self, mm: [f64; 2]) -> [f64; 2] {
        [(mm[0] - self.corner[0]) / self.pixel, (mm[1] - self.corner[1]) / self.pixel]
    }
}

/// The voxels of slice `at` of a volume of `shape`, in rows along the view's `u`.
fn rows<T: Value, O>(all: &[T], shape: [usize; 3], view: &View, at: usize, of: impl Fn(T) -> O) -> Vec<O> {
    let stride = [1, shape[0], shape[0] * shape[1]];
    let mut out = Vec::with_capacity(shape[view.u] * shape[view.v]);
    for b in 0..shape[view.v] {
        let start = at * stride[view.n] + b * stride[view.v];
        let row = all.get(start..).unwrap_or_default().iter().step_by(stride[view.u]).take(shape[view.u]);
        out.extend(row.map(|&value| of(value)));
    }
    out
}

/// The labels of a slice; 0 is background.
pub fn labels(voxels: Voxels, shape: [usize; 3], view: &View, at: usize) -> Vec<u32> {
    with_voxels!(voxels, all => rows(all, shape, view, at, Value::label))
}

/// The greys of a slice, 0 to 255. They are windowed before they are interpolated: bone and air count no more
/// than white and black, and do not ring into the brain.
pub fn greys(voxels: Voxels, shape: [usize; 3], view: &View, at: usize, window: Window) -> Vec<f32> {
    with_voxels!(voxels, all => rows(all, shape, view, at, |value| window.grey(value.grey())))
}

/// Draws a slice into a frame: cubic interpolation (Catmull-Rom) where pixels are finer than voxels, averages
/// of it where they are coarser, black outside.
pub fn draw(greys: &[f32], shape: [usize; 3], view: &View, frame: &Frame) -> Vec<f32> {
    let [width, height] = [shape[view.u], shape[view.v]];
    let parts = (frame.pixel / view.finest() - 0.25).ceil().clamp(1.0, 8.0) as usize;
    let step = frame.pixel / parts as f64;
    let at = |n: usize, corner: f64| corner + step * (n as f64 + 0.5);
    let share = 1.0 / (parts * parts) as f32;
    let mut out = vec![0.0; frame.width * frame.height];
    let mut line = vec![0.0; width];
    for (n, row) in out.chunks_exact_mut(frame.width.max(1)).enumerate() {
        for y in n * parts..(n + 1) * parts {
            let y = at(y, frame.corner[1]);
            // A line of the picture lies on one (fractional) row of voxels, so rows are mixed first.
            let b = view.to_voxel([0.0, y])[1];
            if !within(b, height) {
                continue;
            }
            let (rows, q) = neighbours(b, height);
            let [r0, r1, r2, r3] = rows.map(|r| &greys[r * width..][..width]);
            for (x, mixed) in line.iter_mut().enumerate() {
                *mixed = q[0] * r0[x] + q[1] * r1[x] + q[2] * r2[x] + q[3] * r3[x];
            }
            for x in 0..frame.width * parts {
                let a = view.to_voxel([at(x, frame.corner[0]), y])[0];
                if within(a, width) {
                    let (places, p) = neighbours(a, width);
                    let grey: f32 = places.iter().zip(p).map(|(&x, p)| p * line[x]).sum();
                    row[x / parts] += share * grey.clamp(0.0, 255.0);
                }
            }
        }
    }
    out
}

/// Whether a coordinate lies on one of `n` voxels.
fn within(x: f64, n: usize) -> bool {
    x >= -0.5 && x <= n as f64 - 0.5
}

/// The four places around `x` on an axis of `n`, and their weights.
fn neighbours(x: f64, n: usize) -> ([usize; 4], [f32; 4]) {
    let floor = x.floor();
    let t = (x - floor) as f32;
    let places = std::array::from_fn(|k| (floor + k as f64 - 1.0).clamp(0.0, n as f64 - 1.0) as usize);
    let (t2, t3) = (t * t, t * t * t);
    let weights = [
        0.5 * (-t3 + 2.0 * t2 - t),
        0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
        0.5 * (-3.0 * t3 + 4.0 * t2 + t),
        0.5 * (t3 - t2),
    ];
    (places, weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::Plane;
    use ichor_sdk::prelude::{Affine, Grid};

    const WIDE: Window = Window { width: 255.0, level: 127.5 };

    #[test]
    fn slices_of_every_axis_are_read() {
        let shape = [2, 3, 4];
        let all: Vec<i16> = (0..24).collect();
        let grid = Grid::new(shape, Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
        let read = |plane, at| labels(Voxels::I16(&all), shape, &View::new(&grid, plane), at);
        assert_eq!(read(Plane::Axial, 3), [18, 19, 20, 21, 22, 23]);
        assert_eq!(read(Plane::Coronal, 1), [2, 3, 8, 9, 14, 15, 20, 21]);
        assert_eq!(read(Plane::Sagittal, 1), [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23]);
    }

    #[test]
    fn a_frame_on_the_voxels_shows_them_exactly_and_turned() {
        // RAS: the picture's right is the patient's left, so both axes are turned round.
        let grid = Grid::new([3, 2, 1], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
        let view = View::new(&grid, Plane::Axial);
        let grey = greys(Voxels::U8(&[1, 2, 3, 4, 5, 6]), grid.shape, &view, 0, WIDE);
        let frame = Frame { corner: [-3.5, -1.5], pixel: 1.0, width: 5, height: 2 };
        let drawn = draw(&grey, grid.shape, &view, &frame);
        assert_eq!(drawn, [0.0, 6.0, 5.0, 4.0, 0.0, 0.0, 3.0, 2.0, 1.0, 0.0]);
        assert_eq!(frame.to_pixels(view.to_mm([2.0, 1.0])), [1.5, 0.5]);
    }

    #[test]
    fn ramps_stay_ramps_when_enlarged_and_flat_areas_stay_flat_when_reduced() {
        let grid = Grid::new([16, 16, 1], Affine([[-1.0, 0., 0., 0.], [0., -4.0, 0., 0.], [0., 0., 1., 0.]]))
            .unwrap();
        let view = View::new(&grid, Plane::Axial);
        let ramp: Vec<f32> = (0..256).map(|n| (n / 16) as f32 * 8.0).collect();
        let frame = Frame { corner: [4.0, 16.0], pixel: 1.0, width: 4, height: 20 };
        let drawn = draw(&ramp, grid.shape, &view, &frame);
        for (n, &v) in drawn.iter().enumerate() {
            // Pixel centres in mm, 4 mm a voxel, 8 greys a voxel.
            let want = (16.5 + (n / 4) as f32) * 2.0;
            assert!((v - want).abs() < 1e-3, "{v} {want}");
        }
        let frame = Frame { corner: [2.0, 8.0], pixel: 5.0, width: 2, height: 8 };
        let flat = draw(&[77.0; 256], grid.shape, &view, &frame);
        assert!(flat.iter().all(|v| (v - 77.0).abs() < 1e-3));
    }
}
