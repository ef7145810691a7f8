//! Where a haematoma grew.

use ichor_image::{Bounds, Connectivity, bounding_box, components, distance_to};
use ichor_sdk::prelude::*;

/// HU from which a voxel is bone.
const BONE_HU: f32 = 300.0;

/// What a voxel is on the two scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    None = 0,
    Both = 1,
    Growth = 2,
    Gone = 3,
    Margin = 4,
}

/// New blood.
pub struct Growth {
    /// A kind for each voxel.
    pub kinds: Vec<Kind>,
    /// Volume of each kind, mL, by its number.
    pub ml: [f64; 5],
    /// Pieces of growth: volume in mL, whether the follow-up joins it to the baseline.
    pub pieces: Vec<(f64, bool)>,
    /// Middle of the baseline and of the growth, RAS+ mm.
    pub baseline_middle: Option<[f64; 3]>,
    pub growth_middle: Option<[f64; 3]>,
    /// Greatest distance of growth from the baseline, mm; `None` without growth or baseline.
    pub reach_mm: Option<f64>,
    /// Volume of growth toward right, left, front, back, top and bottom of the baseline's middle, by the largest part of
    /// the direction, mL.
    pub toward: [f64; 6],
}

impl Growth {
    pub fn of(
        par: &dyn Parallel,
        baseline: &[u8],
        followup: &[u8],
        grid: &Grid,
        margin_mm: f64,
        min_growth_ml: f64,
    ) -> Self {
        let shape = grid.shape;
        let mut out = Self {
            kinds: vec![Kind::None; grid.len()],
            ml: [0.0; 5],
            pieces: Vec::new(),
            baseline_middle: None,
            growth_middle: None,
            reach_mm: None,
            toward: [0.0; 6],
        };
        let boxes = [baseline, followup].map(|m| bounding_box(par, m, shape));
        let Some(bounds) = boxes.into_iter().flatten().reduce(join) else { return out };
        let (a, b) = (bounds.cut(baseline, shape, 0), bounds.cut(followup, shape, 0));
        let window = grid.window(&bounds);
        let away = distance_to(par, &a, window.shape, grid.spacing());
        let voxel_ml = grid.voxel_volume_mm3() / 1000.0;
        let new: Vec<u8> = (0..a.len())
            .map(|n| u8::from(b[n] != 0 && a[n] == 0 && f64::from(away[n]) > margin_mm))
            .collect();
        let parts = components(par, &new, window.shape, Connectivity::TwentySix);
        // Pieces of the follow-up that have baseline in them.
        let wholes = components(par, &b, window.shape, Connectivity::TwentySix);
        let mut joined = vec![false; wholes.sizes.len()];
        (0..a.len())
            .filter(|&n| a[n] != 0 && b[n] != 0)
            .for_each(|n| joined[wholes.labels[n] as usize - 1] = true);
        let counts =
            |label: u32| label > 0 && parts.sizes[label as usize - 1] as f64 * voxel_ml >= min_growth_ml;
        let mut first = vec![None; parts.sizes.len()];
        let kinds: Vec<Kind> = (0..a.len())
            .map(|n| match (a[n] != 0, b[n] != 0) {
                (true, true) => Kind::Both,
                (true, false) => Kind::Gone,
                (false, false) => Kind::None,
                _ if counts(parts.labels[n]) => {
                    first[parts.labels[n] as usize - 1].get_or_insert(n);
                    Kind::Growth
                }
                // Specks of growth are as uncertain as what lies in the margin.
                _ => Kind::Margin,
            })
            .collect();
        for (piece, n) in first.into_iter().enumerate().filter_map(|(p, n)| Some((p, n?))) {
            out.pieces.push((parts.sizes[piece] as f64 * voxel_ml, joined[wholes.labels[n] as usize - 1]));
        }
        out.pieces.sort_by(|x, y| y.0.total_cmp(&x.0));
        kinds.iter().for_each(|k| out.ml[*k as usize] += voxel_ml);
        out.ml[0] = 0.0;

        let [nx, ny, _] = window.shape;
        let world = |n: usize| window.affine.apply([n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64));
        let middle = |keep: &dyn Fn(usize) -> bool| {
            let (mut sum, mut count) = ([0.0; 3], 0.0);
            for n in (0..a.len()).filter(|&n| keep(n)) {
                let p = world(n);
                (0..3).for_each(|c| sum[c] += p[c]);
                count += 1.0;
            }
            (count > 0.0).then(|| sum.map(|s| s / count))
        };
        out.baseline_middle = middle(&|n| a[n] != 0);
        out.growth_middle = middle(&|n| kinds[n] == Kind::Growth);
        if let Some(from) = out.baseline_middle {
            for n in (0..a.len()).filter(|&n| kinds[n] == Kind::Growth) {
                out.reach_mm = Some(out.reach_mm.unwrap_or(0.0).max(away[n].into()));
                let p = world(n);
                let d: [f64; 3] = std::array::from_fn(|c| p[c] - from[c]);
                let axis = (0..3).reduce(|x, y| if d[y].abs() > d[x].abs() { y } else { x }).unwrap_or(0);
                out.toward[2 * axis + usize::from(d[axis] < 0.0)] += voxel_ml;
            }
        }
        bounds.paste(&kinds, &mut out.kinds, shape);
        out
    }
}

fn join(a: Bounds, b: Bounds) -> Bounds {
    Bounds {
        begin: std::array::from_fn(|c| a.begin[c].min(b.begin[c])),
        end: std::array::from_fn(|c| a.end[c].max(b.end[c])),
    }
}

/// Dice of the voxels of at least 300 HU; `None` where neither CT has any.
pub fn bone_dice(par: &dyn Parallel, a: &[f32], b: &[f32]) -> Option<f64> {
    let parts = map_ranges(par, a.len().min(b.len()), 1 << 18, &|range| {
        let pairs = a[range.clone()].iter().zip(&b[range]);
        pairs.fold([0usize; 3], |[x, y, both], (a, b)| {
            let (a, b) = (*a >= BONE_HU, *b >= BONE_HU);
            [x + usize::from(a), y + usize::from(b), both + usize::from(a && b)]
        })
    });
    let [x, y, both] = parts.into_iter().fold([0; 3], |s, p| [s[0] + p[0], s[1] + p[1], s[2] + p[2]]);
    (x + y > 0).then(|| 2.0 * both as f64 / (x + y) as f64)
}
