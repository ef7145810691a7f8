use super::*;
use ichor_image::{Serial, parallel::Threads};
use std::collections::BTreeMap;

/// What other tools said about the cases below: case, tool, metric, value. `tests/peers/metrics.py` records it.
const RECORDED: &str = include_str!("../../../../tests/peers/metrics.tsv");

struct Case {
    grid: Grid,
    reference: Vec<u8>,
    mask: Vec<u8>,
}

fn grid(shape: [usize; 3], spacing: [f64; 3]) -> Grid {
    Grid::new(shape, Affine::from_spacing(spacing, [0.0; 3])).unwrap()
}

fn draw(grid: &Grid, inside: impl Fn([usize; 3], [f64; 3]) -> bool) -> Vec<u8> {
    let [nx, ny, _] = grid.shape;
    let s = grid.spacing();
    (0..grid.len())
        .map(|n| [n % nx, n / nx % ny, n / nx / ny])
        .map(|v| u8::from(inside(v, std::array::from_fn(|a| v[a] as f64 * s[a]))))
        .collect()
}

fn ball(p: [f64; 3], c: [f64; 3], r: f64) -> bool {
    (0..3).map(|a| (p[a] - c[a]).powi(2)).sum::<f64>() <= r * r
}

/// The cases of `tests/peers/metrics.py`.
fn case(name: &str) -> Case {
    type Inside<'a> = &'a dyn Fn([usize; 3], [f64; 3]) -> bool;
    let make = |shape, spacing, reference: Inside, mask: Inside| {
        let grid = grid(shape, spacing);
        Case { grid, reference: draw(&grid, reference), mask: draw(&grid, mask) }
    };
    let small = |reference: Inside, mask: Inside| make([20, 24, 10], [1.0, 1.0, 3.0], reference, mask);
    match name {
        "lobe" => {
            let reference = |p| ball(p, [12.0, 16.0, 30.0], 9.0);
            let mask = |p| ball(p, [12.5, 16.0, 30.0], 8.5) || ball(p, [25.0, 16.0, 30.0], 4.5);
            make([64, 64, 24], [0.5, 0.5, 2.5], &|_, p| reference(p), &|v, p| {
                if v[0] < 3 { reference(p) } else { mask(p) }
            })
        }
        "thick" => make(
            [48, 48, 9],
            [0.5, 0.5, 5.0],
            &|v, p| {
                let cavity = (23..26).contains(&v[0]) && (23..26).contains(&v[1]) && v[2] == 4;
                ball(p, [12.0, 12.0, 20.0], 9.0) && !cavity
            },
            &|v, p| {
                let speck = (44..46).contains(&v[0]) && (44..46).contains(&v[1]) && v[2] == 2;
                (ball(p, [13.0, 12.5, 20.0], 8.5) && v[2] != 4) || speck
            },
        ),
        "turned" => make([24, 64, 64], [2.5, 0.5, 0.5], &|_, p| ball(p, [30.0, 12.0, 16.0], 9.0), &|_, p| {
            ball(p, [30.0, 12.5, 17.0], 9.5)
        }),
        "cut" => small(&|_, p| ball(p, [0.0, 4.0, 3.0], 8.0), &|_, p| ball(p, [1.0, 2.0, 0.0], 7.0)),
        "nested" => small(&|_, p| ball(p, [10.0, 12.0, 15.0], 8.0), &|v, _| v == [10, 12, 5]),
        "single" => small(&|v, _| v == [3, 4, 5], &|v, _| v == [6, 8, 5]),
        "same" => small(&|_, p| ball(p, [10.0, 12.0, 15.0], 7.0), &|_, p| ball(p, [10.0, 12.0, 15.0], 7.0)),
        "apart" => small(&|_, p| ball(p, [4.0, 4.0, 6.0], 3.0), &|_, p| ball(p, [15.0, 19.0, 24.0], 4.0)),
        name => panic!("no case {name}"),
    }
}

fn stage(convention: Convention) -> EvaluateSegmentation {
    EvaluateSegmentation { convention, tolerance_mm: 1.0, hit_fraction: 0.0, per_lesion: true }
}

fn run(par: &dyn Parallel, stage: &EvaluateSegmentation, case: &Case) -> Table {
    stage.evaluate(par, &case.mask, &case.reference, &case.grid, &|| Ok(())).unwrap()
}

