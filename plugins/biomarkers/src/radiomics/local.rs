//! Local intensity (IBSI 3.2): means over spheres of 1 cm³.

use super::region::Region;
use ichor_image::{Grid, Parallel, parallel::map_ranges};

/// In the order of `names::LOCAL_INTENSITY`. `rows` gives the intensities of row (j, k) of the whole image: what
/// lies in a sphere counts whether it is in the lesion or not.
pub fn peaks<'a>(
    par: &dyn Parallel,
    region: &Region,
    grid: &Grid,
    rows: &(dyn Fn(usize, usize) -> std::borrow::Cow<'a, [f32]> + Sync),
) -> [f64; 2] {
    let radius = (3.0 / (4.0 * std::f64::consts::PI) * 1000.0f64).cbrt();
    let [nx, ny, nz] = grid.shape;
    let m = grid.affine.0;
    let place = |d: [f64; 3]| m.map(|r| r[0] * d[0] + r[1] * d[1] + r[2] * d[2]);
    // Voxels of the sphere as rows: (dj, dk, first di, last di).
    let inverse = grid.affine.inverse();
    let reach: [i64; 3] = std::array::from_fn(|a| {
        let row = inverse.as_ref().map_or([0.0; 3], |i| [i.0[a][0], i.0[a][1], i.0[a][2]]);
        (radius * row.iter().map(|v| v * v).sum::<f64>().sqrt()).floor() as i64
    });
    let mut sphere: Vec<[i64; 4]> = Vec::new();
    for dk in -reach[2]..=reach[2] {
        for dj in -reach[1]..=reach[1] {
            let inside = |di: &i64| {
                place([*di, dj, dk].map(|v| v as f64)).iter().map(|v| v * v).sum::<f64>().sqrt() <= radius
            };
            let mut is = (-reach[0]..=reach[0]).filter(inside);
            if let Some(first) = is.next() {
                sphere.push([dj, dk, first, is.next_back().unwrap_or(first)]);
            }
        }
    }
    // Sums along rows, so that a row of the sphere costs two look-ups.
    let Some((low, size)) = super::levels::extent(&region.lesion) else { return [f64::NAN; 2] };
    let begin: [usize; 3] = std::array::from_fn(|a| (i64::from(low[a]) - reach[a]).max(0) as usize);
    let n = [nx, ny, nz];
    let end: [usize; 3] =
        std::array::from_fn(|a| ((i64::from(low[a]) + size[a] as i64 + reach[a]) as usize).min(n[a]));
    let width = end[0] - begin[0] + 1;
    let (dj, dk) = (end[1] - begin[1], end[2] - begin[2]);
    let mut sums = vec![0f64; width * dj * dk];
    ichor_image::parallel::for_each_chunk(par, &mut sums, width, &|r, out| {
        let row = rows(begin[1] + r % dj, begin[2] + r / dj);
        for (i, v) in row[begin[0]..end[0]].iter().enumerate() {
            out[i + 1] = out[i] + f64::from(*v);
        }
    });
    let kept: Vec<(f32, [u32; 3])> = region.kept().collect();
    let highest = kept.iter().map(|v| v.0).fold(f32::NEG_INFINITY, f32::max);
    let best = map_ranges(par, kept.len(), 4096, &|range| {
        let (mut local, mut global) = (f64::NAN, f64::NAN);
        for (v, at) in &kept[range] {
            let at = at.map(i64::from);
            let (mut sum, mut count) = (0.0, 0i64);
            for [dj_, dk_, first, last] in &sphere {
                let (j, k) = (at[1] + dj_, at[2] + dk_);
                if j < 0 || k < 0 || j >= ny as i64 || k >= nz as i64 {
                    continue;
                }
                let from = (at[0] + first).max(0);
                let to = (at[0] + last + 1).min(nx as i64);
                let row = width * ((j as usize - begin[1]) + dj * (k as usize - begin[2]));
                let at = |i: i64| sums[row + i as usize - begin[0]];
                sum += at(to) - at(from);
                count += to - from;
            }
            let mean = sum / count as f64;
            global = mean.max(global);
            if *v == highest {
                local = mean.max(local);
            }
        }
        [local, global]
    });
    let max = |c: usize| best.iter().map(|b| b[c]).fold(f64::NAN, f64::max);
    [max(0), max(1)]
}
