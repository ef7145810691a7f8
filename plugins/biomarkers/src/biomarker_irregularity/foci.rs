//! Small haemorrhages beside the main one, slice by slice.

use super::joined::joined;
use super::slice::Slice;
use crate::diameter::largest_distance;
use crate::hull::hull;
use crate::lesion::Lesion;
use crate::mesh::Window;
use crate::plane::Plane;
use ichor_image::{Connectivity, Grid, Parallel, Serial, components, distance_to, parallel::map_ranges};

/// A focus: voxels that hang together and are apart from the main haemorrhage on every slice on which they are counted.
#[derive(Clone, Debug)]
pub struct Focus {
    pub volume_ml: f64,
    /// Largest distance between voxel corners in one slice, mm.
    pub diameter_mm: f64,
    /// Smallest gap to the main haemorrhage on each slice that shows both, mm.
    pub gaps_mm: Vec<f64>,
}

/// The foci of a haematoma.
#[derive(Clone, Debug, Default)]
pub struct Foci {
    pub found: Vec<Focus>,
    /// Round lobes on a neck that are a focus nowhere, over all slices.
    pub joined: usize,
}

/// Least part of the largest slice's area for lobes to count.
const SLICE_SHARE: f64 = 0.25;
/// A gap below this is an uneven edge, mm.
const GAP_MM: f64 = 1.0;
const SATELLITE_GAP_MM: f64 = 20.0;
const SATELLITE_DIAMETER_MM: f64 = 10.0;
const ISLAND_DIAMETER_MM: f64 = 20.0;

