//! Makes phi the signed distance to its own front again, within a band.

use super::band::{Band, Run, around};
use ichor_image::Parallel;

/// Slopes near the front that are left as they are.
const FAIR: std::ops::RangeInclusive<f32> = 0.9..=1.1;

/// Moves phi toward the signed distance to its zero level by `steps` steps, each of which carries distances half a
/// voxel further.
///
/// Voxels up to two voxels from the front whose slope is near 1 stay as they are: the scheme is of first order and
/// would bend the front a little each time. Others next to the front keep its place: they get their first-order distance, phi / |grad phi|
/// (the subcell fix of Russo and Smereka, J. Comput. Phys. 163:51, 2000, eq. 14); the others follow
/// phi_t = sign(phi) (1 - |grad phi|) by Godunov's scheme (Sussman, Smereka and Osher, J. Comput. Phys. 114:146,
/// 1994). Values beyond the band only have to be as large as the band is wide. With `far`, all values but those
/// next to the front are set to it first, keeping their sign.
pub fn redistance(
    par: &dyn Parallel,
    phi: &mut [f32],
    shape: [usize; 3],
    spacing: [f32; 3],
    band: &Band,
    steps: usize,
    far: Option<f32>,
) {
    let inverse = spacing.map(|h| 1.0 / h);
    let time = 0.5 * spacing[0].min(spacing[1]).min(spacing[2]);
    // The distance next to the front, NaN elsewhere.
    let near = if far.is_none() { 2.0 * spacing[0].max(spacing[1]).max(spacing[2]) } else { 0.0 };
    let fixed = band.map(par, &|run, out| next_to_front(&around(phi, shape, run), inverse, near, out));
    if let Some(far) = far {
        phi.iter_mut().for_each(|p| *p = if *p < 0.0 { -far } else { far });
    }
    band.put(&fixed, phi, |old, new| {
        if !new.is_nan() {
            *old = new;
        }
    });
    let mut held = vec![0u8; phi.len()];
    band.each(&fixed, |at, value| held[at] = u8::from(!value.is_nan()));
    for _ in 0..steps {
        let held = &held;
        let new = band.map(par, &|run: &Run, out| {
            let rows = around(phi, shape, run);
            let held = &held[run.at..][..run.len];
            godunov(&rows, inverse, time, held, out);
        });
        band.put(&new, phi, |old, new| *old = new);
    }
}

fn next_to_front(rows: &[&[f32]; 9], inverse: [f32; 3], near: f32, out: &mut [f32]) {
    let [ix, iy, iz] = inverse;
    for (n, out) in out.iter_mut().enumerate() {
        let c = rows[4][n + 1];
        let pairs = [
            (rows[4][n], rows[4][n + 2], ix),
            (rows[3][n + 1], rows[5][n + 1], iy),
            (rows[1][n + 1], rows[7][n + 1], iz),
        ];
        let (mut across, mut squares, mut steepest) = (false, 0f32, 0f32);
        for (low, high, inverse) in pairs {
            across |= (c < 0.0) != (low < 0.0) || (c < 0.0) != (high < 0.0);
            let central = 0.5 * (high - low) * inverse;
            squares += central * central;
            steepest = steepest.max((high - c).abs() * inverse).max((c - low).abs() * inverse);
        }
        let slope = squares.sqrt().max(steepest).max(1e-6);
        *out = match () {
            () if (across || c.abs() < near) && FAIR.contains(&slope) => c,
            () if across => c / slope,
            () => f32::NAN,
        };
    }
}

fn godunov(rows: &[&[f32]; 9], [ix, iy, iz]: [f32; 3], time: f32, held: &[u8], out: &mut [f32]) {
    let n = out.len();
    let (x, ym, yp) = (&rows[4][..n + 2], &rows[3][1..=n], &rows[5][1..=n]);
    let (zm, zp) = (&rows[1][1..=n], &rows[7][1..=n]);
    for i in 0..n {
        let c = x[i + 1];
        let sign = if c < 0.0 { -1.0 } else { 1.0f32 };
        // Upwind: from the side of the front.
        let side = |low: f32, high: f32, inverse: f32| {
            let d = (sign * (c - low)).max(sign * (c - high)).max(0.0) * inverse;
            d * d
        };
        let squares = side(x[i], x[i + 2], ix) + side(ym[i], yp[i], iy) + side(zm[i], zp[i], iz);
        let moved = c + time * sign * (1.0 - squares.sqrt());
        // No voxel changes sides.
        let moved = if moved * sign < 0.0 { 0.1 * c } else { moved };
        out[i] = if held[i] != 0 { c } else { moved };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;

    #[test]
    fn distorted_sphere_becomes_its_distance() {
        for spacing in [[1.0f32; 3], [0.9, 1.0, 2.0]] {
            let shape = spacing.map(|h| (50.0 / h) as usize);
            let [nx, ny, nz] = shape;
            let exact: Vec<f32> = (0..nx * ny * nz)
                .map(|n| {
                    let at = [n % nx, n / nx % ny, n / nx / ny];
                    let p: [f32; 3] = std::array::from_fn(|a| at[a] as f32 * spacing[a] - 24.7);
                    p.iter().map(|v| v * v).sum::<f32>().sqrt() - 17.3
                })
                .collect();
            let mut phi: Vec<f32> = exact
                .iter()
                .map(|&d| if d.abs() < 2.6 { d * (1.4 + 0.2 * d) } else { d.signum() * 4.5 })
                .collect();
            let band = Band::new(&Serial, &exact, shape, 4.0, 0);
            redistance(&Serial, &mut phi, shape, spacing, &band, 12, None);
            let mut worst = [0f32; 2];
            for (p, d) in phi.iter().zip(&exact).filter(|(_, d)| d.abs() < 3.0) {
                let near = usize::from(d.abs() > 0.5);
                worst[near] = worst[near].max((p - d).abs());
            }
            // First order near the front, and Godunov's first order beyond.
            assert!(worst[0] < 0.15 && worst[1] < 0.6, "{worst:?} at {spacing:?}");
        }
    }
}
