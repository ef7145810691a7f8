//! The outline of a slice as distances from its centroid.

use super::slice::Slice;

/// Directions of a profile, 2 degrees apart.
pub const BINS: usize = 180;
/// A local maximum counts when it stands this far above the valley beside it, mm.
const PROMINENCE_MM: f64 = 2.0;

/// Distances of the outermost voxels from the centroid.
pub struct Profile {
    /// mm, smoothed over 4 degrees (sigma).
    pub radius: [f64; BINS],
    /// The same of the ellipse with the slice's centroid, area moments and axes.
    pub ellipse: [f64; BINS],
    /// Whether every ray from the centroid leaves the slice once; a gap below 1 mm does not count.
    pub star: bool,
}

impl Profile {
    /// Of a slice in one part without holes; `None` without voxels.
    pub fn of(slice: &Slice) -> Option<Self> {
        let n = slice.voxels().count() as f64;
        let sum = slice.points().fold([0.0; 2], |s, p| [s[0] + p[0], s[1] + p[1]]);
        let centre = sum.map(|s| s / n);
        if n == 0.0 {
            return None;
        }
        let (u, v) = (slice.plane.apply([1.0, 0.0]), slice.plane.apply([0.0, 1.0]));
        let step = u[0].hypot(u[1]).min(v[0].hypot(v[1])) / 4.0;
        // The plane's first axis runs along u. In voxels, half a voxel on, so that the whole part is the voxel's index.
        let index = |p: [f64; 2]| {
            let j = p[1] / v[1];
            [(p[0] - j * v[0]) / u[0], j]
        };
        let [nx, ny] = slice.shape;
        let inside = |p: [f64; 2]| {
            p[0] >= 0.0 && p[1] >= 0.0 && {
                let (i, j) = (p[0] as usize, p[1] as usize);
                i < nx && j < ny && slice.mask[i + nx * j] != 0
            }
        };
        let from = index(centre).map(|x| x + 0.5);
        let farthest =
            slice.hull().iter().map(|p| (p[0] - centre[0]).hypot(p[1] - centre[1])).fold(0.0, f64::max);
        let mut raw = [0f64; BINS];
        let mut star = inside(from);
        for (bin, radius) in raw.iter_mut().enumerate() {
            let [x, y] = index(direction(bin));
            let mut gap = 0.0;
            let mut r = 0.0;
            while r <= farthest {
                if inside([from[0] + r * x, from[1] + r * y]) {
                    star &= gap < 1.0;
                    gap = 0.0;
                    *radius = r + step / 2.0;
                } else {
                    gap += step;
                }
                r += step;
            }
        }
        Some(Self { radius: smoothed(&raw), ellipse: ellipse(slice, centre, n), star })
    }

    /// Local maxima.
    pub fn protuberances(&self) -> usize {
        maxima(&self.radius)
    }

    /// Local maxima of what rises above the ellipse.
    pub fn beyond_ellipse(&self) -> usize {
        maxima(&std::array::from_fn(|n| self.radius[n] - self.ellipse[n]))
    }

    /// Amplitude of each wave of k = 1 to 12 around the outline, over the mean radius.
    pub fn waves(&self) -> [f64; 12] {
        let mean = self.radius.iter().sum::<f64>() / BINS as f64;
        std::array::from_fn(|n| {
            let [c, s] = self.wave(n + 1);
            c.hypot(s) / mean
        })
    }

    /// Root mean square of what waves up to k = 3 leave, mm.
    pub fn roughness(&self) -> f64 {
        let mean = self.radius.iter().sum::<f64>() / BINS as f64;
        let waves = [1, 2, 3].map(|k| (k, self.wave(k)));
        let square = |n: usize| {
            let fit: f64 = waves
                .iter()
                .map(|(k, [c, s])| {
                    let [x, y] = direction(k * n);
                    c * x + s * y
                })
                .sum();
            (self.radius[n] - mean - fit).powi(2)
        };
        ((0..BINS).map(square).sum::<f64>() / BINS as f64).sqrt()
    }

    fn wave(&self, k: usize) -> [f64; 2] {
        let mut sum = [0.0; 2];
        for (n, r) in self.radius.iter().enumerate() {
            let [x, y] = direction(k * n);
            sum[0] += r * x;
            sum[1] += r * y;
        }
        sum.map(|s| s * 2.0 / BINS as f64)
    }
}

fn direction(bin: usize) -> [f64; 2] {
    let (s, c) = (std::f64::consts::TAU * bin as f64 / BINS as f64).sin_cos();
    [c, s]
}

fn smoothed(raw: &[f64; BINS]) -> [f64; BINS] {
    const SIGMA: f64 = 2.0;
    let weights: [f64; 17] = std::array::from_fn(|n| (-0.5 * ((n as f64 - 8.0) / SIGMA).powi(2)).exp());
    let sum: f64 = weights.iter().sum();
    std::array::from_fn(|b| {
        weights.iter().enumerate().map(|(n, w)| w * raw[(b + BINS + n - 8) % BINS]).sum::<f64>() / sum
    })
}

fn ellipse(slice: &Slice, centre: [f64; 2], n: f64) -> [f64; BINS] {
    let mut m = [0.0; 3];
    for p in slice.points() {
        let (x, y) = (p[0] - centre[0], p[1] - centre[1]);
        m = [m[0] + x * x, m[1] + x * y, m[2] + y * y];
    }
    // A voxel's own extent, so that a row of voxels has a width.
    let (u, v) = (slice.plane.apply([1.0, 0.0]), slice.plane.apply([0.0, 1.0]));
    let own = |a: usize, b: usize| (u[a] * u[b] + v[a] * v[b]) / 12.0;
    let (xx, xy, yy) = (m[0] / n + own(0, 0), m[1] / n + own(0, 1), m[2] / n + own(1, 1));
    let determinant = xx * yy - xy * xy;
    std::array::from_fn(|b| {
        let [x, y] = direction(b);
        // A full ellipse has a quarter of the squared semi-axes as moments.
        2.0 * (determinant / (yy * x * x - 2.0 * xy * x * y + xx * y * y)).sqrt()
    })
}

/// Local maxima around a circle that stand out by [`PROMINENCE_MM`] on both sides.
pub fn maxima(values: &[f64; BINS]) -> usize {
    let lowest = (0..BINS).fold(0, |low, n| if values[n] < values[low] { n } else { low });
    let (mut count, mut low, mut high) = (0, values[lowest], f64::NEG_INFINITY);
    let mut rising = true;
    for n in 1..=BINS {
        let v = values[(lowest + n) % BINS];
        if rising {
            high = high.max(v);
            low = low.min(v);
            if high - v >= PROMINENCE_MM {
                count += usize::from(high - low >= PROMINENCE_MM);
                (rising, low) = (false, v);
            }
        } else {
            low = low.min(v);
            if v - low >= PROMINENCE_MM {
                (rising, high) = (true, v);
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maxima_are_counted_around_the_circle() {
        let waves = |k: f64, a: f64| {
            std::array::from_fn(|n| a * (k * n as f64 * std::f64::consts::TAU / 180.0).sin())
        };
        for k in [1, 2, 3, 5, 8] {
            assert_eq!(maxima(&waves(f64::from(k), 1.01)), k as usize);
            assert_eq!(maxima(&waves(f64::from(k), 0.99)), 0);
        }
        assert_eq!(maxima(&[7.0; BINS]), 0);
    }
}
