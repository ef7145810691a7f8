//! The way from two scans to the map between them: starts, linear models from coarse to fine, free form.

use super::climb::{Climb, climb};
use super::free_form::FreeForm;
use super::lattice::Lattice;
use super::lbfgs::minimise;
use super::linear::{Linear, Model};
use super::mutual_information::mutual_information;
use super::ncc::{Likeness, Lookup};
use super::prepare::Prepared;
use super::pyramid::Level;
use super::samples::Samples;
use super::start::starts;
use super::window::soften;
use crate::register::Metric;
use crate::spline::Spline;
use crate::transform::{Part, Transform};
use ichor_image::parallel::map_ranges;
use ichor_image::{Parallel, Serial};
use ichor_sdk::{Error, Result};

/// Of the first look, for which every pose is tried.
const FIRST_LOOK: usize = 2000;
/// Poses that are followed: some steps each, then the best of them to their end, then these on the next grid.
const KEPT: [usize; 3] = [48, 8, 3];
/// Samples of these climbs, and evaluations at most.
const KEPT_SAMPLES: [usize; 3] = [1000, 3000, 12_000];
const KEPT_STEPS: [usize; 3] = [8, 25, 25];
/// Steps of the linear models at a level, and the mean move at the head's corners that ends them, mm.
const MOST_STEPS: usize = 25;
const STILL_MM: f64 = 0.01;
/// Evaluations of the three steps of the free form.
const FORM_EVALUATIONS: [usize; 3] = [30, 30, 25];
/// Largest move of a control point in a step, mm.
const LONGEST_MM: f32 = 4.0;
/// Below this share of its volume a place is squeezed more than anatomy explains, and bending costs more.
const LEAST_DETERMINANT: f64 = 0.1;
const STIFFER: f64 = 4.0;
const TRIES: usize = 3;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The linear model.
    pub model: Model,
    /// Free form afterwards.
    pub free_form: bool,
    /// The likeness that is raised.
    pub metric: Metric,
    /// Samples at each level of the linear models.
    pub samples: usize,
    /// Of the samples.
    pub seed: u64,
    /// Distance of control points, mm; first twice that.
    pub grid_mm: f64,
    /// Weight of the bending energy, mm².
    pub bending: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            model: Model::Affine,
            free_form: false,
            metric: Metric::Ncc,
            samples: 50_000,
            seed: 0,
            grid_mm: 20.0,
            bending: 50.0,
        }
    }
}

