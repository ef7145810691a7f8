//! The rows of the table, each with its definition.

use super::foci::Foci;
use super::fractal::fractal_dimension;
use super::moments::variances;
use super::pockets::pockets;
use super::profile::Profile;
use super::slice::Slice;
use crate::diameter::largest_distance;
use crate::fragile::note;
use crate::lesion::Lesion;
use crate::mesh::{Isotropic, Surface, Window, mesh_ibsi, mesh_smooth};
use crate::plane::Plane;
use ichor_image::{Connectivity, components, open, parallel::map_ranges};
use ichor_sdk::prelude::*;
use std::f64::consts::PI;

/// Least part of the largest slice's area for a slice's outline to count.
const SLICE_SHARE: f64 = 0.25;

/// Shape of one lesion, or of all. `satellites` are counted for the grade; `None` leaves them out.
pub fn shape(
    table: &mut Table,
    par: &dyn Parallel,
    name: &str,
    lesion: &Lesion,
    grid: &Grid,
    satellites: Option<usize>,
) {
    let enough = lesion.voxels() >= 8 && lesion.slices().count() >= 2;
    let window = Window::around(lesion, grid);
    let solid = window.as_ref().filter(|_| enough);
    let mesh = solid.map(|w| mesh_ibsi(par, w));
    let isotropic = solid.and_then(|w| Isotropic::of(par, w));
    let smooth = isotropic.as_ref().and_then(|i| mesh_smooth(par, &i.blurred(par, 1.0)));
    let blurred = isotropic.as_ref().and_then(|i| mesh_smooth(par, &i.blurred(par, 3.0)));
    let outlines = window.as_ref().map(|w| Outlines::of(par, w, &Plane::of(grid)));

    let mut add = |quantity: &str, value: Cell, unit: &str, definition: String| {
        let definition = definition + &note(quantity);
        let definition = if matches!(value, Cell::Null) {
            format!(
                "{definition}; undefined here: {}",
                if lesion.runs.is_empty() {
                    "the mask is empty"
                } else if enough {
                    "the lesion is too small for it"
                } else {
                    "fewer than 8 voxels or one slice"
                }
            )
        } else {
            definition
        };
        table.measure(name, quantity, value, unit, &definition);
    };
    let volume = lesion.voxels() as f64 * grid.voxel_volume_mm3() / 1000.0;
    add("volume", volume.into(), "mL", "number of voxels times the volume of a voxel (IBSI YEKZ)".into());
    add(
        "volume_mesh",
        mesh.as_ref().map(|m| m.volume / 1000.0).into(),
        "mL",
        "volume inside the mesh of the mask (IBSI RNU0)".into(),
    );
    scalars(
        &mut add,
        par,
        mesh.as_ref(),
        "",
        "mesh by marching cubes at 0.5 of the mask; grows with slice thickness",
    );
    let note =
        "mesh at 0.5 of the mask on 1 mm voxels after a Gaussian of 1 mm; still moves at slices of 5 mm";
    scalars(&mut add, par, smooth.as_ref(), "_smooth", note);

    let axes = enough.then(|| variances(lesion, grid)).flatten().filter(|l| l[0] > 0.0);
    let ratio = |n: usize| axes.map(|l| (l[n] / l[0]).sqrt());
    add("elongation", ratio(1).into(), "1", "√(λ2/λ1) of the voxels' positions (IBSI Q3CK)".into());
    add("flatness", ratio(2).into(), "1", "√(λ3/λ1) of the voxels' positions (IBSI N17B)".into());

    let rough = smooth.as_ref().zip(blurred.as_ref()).map(|(a, b)| a.area / b.area);
    add(
        "edge_roughness",
        rough.into(),
        "1",
        "area of the smooth mesh over that after a Gaussian of 3 mm; small lesions shrink and read higher"
            .into(),
    );
    let fractal = isotropic.as_ref().and_then(fractal_dimension);
    add(
        "fractal_dimension",
        fractal.map(|f| f.0).into(),
        "1",
        "box-counting dimension of the border on 1 mm voxels, boxes of 1, 2, 4 and 8 mm; biased at the size of a \
         haematoma: not for thresholds"
            .into(),
    );
    add(
        "fractal_dimension_r2",
        fractal.map(|f| f.1).into(),
        "1",
        "R² of the line fitted for fractal_dimension".into(),
    );
    add(
        "protuberances_opening",
        isotropic.as_ref().map(|i| left_by_opening(par, i)).into(),
        "1",
        "parts of at least 0.05 mL that an opening by a ball of 8 mm radius leaves over, on 1 mm voxels; misses broad \
         lobes"
            .into(),
    );
    outline_rows(&mut add, outlines.as_ref());
    grade_rows(&mut add, outlines.as_ref(), satellites, smooth.as_ref());
}

