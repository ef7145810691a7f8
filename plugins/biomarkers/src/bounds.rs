//! Where a lesion is: centroid and bounding box.

use crate::lesion::Lesion;
use ichor_image::Grid;

/// Mean position of the lesion's voxel centres, RAS+ mm; `None` for a lesion without voxels.
pub fn centroid(lesion: &Lesion, grid: &Grid) -> Option<[f64; 3]> {
    let mut sum = [0.0; 3];
    for run in &lesion.runs {
        let n = run.len() as f64;
        sum[0] += n * f64::from(run.begin + run.end - 1) / 2.0;
        sum[1] += n * f64::from(run.j);
        sum[2] += n * f64::from(run.k);
    }
    let n = lesion.voxels() as f64;
    (n > 0.0).then(|| grid.affine.apply(sum.map(|s| s / n)))
}

/// Lowest and highest coordinates of `points`; `None` without points.
pub fn bounding_box(points: &[[f64; 3]]) -> Option<[[f64; 3]; 2]> {
    let [low, high]: [fn(f64, f64) -> f64; 2] = [f64::min, f64::max];
    let fold =
        |f: fn(f64, f64) -> f64| points.iter().copied().reduce(|a, b| std::array::from_fn(|c| f(a[c], b[c])));
    Some([fold(low)?, fold(high)?])
}

/// Whether the lesion reaches the first or last voxel of an axis: part of it may be outside the image.
pub fn touches_border(lesion: &Lesion, [nx, ny, nz]: [usize; 3]) -> bool {
    let edge = |at: u32, n: usize| at == 0 || at as usize + 1 == n;
    lesion.runs.iter().any(|r| r.begin == 0 || r.end as usize == nx || edge(r.j, ny) || edge(r.k, nz))
}
