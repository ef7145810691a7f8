//! Box-counting dimension of a lesion's surface.

use crate::mesh::Isotropic;

/// Slope of ln N over -ln s for boxes of s = 1, 2, 4 and 8 mm that hold a border voxel, and R² of the line.
/// `None` without a border.
pub fn fractal_dimension(lesion: &Isotropic) -> Option<(f64, f64)> {
    let shape = lesion.grid.shape;
    let steps = [1, shape[0], shape[0] * shape[1]];
    let inside = |n: usize| lesion.share[n] >= 0.5;
    let mut border = Vec::new();
    // The outermost voxels are background.
    for k in 1..shape[2] - 1 {
        for j in 1..shape[1] - 1 {
            for i in 1..shape[0] - 1 {
                let n = lesion.grid.index(i, j, k);
                if inside(n) && steps.iter().any(|s| !inside(n - s) || !inside(n + s)) {
                    border.push([i, j, k]);
                }
            }
        }
    }
    if border.is_empty() {
        return None;
    }
    let count = |size: usize| {
        let boxes = shape.map(|n| n.div_ceil(size));
        let mut seen = vec![false; boxes.iter().product()];
        for [i, j, k] in &border {
            seen[i / size + boxes[0] * (j / size + boxes[1] * (k / size))] = true;
        }
        seen.iter().filter(|s| **s).count() as f64
    };
    let points = [1, 2, 4, 8].map(|s| (-(s as f64).ln(), count(s).ln()));
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / 4.0;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let sum = |f: &dyn Fn(f64, f64) -> f64| points.iter().map(|p| f(p.0 - x, p.1 - y)).sum::<f64>();
    let (xx, xy, yy) = (sum(&|a, _| a * a), sum(&|a, b| a * b), sum(&|_, b| b * b));
    (yy > 0.0).then(|| (xy / xx, xy * xy / (xx * yy)))
}
