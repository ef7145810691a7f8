use super::*;
use ichor_image::Serial;

const THIN: [f64; 3] = [0.45, 0.45, 0.5];
const THICK: [f64; 3] = [0.45, 0.45, 5.0];

fn grid(spacing: [f64; 3], half_mm: f64) -> Grid {
    let shape: [usize; 3] = spacing.map(|s| 2 * (half_mm / s).ceil() as usize + 3);
    let low: [f64; 3] = std::array::from_fn(|a| -(shape[a] as f64 - 1.0) / 2.0 * spacing[a]);
    Grid::new(shape, Affine::from_spacing(spacing, low)).unwrap()
}

/// A table of the mask of voxels whose centres are inside.
fn table(grid: &Grid, per_lesion: bool, inside: impl Fn([f64; 3]) -> bool) -> Table {
    let [nx, ny, _] = grid.shape;
    let mask: Vec<u8> = (0..grid.len())
        .map(|n| u8::from(inside(grid.affine.apply([n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64)))))
        .collect();
    let settings = BiomarkerIrregularity { per_lesion, min_focus_ml: 0.05 };
    measure(&Serial, &mask, grid, &settings, &|| Ok(())).unwrap()
}

fn cell(table: &Table, lesion: &str, name: &str) -> Cell {
    let row = table.rows.iter().find(|r| r[0] == Cell::from(lesion) && r[1] == Cell::from(name));
    row.unwrap_or_else(|| panic!("no {name} of {lesion}"))[2].clone()
}

fn number(table: &Table, name: &str) -> f64 {
    match cell(table, "all", name) {
        Cell::Num(x) => x,
        Cell::Int(n) => n as f64,
        other => panic!("{name} is {other:?}"),
    }
}

fn ball(p: [f64; 3], c: [f64; 3], r: f64) -> bool {
    (0..3).map(|a| (p[a] - c[a]).powi(2)).sum::<f64>() <= r * r
}

#[test]
fn a_ball_is_round_and_nothing_else() {
    for (spacing, rough, smooth, solid) in [(THIN, 0.91, 0.998, 0.97), (THICK, 0.78, 0.95, 0.90)] {
        let t = table(&grid(spacing, 23.0), true, |p| ball(p, [0.0; 3], 22.0));
        assert!((number(&t, "sphericity") - rough).abs() < 0.02, "{}", number(&t, "sphericity"));
        assert!(
            (number(&t, "sphericity_smooth") - smooth).abs() < 0.006,
            "{}",
            number(&t, "sphericity_smooth")
        );
        assert!((number(&t, "solidity") - solid).abs() < 0.02, "{}", number(&t, "solidity"));
        assert!((number(&t, "elongation") - 1.0).abs() < 0.03);
        for name in ["protuberances", "protuberances_max", "satellites", "separate_foci", "joined_foci"] {
            assert_eq!(number(&t, name), 0.0, "{name} at {spacing:?}");
        }
        assert_eq!(number(&t, "barras_shape_surrogate"), 1.0);
        for name in ["satellite_sign", "island_sign", "irregular_shape", "barras_irregular"] {
            assert_eq!(cell(&t, "all", name), Cell::Bool(false), "{name}");
        }
        // One lesion: the same by itself.
        assert_eq!(cell(&t, "1", "surface_area"), cell(&t, "all", "surface_area"));
    }
}

#[test]
fn an_ellipsoid_has_its_volume_surface_and_hull() {
    let (a, b, c) = (30.0, 20.0, 15.0);
    // Thomsen's formula, within 1.2 %; the integral gives 5735.
    let volume = 4.0 / 3.0 * std::f64::consts::PI * a * b * c / 1000.0;
    let t = table(&grid(THIN, 31.0), false, |p| {
        (p[0] / a).powi(2) + (p[1] / b).powi(2) + (p[2] / c).powi(2) <= 1.0
    });
    assert!((number(&t, "volume") / volume - 1.0).abs() < 0.005);
    let p = 1.6075;
    let mean = ((a * b).powf(p) + (a * c).powf(p) + (b * c).powf(p)) / 3.0;
    let area = 4.0 * std::f64::consts::PI * mean.powf(1.0 / p);
    assert!((number(&t, "surface_area_smooth") / area - 1.0).abs() < 0.015);
    assert!(number(&t, "solidity_smooth") > 0.985);
    assert!(
        (number(&t, "elongation") - b / a).abs() < 0.005 && (number(&t, "flatness") - c / a).abs() < 0.005
    );
    assert!((number(&t, "max_diameter_3d") - 2.0 * a).abs() < 0.9);
    // An ellipse has two ends, and none beyond itself.
    assert_eq!((number(&t, "protuberances"), number(&t, "barras_shape_surrogate")), (2.0, 1.0));
}

