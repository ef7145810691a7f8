//! Heads brought to their mean by affine maps.

use super::head::Head;
use super::manifest::About;
use crate::atlas::posed::{on_cavity, pyramid};
use crate::atlas::{Atlas, AtlasSet, FAR_MM, STEP_MM, packed};
use crate::register::align::{Options, align};
use crate::register::prepare::Prepared;
use crate::register::pyramid::Level;
use crate::segment::{LEVELS, Watch};
use crate::transform::{IDENTITY, Part, Transform};
use crate::warp;
use ichor_image::{Affine, Grid, Interpolation, Parallel};
use ichor_sdk::{Error, Result};

/// Room round what is stored, mm.
const ROOM_MM: f64 = 4.0;
/// Of the samples that are compared.
const SEED: u64 = 1;

/// A head where the mean is.
struct Member {
    /// From places of the mean to those of the head's scan.
    map: Affine,
    /// Windowed, NaN beyond the margin and outside the scan; and the distance in mm of the mean's space.
    data: Vec<f32>,
    distance: Vec<f32>,
}

/// Heads in the space of their mean; `None` for those that were rejected before.
pub struct Group {
    grid: Grid,
    margin_mm: f32,
    members: Vec<Option<Member>>,
}

impl Group {
    /// Registers heads `fit` to the one of median volume, then to their mean.
    ///
    /// # Errors
    /// Heads do not meet in any pose; those of `watch`.
    pub fn new(
        par: &dyn Parallel,
        heads: &[Head],
        fit: &[usize],
        (spacing, margin_mm): (f64, f64),
        watch: Watch,
    ) -> Result<Self> {
        let mut by_volume = fit.to_vec();
        by_volume.sort_by(|&a, &b| heads[a].ml.total_cmp(&heads[b].ml));
        let reference = by_volume[by_volume.len() / 2];
        let posed = |n: usize| {
            let finest = Level { grid: heads[n].level.grid, data: heads[n].level.data.clone() };
            let cavity = (&heads[n].distance[..], &heads[n].level.grid);
            on_cavity(par, pyramid(par, finest, LEVELS), cavity)
                .ok_or_else(|| Error::bad_input(format!("head {} has no cavity on 4 mm", heads[n].name)))
        };
        let options = Options { seed: SEED, ..Options::default() };
        let from = posed(reference)?;
        let mut maps = vec![IDENTITY; heads.len()];
        let register = |from: &Prepared, n: usize, done: f64| -> Result<Affine> {
            let quiet = |_: f64, what: &str| watch(done, what);
            let found = align(par, from, &posed(n)?, &options, &quiet);
            let found = found.map_err(|e| {
                Error::bad_input(format!("head {} cannot be laid on the others: {e}", heads[n].name))
            })?;
            Ok(found.linear.affine())
        };
        for (m, &n) in fit.iter().enumerate() {
            if n != reference {
                maps[n] = register(&from, n, 0.45 * m as f64 / fit.len() as f64)?;
            }
        }
        // The mean head is where the heads' places are on average.
        let mut mean = Affine([[0.0; 4]; 3]);
        for &n in fit {
            for (to, row) in mean.0.iter_mut().flatten().zip(maps[n].0.iter().flatten()) {
                *to += row / fit.len() as f64;
            }
        }
        let back = mean.inverse()?;
        fit.iter().for_each(|&n| maps[n] = maps[n].after(&back));
        let grid = grid_round(heads, fit, &maps, spacing, margin_mm)?;
        let mut group = Self { grid, margin_mm: margin_mm as f32, members: Vec::new() };
        group.lay(par, heads, fit, &maps)?;
        let first = group.assemble(fit, About::new(), &|_| About::new());
        let distance = first.mean_distance();
        let from = first.prepared(par, &distance, LEVELS)?;
        for (m, &n) in fit.iter().enumerate() {
            maps[n] = register(&from, n, 0.5 + 0.45 * m as f64 / fit.len() as f64)?;
        }
        group.lay(par, heads, fit, &maps)?;
        Ok(group)
    }