type Add<'a> = dyn FnMut(&str, Cell, &str, String) + 'a;

fn scalars(add: &mut Add, par: &dyn Parallel, mesh: Option<&Surface>, suffix: &str, note: &str) {
    let of = |f: &dyn Fn(&Surface) -> f64| -> Cell { mesh.map(f).into() };
    let spherical = |m: &Surface| (36.0 * PI * m.volume * m.volume).cbrt() / m.area;
    let rows: [(&str, Cell, &str, &str); 11] = [
        ("surface_area", of(&|m| m.area), "mm2", "area A (IBSI C0JK)"),
        ("surface_to_volume", of(&|m| m.area / m.volume), "1/mm", "A/V (IBSI 2PR5)"),
        ("compactness1", of(&|m| m.volume / (PI.sqrt() * m.area.powf(1.5))), "1", "V/(√π A^1.5) (IBSI SKGS)"),
        ("compactness2", of(&|m| spherical(m).powi(3)), "1", "36π V²/A³ (IBSI BQWJ)"),
        ("sphericity", of(&spherical), "1", "(36π V²)^(1/3)/A (IBSI QCFX)"),
        ("spherical_disproportion", of(&|m| 1.0 / spherical(m)), "1", "A/(36π V²)^(1/3) (IBSI KRCK)"),
        ("asphericity", of(&|m| 1.0 / spherical(m) - 1.0), "1", "(A³/(36π V²))^(1/3) - 1 (IBSI 25C7)"),
        (
            "solidity",
            of(&|m| m.volume / m.hull_volume),
            "1",
            "V over the volume of the convex hull (IBSI R3ER)",
        ),
        (
            "convexity_area",
            of(&|m| m.hull_area / m.area),
            "1",
            "area of the convex hull over A (inverse of IBSI 7T7F)",
        ),
        ("hull_volume", of(&|m| m.hull_volume / 1000.0), "mL", "volume of the convex hull of the mesh"),
        (
            "max_diameter_3d",
            mesh.and_then(|m| largest_distance(par, &m.hull)).map(|d| d.0).into(),
            "mm",
            "largest distance between vertices of the mesh (IBSI L0JK)",
        ),
    ];
    for (name, value, unit, definition) in rows {
        add(&format!("{name}{suffix}"), value, unit, format!("{definition}; {note}"));
    }
}

/// What an opening by a ball of 8 mm leaves over, in parts of at least 0.05 mL.
fn left_by_opening(par: &dyn Parallel, lesion: &Isotropic) -> usize {
    let shape = lesion.grid.shape;
    let mask: Vec<u8> = lesion.share.iter().map(|s| u8::from(*s >= 0.5)).collect();
    let mut rest = open(par, &mask, shape, [1.0; 3], 8.0);
    rest.iter_mut().zip(&mask).for_each(|(r, m)| *r = m & (1 - *r));
    components(par, &rest, shape, Connectivity::TwentySix).sizes.iter().filter(|n| **n >= 50).count()
}

/// The outlines of a lesion's larger slices.
struct Outlines {
    /// Of each slice of at least a quarter of the largest area.
    each: Vec<Outline>,
    /// The one with the largest area.
    largest: usize,
}

