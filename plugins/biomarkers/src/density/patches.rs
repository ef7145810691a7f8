//! Patches of a clot that are darker than the rest.

use super::Settings;
use super::edge::edge_width;
use super::field::{Field, SLICE_THICK_MM};
use super::signs::BLACK_HOLE_HU;
use ichor_image::{Connectivity, Parallel, components, distance_to};

/// A core below this is too little to judge, mL.
const LEAST_CORE_ML: f64 = 0.4;
/// Otsu's share of the variance between classes from which two phases are believed: a Gaussian has 0.64, a ramp 0.75.
const TWO_PHASES: f64 = 0.76;
/// Least difference of the two phases' means, HU.
const TWO_PHASES_HU: f64 = 6.0;
/// Spreads of the smoothed clot that a patch must be darker by.
const SPREADS: f64 = 2.5;
/// Part of the least volume from which a patch as dark as a black hole counts: smoothing takes up to a third of the
/// volume of a small one.
const DARK_SHARE: f64 = 0.5;
/// Voxels between two slices of a patch from which its HU are taken from them alone.
const LEAST_MIDDLE: usize = 10;

/// One patch.
pub struct Patch {
    /// Voxels of the window.
    pub voxels: Vec<u32>,
    pub volume_ml: f64,
    /// Part of the core's volume.
    pub share: f64,
    /// Median HU of its middle.
    pub hu: f64,
    /// The clot's HU less the patch's.
    pub delta: f64,
    /// Part of its surface that is at the core's edge, not against the clot.
    pub open: f64,
    /// Least distance to the lesion's edge, mm.
    pub margin_mm: f64,
    /// Most axial slices in a row that it is on.
    pub slices: usize,
    /// Distance in which its HU rise from 10 to 90 % of the clot's, mm, for those of at least 10 HU.
    pub edge_mm: Option<f64>,
    /// Its largest piece of border against the clot, not counting specks of clot, over all such pieces.
    pub border_share: f64,
}

impl Patch {
    /// Whether clot is all around it.
    pub fn is_encapsulated(&self) -> bool {
        self.open == 0.0
    }
}

/// What the detector found in a lesion.
pub struct Found {
    /// HU of the clot beside the patches.
    pub reference: f64,
    /// Spread of the smoothed HU of the clot.
    pub spread: f64,
    /// Otsu's share of variance between two classes of the smoothed core.
    pub eta: f64,
    pub core_ml: f64,
    /// By decreasing volume.
    pub patches: Vec<Patch>,
    /// 1 on voxels of patches.
    pub dark: Vec<u8>,
}

/// Finds the patches of a lesion.
///
/// The clot's HU is the median of the brighter of two phases where Otsu's threshold tells two apart, else of the
/// core, then clipped to 2.5 spreads until it stays. Seeds are darker than it by `min_delta_hu` and by 2.5
/// spreads, opened by the four neighbours in a slice. The HU of a seed's middle then puts its border at the half
/// height between patch and clot.
pub fn detect(par: &dyn Parallel, field: &Field, settings: &Settings) -> Result<Found, String> {
    let shape = field.grid.shape;
    let core: Vec<f32> = field.core_voxels().map(|n| field.smooth[n]).collect();
    let core_ml = core.len() as f64 * field.voxel_ml;
    if core_ml < LEAST_CORE_ML {
        return Err(format!(
            "less than {LEAST_CORE_ML} mL of the lesion lies 2 mm from its edge and between two of its slices"
        ));
    }
    let otsu = Otsu::of(&core);
    let eta = otsu.eta;
    let two = eta >= TWO_PHASES && otsu.high - otsu.low >= TWO_PHASES_HU;
    let start = if two { otsu.threshold } else { f32::NEG_INFINITY };
    let mut bright: Vec<f32> = core.iter().copied().filter(|v| *v > start).collect();
    let mut reference = median(&mut bright).unwrap_or(0.0);
    let mut spread = 0.0;
    for _ in 0..4 {
        // Only what is brighter: patches are on the other side.
        let mut above: Vec<f32> =
            bright.iter().filter(|v| f64::from(**v) > reference).map(|v| v - reference as f32).collect();
        spread = 1.4826 * median(&mut above).unwrap_or(0.0);
        let mut near: Vec<f32> =
            bright.iter().copied().filter(|v| f64::from(*v) > reference - SPREADS * spread).collect();
        reference = median(&mut near).unwrap_or(reference);
    }

    let cut = reference - settings.min_delta_hu.max(SPREADS * spread);
    let seeds: Vec<u8> = (0..field.core.len())
        .map(|n| u8::from(field.core[n] != 0 && f64::from(field.smooth[n]) < cut))
        .collect();
    let seeds = open_in_slices(&seeds, shape);
    let least = least_voxels(field, settings.min_patch_ml);
    let less = least_voxels(field, settings.min_patch_ml * DARK_SHARE);
    let counts = |voxels: &[u32], hu: f64| voxels.len() >= least || reference - hu >= BLACK_HOLE_HU;
    let mut dark = vec![0u8; seeds.len()];
    for (voxels, hu) in middles(par, field, &seeds, less).into_iter().filter(|(v, hu)| counts(v, *hu)) {
        let half = (reference + hu) / 2.0;
        voxels
            .iter()
            .filter(|n| f64::from(field.smooth[**n as usize]) < half)
            .for_each(|n| dark[*n as usize] = 1);
    }
    let mut found = middles(par, field, &dark, less);
    found.retain(|(voxels, hu)| counts(voxels, *hu));
    dark.fill(0);
    found.iter().flat_map(|(voxels, _)| voxels).for_each(|n| dark[*n as usize] = 1);
    let clot: Vec<u8> = field.core.iter().zip(&dark).map(|(c, d)| c & (1 - d)).collect();
    let clot = without_specks(par, field, &clot, least);
    let mut patches: Vec<Patch> = Vec::new();
    for (voxels, hu) in found {
        let delta = reference - hu;
        if delta >= settings.min_delta_hu {
            patches.push(describe(par, field, (&dark, &clot), voxels, hu, delta, core_ml));
        }
    }
    patches.sort_by_key(|p| std::cmp::Reverse(p.voxels.len()));
    Ok(Found { reference, spread, eta, core_ml, patches, dark })
}

