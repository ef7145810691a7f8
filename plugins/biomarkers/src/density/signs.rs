//! Named signs, from the patches of one lesion.

use super::field::{Field, SLICE_THICK_MM};
use super::level::Level;
use super::patches::{Found, Patch};
use super::{Position, Settings};
use ichor_image::Parallel;

/// Least difference of the phases of a blend sign, HU (Li 2015).
pub const BLEND_HU: f64 = 18.0;
/// Least difference of a black hole, HU (Li 2016).
pub const BLACK_HOLE_HU: f64 = 28.0;
/// Least difference at a fluid level, HU.
pub const LEVEL_HU: f64 = 10.0;
/// Widest border that is sharp, mm from 10 to 90 %.
const SHARP_MM: f64 = 4.0;
/// Least part of the core that is a phase.
const PHASE_SHARE: f64 = 0.10;
/// Least part of a phase's surface at the lesion's edge.
const OPEN_SHARE: f64 = 0.10;
/// A black hole keeps this distance from the lesion's edge, mm.
const MARGIN_MM: f64 = 3.0;
/// A patch this much denser than brain still looks isodense, HU.
const ISODENSE_HU: f64 = 3.0;
/// A swirl is on two slices of 5 mm; on thinner ones it reaches this far, mm.
const SWIRL_MM: f64 = 6.0;
/// Flattest border and greatest angle to the horizontal of a fluid level.
const LEVEL_RMS_MM: f64 = 1.5;
/// Greatest RMS over the border's length: half a ball has 0.12 or more.
const LEVEL_RMS_SHARE: f64 = 0.08;
const LEVEL_DEGREES: f64 = 15.0;
const LEVEL_EXTENT_MM: f64 = 8.0;

/// Values of the label map of signs.
pub mod label {
    /// A patch that reaches the lesion's edge.
    pub const OPEN: u8 = 1;
    /// A patch with clot all around.
    pub const ENCAPSULATED: u8 = 2;
    /// A patch that makes a swirl sign.
    pub const SWIRL: u8 = 3;
    /// A black hole.
    pub const BLACK_HOLE: u8 = 4;
    /// The darker phase of a blend sign.
    pub const BLEND: u8 = 5;
    /// The upper phase of a fluid level.
    pub const LEVEL: u8 = 6;
}

/// Patches of a lesion and what they amount to.
pub struct Signs {
    pub found: Found,
    pub brain: Option<f64>,
    pub filled_ml: f64,
    /// Patches that are black holes.
    black_holes: Vec<bool>,
    /// Patches that make a swirl; `None` where brain's HU are not known.
    swirls: Option<Vec<bool>>,
    /// `None` where it may as well be a fluid level.
    pub blend: Option<bool>,
    /// Whether a border that would be a blend sign is a fluid level.
    pub blend_is_level: bool,
    /// `None` where the patient's position is not known and a plane was found.
    pub fluid_level: Option<bool>,
    /// The plane between the largest patch of at least 10 HU and the clot.
    pub level: Option<Level>,
    /// Angle between the level's normal, toward the darker phase, and upward, degrees.
    pub angle_to_gravity: Option<f64>,
    /// Most patches of at least 8 HU in one axial slice.
    pub patches_in_a_slice: usize,
}

impl Signs {
    pub fn of(par: &dyn Parallel, field: &Field, found: Found, settings: &Settings) -> Self {
        let black_holes = found.patches.iter().map(is_black_hole).collect();
        let swirls =
            field.brain.map(|brain| found.patches.iter().map(|p| is_swirl(p, brain, field)).collect());
        let first = found.patches.first().filter(|p| p.delta >= LEVEL_HU && p.open >= OPEN_SHARE);
        let level = first.and_then(|p| Level::of(par, field, &found.dark, p, settings.min_patch_ml));
        let flat = level.filter(|l| is_flat(l) && is_wide(l, first));
        let angle = level.and_then(|l| settings.position.up().map(|up| l.angle_to(up)));
        let is_level = angle.map(|a| flat.is_some() && a <= LEVEL_DEGREES);
        // Supine or prone, nearly all patients are: only a border that is level for either can be one.
        let maybe_level = flat.is_some_and(|l| {
            let a = l.angle_to([0.0, 1.0, 0.0]);
            a.min(180.0 - a) <= LEVEL_DEGREES
        });
        let known = settings.position != Position::Unknown;
        let fluid_level = if flat.is_none() { Some(false) } else { is_level };
        let blend = is_blend(&found);
        let blend_is_level = blend && is_level == Some(true);
        let mut counts = vec![0usize; field.grid.shape[2]];
        for patch in found.patches.iter().filter(|p| p.delta >= 8.0) {
            let mut levels: Vec<usize> = patch.voxels.iter().map(|n| field.indices(*n as usize)[2]).collect();
            levels.dedup();
            levels.into_iter().for_each(|k| counts[k] += 1);
        }
        Self {
            black_holes,
            swirls,
            blend: if blend && maybe_level && !known { None } else { Some(blend && !blend_is_level) },
            blend_is_level,
            fluid_level,
            level,
            angle_to_gravity: angle,
            patches_in_a_slice: counts.into_iter().max().unwrap_or(0),
            brain: field.brain,
            filled_ml: field.filled_ml,
            found,
        }
    }

