//! A scan made ready to be registered; once, however often it is.

use super::head::{CAP_MM, Head, Pose};
use super::pyramid::Level;
use ichor_image::resample::Sample;
use ichor_image::{Bounds, Grid, Parallel, bounding_box};
use ichor_sdk::{Error, Result};

/// Voxels on which the head is found are at least as wide, if there are such, mm.
const HEAD_MM: f64 = 3.5;
/// Less is no head.
const LEAST_ML: f64 = 100.0;

/// Told what goes on; ends the work with an error.
pub type Watch<'a> = &'a dyn Fn(&str) -> Result<()>;

/// A windowed CT on grids that become coarser by two, and where its head is.
pub struct Prepared {
    /// The finest first.
    pub levels: Vec<Level>,
    /// Found on level `head_level`.
    pub head: Head,
    /// Halvings that led to the grid of the head.
    pub head_level: usize,
    /// How the head lies.
    pub pose: Pose,
}

impl Prepared {
    /// From a CT in HU on `grid`; `counts`, empty or a voxel each, are 0 where it does not count. `levels` grids,
    /// the finest of `mm`. `name` is that of the input, for errors.
    ///
    /// # Errors
    /// There is no head, or the grid is too large; those of `watch`.
    pub fn new<T: Sample>(
        par: &dyn Parallel,
        data: &[T],
        counts: &[u8],
        grid: &Grid,
        (mm, levels): (f64, usize),
        name: &str,
        watch: Watch,
    ) -> Result<Self> {
        let wrong = |e| Error::bad_params(format!("voxels of {mm} mm over {grid} make no grid: {e}"));
        let mut all = vec![Level::new(par, data, counts, grid, mm).map_err(wrong)?];
        while all.len() < levels {
            watch("averaging")?;
            let next = all[all.len() - 1].half(par);
            all.push(next);
        }
        watch("finding the head")?;
        let head_level = (0..levels).find(|l| mm * f64::from(1u32 << l) >= HEAD_MM).unwrap_or(levels - 1);
        let head = Head::new(par, &all[head_level]);
        let ml = head.ml();
        let pose = head.pose(par, &all[head_level], CAP_MM).filter(|_| ml >= LEAST_ML);
        let pose = pose.ok_or_else(|| {
            let what = if counts.is_empty() { "the largest piece above -20 HU" } else { "the mask" };
            Error::bad_input(format!(
                "no head in `{name}`: {what} is {ml:.0} mL; check that it is a head CT in HU with its size in mm"
            ))
        })?;
        Ok(Self { levels: all, head, head_level, pose })
    }

    /// The box round the domain in voxels of the finest level.
    pub fn bounds(&self, par: &dyn Parallel) -> Option<Bounds> {
        let bounds = bounding_box(par, &self.head.domain, self.head.grid.shape)?;
        let finest = self.levels[0].grid.shape;
        let end = [0, 1, 2].map(|a| (bounds.end[a] << self.head_level).min(finest[a] as isize));
        Some(Bounds { begin: bounds.begin.map(|v| v << self.head_level), end })
    }
}
