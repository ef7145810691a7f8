//! Surfaces of a lesion by marching cubes, with area, enclosed volume and convex hull in true millimetres.
//!
//! `mesh_ibsi` is the mesh of the Image Biomarker Standardisation Initiative (Zwanenburg et al. 2020): level 0.5
//! of the mask itself, so that its vertices lie halfway between voxel centres. Its area carries the mask's
//! steps: of a sphere with slices of 5 mm it is a quarter too large. `mesh_smooth` goes around that by a mask
//! that is brought to 1 mm voxels and blurred; it is for shape alone, never for volume.

use crate::hull3::hull3;
use crate::lesion::Lesion;
use ichor_image::{Affine, Grid, Parallel, gaussian_in_place, parallel::map_ranges};
use std::sync::OnceLock;

/// A closed surface, and its convex hull.
#[derive(Clone, Debug, PartialEq)]
pub struct Surface {
    /// mm².
    pub area: f64,
    /// Enclosed, mm³.
    pub volume: f64,
    /// Area of the convex hull, mm².
    pub hull_area: f64,
    /// Volume of the convex hull, mm³.
    pub hull_volume: f64,
    /// Vertices of the convex hull, RAS+ mm: the largest distance between vertices of the surface is found there.
    pub hull: Vec<[f64; 3]>,
}

/// The part of a mask around a lesion, with at least one voxel of background on every side.
pub struct Window {
    pub mask: Vec<u8>,
    pub grid: Grid,
}

impl Window {
    /// `None` for a lesion without voxels.
    pub fn around(lesion: &Lesion, grid: &Grid) -> Option<Self> {
        let first = lesion.runs.first()?;
        let (mut low, mut high) = ([first.begin, first.j, first.k], [first.end, first.j + 1, first.k + 1]);
        for run in &lesion.runs {
            low = [low[0].min(run.begin), low[1].min(run.j), low[2].min(run.k)];
            high = [high[0].max(run.end), high[1].max(run.j + 1), high[2].max(run.k + 1)];
        }
        let shape: [usize; 3] = std::array::from_fn(|a| (high[a] - low[a]) as usize + 2);
        let origin = grid.affine.apply(low.map(|v| f64::from(v) - 1.0));
        let mut affine = grid.affine;
        for (row, o) in affine.0.iter_mut().zip(origin) {
            row[3] = o;
        }
        let grid = Grid { shape, affine };
        let mut mask = vec![0; grid.len()];
        for run in &lesion.runs {
            let (j, k) = ((run.j - low[1]) as usize + 1, (run.k - low[2]) as usize + 1);
            let begin = grid.index((run.begin - low[0]) as usize + 1, j, k);
            mask[begin..begin + run.len()].fill(1);
        }
        Some(Self { mask, grid })
    }

    /// Share of the mask at a point of the window's voxel coordinates, linear between voxels.
    fn linear(&self, v: [f64; 3]) -> f32 {
        let [nx, ny, nz] = self.grid.shape;
        let floor = v.map(f64::floor);
        let n = [nx, ny, nz];
        if (0..3).any(|a| floor[a] < 0.0 || floor[a] as usize + 1 >= n[a]) {
            return 0.0; // the outermost voxels are background
        }
        let at = self.grid.index(floor[0] as usize, floor[1] as usize, floor[2] as usize);
        let f: [f32; 3] = std::array::from_fn(|a| (v[a] - floor[a]) as f32);
        let along = |at: usize| {
            let (a, b) = (f32::from(self.mask[at]), f32::from(self.mask[at + 1]));
            a + f[0] * (b - a)
        };
        let plane = |at: usize| {
            let (a, b) = (along(at), along(at + nx));
            a + f[1] * (b - a)
        };
        let (a, b) = (plane(at), plane(at + nx * ny));
        a + f[2] * (b - a)
    }
}

