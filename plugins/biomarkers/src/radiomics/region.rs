//! A lesion with its intensities.

use crate::lesion::Lesion;

/// The morphological mask, and which of its voxels the intensity mask keeps.
pub struct Region {
    pub lesion: Lesion,
    /// In the order of the lesion's runs.
    pub values: Vec<f32>,
    /// Whether resegmentation keeps the voxel.
    pub keep: Vec<bool>,
}

impl Region {
    /// `value` is the intensity at (i, j, k). Voxels outside `range`, or not finite, are not kept.
    pub fn new(lesion: Lesion, range: Option<[f64; 2]>, value: impl Fn(u32, u32, u32) -> f32) -> Self {
        let mut values = Vec::with_capacity(lesion.voxels());
        for r in &lesion.runs {
            values.extend((r.begin..r.end).map(|i| value(i, r.j, r.k)));
        }
        let [low, high] = range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        let keep = values.iter().map(|&v| v.is_finite() && (low..=high).contains(&f64::from(v))).collect();
        Self { lesion, values, keep }
    }

    /// (i, j, k) of every voxel.
    pub fn positions(&self) -> impl Iterator<Item = [u32; 3]> {
        self.lesion.runs.iter().flat_map(|r| (r.begin..r.end).map(|i| [i, r.j, r.k]))
    }

    /// Intensity and (i, j, k) of every voxel that is kept.
    pub fn kept(&self) -> impl Iterator<Item = (f32, [u32; 3])> {
        let all = self.values.iter().copied().zip(self.positions()).zip(&self.keep);
        all.filter(|(_, keep)| **keep).map(|(voxel, _)| voxel)
    }

    pub fn voxels_kept(&self) -> usize {
        self.keep.iter().filter(|k| **k).count()
    }
}