/// Voxels of the least patch.
pub fn least_voxels(field: &Field, min_patch_ml: f64) -> usize {
    ((min_patch_ml / field.voxel_ml).ceil() as usize).max(1)
}

/// The pieces of a mask, joined by faces, of at least so many voxels.
pub fn without_specks(par: &dyn Parallel, field: &Field, mask: &[u8], least: usize) -> Vec<u8> {
    let parts = components(par, mask, field.grid.shape, Connectivity::Six);
    let stays = |label: u32| label > 0 && parts.sizes[label as usize - 1] >= least;
    parts.labels.iter().map(|label| u8::from(stays(*label))).collect()
}

/// Components of a mask in the core of at least so many voxels, each with the median HU of its middle: voxels at
/// least 1.5 mm, or 0.6 of its greatest depth, from the rest of the core, and where there are such, between two
/// slices of the component: its end slices share thick voxels with the clot.
fn middles(par: &dyn Parallel, field: &Field, mask: &[u8], least: usize) -> Vec<(Vec<u32>, f64)> {
    let parts = components(par, mask, field.grid.shape, Connectivity::TwentySix);
    if parts.sizes.is_empty() {
        return Vec::new();
    }
    let rest: Vec<u8> = field.core.iter().zip(mask).map(|(c, m)| c & (1 - m)).collect();
    let depth = distance_to(par, &rest, field.grid.shape, field.spacing);
    let slice = field.grid.shape[0] * field.grid.shape[1];
    let mut voxels: Vec<Vec<u32>> = vec![Vec::new(); parts.sizes.len()];
    for (n, &label) in parts.labels.iter().enumerate() {
        if label > 0 && parts.sizes[label as usize - 1] >= least {
            voxels[label as usize - 1].push(n as u32);
        }
    }
    let middle = |voxels: Vec<u32>| {
        let deepest = voxels.iter().map(|n| depth[*n as usize]).fold(0.0, f32::max);
        let from = (0.6 * deepest).min(1.5);
        let deep: Vec<usize> = voxels.iter().map(|n| *n as usize).filter(|&n| depth[n] >= from).collect();
        let between = |n: usize| mask[n - slice] != 0 && mask[n + slice] != 0;
        let mut hu: Vec<f32> = deep.iter().filter(|n| between(**n)).map(|n| field.hu[*n]).collect();
        if hu.len() < LEAST_MIDDLE {
            hu = deep.iter().map(|n| field.hu[*n]).collect();
        }
        median(&mut hu).map(|hu| (voxels, hu))
    };
    voxels.into_iter().filter(|v| !v.is_empty()).filter_map(middle).collect()
}