/// The surface of the mask itself at level 0.5.
///
/// Every cube of eight voxels is one of 256 cases, and all vertices lie in the middle of edges: a count of the
/// cases, and the sum of their places, give area and volume, exactly and without a list of triangles.
pub fn mesh_ibsi(par: &dyn Parallel, window: &Window) -> Surface {
    let Window { mask, grid } = window;
    let [nx, ny, nz] = grid.shape;
    // Of each case: how many, and the sums of i, j and k.
    let parts = map_ranges(par, nz - 1, 8, &|slices| {
        let mut found = vec![[0u64; 4]; 256];
        for k in slices {
            for j in 0..ny - 1 {
                let row = |j: usize, k: usize| &mask[nx * (j + ny * k)..][..nx];
                let [a, b, c, d] = [row(j, k), row(j + 1, k), row(j, k + 1), row(j + 1, k + 1)];
                let mut last = 0;
                for i in 1..nx {
                    let here = a[i] | b[i] << 2 | c[i] << 4 | d[i] << 6;
                    let case = last | here << 1;
                    if case != 0 && case != 255 {
                        let sums = &mut found[usize::from(case)];
                        let one = [1, i as u64 - 1, j as u64, k as u64];
                        sums.iter_mut().zip(one).for_each(|(s, v)| *s += v);
                    }
                    last = here;
                }
            }
        }
        found
    });
    let mut found = vec![[0u64; 4]; 256];
    for part in parts {
        for (sum, v) in found.iter_mut().flatten().zip(part.iter().flatten()) {
            *sum += v;
        }
    }
    let (mut area, mut six_volumes) = (0.0, 0.0);
    for (loops, sums) in cases().iter().zip(&found) {
        for triangle in loops {
            let [a, b, c] = triangle.map(|edge| middle(usize::from(edge)));
            let normal = cross(minus(b, a), minus(c, a));
            let [count, i, j, k] = sums.map(|s| s as f64);
            six_volumes += dot(normal, [i, j, k]) + count * dot(a, cross(b, c));
            area += count * triangle_area([a, b, c].map(|v| linear_part(&grid.affine, v)));
        }
    }
    // Vertices, in half voxels: the hull of voxel centres half a voxel farther along each axis both ways. Those
    // between two voxels of the mask are on no corner of the hull and do no harm.
    let mut points = Vec::new();
    for k in 0..nz {
        let mut outline = Vec::new();
        for j in 0..ny {
            let row = &mask[nx * (j + ny * k)..][..nx];
            let (Some(first), Some(last)) =
                (row.iter().position(|v| *v != 0), row.iter().rposition(|v| *v != 0))
            else {
                continue;
            };
            outline.extend([[first as i32, j as i32], [last as i32, j as i32]]);
        }
        for [i, j] in crate::hull::hull(&mut outline) {
            let p = [2 * i, 2 * j, 2 * k as i32];
            for (axis, step) in [(0, 1), (0, -1), (1, 1), (1, -1), (2, 1), (2, -1)] {
                let mut q = p;
                q[axis] += step;
                points.push(q);
            }
        }
    }
    let place = |p: [i32; 3]| grid.affine.apply(p.map(|v| f64::from(v) / 2.0));
    with_hull(area, six_volumes / 6.0 * grid.voxel_volume_mm3(), &mut points, place)
}

/// A lesion on voxels of 1 mm that are cubes whatever the lesion's own are.
pub struct Isotropic {
    /// Share of the lesion in each voxel, 0 to 1.
    pub share: Vec<f32>,
    pub grid: Grid,
}

/// Voxels of background around an isotropic lesion: four sigma of the widest blur, and one.
const MARGIN: usize = 13;

