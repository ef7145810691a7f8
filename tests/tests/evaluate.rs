//! Masks evaluated, cohorts summed up and methods compared, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_spec::Kind;
use ichor_tests::nifti;
use ichor_tests::stage::{Affine, Bench, Grid, lps_grid, measured, table};
use ichor_tests::{Case, run, run_ok};
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn ball(p: [f64; 3], c: [f64; 3], r: f64) -> bool {
    (0..3).map(|a| (p[a] - c[a]).powi(2)).sum::<f64>() <= r * r
}

fn draw(bench: &Bench, grid: &Grid, inside: impl Fn([f64; 3]) -> bool) -> Arc<Value> {
    bench.mask(grid, |v| inside(grid.affine.apply(v.map(|n| n as f64))))
}

fn evaluate(bench: &Bench, params: Json, mask: &Arc<Value>, reference: &Arc<Value>) -> Json {
    let inputs = [("mask", mask), ("reference", reference)];
    let out = bench.run("evaluate-segmentation", params, &inputs).unwrap();
    assert_eq!(out["table"].kind(), Kind::Table);
    table(&out["table"])
}

#[test]
fn a_ball_beside_a_ball_is_as_far_as_it_was_moved() {
    let bench = Bench::new(2);
    let grid = lps_grid([120, 120, 30], [0.5, 0.5, 2.5]);
    let reference = draw(&bench, &grid, |p| ball(p, [0.25, 0.25, 1.25], 12.0));
    // By 4 voxels along i.
    let mask = draw(&bench, &grid, |p| ball(p, [2.25, 0.25, 1.25], 12.0));
    for convention in ["paper", "border6", "voxels", "surface-distance"] {
        let t = evaluate(&bench, json!({ "convention": convention, "tolerance_mm": 2.0 }), &mask, &reference);
        assert_eq!(measured(&t, "all", "hd"), json!(2.0), "{convention}");
        assert_eq!(measured(&t, "all", "avd"), json!(0.0));
        assert_eq!(measured(&t, "all", "surface_dice"), json!(1.0));
        assert_eq!(measured(&t, "all", "convention"), convention);
        assert_eq!(measured(&t, "1", "status"), "hit");
        // Two balls of radius r whose centres are d apart share 1 - 3d/4r + d³/16r³ of one.
        let (d, r) = (2.0f64, 12.0f64);
        let expected = 1.0 - 0.75 * d / r + d.powi(3) / (16.0 * r.powi(3));
        assert!((measured(&t, "all", "dice").as_f64().unwrap() - expected).abs() < 0.005);
    }
    let t = evaluate(&bench, json!({}), &reference, &reference);
    let all = ["dice", "hd", "hd95", "mhd", "cmd", "avd"].map(|name| measured(&t, "all", name));
    assert_eq!(all, [json!(1.0), json!(0.0), json!(0.0), json!(0.0), json!(0.0), json!(0.0)]);
}

#[test]
fn masks_on_other_grids_are_refused_with_what_differs() {
    let bench = Bench::new(1);
    let grid = lps_grid([20, 20, 8], [0.5, 0.5, 5.0]);
    let mask = draw(&bench, &grid, |p| ball(p, [0.0; 3], 3.0));
    let message = |other: &Grid| {
        let reference = draw(&bench, other, |p| ball(p, [0.0; 3], 3.0));
        let inputs = [("mask", &mask), ("reference", &reference)];
        bench.run("evaluate-segmentation", json!({}), &inputs).unwrap_err().to_string()
    };
    let text = message(&lps_grid([20, 20, 9], [0.5, 0.5, 5.0]));
    assert!(text.contains("20 x 20 x 8 voxels") && text.contains("20 x 20 x 9 voxels"), "{text}");
    let mut moved = grid.affine;
    moved.0[0][3] += 2.0;
    let text = message(&Grid::new(grid.shape, moved).unwrap());
    assert!(text.contains("2.000 mm from its counterpart") && text.contains("resample"), "{text}");
    let flipped = Affine([[0.5, 0.0, 0.0, -4.75], grid.affine.0[1], grid.affine.0[2]]);
    let text = message(&Grid::new(grid.shape, flipped).unwrap());
    assert!(text.contains("axes run LPS, the reference's RPS"), "{text}");
}