    /// The black holes.
    pub fn black_holes(&self) -> impl Iterator<Item = &Patch> {
        self.found.patches.iter().zip(&self.black_holes).filter(|(_, is)| **is).map(|(p, _)| p)
    }

    pub fn black_hole(&self) -> bool {
        self.black_holes.contains(&true)
    }

    pub fn swirl(&self) -> Option<bool> {
        self.swirls.as_ref().map(|s| s.contains(&true))
    }

    /// The patches that make a swirl sign.
    pub fn swirls(&self) -> impl Iterator<Item = &Patch> {
        let is = self.swirls.as_deref().unwrap_or_default();
        self.found.patches.iter().zip(is).filter(|(_, is)| **is).map(|(p, _)| p)
    }

    /// A patch with clot all around.
    pub fn hypodensity(&self) -> bool {
        self.found.patches.iter().any(Patch::is_encapsulated)
    }

    /// Patches at least so much darker than the clot.
    pub fn patches_of(&self, delta: f64) -> usize {
        self.found.patches.iter().filter(|p| p.delta >= delta).count()
    }

    /// A surrogate of the density scale of Barras (Stroke 2009), 1 to 5.
    pub fn barras(&self) -> usize {
        1 + self.patches_in_a_slice.min(4)
    }

    /// The number of a patch's sign in the label map.
    pub fn label(&self, n: usize) -> u8 {
        let patch = self.found.patches.get(n);
        match n {
            0 if self.fluid_level == Some(true) => label::LEVEL,
            0 if self.blend == Some(true) => label::BLEND,
            _ if self.black_holes.get(n) == Some(&true) => label::BLACK_HOLE,
            _ if self.swirls.as_ref().and_then(|s| s.get(n)) == Some(&true) => label::SWIRL,
            _ if patch.is_some_and(Patch::is_encapsulated) => label::ENCAPSULATED,
            _ => label::OPEN,
        }
    }
}

fn is_sharp(patch: &Patch) -> bool {
    patch.edge_mm.is_some_and(|w| w <= SHARP_MM)
}

fn is_black_hole(patch: &Patch) -> bool {
    patch.delta >= BLACK_HOLE_HU && patch.is_encapsulated() && patch.margin_mm >= MARGIN_MM && is_sharp(patch)
}

fn is_swirl(patch: &Patch, brain: f64, field: &Field) -> bool {
    let slice = field.spacing[2];
    let long = patch.slices >= 2 && (slice >= SLICE_THICK_MM || patch.slices as f64 * slice >= SWIRL_MM);
    patch.hu <= brain + ISODENSE_HU && patch.open < 0.5 && long
}

fn is_blend(found: &Found) -> bool {
    let phase = |p: &Patch| (PHASE_SHARE..=1.0 - PHASE_SHARE).contains(&p.share);
    let Some(low) = found.patches.first().filter(|p| phase(p)) else { return false };
    found.patches.iter().filter(|p| p.share >= PHASE_SHARE).count() == 1
        && low.delta >= BLEND_HU
        && low.delta >= 3.0 * found.spread
        && low.open >= OPEN_SHARE
        && low.border_share >= 0.9
        && is_sharp(low)
}

fn is_flat(level: &Level) -> bool {
    level.rms_mm <= LEVEL_RMS_MM.min(LEVEL_RMS_SHARE * level.extent_mm[0])
}

fn is_wide(level: &Level, patch: Option<&Patch>) -> bool {
    let two_slices = patch.is_some_and(|p| p.slices >= 2);
    level.extent_mm[0] >= LEVEL_EXTENT_MM && (level.extent_mm[1] >= LEVEL_EXTENT_MM || two_slices)
}