fn value(table: &Table, lesion: &str, name: &str) -> Cell {
    let row = table.rows.iter().find(|r| r[0] == Cell::from(lesion) && r[1] == Cell::from(name));
    row.unwrap_or_else(|| panic!("no {name} of {lesion}"))[2].clone()
}

fn number(table: &Table, name: &str) -> f64 {
    match value(table, "all", name) {
        Cell::Num(x) => x,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn metrics_are_those_of_other_tools() {
    let mut cases: BTreeMap<&str, Case> = BTreeMap::new();
    let mut compared = 0;
    for line in RECORDED.lines().skip(1) {
        let [name, tool, metric, recorded] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{line}"));
        let case = cases.entry(name).or_insert_with(|| case(name));
        let want: f64 = recorded.parse().unwrap();
        if metric == "voxels" {
            let drawn = if tool == "mask" { &case.mask } else { &case.reference };
            assert_eq!(drawn.iter().filter(|v| **v != 0).count() as f64, want, "{name}: {tool}");
            continue;
        }
        let convention = match tool.split([' ', ',']).next() {
            Some("MONAI" | "border6") => Convention::Border6,
            Some("voxels" | "SimpleITK") => Convention::Voxels,
            Some("axial4") => Convention::Axial4,
            Some("MedPy") => Convention::MedPy,
            Some("surface-distance") => Convention::SurfaceDistance,
            _ => panic!("{tool} follows no convention"),
        };
        let got = number(&run(&Serial, &stage(convention), case), metric);
        // MONAI computes in single precision.
        let tolerance = if tool.starts_with("MONAI") { 1e-5 } else { 1e-12 };
        assert!(
            (got - want).abs() <= tolerance * want.max(1.0),
            "{name}, {tool}, {metric}: {got} for {want}"
        );
        compared += 1;
    }
    assert!(compared > 250, "{compared}");
}

#[test]
fn the_papers_convention_mixes_voxels_and_borders() {
    for name in ["lobe", "thick", "turned", "cut", "nested"] {
        let case = case(name);
        let [paper, voxels, border] = [Convention::Paper, Convention::Voxels, Convention::Border6]
            .map(|c| run(&Serial, &stage(c), &case));
        for metric in ["hd", "hd95", "mhd"] {
            assert_eq!(number(&paper, metric), number(&voxels, metric));
        }
        for metric in ["cmd", "assd", "surface_dice"] {
            assert_eq!(number(&paper, metric), number(&border, metric));
        }
    }
}

#[test]
fn a_shift_by_voxels_is_the_distance() {
    // 5 voxels of 0.43 mm along x; the surfaces agree within that.
    let grid = grid([60, 40, 12], [0.43, 0.43, 5.0]);
    let cube =
        |v: [usize; 3], x: usize| (x..x + 20).contains(&v[0]) && (5..25).contains(&v[1]) && v[2] / 2 == 2;
    let (reference, mask) = (draw(&grid, |v, _| cube(v, 10)), draw(&grid, |v, _| cube(v, 15)));
    let case = Case { grid, reference, mask };
    for convention in [Convention::Paper, Convention::Border6, Convention::SurfaceDistance] {
        let mut stage = stage(convention);
        stage.tolerance_mm = 5.0 * 0.43;
        let t = run(&Serial, &stage, &case);
        assert_eq!(number(&t, "hd"), 5.0 * 0.43);
        assert_eq!(number(&t, "surface_dice"), 1.0);
        assert_eq!(number(&t, "dice"), 0.75);
        assert_eq!((number(&t, "avd"), number(&t, "avd_ml")), (0.0, 0.0));
    }
}

#[test]
fn a_sheared_grid_is_measured_in_the_world() {
    // Slices 5 mm apart, each moved by 3.2 mm along j: the nearest voxel is not the one above.
    let affine = Affine([[0.4, 0.0, 0.0, 0.0], [0.0, 0.4, 3.2, 0.0], [0.0, 0.0, 5.0, 0.0]]);
    let grid = Grid::new([8, 30, 4], affine).unwrap();
    let reference = draw(&grid, |v, _| v[2] == 1 && (2..6).contains(&v[0]));
    let mask = draw(&grid, |v, _| v[2] == 2 && v[0] == 3 && v[1] < 10);
    let case = Case { grid, reference, mask };
    for convention in [Convention::Paper, Convention::Border6, Convention::Voxels] {
        let t = run(&Serial, &stage(convention), &case);
        let place = |v: usize| affine.apply([v % 8, v / 8 % 30, v / 240].map(|v| v as f64));
        let set = |m: &[u8]| (0..m.len()).filter(|n| m[*n] != 0).map(place).collect::<Vec<_>>();
        let (a, b) = (set(&case.mask), set(&case.reference));
        let far = |from: &[[f64; 3]], to: &[[f64; 3]]| {
            let near = |p: &[f64; 3]| {
                let square = |q: &[f64; 3]| (0..3).map(|c| (p[c] - q[c]).powi(2)).sum::<f64>();
                to.iter().map(square).fold(f64::INFINITY, f64::min).sqrt()
            };
            from.iter().map(near).fold(0.0, f64::max)
        };
        assert!((number(&t, "hd") - far(&a, &b).max(far(&b, &a))).abs() < 1e-9);
    }
}

#[test]
fn empty_masks_have_defined_answers() {
    let full = case("same");
    let empty = vec![0; full.mask.len()];
    let distances = ["hd", "hd95", "mhd", "cmd", "assd"];
    for convention in [Convention::Paper, Convention::SurfaceDistance, Convention::MedPy] {
        let of = |mask: &[u8], reference: &[u8]| {
            let case = Case { grid: full.grid, mask: mask.to_vec(), reference: reference.to_vec() };
            run(&Serial, &stage(convention), &case)
        };
        let both = of(&empty, &empty);
        assert!(distances.iter().all(|d| number(&both, d) == 0.0));
        assert_eq!(
            (number(&both, "dice"), number(&both, "surface_dice"), number(&both, "avd")),
            (1.0, 1.0, 0.0)
        );
        assert_eq!(value(&both, "all", "lesions_reference"), Cell::Int(0));
        let missed = of(&empty, &full.reference);
        assert!(distances.iter().all(|d| value(&missed, "all", d) == Cell::Null));
        assert_eq!((number(&missed, "dice"), number(&missed, "surface_dice")), (0.0, 0.0));
        assert_eq!((number(&missed, "avd"), number(&missed, "vd")), (100.0, -100.0));
        assert_eq!(value(&missed, "1", "status"), Cell::from("missed"));
        let invented = of(&full.mask, &empty);
        assert!(distances.iter().chain(&["avd", "vd"]).all(|d| value(&invented, "all", d) == Cell::Null));
        assert_eq!(number(&invented, "avd_ml"), 497.0 * 3.0 / 1000.0);
        assert_eq!(value(&invented, "false-1", "status"), Cell::from("false"));
    }
}

#[test]
fn lesions_are_reported_one_by_one() {
    let t = run(&Serial, &stage(Convention::Paper), &case("thick"));
    assert_eq!(value(&t, "1", "status"), Cell::from("hit"));
    assert_eq!(value(&t, "false-1", "volume"), Cell::from(4.0 * 1.25 / 1000.0));
    assert_eq!(value(&t, "all", "lesions_false"), Cell::Int(1));
    let strict = EvaluateSegmentation { hit_fraction: 0.99, ..stage(Convention::Paper) };
    let t = run(&Serial, &strict, &case("thick"));
    assert_eq!(value(&t, "1", "status"), Cell::from("missed"));
    assert_eq!(
        (value(&t, "all", "lesions_hit"), value(&t, "all", "lesions_missed")),
        (Cell::Int(0), Cell::Int(1))
    );
    let without = EvaluateSegmentation { per_lesion: false, ..stage(Convention::Paper) };
    assert!(run(&Serial, &without, &case("thick")).rows.iter().all(|r| r[0] == Cell::from("all")));
}

#[test]
fn threads_do_not_change_a_digit() {
    for name in ["lobe", "thick", "apart"] {
        let case = case(name);
        for convention in [Convention::Paper, Convention::MedPy, Convention::SurfaceDistance] {
            let stage = stage(convention);
            assert_eq!(run(&Threads(3), &stage, &case).to_json(), run(&Serial, &stage, &case).to_json());
        }
    }
}