impl Isotropic {
    /// Brings a lesion to 1 mm by linear interpolation, along the lesion's own axes made orthogonal, about the
    /// middle of its bounds.
    pub fn of(par: &dyn Parallel, window: &Window) -> Option<Self> {
        let from = &window.grid;
        let column = |c: usize| [0, 1, 2].map(|r| from.affine.0[r][c]);
        let x = unit(column(0));
        let y = column(1);
        let y = unit(minus(y, x.map(|v| v * dot(x, y))));
        let z = cross(x, y);
        let middle = from.affine.apply(from.shape.map(|n| (n as f64 - 1.0) / 2.0));
        let mut reach = [0f64; 3];
        for corner in 0..8 {
            let v =
                std::array::from_fn(|a| if corner >> a & 1 == 1 { from.shape[a] as f64 - 1.0 } else { 0.0 });
            let p = minus(from.affine.apply(v), middle);
            for (r, axis) in reach.iter_mut().zip([x, y, z]) {
                *r = r.max(dot(p, axis).abs());
            }
        }
        let half = reach.map(|r| r.ceil() + MARGIN as f64);
        let shape = half.map(|h| 2 * h as usize + 1);
        let origin: [f64; 3] =
            std::array::from_fn(|r| middle[r] - half[0] * x[r] - half[1] * y[r] - half[2] * z[r]);
        let affine = Affine(std::array::from_fn(|r| [x[r], y[r], z[r], origin[r]]));
        let grid = Grid::new(shape, affine).ok()?;
        let map = from.affine.inverse().ok()?.after(&affine);
        let mut share = vec![0f32; grid.len()];
        ichor_image::parallel::for_each_chunk(par, &mut share, shape[0] * shape[1], &|k, plane| {
            for (n, out) in plane.iter_mut().enumerate() {
                *out = window.linear(map.apply([n % shape[0], n / shape[0], k].map(|v| v as f64)));
            }
        });
        Some(Self { share, grid })
    }

    /// The same after a Gaussian blur.
    pub fn blurred(&self, par: &dyn Parallel, sigma_mm: f64) -> Self {
        let mut share = self.share.clone();
        gaussian_in_place(par, &mut share, self.grid.shape, [sigma_mm; 3]);
        Self { share, grid: self.grid }
    }
}

/// The surface of a blurred lesion at level 0.5, vertices by linear interpolation. `None` when nothing reaches
/// the level: the lesion is smaller than the blur.
pub fn mesh_smooth(par: &dyn Parallel, lesion: &Isotropic) -> Option<Surface> {
    let Isotropic { share, grid } = lesion;
    let [nx, ny, nz] = grid.shape;
    let inside = |v: f32| u8::from(v > 0.5);
    let steps = [1, nx, nx * ny];
    let parts = map_ranges(par, nz - 1, 8, &|slices| {
        let (mut area, mut six_volumes, mut points) = (0.0, 0.0, Vec::new());
        for k in slices {
            for j in 0..ny - 1 {
                let begin = nx * (j + ny * k);
                let quad = |i: usize| {
                    let at = begin + i;
                    inside(share[at])
                        | inside(share[at + nx]) << 2
                        | inside(share[at + nx * ny]) << 4
                        | inside(share[at + nx + nx * ny]) << 6
                };
                let mut last = quad(0);
                for i in 1..nx {
                    let here = quad(i);
                    let case = last | here << 1;
                    last = here;
                    if case == 0 || case == 255 {
                        continue;
                    }
                    let at = begin + i - 1;
                    // Where an edge crosses the level, in voxels from the cube's first corner.
                    let vertex = |edge: usize| {
                        let (axis, corner) = ends(edge);
                        let from = at + (0..3).map(|a| steps[a] * (corner >> a & 1)).sum::<usize>();
                        let (u, v) = (f64::from(share[from]), f64::from(share[from + steps[axis]]));
                        let mut p = std::array::from_fn(|a| (corner >> a & 1) as f64);
                        p[axis] = (0.5 - u) / (v - u);
                        p
                    };
                    let place = [i as f64 - 1.0, j as f64, k as f64];
                    for triangle in &cases()[usize::from(case)] {
                        let [a, b, c] = triangle.map(|edge| vertex(usize::from(edge)));
                        area += triangle_area([a, b, c]);
                        six_volumes += dot(cross(minus(b, a), minus(c, a)), place) + dot(a, cross(b, c));
                    }
                    // Each vertex once, from the cube at whose first corner its edge begins.
                    for axis in 0..3 {
                        if (case ^ case >> (1 << axis)) & 1 == 1 {
                            let v = vertex(4 * axis);
                            points.push(std::array::from_fn(|a| ((v[a] + place[a]) * FINE).round() as i32));
                        }
                    }
                }
            }
        }
        (area, six_volumes, points)
    });
    let (mut area, mut six_volumes, mut points) = (0.0, 0.0, Vec::new());
    for (a, v, mut p) in parts {
        area += a;
        six_volumes += v;
        points.append(&mut p);
    }
    let place = |p: [i32; 3]| grid.affine.apply(p.map(|v| f64::from(v) / FINE));
    (six_volumes > 0.0).then(|| with_hull(area, six_volumes / 6.0, &mut points, place))
}

