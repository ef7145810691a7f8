//! Scans made ready to be registered by what is known of their cavity.

use crate::register::head::Head;
use crate::register::prepare::Prepared;
use crate::register::pyramid::Level;
use ichor_image::{Grid, Interpolation, Parallel, dilate, resample};

/// How far round the cavity images are compared, mm: the skull, and not the face, the neck and the head rest.
pub const MARGIN_MM: f64 = 12.0;
/// How much of a cavity from its top down is laid on that of the other, mm; scans often lack the base.
const CAP_MM: f64 = 80.0;

/// A level and those that become coarser by two.
pub fn pyramid(par: &dyn Parallel, finest: Level, levels: usize) -> Vec<Level> {
    let mut all = vec![finest];
    while all.len() < levels {
        let next = all[all.len() - 1].half(par);
        all.push(next);
    }
    all
}

/// Levels (two or more) with the surroundings of a cavity as the domain, which is given by the distance to its
/// surface in mm, negative inside. `None` where there is no cavity.
pub fn on_cavity(par: &dyn Parallel, levels: Vec<Level>, cavity: (&[f32], &Grid)) -> Option<Prepared> {
    const LEVEL: usize = 1;
    let level = levels.get(LEVEL)?;
    let (shape, spacing) = (level.grid.shape, level.grid.spacing());
    let distance = resample(par, cavity.0, cavity.1, &level.grid, Interpolation::Linear, 1e3);
    let mask: Vec<u8> = distance.iter().map(|&d| u8::from(d < 0.0)).collect();
    let domain = dilate(par, &mask, shape, spacing, MARGIN_MM);
    let head = Head { grid: level.grid, mask, domain };
    let pose = head.pose(par, level, CAP_MM)?;
    Some(Prepared { levels, head, head_level: LEVEL, pose })
}