/// A step of the way.
#[derive(Clone, Debug)]
pub struct Step {
    /// What was done.
    pub name: &'static str,
    /// On voxels of about so many mm.
    pub mm: f64,
    /// NCC or mutual information at its end.
    pub value: f64,
    /// Share of the samples that met the moving image.
    pub overlap: Option<f64>,
    /// Of the likeness.
    pub evaluations: usize,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Aligned {
    /// From places of the fixed image to those of the moving one.
    pub transform: Transform,
    /// Its linear part.
    pub linear: Linear,
    /// The start that led there.
    pub start: String,
    /// The way.
    pub steps: Vec<Step>,
    /// At the end, on the finest level.
    pub ncc: f64,
    /// Share of the fixed image's samples that meet the moving image at the end of the linear models.
    pub overlap: f64,
    /// See [`Transform::least_determinant`], in the fixed image's domain.
    pub least_determinant: f64,
    /// The weight of the bending energy at last.
    pub bending: f64,
}

/// Tells how far the work is, and ends it with an error.
pub type Watch<'a> = &'a dyn Fn(f64, &str) -> Result<()>;

/// Registers `moving` to `fixed`; both have equally many levels.
///
/// # Errors
/// The heads do not meet in any pose; those of `watch`.
pub fn align(
    par: &dyn Parallel,
    fixed: &Prepared,
    moving: &Prepared,
    options: &Options,
    watch: Watch,
) -> Result<Aligned> {
    let mut steps = Vec::new();
    let (linear, start) = best_start(par, fixed, moving, options, watch, &mut steps)?;
    let mut at = Climb { map: linear, likeness: empty(), evaluations: 0 };
    let coarsest = fixed.levels.len() - 1;
    for level in (0..=coarsest.saturating_sub(1).min(1)).rev() {
        watch(0.3 + 0.1 * (1 - level) as f64, "aligning")?;
        let samples = samples(fixed, level, options.samples, options.seed);
        let evaluate = likeness(par, fixed, moving, level, &samples, options.metric)?;
        at = climb(&evaluate, options.model, at.map, &samples.corners, MOST_STEPS, STILL_MM);
        steps.push(Step {
            name: "linear",
            mm: width(fixed, level),
            value: at.likeness.value,
            overlap: Some(at.likeness.overlap),
            evaluations: at.evaluations,
        });
    }
    let last = samples(fixed, 0, options.samples, options.seed);
    let ncc = lookup(moving, 0)?.ncc(&last, &at.map).0;
    let mut out = Aligned {
        transform: Transform::new([Part::Linear(at.map.affine())]),
        linear: at.map,
        start,
        steps,
        ncc,
        overlap: at.likeness.overlap,
        least_determinant: 1.0,
        bending: options.bending,
    };
    if options.free_form {
        out = deform(par, fixed, moving, options, watch, out)?;
    }
    Ok(out)
}

/// Goes on from a linear map with the free form, stiffer where the map would be squeezed too much.
///
/// # Errors
/// The moving grid has no inverse; those of `watch`.
pub fn deform(
    par: &dyn Parallel,
    fixed: &Prepared,
    moving: &Prepared,
    options: &Options,
    watch: Watch,
    mut out: Aligned,
) -> Result<Aligned> {
    for attempt in 0..TRIES {
        if attempt > 0 {
            out.bending *= STIFFER;
        }
        out = free_form(par, fixed, moving, options, watch, out)?;
        if out.least_determinant > LEAST_DETERMINANT {
            break;
        }
    }
    Ok(out)
}

fn empty() -> Likeness {
    Likeness { value: 0.0, gradient: [0.0; 12], curvature: [[0.0; 12]; 12], overlap: 0.0 }
}

/// Mean width of a level's voxels, mm.
fn width(scan: &Prepared, level: usize) -> f64 {
    scan.levels[level].grid.voxel_volume_mm3().cbrt()
}

fn samples(fixed: &Prepared, level: usize, count: usize, seed: u64) -> Samples {
    let head = (&fixed.head, fixed.head_level);
    Samples::new(&fixed.levels[level], level, head, fixed.pose.cap, count, seed.wrapping_add(level as u64))
}

fn lookup(moving: &Prepared, level: usize) -> Result<Lookup<'_>> {
    Lookup::new(&moving.levels[level]).ok_or_else(|| Error::bad_input("the moving grid has no inverse"))
}

/// The likeness that the metric asks for, as a function of the map.
fn likeness<'a>(
    par: &'a dyn Parallel,
    fixed: &Prepared,
    moving: &'a Prepared,
    level: usize,
    samples: &'a Samples,
    metric: Metric,
) -> Result<impl Fn(&Linear) -> Likeness + 'a> {
    if samples.points.len() < 50 {
        let count = samples.points.len();
        return Err(Error::bad_input(format!(
            "only {count} voxels of {:.0} mm to compare in `fixed`",
            width(fixed, level)
        )));
    }
    let lookup = lookup(moving, level)?;
    let values: Vec<f32> = match metric {
        Metric::Ncc => Vec::new(),
        Metric::Mi => samples.points.iter().map(|p| p[3]).collect(),
    };
    Ok(move |map: &Linear| {
        let ncc = lookup.likeness(par, samples, map);
        if metric == Metric::Ncc {
            return ncc;
        }
        let found = lookup.values(par, samples, map);
        let (value, forces) = mutual_information(par, &values, &found);
        // Of normal values the information is -log(1 - ncc²) / 2; that gives the curvature its size, and steps that
        // are too long or short are for the damping.
        let r = ncc.value.abs().clamp(0.1, 0.98);
        let scale = r / (1.0 - r * r);
        Likeness {
            value,
            gradient: lookup.pull(par, samples, map, &forces),
            curvature: ncc.curvature.map(|row| row.map(|v| scale * v)),
            overlap: ncc.overlap,
        }
    })
}

