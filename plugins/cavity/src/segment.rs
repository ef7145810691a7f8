//! The way from a head CT and a set of atlases to the cranial cavity.

pub mod begin;
pub mod coarse;
pub mod front;
pub mod fuse;
pub mod locate;
pub mod similar;

use crate::atlas::AtlasSet;
use crate::enclosure::{Enclosing, enclosure};
use crate::quality::checks::{Check, Limits, checks, one};
use crate::quality::{Masked, Verdict, measure};
use crate::register::prepare::Prepared;
use coarse::{Coarse, share};
use front::Front;
use fuse::{Fused, Rule};
use ichor_image::{Grid, Parallel};
use ichor_sdk::Result;
use locate::{Located, locate};

/// Grids on which heads are registered: 2, 4 and 8 mm.
pub const LEVELS: usize = 3;

/// How atlases are used.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many of the most alike.
    pub atlases: usize,
    /// How they are made one.
    pub rule: Rule,
    /// Free form after the affine map.
    pub deformable: bool,
    /// Whether what bone encloses has a say in the start.
    pub enclosure: bool,
    /// Level set.
    pub refine: bool,
    /// Of the samples that are compared.
    pub seed: u64,
}

/// Tells how far the work is, and ends it with an error.
pub type Watch<'a> = &'a dyn Fn(f64, &str) -> Result<()>;

/// An atlas set made ready to be used.
pub struct Atlases<'a> {
    /// The set.
    pub set: &'a AtlasSet,
    /// Its mean.
    pub mean: Prepared,
    /// Mean distance to the cavity's surface, mm, on the set's grid.
    pub distance: Vec<f32>,
}

impl<'a> Atlases<'a> {
    /// Makes a set ready.
    ///
    /// # Errors
    /// The set has no cavity.
    pub fn new(par: &dyn Parallel, set: &'a AtlasSet) -> Result<Self> {
        let distance = set.mean_distance();
        let mean = set.prepared(par, &distance, LEVELS)?;
        Ok(Self { set, mean, distance })
    }
}

/// What was found besides the mask.
pub struct Found {
    /// Share of the atlases on `grid`.
    pub agreement: Vec<f32>,
    /// About 2 mm, upright.
    pub grid: Grid,
    /// All checks.
    pub checks: Vec<Check>,
    /// The atlases that were used, the most alike first.
    pub chosen: Vec<usize>,
    /// The pose from which the head was found, if it was.
    pub start: Option<String>,
    /// Dice coefficient of the fused atlases and the mask.
    pub atlas_dice: f64,
    /// Of the mask, mL.
    pub ml: f64,
}

/// Voxels on which atlases do not agree, over those inside: passes, and does not fail.
const UNCERTAIN: [f64; 2] = [0.2, 0.5];
/// Correlation with the mean of the atlases: passes, and does not fail.
const LIKENESS: [f64; 2] = [0.6, 0.4];
/// Dice coefficient of the mask and the fused atlases: passes, and does not fail.
const ATLAS_DICE: [f64; 2] = [0.93, 0.8];
/// Least determinant of the free form.
const LEAST_DETERMINANT: [f64; 2] = [0.1, 0.0];

/// Finds the cavity of a CT in HU on `scan` and writes it to `mask`.
///
/// # Errors
/// Those of `watch`. What is no head, or has no cavity, is no error: the mask is empty and the checks fail.
pub fn segment<T: Copy + Sync + Into<f32>>(
    par: &dyn Parallel,
    (hu, scan): (&[T], &Grid),
    atlases: &Atlases,
    options: &Options,
    mask: &mut [u8],
    watch: Watch,
) -> Result<Found> {
    watch(0.0, "averaging to 2 mm")?;
    let coarse = Coarse::new(par, hu, scan);
    let how = Enclosing::of_slices(coarse.thickest);
    watch(0.1, "looking for what bone encloses")?;
    let enclosed = enclosure(par, &coarse.hu, &coarse.grid, &how);
    let located = locate(par, atlases, &coarse, enclosed.as_ref(), options, watch)?;
    watch(0.5, "fusing atlases")?;
    let fused = match &located {
        Some(at) => fuse::fuse(par, atlases, &coarse, at, options)?,
        None => Fused::none(coarse.grid.len()),
    };
    watch(0.6, "joining")?;
    let joined = options.enclosure || located.is_none();
    let own = enclosed.as_ref().filter(|_| joined).map(|e| &e.mask[..]);
    let begin =
        begin::begin(par, &coarse, own, located.is_some().then_some(&fused.distance[..]), how.bone_hu);
    let front =
        Front { begin: &begin, prior: &fused.distance, located: located.is_some(), grid: &coarse.grid };
    let ml = front.write(par, (hu, scan), options, mask, &|done, what| watch(0.6 + 0.3 * done, what))?;
    watch(0.9, "checking")?;
    let mut found = Found {
        agreement: fused.agreement,
        grid: coarse.grid,
        checks: Vec::new(),
        chosen: fused.chosen,
        start: located.as_ref().map(|l| l.start.clone()),
        atlas_dice: 0.0,
        ml,
    };
    let small: Vec<u8> = share(par, mask, scan, &coarse.grid).iter().map(|&s| u8::from(s >= 0.5)).collect();
    found.atlas_dice = dice(&small, &fused.distance);
    let masked = Masked { hu: coarse.hu, mask: small, grid: coarse.grid, bone_hu: how.bone_hu };
    let measures = masked.mask.contains(&1).then(|| measure(par, &masked));
    let doubt = located.is_some().then(|| fuse::uncertain(&found.agreement));
    let limits = Limits { uncertain: UNCERTAIN, ..Limits::default() };
    found.checks = checks(&limits, ml, measures.as_ref(), doubt);
    found.checks.extend(of_atlases(located.as_ref(), found.atlas_dice, options));
    Ok(found)
}

/// The worst verdict.
pub fn verdict(checks: &[Check]) -> Verdict {
    checks.iter().map(Check::verdict).max().unwrap_or(Verdict::Fail)
}

fn of_atlases(located: Option<&Located>, atlas_dice: f64, options: &Options) -> Vec<Check> {
    let at_least = |name, value, [pass, bear]: [f64; 2], why| Check {
        name,
        value,
        unit: "",
        pass: [pass, f64::INFINITY],
        bear: [bear, f64::INFINITY],
        reasons: one(why),
    };
    let mut out = vec![at_least(
        "likeness",
        located.map_or(f64::NAN, |l| l.ncc),
        LIKENESS,
        "the skull is not like those of the atlases: no head, another part of the body, or a pose that was not found",
    )];
    if let Some(located) = located {
        let why = "the mask and the atlases differ much";
        out.push(at_least("atlas_dice", atlas_dice, ATLAS_DICE, why));
        if options.deformable {
            let why = "the atlases had to be squeezed more than heads differ";
            out.push(at_least("least_determinant", located.least_determinant, LEAST_DETERMINANT, why));
        }
    }
    out
}

/// Dice coefficient of a mask and what is inside a distance.
fn dice(mask: &[u8], distance: &[f32]) -> f64 {
    let (mut both, mut sum) = (0u64, 0u64);
    for (&m, &d) in mask.iter().zip(distance) {
        let inside = d < 0.0;
        both += u64::from(m != 0 && inside);
        sum += u64::from(m != 0) + u64::from(inside);
    }
    if sum == 0 { 0.0 } else { 2.0 * both as f64 / sum as f64 }
}
