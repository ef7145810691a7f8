//! Places and weights of overlapping patches, as nnU-Net v2 has them (`sliding_window_prediction.py`).

use ichor_image::Bounds;
use ichor_sdk::Param;

/// How much a voxel of a patch counts where patches overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Blending {
    Gaussian,
    Constant,
}

/// Patches along one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// First voxel of each; negative where the volume is smaller than the patch.
    pub starts: Vec<isize>,
    /// Weight of each voxel of each, so that the weights of the patches over a voxel have the sum 1.
    pub weights: Vec<Vec<f32>>,
}

/// Patches of one size over a volume, overlapping along each axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Patches {
    /// Voxels of the volume.
    pub shape: [usize; 3],
    /// Voxels of a patch.
    pub size: [usize; 3],
    /// Along each axis.
    pub axes: [Axis; 3],
}

impl Axis {
    /// Patches of `patch` voxels over `n`, equally far apart and overlapping by at least the share `overlap`. A
    /// volume that is smaller lies in the middle of its patch.
    pub fn new(n: usize, patch: usize, overlap: f64, blending: Blending) -> Self {
        let beyond = n.saturating_sub(patch) as f64;
        let steps = (beyond / (patch as f64 * (1.0 - overlap))).ceil() as usize;
        let each = beyond / steps.max(1) as f64;
        let first = -((patch.saturating_sub(n) / 2) as isize);
        let starts: Vec<isize> =
            (0..=steps).map(|s| first + (each * s as f64).round_ties_even() as isize).collect();
        let weight = |i: isize| match blending {
            Blending::Constant => 1.0,
            // A Gaussian is the product of those of its axes, and so is the sum over a grid of them.
            Blending::Gaussian => {
                let x = (i - patch as isize / 2) as f64 / (patch as f64 / 8.0);
                (-0.5 * x * x).exp()
            }
        };
        let inside = 0..patch as isize;
        let sum = |at: isize| -> f64 {
            starts.iter().map(|s| at - s).filter(|i| inside.contains(i)).map(weight).sum()
        };
        let weights = starts
            .iter()
            .map(|s| inside.clone().map(|i| (weight(i) / sum(s + i)) as f32).collect())
            .collect();
        Self { starts, weights }
    }
}

impl Patches {
    /// Patches over a volume.
    pub fn new(shape: [usize; 3], size: [usize; 3], overlap: f64, blending: Blending) -> Self {
        let axes = [0, 1, 2].map(|a| Axis::new(shape[a], size[a], overlap, blending));
        Self { shape, size, axes }
    }

    /// Number of patches.
    pub fn len(&self) -> usize {
        self.axes.iter().map(|a| a.starts.len()).product()
    }

    /// Number of the patch at each axis of patch `n`; along the first axis fastest.
    pub fn place(&self, n: usize) -> [usize; 3] {
        let [x, y] = [self.axes[0].starts.len(), self.axes[1].starts.len()];
        [n % x, n / x % y, n / x / y]
    }

    /// The box of a patch.
    pub fn bounds(&self, place: [usize; 3]) -> Bounds {
        let begin = [0, 1, 2].map(|a| self.axes[a].starts[place[a]]);
        Bounds { begin, end: [0, 1, 2].map(|a| begin[a] + self.size[a] as isize) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_those_of_nnu_net() {
        // compute_steps_for_sliding_window of nnU-Net v2; the first is its own example.
        for (n, patch, overlap, starts) in [
            (110, 64, 0.5, &[0, 23, 46][..]),
            (128, 128, 0.5, &[0]),
            (129, 128, 0.5, &[0, 1]),
            (133, 16, 0.5, &[0, 8, 16, 23, 31, 39, 47, 55, 62, 70, 78, 86, 94, 101, 109, 117]),
            (27, 16, 0.75, &[0, 4, 7, 11]),
            (9, 6, 0.5, &[0, 3]),
            (13, 8, 0.5, &[0, 2, 5]), // 2.5 is rounded to even
            (9, 12, 0.5, &[-1]),
        ] {
            assert_eq!(Axis::new(n, patch, overlap, Blending::Constant).starts, starts, "{n} {patch}");
        }
    }

    #[test]
    fn weights_add_up_to_one_and_are_largest_in_the_middle() {
        for blending in [Blending::Gaussian, Blending::Constant] {
            let axis = Axis::new(100, 32, 0.5, blending);
            let mut sums = [0.0; 100];
            for (s, w) in axis.starts.iter().zip(&axis.weights) {
                (0..32).for_each(|i| sums[*s as usize + i] += w[i]);
            }
            assert!(sums.iter().all(|s| (s - 1.0f32).abs() < 1e-6));
        }
        // The centre of one patch, 4 standard deviations of 4 voxels from that of the next: 1 against e^(-4^2 / 2).
        let axis = Axis::new(64, 32, 0.5, Blending::Gaussian);
        assert_eq!(axis.starts, [0, 16, 32]);
        let want = 1.0 / (1.0 + (-8.0f64).exp());
        assert!((f64::from(axis.weights[1][16]) - want).abs() < 1e-6);
    }

    #[test]
    fn patches_are_counted_with_the_first_axis_fastest() {
        let patches = Patches::new([20, 9, 30], [8, 12, 16], 0.5, Blending::Constant);
        assert_eq!(patches.axes.each_ref().map(|a| a.starts.len()), [4, 1, 3]);
        assert_eq!(patches.len(), 12);
        assert_eq!(patches.place(7), [3, 0, 1]);
        assert_eq!(patches.bounds([3, 0, 1]), Bounds { begin: [12, -1, 7], end: [20, 11, 23] });
    }
}
