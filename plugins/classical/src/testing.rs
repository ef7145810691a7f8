//! A head of simple shapes, whose cavity is known exactly.

use ichor_image::random::normal_at;
use ichor_image::{Affine, Grid};

/// Semi-axes of the cavity, an ellipsoid around the origin, mm: 1307 mL.
pub const CAVITY: [f64; 3] = [65.0, 80.0, 60.0];
/// Radius of the foramen magnum and the canal below it, mm, and where the canal's axis is.
const FORAMEN: f64 = 14.0;
const CANAL: [f64; 2] = [0.0, -15.0];

/// Whether a place (RAS+ mm) is in the cavity, above the level at which it passes into the canal.
pub fn in_cavity(p: [f64; 3]) -> bool {
    (0..3).map(|a| (p[a] / CAVITY[a]).powi(2)).sum::<f64>() <= 1.0
}

/// Hounsfield units of the head at a place (RAS+ mm): brain in a skull of 6 mm with scalp, a spinal canal with
/// its bone, and two orbits that open to the front and reach the cavity by an optic canal.
pub fn head(p: [f64; 3]) -> f64 {
    let shell = |grow: f64| (0..3).map(|a| (p[a] / (CAVITY[a] + grow)).powi(2)).sum::<f64>() <= 1.0;
    let axis = (p[0] - CANAL[0]).hypot(p[1] - CANAL[1]);
    let below = p[2] < -50.0;
    let orbit = [p[0].abs() - 32.0, p[1] - 72.0, p[2] + 38.0].map(|v| v / 17.0);
    let from_orbit = orbit.iter().map(|v| v * v).sum::<f64>().sqrt() * 17.0;
    let optic_canal = (p[0].abs() - 32.0).hypot(p[2] + 30.0) < 2.5 && (40.0..72.0).contains(&p[1]);
    match () {
        () if in_cavity(p) => 33.0,
        () if below && axis < FORAMEN => 30.0,
        () if optic_canal => 30.0,
        () if from_orbit < 14.0 => 5.0,
        () if from_orbit < 17.0 && p[1] < 80.0 => 700.0,
        () if shell(6.0) => 900.0,
        () if below && axis < FORAMEN + 7.0 => 800.0,
        () if shell(12.0) || below && axis < 50.0 && p[2] > -110.0 => 40.0,
        () => -1000.0,
    }
}

/// Samples `hu` at voxel centres, with noise of 5 HU.
pub fn scan(grid: &Grid, hu: impl Fn([f64; 3]) -> f64) -> Vec<i16> {
    let noise = |n: usize| 5.0 * normal_at(7, n as u64);
    places(grid).enumerate().map(|(n, p)| (hu(p) + noise(n)).round() as i16).collect()
}

/// World positions of all voxels, x fastest.
pub fn places(grid: &Grid) -> impl Iterator<Item = [f64; 3]> {
    let [nx, ny, _] = grid.shape;
    let affine = grid.affine;
    (0..grid.len()).map(move |n| affine.apply([n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64)))
}

/// A scan of 4 mm slices tilted by 15 degrees, axes L, P, S, from below the foramen to above the vertex.
pub fn tilted(slices: std::ops::Range<usize>) -> Grid {
    let (s, c) = 15f64.to_radians().sin_cos();
    let spacing = [1.5, 1.5, 4.0];
    let turned = [[-1.0, 0.0, 0.0], [0.0, -c, -s], [0.0, -s, c]];
    let centre = [67.0, 77.0, 24.0]; // voxel at the origin of the world
    let mut affine = Affine([[0.0; 4]; 3]);
    for (row, turned) in affine.0.iter_mut().zip(turned) {
        for a in 0..3 {
            row[a] = turned[a] * spacing[a];
            row[3] -= row[a] * (centre[a] - if a == 2 { slices.start as f64 } else { 0.0 });
        }
    }
    Grid { shape: [135, 155, slices.len()], affine }
}

/// Dice coefficient of two masks.
pub fn dice(a: &[u8], b: &[u8]) -> f64 {
    let count = |m: &[u8]| m.iter().filter(|&&v| v != 0).count();
    let both = a.iter().zip(b).filter(|&(&x, &y)| x != 0 && y != 0).count();
    2.0 * both as f64 / (count(a) + count(b)) as f64
}