    /// Brings heads to the mean's grid.
    fn lay(&mut self, par: &dyn Parallel, heads: &[Head], fit: &[usize], maps: &[Affine]) -> Result<()> {
        self.members = heads.iter().map(|_| None).collect();
        for &n in fit {
            let (head, map) = (&heads[n], maps[n]);
            let transform = Transform::new([Part::Linear(map)]);
            let scale = (1.0 / map.determinant().cbrt()) as f32;
            let bring = |data: &[f32], outside: f32| {
                let mut out = vec![0f32; self.grid.len()];
                let from = (data, &head.level.grid);
                warp::values(par, from, &transform, Interpolation::Linear, outside, (&mut out, &self.grid));
                out
            };
            let mut data = bring(&head.level.data, f32::NAN);
            let mut distance = bring(&head.distance, FAR_MM);
            distance.iter_mut().for_each(|d| *d *= scale);
            data.iter_mut()
                .zip(&distance)
                .filter(|(_, d)| **d > self.margin_mm)
                .for_each(|(v, _)| *v = f32::NAN);
            self.members[n] = Some(Member { map, data, distance });
        }
        Ok(())
    }

    /// From places of the mean to those of a head's scan.
    pub fn map(&self, n: usize) -> Option<&Affine> {
        self.members[n].as_ref().map(|m| &m.map)
    }

    /// The set of some of the heads.
    pub fn assemble(&self, of: &[usize], about: About, of_head: &dyn Fn(usize) -> About) -> AtlasSet {
        let members: Vec<(usize, &Member)> =
            of.iter().filter_map(|&n| Some((n, self.members[n].as_ref()?))).collect();
        let mut sums = vec![[0f32; 2]; self.grid.len()];
        for (_, member) in &members {
            for (s, &v) in sums.iter_mut().zip(&member.data).filter(|(_, v)| !v.is_nan()) {
                s[0] += v;
                s[1] += 1.0;
            }
        }
        let least = 0.5 * members.len() as f32;
        let mean = sums.iter().map(|s| packed(if s[1] >= least { s[0] / s[1] } else { f32::NAN })).collect();
        let mut image_grid = self.grid;
        let atlases = members
            .iter()
            .map(|&(n, member)| {
                let half = Level { grid: self.grid, data: member.data.clone() }.half(&ichor_image::Serial);
                image_grid = half.grid;
                let step = |d: &f32| (d.clamp(-FAR_MM, FAR_MM) / STEP_MM).round() as i8;
                Atlas {
                    about: of_head(n),
                    distance: member.distance.iter().map(step).collect(),
                    image: half.data.iter().map(|&v| packed(v)).collect(),
                }
            })
            .collect();
        AtlasSet { about, grid: self.grid, mean, image_grid, atlases }
    }
}

/// Voxels that stand upright round everything within the margin of any cavity.
fn grid_round(heads: &[Head], fit: &[usize], maps: &[Affine], spacing: f64, margin: f64) -> Result<Grid> {
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for &n in fit {
        let (head, grid) = (&heads[n], &heads[n].level.grid);
        let to_mean = maps[n].inverse()?.after(&grid.affine);
        let [nx, ny, _] = grid.shape;
        for (m, _) in head.distance.iter().enumerate().filter(|(_, d)| f64::from(**d) < margin + ROOM_MM) {
            let p = to_mean.apply([m % nx, m / nx % ny, m / nx / ny].map(|v| v as f64));
            low = [0, 1, 2].map(|a| low[a].min(p[a]));
            high = [0, 1, 2].map(|a| high[a].max(p[a]));
        }
    }
    let shape = [0, 1, 2].map(|a| ((high[a] - low[a]) / spacing).ceil() as usize + 1);
    Ok(Grid::new(shape, Affine::from_spacing([spacing; 3], low))?)
}
