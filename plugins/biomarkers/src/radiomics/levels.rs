//! The region of interest as discretised grey levels, cut out of the image.

use crate::lesion::Lesion;

/// Grey levels 1, 2, ... in the box around the region, one voxel wider on every side; 0 is outside. x fastest.
pub struct Levels {
    pub data: Vec<u16>,
    /// Voxels along each axis with the border.
    pub shape: [usize; 3],
    /// The highest level.
    pub ng: usize,
    pub voxels: usize,
}

/// How intensities become grey levels (IBSI 2.7).
#[derive(Clone, Copy, Debug)]
pub enum Discretisation {
    /// Fixed bin size: from `lower`, or else from the lowest intensity.
    Size { width: f64, lower: Option<f64> },
    /// Fixed bin number over the range of intensities.
    Number(usize),
}

/// More levels than this would make matrices of gigabytes and textures of noise.
pub const MOST_LEVELS: usize = 1024;

impl Discretisation {
    /// The levels of intensities between `low` and `high`: a function of the intensity, and the highest level.
    pub fn levels(self, low: f64, high: f64) -> Result<(impl Fn(f32) -> u16, usize), String> {
        let (from, width, most) = match self {
            Self::Size { width, lower } => (lower.unwrap_or(low), width, f64::INFINITY),
            Self::Number(n) if high > low => (low, (high - low) / n as f64, n as f64),
            Self::Number(_) => (low, 1.0, 1.0),
        };
        let level = move |v: f64| ((v - from) / width).floor().min(most - 1.0) + 1.0;
        let ng = level(high);
        if ng > MOST_LEVELS as f64 {
            return Err(format!(
                "the intensities {low} to {high} fall into {ng:.0} bins of {width}, and at most {MOST_LEVELS} are \
                 allowed: choose a larger `bin_size`, or exclude outliers with `resegmentation_range`"
            ));
        }
        Ok((move |v: f32| level(f64::from(v)) as u16, ng as usize))
    }
}

/// Lowest position and voxels along each axis of the box around the lesion; `None` without voxels.
pub fn extent(lesion: &Lesion) -> Option<([u32; 3], [usize; 3])> {
    let first = lesion.runs.first()?;
    let (mut low, mut high) = ([first.begin, first.j, first.k], [first.end, first.j + 1, first.k + 1]);
    for r in &lesion.runs {
        low = [low[0].min(r.begin), low[1].min(r.j), low[2].min(r.k)];
        high = [high[0].max(r.end), high[1].max(r.j + 1), high[2].max(r.k + 1)];
    }
    Some((low, std::array::from_fn(|a| (high[a] - low[a]) as usize)))
}

/// The box around the lesion with a border of one voxel, each voxel of the lesion set to what `value` says of
/// its number in the order of the runs.
pub fn draw<T: Copy + Default>(lesion: &Lesion, value: impl Fn(usize) -> T) -> (Vec<T>, [usize; 3]) {
    let Some((low, size)) = extent(lesion) else { return (vec![T::default(); 27], [3; 3]) };
    let shape = size.map(|n| n + 2);
    let mut out = vec![T::default(); shape.iter().product()];
    let mut n = 0;
    for r in &lesion.runs {
        let at = [r.begin, r.j, r.k];
        let at: [usize; 3] = std::array::from_fn(|a| (at[a] - low[a]) as usize + 1);
        let start = at[0] + shape[0] * (at[1] + shape[1] * at[2]);
        for voxel in &mut out[start..start + r.len()] {
            *voxel = value(n);
            n += 1;
        }
    }
    (out, shape)
}