/// Parts of a voxel to which vertices are rounded for the convex hull, which is then exact.
const FINE: f64 = 256.0;

fn with_hull(
    area: f64,
    volume: f64,
    points: &mut Vec<[i32; 3]>,
    place: impl Fn([i32; 3]) -> [f64; 3],
) -> Surface {
    let faces = hull3(points);
    let (mut hull_area, mut six_volumes) = (0.0, 0.0);
    let mut corners: Vec<u32> = faces.iter().flatten().copied().collect();
    corners.sort_unstable();
    corners.dedup();
    let middle = points.first().map_or([0.0; 3], |p| place(*p));
    for face in &faces {
        let [a, b, c] = face.map(|n| minus(place(points[n as usize]), middle));
        hull_area += triangle_area([a, b, c]);
        six_volumes += dot(a, cross(b, c));
    }
    let hull = corners.iter().map(|n| place(points[*n as usize])).collect();
    // A mirrored grid turns faces inside out.
    Surface { area, volume, hull_area, hull_volume: six_volumes.abs() / 6.0, hull }
}

/// Triangles of each of the 256 cases as edges of the cube, seen from outside counter-clockwise. Corner n of the
/// cube lies at bits 0, 1 and 2 of n along i, j and k, and is inside where bit n of the case is set.
///
/// On a face with two inside corners across, both are joined, whatever lies beside it: neighbouring cubes agree,
/// so that the surface is closed. That fits lesions that are connected by corners, too.
fn cases() -> &'static [Vec<[u8; 3]>] {
    static CASES: OnceLock<Vec<Vec<[u8; 3]>>> = OnceLock::new();
    CASES.get_or_init(|| (0..256).map(triangles).collect())
}