struct Outline {
    profile: Profile,
    protuberances: usize,
    /// Those beyond the ellipse, or as before where a profile cannot follow the outline.
    beyond_ellipse: usize,
}

impl Outlines {
    fn of(par: &dyn Parallel, window: &Window, plane: &Plane) -> Self {
        let [nx, ny, nz] = window.grid.shape;
        let areas: Vec<usize> =
            window.mask.chunks(nx * ny).map(|s| s.iter().filter(|v| **v != 0).count()).collect();
        let most = areas.iter().copied().max().unwrap_or(0);
        let outline = |k: usize| {
            if areas[k] == 0 || (areas[k] as f64) < SLICE_SHARE * most as f64 {
                return None;
            }
            let part = Slice::of(window, k, plane).largest_part();
            let profile = Profile::of(&part)?;
            let (protuberances, beyond_ellipse) = if profile.star {
                (profile.protuberances(), profile.beyond_ellipse())
            } else {
                let n = pockets(&part);
                (n, n)
            };
            Some((areas[k], Outline { profile, protuberances, beyond_ellipse }))
        };
        let found = map_ranges(par, nz, 1, &|range| outline(range.start));
        let mut out = Self { each: Vec::new(), largest: 0 };
        let mut largest = 0;
        for (area, outline) in found.into_iter().flatten() {
            if area > largest {
                (largest, out.largest) = (area, out.each.len());
            }
            out.each.push(outline);
        }
        out
    }

    fn largest(&self) -> Option<&Outline> {
        self.each.get(self.largest)
    }

    fn most(&self, f: impl Fn(&Outline) -> usize) -> Option<usize> {
        self.each.iter().map(f).max()
    }
}

fn outline_rows(add: &mut Add, outlines: Option<&Outlines>) {
    let rule = "local maxima of 2 mm prominence of the distance from the centroid to the outline of an axial slice's \
                largest part, 180 directions, Gaussian of 4 degrees; where a ray leaves the slice more than once, \
                concavities deeper than 2 mm";
    let largest = outlines.and_then(Outlines::largest);
    let counts = outlines.map(|o| {
        let mut all: Vec<usize> = o.each.iter().map(|e| e.protuberances).collect();
        all.sort_unstable();
        all
    });
    let median = counts.as_ref().filter(|c| !c.is_empty()).map(|c| {
        let n = c.len();
        (c[(n - 1) / 2] + c[n / 2]) as f64 / 2.0
    });
    add(
        "protuberances",
        largest.map(|o| o.protuberances).into(),
        "1",
        format!("{rule}; in the slice with the largest area"),
    );
    add(
        "protuberances_median",
        median.into(),
        "1",
        "median of protuberances over slices of at least 25 % of the largest area".into(),
    );
    add(
        "protuberances_max",
        counts.as_ref().and_then(|c| c.last().copied()).into(),
        "1",
        "most protuberances in a slice of at least 25 % of the largest area".into(),
    );
    add(
        "star_shaped",
        largest.map(|o| o.profile.star).into(),
        "",
        "whether each ray from the centroid leaves the slice with the largest area once".into(),
    );
    add(
        "roughness",
        largest.map(|o| o.profile.roughness()).into(),
        "mm",
        "root mean square of the distances of protuberances that waves up to k = 3 around the outline leave"
            .into(),
    );
    let waves = largest.map(|o| o.profile.waves());
    let strongest = waves.map(|w| (1..=12).fold(1, |best, k| if w[k - 1] > w[best - 1] { k } else { best }));
    add("fourier_k", strongest.into(), "1", "strongest of the waves k = 1 to 12 around the outline".into());
    for k in 1..=12 {
        add(
            &format!("fourier_{k}"),
            waves.map(|w| w[k - 1]).into(),
            "1",
            format!(
                "amplitude of the wave k = {k} around the outline over the mean radius; below 0.02 it is noise of the voxels"
            ),
        );
    }
}