fn describe(
    par: &dyn Parallel,
    field: &Field,
    (dark, clot): (&[u8], &[u8]),
    voxels: Vec<u32>,
    hu: f64,
    delta: f64,
    core_ml: f64,
) -> Patch {
    let thick = field.spacing[2] >= SLICE_THICK_MM;
    let (mut open, mut closed) = (0.0, 0.0);
    let mut border = vec![0u8; field.core.len()];
    for &n in &voxels {
        for (a, (step, area)) in field.faces().into_iter().enumerate() {
            let beside = (n as usize).wrapping_add_signed(step);
            if field.core[beside] == 0 {
                // The end slices of a thick lesion are left out of the core though they are lesion.
                open += if a < 4 || !thick { area } else { 0.0 };
            } else if dark[beside] == 0 {
                closed += area;
                border[n as usize] |= clot[beside];
            }
        }
    }
    let pieces = components(par, &border, field.grid.shape, Connectivity::TwentySix).sizes;
    let most = pieces.iter().max().copied().unwrap_or(0);
    let volume_ml = voxels.len() as f64 * field.voxel_ml;
    let margin = voxels.iter().map(|n| field.edge[*n as usize]).fold(f32::INFINITY, f32::min);
    let mut levels: Vec<usize> = voxels.iter().map(|n| field.indices(*n as usize)[2]).collect();
    levels.dedup();
    let slices = levels.chunk_by(|a, b| b - a == 1).map(<[usize]>::len).max().unwrap_or(0);
    Patch {
        volume_ml,
        share: volume_ml / core_ml,
        hu,
        delta,
        open: if open > 0.0 { open / (open + closed) } else { 0.0 },
        margin_mm: margin.into(),
        slices,
        edge_mm: (delta >= 10.0).then(|| edge_width(par, field, dark, &voxels, delta)).flatten(),
        border_share: most as f64 / pieces.iter().sum::<usize>().max(1) as f64,
        voxels,
    }
}

/// Opening by a voxel and its four neighbours in the slice.
fn open_in_slices(mask: &[u8], [nx, ny, _]: [usize; 3]) -> Vec<u8> {
    let around = |n: usize| {
        let (i, j) = (n % nx, n / nx % ny);
        let inner = i > 0 && i + 1 < nx && j > 0 && j + 1 < ny;
        inner.then(|| [n - 1, n + 1, n - nx, n + nx])
    };
    let mut out = vec![0u8; mask.len()];
    for n in (0..mask.len()).filter(|&n| mask[n] != 0) {
        if let Some(near) = around(n)
            && near.iter().all(|&m| mask[m] != 0)
        {
            out[n] = 1;
            near.iter().for_each(|&m| out[m] = 1);
        }
    }
    out
}

/// The middle value; of an even number of values the upper one of the two in the middle.
pub fn median(values: &mut [f32]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| f64::from(*values.select_nth_unstable_by(middle, f32::total_cmp).1))
}

/// Two classes of values by Otsu's threshold (IEEE Trans SMC 1979;9:62-66).
struct Otsu {
    threshold: f32,
    /// Variance between the classes over all variance.
    eta: f64,
    low: f64,
    high: f64,
}

impl Otsu {
    /// From a histogram of 0.25 HU bins.
    fn of(values: &[f32]) -> Self {
        const LOW: f32 = -100.0;
        const BINS: usize = 1000;
        let mut bins = vec![0u32; BINS];
        for v in values {
            bins[(((v - LOW) * 4.0) as usize).min(BINS - 1)] += 1;
        }
        let at = |b: usize| f64::from(LOW) + (b as f64 + 0.5) / 4.0;
        let n = values.len() as f64;
        let sum: f64 = bins.iter().enumerate().map(|(b, &c)| f64::from(c) * at(b)).sum();
        let mean = sum / n;
        let total: f64 = bins.iter().enumerate().map(|(b, &c)| f64::from(c) * (at(b) - mean).powi(2)).sum();
        let mut best = Self { threshold: LOW, eta: 0.0, low: mean, high: mean };
        let (mut count, mut part) = (0.0, 0.0);
        for (b, &c) in bins.iter().enumerate() {
            count += f64::from(c);
            part += f64::from(c) * at(b);
            if count == 0.0 || count == n {
                continue;
            }
            let (low, high) = (part / count, (sum - part) / (n - count));
            let eta = count * (n - count) / n * (high - low).powi(2) / total;
            if eta > best.eta {
                best = Self { threshold: LOW + (b as f32 + 1.0) / 4.0, eta, low, high };
            }
        }
        best
    }
}