fn triangles(case: usize) -> Vec<[u8; 3]> {
    let inside = |corner: usize| case >> corner & 1 == 1;
    // From the edge at which a way around a face leaves the inside to the next at which it comes back.
    let mut next = [None; 12];
    for axis in 0..3 {
        for side in 0..2 {
            let (u, v) = (1 << ((axis + 1) % 3), 1 << ((axis + 2) % 3));
            let mut around = [0, u, u + v, v].map(|c| c + (side << axis));
            if side == 0 {
                around.reverse(); // counter-clockwise from outside
            }
            for n in 0..4 {
                if inside(around[n]) && !inside(around[(n + 1) % 4]) {
                    let back = (1..4).find(|m| inside(around[(n + m + 1) % 4])).unwrap_or(1);
                    next[edge(around[n], around[(n + 1) % 4])] =
                        Some(edge(around[(n + back) % 4], around[(n + back + 1) % 4]));
                }
            }
        }
    }
    let mut out = Vec::new();
    for start in 0..12 {
        let mut ring = Vec::new();
        let mut at = start;
        while let Some(to) = next[at].take() {
            ring.push(at as u8);
            at = to;
        }
        ring.reverse(); // it went around with the inside to its right
        if ring.len() < 3 {
            continue;
        }
        // A ring need not be flat. Of all its triangulations that one counts which gives more to the side with
        // fewer corners, and where both have four, the one of least area.
        let measure = |cut: &[[u8; 3]]| -> f64 {
            let sum = |f: &dyn Fn([[f64; 3]; 3]) -> f64| -> f64 {
                cut.iter().map(|t| f(t.map(|e| middle(usize::from(e))))).sum()
            };
            let area = sum(&triangle_area);
            let volume = sum(&|[a, b, c]| dot(a, cross(b, c)));
            match (0..8).filter(|c| inside(*c)).count() {
                0..=3 => 1e-3 * area - volume,
                4 => area,
                _ => 1e-3 * area + volume,
            }
        };
        let best = triangulations(&ring)
            .into_iter()
            .reduce(|x, y| if measure(&y) < measure(&x) - 1e-9 { y } else { x });
        out.extend(best.into_iter().flatten());
    }
    out
}

/// All ways to cut a ring into triangles.
fn triangulations(ring: &[u8]) -> Vec<Vec<[u8; 3]>> {
    let [first, .., last] = ring else { return vec![Vec::new()] };
    if ring.len() < 3 {
        return vec![Vec::new()];
    }
    let mut out = Vec::new();
    // By the corner of the triangle at the side from the last to the first.
    for n in 1..ring.len() - 1 {
        let after = triangulations(&ring[n..]);
        for before in triangulations(&ring[..=n]) {
            for after in &after {
                out.push([&before[..], after, &[[*first, ring[n], *last]]].concat());
            }
        }
    }
    out
}

/// The edge between two corners: those along i are 0 to 3, along j 4 to 7, along k 8 to 11.
fn edge(a: usize, b: usize) -> usize {
    let axis = (a ^ b).trailing_zeros() as usize;
    let from = a & b;
    // The bits of the other two axes.
    let low = from & ((1 << axis) - 1);
    4 * axis + (low | (from >> (axis + 1)) << axis)
}

/// An edge's axis and the corner where it begins.
fn ends(edge: usize) -> (usize, usize) {
    let (axis, at) = (edge / 4, edge % 4);
    let low = at & ((1 << axis) - 1);
    (axis, low | (at >> axis) << (axis + 1))
}

fn middle(edge: usize) -> [f64; 3] {
    let (axis, corner) = ends(edge);
    let mut p = std::array::from_fn(|a| (corner >> a & 1) as f64);
    p[axis] = 0.5;
    p
}

fn linear_part(affine: &Affine, v: [f64; 3]) -> [f64; 3] {
    affine.0.map(|r| r[0] * v[0] + r[1] * v[1] + r[2] * v[2])
}

fn triangle_area([a, b, c]: [[f64; 3]; 3]) -> f64 {
    let n = cross(minus(b, a), minus(c, a));
    dot(n, n).sqrt() / 2.0
}

fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|c| a[c] - b[c])
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn unit(a: [f64; 3]) -> [f64; 3] {
    let length = dot(a, a).sqrt();
    a.map(|v| v / length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesion::whole;
    use ichor_image::Serial;
    use std::collections::BTreeMap;

    #[test]
    fn edges_and_their_ends_agree() {
        for n in 0..12 {
            let (axis, corner) = ends(n);
            assert_eq!(edge(corner, corner | 1 << axis), n);
            assert_eq!(edge(corner | 1 << axis, corner), n);
        }
    }

    #[test]
    fn neighbouring_cubes_meet_in_the_same_lines() {
        // Of every case, the borders of its triangles on a face must be those of every case with that face,
        // turned round: the surface is closed.
        for axis in 0..3 {
            let mut seen: BTreeMap<Vec<bool>, Vec<[[i64; 3]; 2]>> = BTreeMap::new();
            for case in 0..256usize {
                for side in 0..2 {
                    let on = (0..8).filter(|c| c >> axis & 1 == side);
                    let key: Vec<bool> = on.map(|c| case >> c & 1 == 1).collect();
                    let mut lines: BTreeMap<[[i64; 3]; 2], i32> = BTreeMap::new();
                    for t in triangles(case) {
                        let p = t.map(|e| middle(usize::from(e)).map(|v| (2.0 * v) as i64));
                        for (a, b) in [(p[0], p[1]), (p[1], p[2]), (p[2], p[0])] {
                            if a[axis] == 2 * side as i64 && b[axis] == a[axis] {
                                let flat = |mut v: [i64; 3]| {
                                    v[axis] = 0;
                                    v
                                };
                                let (a, b) = if side == 0 { (flat(a), flat(b)) } else { (flat(b), flat(a)) };
                                *lines.entry([a, b]).or_default() += 1;
                            }
                        }
                    }
                    let inner: Vec<_> =
                        lines.keys().filter(|l| lines.contains_key(&[l[1], l[0]])).copied().collect();
                    lines.retain(|l, _| !inner.contains(l));
                    let lines: Vec<_> = lines.into_keys().collect();
                    assert_eq!(*seen.entry(key).or_insert_with(|| lines.clone()), lines, "case {case}");
                }
            }
        }
    }

    fn draw(grid: &Grid, inside: impl Fn([f64; 3]) -> bool) -> Window {
        let [nx, ny, _] = grid.shape;
        let mask: Vec<u8> = (0..grid.len())
            .map(|n| {
                u8::from(inside(grid.affine.apply([n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64))))
            })
            .collect();
        Window::around(&whole(&mask, grid.shape), grid).unwrap()
    }

    fn ball(spacing: [f64; 3], r: f64) -> Window {
        let shape: [usize; 3] = spacing.map(|s| 2 * (r / s).ceil() as usize + 3);
        let middle: [f64; 3] = std::array::from_fn(|a| -(shape[a] as f64 - 1.0) / 2.0 * spacing[a]);
        let grid = Grid::new(shape, Affine::from_spacing(spacing, middle)).unwrap();
        draw(&grid, |p| dot(p, p) <= r * r)
    }

    fn sphericity(s: &Surface) -> f64 {
        (36.0 * std::f64::consts::PI * s.volume * s.volume).cbrt() / s.area
    }

    #[test]
    fn one_voxel_is_an_octahedron_and_its_own_hull() {
        let grid = Grid::new([3, 3, 3], Affine::from_spacing([2.0; 3], [0.0; 3])).unwrap();
        let s = mesh_ibsi(&Serial, &draw(&grid, |p| p == [2.0; 3]));
        // Vertices 1 mm from the middle.
        let (area, volume) = (4.0 * 3f64.sqrt(), 4.0 / 3.0);
        for (found, expected) in
            [(s.area, area), (s.volume, volume), (s.hull_area, area), (s.hull_volume, volume)]
        {
            assert!((found - expected).abs() < 1e-12, "{s:?}");
        }
        assert_eq!(s.hull.len(), 6);
    }

    #[test]
    fn meshes_of_balls_are_those_of_other_tools() {
        // 50 mL on voxels of 0.5 mm and with slices of 5 mm. Area, volume and those of the convex hull by
        // scikit-image 0.26.0 (marching_cubes, Lewiner) and SciPy's ConvexHull; the smooth one is 1 for a sphere,
        // less what thick slices leave out.
        let r = (50_000.0 * 3.0 / 4.0 / std::f64::consts::PI).cbrt();
        for (spacing, expected, smooth) in [
            ([0.5; 3], [7150.146348158662, 49989.0625, 6655.715555909686, 50952.8125], 0.999),
            ([0.45, 0.45, 5.0], [8341.721345071817, 50206.33125, 7139.962394231359, 55773.73125], 0.955),
        ] {
            let window = ball(spacing, r);
            let s = mesh_ibsi(&Serial, &window);
            for (found, expected) in [s.area, s.volume, s.hull_area, s.hull_volume].into_iter().zip(expected)
            {
                assert!((found / expected - 1.0).abs() < 1e-6, "{found} for {expected}");
            }
            let lesion = Isotropic::of(&Serial, &window).unwrap().blurred(&Serial, 1.0);
            let s = mesh_smooth(&Serial, &lesion).unwrap();
            assert!((sphericity(&s) - smooth).abs() < 0.006, "{} for {smooth}", sphericity(&s));
            assert!(s.hull_volume >= s.volume * 0.9999);
        }
    }

    #[test]
    fn the_digital_phantom_has_the_initiatives_reference_values() {
        // IBSI 1 digital phantom, 5 x 4 x 4 voxels of 2 mm (Zwanenburg and IBSI, CC BY 4.0), rows of i.
        let rows =
            "11111 11111 11111 11111 11111 11111 01111 11111 11100 11111 11011 11111 11100 11111 11111 11111";
        let mask: Vec<u8> = rows.bytes().filter(|b| *b != b' ').map(|b| b - b'0').collect();
        let grid = Grid::new([5, 4, 4], Affine::from_spacing([2.0; 3], [0.0; 3])).unwrap();
        let s = mesh_ibsi(&Serial, &Window::around(&whole(&mask, grid.shape), &grid).unwrap());
        let diameter = crate::diameter::largest_distance(&Serial, &s.hull).unwrap().0;
        for (name, found, reference, tolerance) in [
            ("volume RNU0", s.volume, 556.0, 4.0),
            ("area C0JK", s.area, 388.0, 3.0),
            ("sphericity QCFX", sphericity(&s), 0.843, 0.005),
            ("diameter L0JK", diameter, 13.1, 0.1),
            ("volume over hull R3ER", s.volume / s.hull_volume, 0.961, 0.006),
            ("area over hull 7T7F", s.area / s.hull_area, 1.03, 0.01),
        ] {
            assert!((found - reference).abs() <= tolerance, "{name}: {found} for {reference}");
        }
    }

    #[test]
    fn flips_turns_and_scale_change_nothing_else() {
        let inside = |p: [f64; 3]| {
            p[0].powi(2) / 36.0 + p[1].powi(2) / 16.0 + p[2].powi(2) / 9.0 <= 1.0
                || p[1] > 0.0 && p[1] < 7.0 && p[0].abs() < 1.0 && p[2].abs() < 1.1
        };
        let grid = |m: [[f64; 3]; 3]| {
            let middle = [15.0, 14.0, 13.0];
            let row = |r: [f64; 3]| [r[0], r[1], r[2], -dot(r, middle)];
            Grid::new([31, 29, 27], Affine(m.map(row))).unwrap()
        };
        let s = mesh_ibsi(&Serial, &draw(&grid([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]]), inside));
        let flipped =
            mesh_ibsi(&Serial, &draw(&grid([[-0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]]), inside));
        let doubled = |p: [f64; 3]| inside(p.map(|v| v / 2.0));
        let large =
            mesh_ibsi(&Serial, &draw(&grid([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), doubled));
        for (found, expected) in [
            (flipped.volume, s.volume),
            (flipped.hull_volume, s.hull_volume),
            (flipped.hull_area, s.hull_area),
            (large.volume, 8.0 * s.volume),
            (large.area, 4.0 * s.area),
            (large.hull_area, 4.0 * s.hull_area),
        ] {
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} for {expected}");
        }
        // How a ring that is not flat is cut into triangles may differ in the mirror.
        assert!((flipped.area / s.area - 1.0).abs() < 2e-3);
    }
}