#[test]
fn lobes_are_counted() {
    for spacing in [THIN, THICK] {
        for lobes in [0, 3, 5, 8] {
            let n = f64::from(lobes);
            let t = table(&grid(spacing, 26.0), false, |p| {
                let radius =
                    if lobes == 0 { 20.0 } else { 20.0 * (1.0 + 0.2 * (n * p[1].atan2(p[0])).cos()) };
                p[0].hypot(p[1]) <= radius * (1.0 - (p[2] / 20.0).powi(2)).max(0.0).sqrt()
            });
            assert_eq!(number(&t, "protuberances"), n, "{spacing:?}");
            if lobes > 0 {
                assert_eq!(number(&t, "fourier_k"), n);
                assert_eq!(number(&t, "barras_shape_surrogate"), (1.0 + n).min(5.0));
                assert_eq!(cell(&t, "all", "barras_irregular"), Cell::Bool(true));
            }
        }
    }
}

#[test]
fn a_crescent_is_not_star_shaped_and_has_one_hollow() {
    let t = table(&grid(THIN, 26.0), false, |p| ball(p, [0.0; 3], 25.0) && !ball(p, [12.0, 0.0, 0.0], 20.0));
    assert_eq!(cell(&t, "all", "star_shaped"), Cell::Bool(false));
    assert_eq!(number(&t, "protuberances"), 1.0);
}

#[test]
fn satellites_are_small_near_and_apart() {
    // Diameter, gap: a satellite is below 10 mm and within 20 mm.
    for spacing in [THIN, THICK] {
        for (diameter, gap, satellites) in [
            (5.5, 5.0, 1.0),
            (5.5, 18.5, 1.0),
            (5.5, 21.5, 0.0),
            (9.0, 5.0, 1.0),
            (11.0, 5.0, 0.0),
            (15.0, 5.0, 0.0),
        ] {
            let at = [-15.0 - gap - diameter / 2.0 + 10.0, 0.0, 0.0];
            let t = table(&grid(spacing, 40.0), false, |p| {
                ball(p, [10.0, 0.0, 0.0], 15.0) || ball(p, at, diameter / 2.0)
            });
            assert_eq!(number(&t, "satellites"), satellites, "{diameter} mm at {gap} mm, {spacing:?}");
            assert_eq!(cell(&t, "all", "satellite_sign"), Cell::Bool(satellites > 0.0));
            assert_eq!(number(&t, "components"), 2.0);
        }
    }
}

#[test]
fn islands_are_three_apart_or_four_with_some_joined() {
    for spacing in [THIN, THICK] {
        for (separate, joined, island) in
            [(2, 0, false), (3, 0, true), (4, 0, true), (0, 3, false), (0, 4, true), (1, 3, true)]
        {
            let t = table(&grid(spacing, 32.0), false, |p| {
                ball(p, [0.0; 3], 15.0)
                    || (0..separate + joined).any(|n| {
                        let (s, c) = (f64::from(n) * 1.2).sin_cos();
                        let r = if n < separate { 22.0 } else { 18.2 };
                        ball(p, [r * c, r * s, 0.0], 4.0)
                    })
            });
            let found = (number(&t, "separate_foci"), number(&t, "joined_foci"));
            assert_eq!(found, (f64::from(separate), f64::from(joined)), "{spacing:?}");
            assert_eq!(cell(&t, "all", "island_sign"), Cell::Bool(island), "{separate} and {joined}");
        }
    }
}

#[test]
fn what_is_undefined_is_null_and_says_why() {
    let empty = table(&grid(THICK, 20.0), true, |_| false);
    assert_eq!((number(&empty, "volume"), number(&empty, "components")), (0.0, 0.0));
    let small = table(&grid(THICK, 20.0), true, |p| p[2].abs() < 1.0 && ball(p, [0.0; 3], 9.0));
    for (t, reason) in [(empty, "the mask is empty"), (small, "one slice")] {
        for name in
            ["sphericity", "solidity_smooth", "max_diameter_3d", "fractal_dimension", "irregular_shape"]
        {
            assert_eq!(cell(&t, "all", name), Cell::Null, "{name}");
        }
        for row in t.rows.iter().filter(|r| r[2] == Cell::Null) {
            assert!(
                matches!(&row[4], Cell::Text(d) if d.contains("undefined here") && d.contains(reason)),
                "{row:?}"
            );
        }
        assert!(t.rows.iter().all(|r| !matches!(r[2], Cell::Num(x) if !x.is_finite())));
    }
}

/// The part of the stage that other tools' shape classes measure, on the mask of `tests/peers/shape.py --mask FILE`:
/// `SHAPE_MASK=FILE cargo test --release -p ichor-plugin-biomarkers --lib time_of_shape -- --ignored --nocapture`.
#[test]
#[ignore = "prints a time"]
#[allow(clippy::print_stdout, reason = "a benchmark for developers")]
fn time_of_shape() {
    let grid = Grid::new([512, 512, 400], Affine::from_spacing([0.43, 0.43, 0.45], [0.0; 3])).unwrap();
    let mask = std::fs::read(std::env::var("SHAPE_MASK").unwrap()).unwrap();
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let start = std::time::Instant::now();
            let found = Clusters::new(&Serial, &mask, grid.shape, Connectivity::TwentySix);
            let window = crate::mesh::Window::around(&of_clusters(&found, false).0, &grid).unwrap();
            let mesh = crate::mesh::mesh_ibsi(&Serial, &window);
            crate::diameter::largest_distance(&Serial, &mesh.hull).unwrap();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{:.4} s: lesions, crop, mesh, area, volume, convex hull and largest diameter, 1 thread",
        times[4]
    );
}