fn grade_rows(
    add: &mut Add,
    outlines: Option<&Outlines>,
    satellites: Option<usize>,
    smooth: Option<&Surface>,
) {
    let beyond = outlines.and_then(|o| o.most(|e| e.beyond_ellipse));
    let features = beyond.map(|b| b + satellites.unwrap_or(0));
    let grade = features.map(|p| 1 + p.min(4));
    let counted = if satellites.is_some() { " plus the satellites" } else { ", satellites not counted" };
    add(
        "barras_shape_surrogate",
        grade.into(),
        "1",
        format!(
            "1 + p, at most 5: p = most protuberances beyond the best ellipse in an axial slice{counted}; a computed \
             stand-in for the printed scale of Barras 2009, not validated on patients"
        ),
    );
    add(
        "barras_irregular",
        grade.map(|g| g >= 3).into(),
        "",
        "barras_shape_surrogate of 3 or more (Barras 2009: 1-2 regular, 3-5 irregular)".into(),
    );
    let largest = outlines.and_then(Outlines::largest);
    let rough = largest.zip(smooth).map(|(o, s)| {
        o.protuberances >= 2 && (o.profile.roughness() >= 1.0 || s.volume / s.hull_volume < 0.9)
    });
    add(
        "irregular_shape",
        rough.into(),
        "",
        "several protuberances and no smooth edge: protuberances of 2 or more, and roughness of 1 mm or more or \
         solidity_smooth below 0.90; thresholds of this project"
            .into(),
    );
}

/// What the lesions are to each other.
pub fn apart(
    table: &mut Table,
    whole: &Lesion,
    each: &[Lesion],
    grid: &Grid,
    foci: Option<&Foci>,
    min_ml: f64,
) {
    let ml = |lesion: &Lesion| lesion.voxels() as f64 * grid.voxel_volume_mm3() / 1000.0;
    let mut add = |name: &str, value: Cell, unit: &str, definition: &str| {
        let empty = if matches!(value, Cell::Null) { "; undefined here: the mask is empty" } else { "" };
        table.measure("all", name, value, unit, &format!("{definition}{}{empty}", note(name)));
    };
    add("components", each.len().into(), "1", "lesions whose voxels touch by a face, an edge or a corner");
    let floor = format!("components of at least {min_ml} mL");
    add("components_counted", each.iter().filter(|l| ml(l) >= min_ml).count().into(), "1", &floor);
    let share = each.first().map(|main| main.voxels() as f64 / whole.voxels() as f64);
    add("main_share", share.into(), "1", "volume of the largest component over that of all");
    let separate = foci.map(Foci::separate);
    let (satellites, joined) = (foci.map(Foci::satellites), foci.map(Foci::joined));
    add(
        "satellites",
        satellites.into(),
        "1",
        &format!(
            "foci of at least {min_ml} mL, below 10 mm in every slice, that lie 1 to 20 mm from the main haemorrhage in \
             an axial slice without touching it there (Shimoda 2017); slices of 2.5 mm and more show some joined lobes apart; only blood in the brain may be in the mask"
        ),
    );
    add("satellite_sign", satellites.map(|n| n > 0).into(), "", "at least one satellite (Shimoda 2017)");
    add(
        "separate_foci",
        separate.into(),
        "1",
        &format!(
            "foci of at least {min_ml} mL and at most 20 mm, at least 1 mm from the main haemorrhage in an axial slice"
        ),
    );
    add(
        "joined_foci",
        joined.into(),
        "1",
        "round lobes of the main haemorrhage in axial slices, those of neighbouring slices as one: left over by an \
         opening, neck at most 0.7 of the lobe's width, area at least 0.9 of its convex hull, nowhere a separate focus",
    );
    let island = separate.zip(joined).map(|(s, j)| s >= 3 || j > 0 && s + j >= 4);
    add(
        "island_sign",
        island.into(),
        "",
        "three or more separate foci, or four or more foci of which some are joined to the main haemorrhage (Li 2017); \
         thresholds for what is joined are this project's",
    );
}