#[test]
fn the_table_is_the_same_with_any_number_of_threads_and_in_a_worker() {
    let (s, c) = 18.5f64.to_radians().sin_cos();
    let affine = Affine([[-0.5, 0.0, 0.0, 30.0], [0.0, -0.5 * c, 0.0, 30.0], [0.0, -0.5 * s, 2.0, -20.0]]);
    let grid = Grid::new([120, 120, 30], affine).unwrap();
    let once = |threads: usize, worker: bool| {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        let mask = draw(&bench, &grid, |p| ball(p, [0.0; 3], 12.0) || ball(p, [20.0, 3.0, 5.0], 4.0));
        let reference = draw(&bench, &grid, |p| ball(p, [1.0, 0.0, 1.0], 11.0));
        evaluate(&bench, json!({}), &mask, &reference)
    };
    let first = once(1, false);
    assert_eq!(measured(&first, "all", "lesions_false"), json!(1));
    assert_eq!(once(2, false), first);
    assert_eq!(once(2, true), first);
}

#[test]
fn a_cohort_is_evaluated_summed_up_and_compared() {
    let bench = Bench::new(2);
    let grid = lps_grid([64, 64, 20], [1.0, 1.0, 3.0]);
    // Ten cases; one method is half a voxel off, the other much more and finds a lesion that is none.
    let mut tables: Vec<Arc<Value>> = Vec::new();
    for (shift, speck) in [(0.5, false), (3.0, true)] {
        for n in 0..10 {
            let r = 6.0 + 0.6 * f64::from(n);
            let reference = draw(&bench, &grid, |p| ball(p, [0.0; 3], r));
            let mask = draw(&bench, &grid, |p| {
                ball(p, [shift, 0.3, 0.0], r - 0.2) || speck && ball(p, [25.0, 25.0, 0.0], 2.0)
            });
            let inputs = [("mask", &mask), ("reference", &reference)];
            let out = bench.run("evaluate-segmentation", json!({}), &inputs).unwrap();
            tables.push(Arc::clone(&out["table"]));
        }
    }
    let inputs: Vec<(&str, &Arc<Value>)> = tables.iter().map(|t| ("tables", t)).collect();
    let six = json!(["dice", "hd", "hd95", "mhd", "cmd", "avd"]);
    let params = json!({ "methods": ["near", "far"], "measures": six, "tertiles": "volume_reference" });
    let out = bench.run("summarise-cohort", params, &inputs).unwrap();
    let markdown = String::from_utf8(out["markdown"].bytes().to_vec()).unwrap();
    assert!(markdown.contains("near (n=10)") && markdown.contains("| 95% HD (mm) |"), "{markdown}");
    assert!(markdown.contains("Results by volume_reference tertile"), "{markdown}");
    assert!(
        out["box_plots"].bytes().starts_with(b"<svg") && out["bland_altman"].bytes().starts_with(b"<svg")
    );
    // All and three thirds by two methods, six measures.
    assert_eq!(table(&out["table"])["rows"].as_array().unwrap().len(), 8 * 6);

    let compare = |threads| {
        let mut bench = Bench::new(threads);
        bench.worker = threads > 1;
        let params = json!({ "methods": ["near", "far"], "measures": six });
        let out = bench.run("compare-methods", params, &inputs).unwrap();
        (table(&out["table"]), out["latex"].bytes().to_vec())
    };
    let (found, latex) = compare(1);
    assert_eq!(compare(2), (found.clone(), latex));
    let head: Vec<&str> =
        found["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    let rows = found["rows"].as_array().unwrap();
    let at = |name: &str| head.iter().position(|h| *h == name).unwrap();
    for row in &rows[..5] {
        assert_eq!(row[at("better")], "near", "{row}");
        assert!(row[at("p_holm")].as_f64().unwrap() >= row[at("p")].as_f64().unwrap());
    }
}

#[test]
fn pipelines_evaluate_and_compare_files() {
    let case = Case::new();
    let small = "{ shape: [96, 96, 16], spacing: [2.4, 2.4, 10.0], haematoma_ml: 40 }";
    let masks = case.write(
        "masks.yaml",
        format!(
            "ichor: 1\nname: masks\nseed: 5\nstages:\n  head: {{ use: phantom-head, with: {small} }}\n  \
             clean: {{ use: filter-clusters, in: {{ mask: head.haematoma }} }}\noutputs:\n  mask: clean.mask\n  \
             reference: head.haematoma\n"
        ),
    );
    run_ok(["run", &masks, "-o", &case.path("masks"), "--no-cache"]);
    let [mask, reference] =
        ["mask", "reference"].map(|n| format!("{n}={}", case.path(&format!("masks/{n}.nii.gz"))));
    let out = case.path("out");
    run_ok(["run", "pipelines/evaluate.yaml", "-i", &mask, "-i", &reference, "-o", &out, "--no-cache"]);
    let tsv = String::from_utf8(case.read("out/evaluation.tsv")).unwrap();
    assert!(tsv.contains("all\tdice\t1\t") || tsv.contains("all\tdice\t0.9"), "{tsv}");

    let rows = |shift: f64| -> String {
        let row = |n: i32| format!("sub-{n:02}\t{}\n", 0.8 + 0.01 * f64::from((n * 7) % 11) + shift);
        "case\tdice\n".to_owned() + &(1..15).map(row).collect::<String>()
    };
    let (a, b) = (case.write("a.tsv", rows(0.0)), case.write("b.tsv", rows(0.05)));
    let [first, second] = [format!("first={a}"), format!("second={b}")];
    let out = case.path("compared");
    run_ok([
        "run",
        "pipelines/compare.yaml",
        "-i",
        &first,
        "-i",
        &second,
        "-i",
        "second-name=new",
        "-o",
        &out,
    ]);
    assert!(
        String::from_utf8(case.read("compared/comparison.md"))
            .unwrap()
            .contains("new compared with first (n=14)")
    );
    let wrong = case.write("wrong.tsv", "case\tdice\nsub-01\n");
    let ended =
        run(["run", "pipelines/compare.yaml", "-i", &format!("first={wrong}"), "-i", &second, "-o", &out]);
    assert!(
        ended.code != 0 && ended.stderr.contains("row 1 has 1 cells under 2 columns"),
        "{}",
        ended.stderr
    );
}

#[test]
fn observers_are_compared_with_each_other_and_with_a_method() {
    let case = Case::new();
    // The first so many of 24 voxels.
    for n in [3usize, 6, 9, 12] {
        let mut file = nifti::small();
        for at in 0..24 {
            nifti::put(&mut file, 352 + 2 * at, &i16::from(at < n).to_le_bytes());
        }
        case.write(&format!("first-{n}.nii"), file);
    }
    let table = |name: &str, rows: &[(usize, usize)]| {
        let row = |(at, (mask, reference)): (usize, &(usize, usize))| {
            format!("s{at}\tfirst-{mask}.nii\tfirst-{reference}.nii\n")
        };
        let rows: String = rows.iter().enumerate().map(row).collect();
        let path = case.write(&format!("{name}.tsv"), format!("case\tmask\treference\n{rows}"));
        format!("{name}={path}")
    };
    let inputs = [
        table("inter", &[(12, 12), (6, 12)]),
        table("intra", &[(6, 6)]),
        table("first", &[(3, 9)]),
        table("second", &[(3, 3)]),
    ];
    let mut arguments = vec!["run", "pipelines/observer-study.yaml", "-o"];
    let out = case.path("study");
    arguments.push(&out);
    inputs.iter().for_each(|i| arguments.extend(["-i", i]));
    run_ok(arguments);
    let text = String::from_utf8(case.read("study/table-2.md")).unwrap();
    let dice = text.lines().find(|l| l.to_lowercase().contains("dice") || l.contains("DSC")).unwrap();
    // 1 and 2 * 6 / 18: quartiles of the two are linear between them; 2 * 3 / 12.
    for want in ["0.83 [0.75–0.92]", "1.00 [1.00–1.00]", "0.50 [0.50–0.50]"] {
        assert!(dice.contains(want), "{text}");
    }
    assert!(text.contains("inter-observer (n=2)") && text.contains("method and observer 1 (n=1)"), "{text}");
}
