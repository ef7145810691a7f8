//! Small haemorrhages beside the main one, slice by slice.

use super::joined::{AREA_MM2, joined};
use super::slice::Slice;
use crate::diameter::largest_distance;
use crate::hull::hull;
use crate::lesion::Lesion;
use crate::mesh::Window;
use crate::plane::Plane;
use ichor_image::{Connectivity, Grid, Parallel, Serial, components, distance_to, parallel::map_ranges};

/// Voxels that hang together from slice to slice and on some slice lie apart from the main haemorrhage.
#[derive(Clone, Debug, Default)]
struct Focus {
    /// Of the voxels that lie apart.
    apart_ml: f64,
    /// Largest distance between voxel corners in one slice, mm; of slices where it is a lobe, too.
    diameter_mm: f64,
    /// The gap to the main haemorrhage on each slice that shows both apart, mm.
    gaps_mm: Vec<f64>,
    /// Whether it hangs on the main haemorrhage on some slice, as a round lobe.
    lobe: bool,
}

/// The foci of a haematoma.
#[derive(Clone, Debug, Default)]
pub struct Foci {
    found: Vec<Focus>,
    min_ml: f64,
}

/// What one slice shows of a focus.
struct Piece {
    voxels: Vec<usize>,
    diameter: f64,
    gap: Option<f64>,
    what: What,
}

#[derive(PartialEq)]
enum What {
    Apart,
    Lobe,
    /// On the main haemorrhage, neither round nor on a neck: it only ties other slices together.
    Tie,
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
        let [nx, ny, nz] = window.grid.shape;
        // The main lesion in the same window.
        let low =
            whole.runs.iter().fold([u32::MAX; 3], |l, r| [l[0].min(r.begin), l[1].min(r.j), l[2].min(r.k)]);
        let mut of_main = vec![0u8; window.mask.len()];
        let mut areas = vec![0; nz];
        for run in &main.runs {
            let at = [run.begin - low[0], run.j - low[1], run.k - low[2]].map(|v| v as usize + 1);
            of_main[window.grid.index(at[0], at[1], at[2])..][..run.len()].fill(1);
            areas[at[2]] += run.len();
        }
        let enough = SLICE_SHARE * areas.into_iter().max().unwrap_or(0) as f64;
        let plane = Plane::of(grid);
        let pieces: Vec<Piece> = map_ranges(par, nz, 1, &|range| {
            let at = range.start * nx * ny;
            let slice = Slice::of(&window, range.start, &plane);
            let mut out = pieces(&slice, &of_main[at..][..nx * ny], enough);
            out.iter_mut().flat_map(|p| &mut p.voxels).for_each(|n| *n += at);
            out
        })
        .into_iter()
        .flatten()
        .collect();
        drop(of_main);
        let mut mask = window.mask;
        mask.fill(0);
        pieces.iter().flat_map(|p| &p.voxels).for_each(|n| mask[*n] = 1);
        let groups = components(par, &mask, window.grid.shape, Connectivity::TwentySix);
        let mut found = vec![Focus::default(); groups.sizes.len()];
        for piece in &pieces {
            let Some(label) = piece.voxels.first().map(|n| groups.labels[*n] as usize) else { continue };
            let focus = &mut found[label - 1];
            focus.diameter_mm = focus.diameter_mm.max(piece.diameter);
            focus.lobe |= piece.what == What::Lobe;
            if piece.what == What::Apart {
                focus.apart_ml += piece.voxels.len() as f64 * grid.voxel_volume_mm3() / 1000.0;
                focus.gaps_mm.extend(piece.gap);
            }
        }
        Self { found, min_ml }
    }

    /// Foci below 10 mm that lie 1 to 20 mm from the main haemorrhage on a slice.
    pub fn satellites(&self) -> usize {
        let near = |f: &&Focus| {
            f.diameter_mm < SATELLITE_DIAMETER_MM && f.gaps_mm.iter().any(|g| *g <= SATELLITE_GAP_MM)
        };
        self.found.iter().filter(|f| f.apart_ml >= self.min_ml).filter(near).count()
    }

    /// Foci of at most 20 mm that are apart from the main haemorrhage on a slice.
    pub fn separate(&self) -> usize {
        self.found.iter().filter(|f| self.is_separate(f)).count()
    }

    /// Lobes that are a focus nowhere.
    pub fn joined(&self) -> usize {
        self.found.iter().filter(|f| f.lobe && !self.is_separate(f)).count()
    }

    fn is_separate(&self, focus: &Focus) -> bool {
        focus.apart_ml >= self.min_ml && focus.diameter_mm <= ISLAND_DIAMETER_MM && !focus.gaps_mm.is_empty()
    }
}