impl Foci {
    /// Of each slice, the main haemorrhage is the largest part that belongs to the largest lesion; whatever else is
    /// there is a focus on that slice, and may join the main one on another.
    pub fn of(par: &dyn Parallel, whole: &Lesion, main: &Lesion, grid: &Grid, min_ml: f64) -> Self {
        let Some(window) = Window::around(whole, grid) else { return Self::default() };
        let plane = Plane::of(grid);
        let [nx, ny, nz] = window.grid.shape;
        // The main lesion in the same window: it begins where the runs do.
        let low =
            whole.runs.iter().fold([u32::MAX; 3], |l, r| [l[0].min(r.begin), l[1].min(r.j), l[2].min(r.k)]);
        let mut of_main = vec![0u8; window.mask.len()];
        for run in &main.runs {
            let at = [run.begin - low[0], run.j - low[1], run.k - low[2]].map(|v| v as usize + 1);
            of_main[window.grid.index(at[0], at[1], at[2])..][..run.len()].fill(1);
        }
        let mut areas = vec![0; nz];
        main.runs.iter().for_each(|r| areas[(r.k - low[2]) as usize + 1] += r.len());
        let enough = SLICE_SHARE * areas.iter().copied().max().unwrap_or(0) as f64;
        // Of each slice: foci, each with its voxels, diameter and gap, and voxels of lobes.
        type Piece = (Vec<usize>, f64, Option<f64>);
        let (slices, lobes): (Vec<Vec<Piece>>, Vec<Vec<usize>>) = map_ranges(par, nz, 1, &|range| {
            let k = range.start;
            let of_main = &of_main[k * nx * ny..][..nx * ny];
            let slice = &window.mask[k * nx * ny..][..nx * ny];
            if slice.iter().all(|v| *v == 0) {
                return (Vec::new(), Vec::new());
            }
            let labels = components(&Serial, slice, [nx, ny, 1], Connectivity::TwentySix);
            let mut parts = vec![Vec::new(); labels.sizes.len()];
            for (n, label) in labels.labels.iter().enumerate().filter(|(_, l)| **l > 0) {
                parts[*label as usize - 1].push(n);
            }
            let reference = (0..parts.len())
                .filter(|n| parts[*n].first().is_some_and(|v| of_main[*v] != 0))
                .reduce(|a, b| if parts[b].len() > parts[a].len() { b } else { a });
            let of_part = |part: usize| -> Vec<u8> {
                labels.labels.iter().map(|l| u8::from(*l as usize == part + 1)).collect()
            };
            let mut lobes = Vec::new();
            if let Some(r) = reference.filter(|r| parts[*r].len() as f64 >= enough) {
                let part = Slice { mask: of_part(r), shape: [nx, ny], plane };
                lobes.extend(joined(&part).into_iter().flatten().map(|[i, j]| i + nx * (j + ny * k)));
            }
            if parts.len() < 2 && reference.is_some() {
                return (Vec::new(), lobes);
            }
            let pitch = plane.pitch();
            let far =
                reference.map(|r| distance_to(&Serial, &of_part(r), [nx, ny, 1], [pitch[0], pitch[1], 1.0]));
            let pieces = parts.into_iter().enumerate().filter(|(n, p)| Some(*n) != reference && p.len() >= 2);
            let pieces = pieces
                .map(|(_, voxels)| {
                    let nearest =
                        |far: &Vec<f32>| voxels.iter().map(|n| far[*n]).fold(f32::INFINITY, f32::min);
                    let gap = far.as_ref().map(|far| f64::from(nearest(far)) - pitch[0].min(pitch[1]));
                    let mut corners: Vec<[i32; 2]> = voxels
                        .iter()
                        .flat_map(|n| {
                            let (i, j) = ((n % nx) as i32, (n / nx) as i32);
                            [[i, j], [i + 1, j], [i, j + 1], [i + 1, j + 1]]
                        })
                        .collect();
                    let outline: Vec<[f64; 2]> =
                        hull(&mut corners).iter().map(|p| plane.apply(p.map(f64::from))).collect();
                    let diameter = largest_distance(&Serial, &outline).map_or(0.0, |d| d.0);
                    (voxels.into_iter().map(|n| n + k * nx * ny).collect(), diameter, gap)
                })
                .collect();
            (pieces, lobes)
        })
        .into_iter()
        .unzip();
        drop(of_main);
        let mut mask = window.mask;
        mask.fill(0);
        slices.iter().flatten().flat_map(|p| &p.0).for_each(|n| mask[*n] = 1);
        let groups = components(par, &mask, window.grid.shape, Connectivity::TwentySix);
        let mut found: Vec<Focus> = groups
            .sizes
            .iter()
            .map(|n| Focus {
                volume_ml: *n as f64 * grid.voxel_volume_mm3() / 1000.0,
                diameter_mm: 0.0,
                gaps_mm: Vec::new(),
            })
            .collect();
        for (voxels, diameter, gap) in slices.iter().flatten() {
            let Some(label) = voxels.first().map(|n| groups.labels[*n] as usize) else { continue };
            let focus = &mut found[label - 1];
            focus.diameter_mm = focus.diameter_mm.max(*diameter);
            focus.gaps_mm.extend(gap);
        }
        // Lobes, with the foci that count: what holds a focus is one.
        for (m, label) in mask.iter_mut().zip(&groups.labels).filter(|(m, _)| **m != 0) {
            *m = u8::from(found[*label as usize - 1].volume_ml >= min_ml);
        }
        let focus = mask.clone();
        lobes.iter().flatten().for_each(|n| mask[*n] = 1);
        let together = components(par, &mask, window.grid.shape, Connectivity::TwentySix);
        let mut alone = vec![true; together.sizes.len()];
        for (label, _) in together.labels.iter().zip(&focus).filter(|(_, f)| **f != 0) {
            alone[*label as usize - 1] = false;
        }
        found.retain(|f| f.volume_ml >= min_ml);
        Self { found, joined: alone.iter().filter(|a| **a).count() }
    }

    /// Foci below 10 mm that lie 1 to 20 mm from the main haemorrhage on a slice.
    pub fn satellites(&self) -> usize {
        let near = |f: &&Focus| {
            f.diameter_mm < SATELLITE_DIAMETER_MM
                && f.gaps_mm.iter().any(|g| (GAP_MM..=SATELLITE_GAP_MM).contains(g))
        };
        self.found.iter().filter(near).count()
    }

    /// Foci of at most 20 mm that are apart from the main haemorrhage on a slice.
    pub fn separate(&self) -> usize {
        let apart =
            |f: &&Focus| f.diameter_mm <= ISLAND_DIAMETER_MM && f.gaps_mm.iter().any(|g| *g >= GAP_MM);
        self.found.iter().filter(apart).count()
    }
}
