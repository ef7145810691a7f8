//! Where in a scan the mean head of the atlases lies.

use super::coarse::Coarse;
use super::{Atlases, LEVELS, Options, Watch};
use crate::atlas::posed::{MARGIN_MM, on_cavity, pyramid};
use crate::enclosure::Enclosed;
use crate::register::align::{Aligned, Options as How, align, deform};
use crate::register::head::{CAP_MM, Head};
use crate::register::linear::Linear;
use crate::register::prepare::Prepared;
use crate::transform::{Part, Transform};
use crate::warp;
use ichor_image::{Affine, Interpolation, Parallel};
use ichor_sdk::Result;

/// A start that leads to less is not the only one that is tried.
const GOOD: f64 = 0.8;
/// Less is no head.
const HEAD_ML: f64 = 100.0;

/// The map to the atlases.
pub struct Located {
    /// From places of the scan to those of the atlases.
    pub transform: Transform,
    /// From places of the atlases to those of the scan, without the free form.
    pub linear: Affine,
    /// Correlation of the scan and the mean of the atlases round the cavity, after the affine map.
    pub ncc: f64,
    /// See [`Transform::least_determinant`].
    pub least_determinant: f64,
    /// The pose from which it was found.
    pub start: String,
}

/// Registers the mean of the atlases to a scan; `None` where no pose fits at all.
///
/// # Errors
/// Those of `watch`.
pub fn locate(
    par: &dyn Parallel,
    atlases: &Atlases,
    coarse: &Coarse,
    enclosed: Option<&Enclosed>,
    options: &Options,
    watch: Watch,
) -> Result<Option<Located>> {
    watch(0.15, "making the scan ready")?;
    let levels = pyramid(par, coarse.level(), LEVELS);
    let how = How { seed: options.seed, ..How::default() };
    let cavity = enclosed.map(|e| e.mask.iter().map(|&v| 0.5 - f32::from(v)).collect::<Vec<f32>>());
    let mut best: Option<Aligned> = None;
    let mut moving = match cavity.and_then(|d| on_cavity(par, levels, (&d, &coarse.grid))) {
        Some(posed) => posed,
        None => match by_head(par, pyramid(par, coarse.level(), LEVELS)) {
            Some(posed) => posed,
            None => return Ok(None),
        },
    };
    for attempt in 0..2 {
        let quiet = |_: f64, what: &str| watch(0.2 + 0.1 * f64::from(attempt), what);
        match align(par, &atlases.mean, &moving, &how, &quiet) {
            Ok(found) => {
                if best.as_ref().is_none_or(|b| found.ncc > b.ncc) {
                    best = Some(found);
                }
            }
            // No pose fits, or the run ends.
            Err(_) => watch(0.3, "trying poses")?,
        }
        if best.as_ref().is_some_and(|b| b.ncc >= GOOD) || enclosed.is_none() {
            break;
        }
        moving = match by_head(par, moving.levels) {
            Some(posed) => posed,
            None => break,
        };
    }
    let Some(found) = best else { return Ok(None) };
    let Ok(back) = found.linear.affine().inverse() else { return Ok(None) };
    let mut located = Located {
        transform: Transform::new([Part::Linear(back)]),
        linear: found.linear.affine(),
        ncc: found.ncc,
        least_determinant: 1.0,
        start: found.start.clone(),
    };
    if options.deformable {
        let how = How { free_form: true, ..how };
        bend(par, atlases, coarse, found, &mut located, &how, watch)?;
    }
    Ok(Some(located))
}

/// The scan posed by the whole head.
fn by_head(par: &dyn Parallel, levels: Vec<crate::register::pyramid::Level>) -> Option<Prepared> {
    const LEVEL: usize = 1;
    let head = Head::new(par, levels.get(LEVEL)?);
    let pose = head.pose(par, &levels[LEVEL], CAP_MM).filter(|_| head.ml() >= HEAD_ML)?;
    Some(Prepared { levels, head, head_level: LEVEL, pose })
}

/// Goes on with the free form, from the scan to the atlases, round the cavity.
fn bend(
    par: &dyn Parallel,
    atlases: &Atlases,
    coarse: &Coarse,
    found: Aligned,
    located: &mut Located,
    how: &How,
    watch: Watch,
) -> Result<()> {
    let levels = pyramid(par, coarse.level(), LEVELS);
    let grid = levels[1].grid;
    let mut distance = vec![0f32; grid.len()];
    let from = (&atlases.distance[..], &atlases.set.grid);
    let far = crate::atlas::FAR_MM;
    warp::values(par, from, &located.transform, Interpolation::Linear, far, (&mut distance, &grid));
    let within = |mm: f32| distance.iter().map(|&d| u8::from(d < mm)).collect::<Vec<u8>>();
    let head = Head { grid, mask: within(0.0), domain: within(MARGIN_MM as f32) };
    if head.mask.iter().all(|&v| v == 0) {
        return Ok(());
    }
    let Some(pose) = head.pose(par, &levels[1], CAP_MM) else { return Ok(()) };
    let fixed = Prepared { levels, head, head_level: 1, pose };
    let Some(back) = located.transform.linear() else { return Ok(()) };
    let start = Aligned { linear: Linear::of(&back), transform: located.transform.clone(), ..found };
    let bent = deform(par, &fixed, &atlases.mean, how, &|done, what| watch(0.3 + 0.2 * done, what), start)?;
    located.least_determinant = bent.least_determinant;
    located.transform = bent.transform;
    Ok(())
}