/// What one slice shows beside its main part, and that part's lobes where it is at least `enough` voxels large.
fn pieces(slice: &Slice, of_main: &[u8], enough: f64) -> Vec<Piece> {
    let [nx, ny] = slice.shape;
    if slice.mask.iter().all(|v| *v == 0) {
        return Vec::new();
    }
    let labels = components(&Serial, &slice.mask, [nx, ny, 1], Connectivity::TwentySix);
    let mut parts = vec![Vec::new(); labels.sizes.len()];
    for (n, label) in labels.labels.iter().enumerate().filter(|(_, l)| **l > 0) {
        parts[*label as usize - 1].push(n);
    }
    let reference = (0..parts.len())
        .filter(|n| parts[*n].first().is_some_and(|v| of_main[*v] != 0))
        .reduce(|a, b| if parts[b].len() > parts[a].len() { b } else { a });
    let mut out = Vec::new();
    let mut far = None;
    if let Some(r) = reference {
        let mask: Vec<u8> = labels.labels.iter().map(|l| u8::from(*l as usize == r + 1)).collect();
        if parts.len() > 1 {
            let [px, py] = slice.plane.pitch();
            far = Some(distance_to(&Serial, &mask, [nx, ny, 1], [px, py, 1.0]));
        }
        if parts[r].len() as f64 >= enough {
            for (lobe, round) in joined(&Slice { mask, ..*slice }) {
                let voxels: Vec<usize> = lobe.iter().map(|[i, j]| i + nx * j).collect();
                let what = if round { What::Lobe } else { What::Tie };
                out.push(Piece { diameter: diameter(slice, &voxels), voxels, gap: None, what });
            }
        }
    }
    let pitch = slice.plane.pitch();
    for (_, voxels) in parts.into_iter().enumerate().filter(|(n, p)| Some(*n) != reference && p.len() >= 2) {
        let gap = far.as_ref().map(|far| {
            let nearest = voxels.iter().map(|n| far[*n]).fold(f32::INFINITY, f32::min);
            f64::from(nearest) - pitch[0].min(pitch[1])
        });
        // One that an uneven edge alone parts from the main haemorrhage hangs on it.
        let what = match gap {
            Some(g) if g < GAP_MM && voxels.len() as f64 * slice.voxel_mm2() >= AREA_MM2 => What::Lobe,
            Some(g) if g < GAP_MM => What::Tie,
            _ => What::Apart,
        };
        out.push(Piece { diameter: diameter(slice, &voxels), voxels, gap, what });
    }
    out
}

/// Largest distance between corners of a slice's voxels, which come in the order of memory, mm.
fn diameter(slice: &Slice, voxels: &[usize]) -> f64 {
    let nx = slice.shape[0];
    // Of each row, the ends are enough.
    let corners = |row: &[usize]| {
        let [a, b] = [row.first(), row.last()].map(|n| n.map_or(0, |n| (n % nx) as i32));
        let j = row.first().map_or(0, |n| (n / nx) as i32);
        [[a, j], [b + 1, j], [a, j + 1], [b + 1, j + 1]]
    };
    let rows = voxels.chunk_by(|a, b| a / nx == b / nx);
    let mut corners: Vec<[i32; 2]> = rows.flat_map(corners).collect();
    let outline: Vec<[f64; 2]> =
        hull(&mut corners).iter().map(|p| slice.plane.apply(p.map(f64::from))).collect();
    largest_distance(&Serial, &outline).map_or(0.0, |d| d.0)
}
