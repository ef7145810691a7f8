//! The edge indicator g.

use ichor_image::{Parallel, parallel::for_each_chunk};

/// Limits of HU between which edges count: brain, fluid and the side of bone that faces them.
const WINDOW: [f32; 2] = [0.0, 300.0];

/// g = 1 / (1 + (|grad HU| / `scale`)²) by central differences, 1 where the image is flat. `scale` in HU/mm.
pub fn edge_indicator(
    par: &dyn Parallel,
    hu: &[f32],
    shape: [usize; 3],
    spacing: [f32; 3],
    scale: f32,
) -> Vec<f32> {
    let [nx, ny, nz] = shape;
    let half = spacing.map(|h| 0.5 / h / scale);
    let window = |v: f32| v.clamp(WINDOW[0], WINDOW[1]);
    let mut out = vec![1f32; hu.len()];
    for_each_chunk(par, &mut out, nx * ny, &|k, plane| {
        for (j, out) in plane.chunks_mut(nx).enumerate() {
            let row = |j: usize, k: usize| &hu[nx * (j + ny * k)..][..nx];
            let x = row(j, k);
            let (ym, yp) = (row(j.saturating_sub(1), k), row((j + 1).min(ny - 1), k));
            let (zm, zp) = (row(j, k.saturating_sub(1)), row(j, (k + 1).min(nz - 1)));
            for i in 1..nx.saturating_sub(1) {
                let d = [
                    (window(x[i + 1]) - window(x[i - 1])) * half[0],
                    (window(yp[i]) - window(ym[i])) * half[1],
                    (window(zp[i]) - window(zm[i])) * half[2],
                ];
                out[i] = 1.0 / (1.0 + d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;

    #[test]
    fn steepness_of_the_edge_scale_gives_one_half() {
        let hu: Vec<f32> = (0..7 * 3 * 2).map(|n| 40.0 * (n % 7) as f32).collect();
        let g = edge_indicator(&Serial, &hu, [7, 3, 2], [1.6, 1.0, 2.0], 25.0);
        assert!((g[3 + 7] - 0.5).abs() < 1e-6);
        let flat = edge_indicator(&Serial, &[2000.0; 42], [7, 3, 2], [1.0; 3], 25.0);
        assert!(flat.iter().all(|&v| v == 1.0));
    }
}