/// Poses, climbed from on the coarsest grid and the best of them on the next.
fn best_start(
    par: &dyn Parallel,
    fixed: &Prepared,
    moving: &Prepared,
    options: &Options,
    watch: Watch,
    steps: &mut Vec<Step>,
) -> Result<(Linear, String)> {
    watch(0.15, "trying poses")?;
    let coarsest = fixed.levels.len() - 1;
    let first = samples(fixed, coarsest, FIRST_LOOK, options.seed);
    let poses = (&fixed.pose, &moving.pose);
    let tried = starts(par, poses, &first, &lookup(moving, coarsest)?, KEPT[0]);
    let Some(best) = tried.first() else {
        return Err(Error::bad_input(
            "the heads do not meet in any pose; check that `fixed` and `moving` are CTs of the same part of a head",
        ));
    };
    let mm = width(fixed, coarsest);
    steps.push(Step { name: "poses", mm, value: best.ncc, overlap: None, evaluations: 1 });

    let mut poses: Vec<(Linear, &str)> = tried.iter().map(|s| (s.map, s.name.as_str())).collect();
    let next = coarsest.saturating_sub(1);
    let scaled = if options.model == Model::Rigid { Model::Rigid } else { Model::Similarity };
    let rounds = [(coarsest, scaled), (coarsest, scaled), (next, options.model)];
    for (round, (level, model)) in rounds.into_iter().enumerate() {
        watch(0.25, "climbing from the best poses")?;
        let samples = samples(fixed, level, KEPT_SAMPLES[round], options.seed);
        let evaluate = likeness(&Serial, fixed, moving, level, &samples, options.metric)?;
        let climbs = map_ranges(par, poses.len(), 1, &|range| {
            climb(
                &evaluate,
                model,
                poses[range.start].0,
                &samples.corners,
                KEPT_STEPS[round],
                10.0 * STILL_MM,
            )
        });
        let mut order: Vec<usize> = (0..poses.len()).collect();
        order.sort_by(|&a, &b| climbs[b].likeness.value.total_cmp(&climbs[a].likeness.value));
        let best = &climbs[order[0]];
        steps.push(Step {
            name: "starts",
            mm: width(fixed, level),
            value: best.likeness.value,
            overlap: Some(best.likeness.overlap),
            evaluations: climbs.iter().map(|c| c.evaluations).sum(),
        });
        let kept = KEPT.get(round + 1).copied().unwrap_or(1);
        poses = order.iter().take(kept).map(|&n| (climbs[n].map, poses[n].1)).collect();
    }
    Ok((poses[0].0, poses[0].1.to_owned()))
}

fn free_form(
    par: &dyn Parallel,
    fixed: &Prepared,
    moving: &Prepared,
    options: &Options,
    watch: Watch,
    mut out: Aligned,
) -> Result<Aligned> {
    let base = &fixed.levels[0].grid;
    let bounds = fixed.bounds(par).ok_or_else(|| Error::internal("a head without voxels"))?;
    let coarser = 1.min(fixed.levels.len() - 1);
    let linear = out.linear.affine();
    let softened: Vec<(Level, Level)> = (0..=coarser)
        .map(|level| (fixed.levels[level].mapped(soften), moving.levels[level].mapped(soften)))
        .collect();
    let mut at: Option<(Lattice, Vec<f32>)> = None;
    for ((mm, level), most) in
        [(2.0 * options.grid_mm, coarser), (options.grid_mm, coarser), (options.grid_mm, 0)]
            .into_iter()
            .zip(FORM_EVALUATIONS)
    {
        let lattice = Lattice::new(base, &bounds, mm);
        let mut c = match &at {
            None => vec![0f32; 3 * lattice.points()],
            Some((before, c)) if *before == lattice => c.clone(),
            Some((before, c)) => lattice.refined(before, c),
        };
        let levels = (&softened[level].0, &softened[level].1);
        let head = (&fixed.head, fixed.head_level);
        let form = FreeForm::new(levels, level, head, &lattice, mm, &linear, options.metric, out.bending);
        let mut form = form.ok_or_else(|| Error::bad_input("the moving grid has no inverse"))?;
        let share = if level == 0 { 0.7 } else { 0.5 };
        let mut done = 0;
        let mut energy = |c: &[f32]| {
            watch(share + 0.2 * f64::from(done) / most as f64, "deforming")?;
            done += 1;
            Ok(form.energy(par, c))
        };
        let found = minimise(&mut c, &mut energy, most, LONGEST_MM)?;
        out.ncc = form.ncc();
        out.steps.push(Step {
            name: "free form",
            mm: width(fixed, level),
            value: -found.value,
            overlap: None,
            evaluations: found.evaluations,
        });
        at = Some((lattice, c));
    }
    if let Some((lattice, c)) = at {
        let spline = Spline::new(lattice.grid(base), c)?;
        out.transform = Transform::new([Part::Linear(linear), Part::Spline(spline)]);
    }
    watch(0.95, "checking for folds")?;
    out.least_determinant = out.transform.least_determinant(par, &fixed.head.grid, &fixed.head.domain);
    Ok(out)
}
