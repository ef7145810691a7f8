//! Level set, fusion and checks of the cranial cavity, through the built plugins, on phantoms.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_spec::{Kind, Unit};
use ichor_tests::stage::{Bench, DType, f32s, i16s, lps_grid, measured, table};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

type Outputs = BTreeMap<String, Arc<Value>>;

fn thin(bench: &Bench) -> Outputs {
    let params = json!({ "seed": 3, "shape": [130, 150, 100], "spacing": [1.5, 1.5, 1.8] });
    bench.run("phantom-head", params, &[]).unwrap()
}

fn thick(bench: &Bench) -> Outputs {
    let params = json!({ "seed": 4, "shape": [160, 180, 36], "spacing": [1.3, 1.3, 5.0] });
    bench.run("phantom-head", params, &[]).unwrap()
}

fn refine(bench: &Bench, ct: &Arc<Value>, mask: Option<&Arc<Value>>, params: Json) -> Outputs {
    let mut inputs = vec![("ct", ct)];
    inputs.extend(mask.map(|m| ("mask", m)));
    bench.run("refine-levelset", params, &inputs).unwrap()
}

fn dice(a: &Value, b: &Value) -> f64 {
    let count = |m: &Value| m.bytes().iter().map(|&v| usize::from(v)).sum::<usize>();
    let both = a.bytes().iter().zip(b.bytes()).filter(|&(&x, &y)| x & y != 0).count();
    2.0 * both as f64 / (count(a) + count(b)) as f64
}

/// The verdicts of a quality table by name.
fn verdicts(value: &Value) -> BTreeMap<String, String> {
    let text = |v: &Json| v.as_str().unwrap().to_owned();
    table(value)["rows"].as_array().unwrap().iter().map(|r| (text(&r[0]), text(&r[4]))).collect()
}

#[test]
fn level_set_brings_any_start_to_the_inner_table() {
    let bench = Bench::new(2);
    for head in [thin(&bench), thick(&bench)] {
        let (ct, truth) = (&head["ct"], &head["cavity"]);
        let threshold = Arc::clone(&bench.run("cavity-threshold", json!({}), &[("ct", ct)]).unwrap()["mask"]);
        let before = dice(&threshold, truth);
        for start in [Some(&threshold), None] {
            let made = refine(&bench, ct, start, json!({}));
            let after = dice(&made["mask"], truth);
            assert!(after > 0.975 && after > before, "{before:.4} to {after:.4}");
            let t = table(&made["table"]);
            let ml = measured(&t, "all", "volume").as_f64().unwrap();
            let mask = &made["mask"];
            let counted = mask.bytes().iter().map(|&v| f64::from(v)).sum::<f64>()
                * mask.grid().unwrap().voxel_volume_mm3()
                / 1000.0;
            assert!((ml / counted - 1.0).abs() < 0.01, "{ml} mL inside the front, {counted} mL of voxels");
        }
    }
}

#[test]
fn threads_workers_and_axes_do_not_matter() {
    let maker = Bench::new(2);
    let head = thin(&maker);
    let grid = head["ct"].grid().unwrap();
    let run = |threads: usize, worker: bool| {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        let ct = bench.value((Kind::Volume, Unit::Hu, DType::I16), &grid, head["ct"].bytes());
        let made = refine(&bench, &ct, None, json!({}));
        let mask = bench.value((Kind::Mask, Unit::Label, DType::U8), &grid, made["mask"].bytes());
        let qc = bench.run("cavity-qc", json!({}), &[("ct", &ct), ("mask", &mask)]).unwrap();
        (made["mask"].bytes().to_vec(), made["table"].bytes().to_vec(), qc["table"].bytes().to_vec())
    };
    let once = run(1, false);
    assert!(run(2, false) == once && run(2, true) == once);

    // The same head with the axes in another order and direction.
    let voxels = i16s(&head["ct"]);
    let turned = grid.reoriented(['S', 'R', 'P']).unwrap();
    let back = grid.affine.inverse().unwrap().after(&turned.affine);
    let from = |v: [usize; 3]| {
        let p = back.apply(v.map(|n| n as f64)).map(|x| x.round() as usize);
        grid.index(p[0], p[1], p[2])
    };
    let ct = maker.ct(&turned, |v| voxels[from(v)]);
    let other = refine(&maker, &ct, None, json!({}));
    let same = maker.mask(&turned, |v| once.0[from(v)] != 0);
    assert!(dice(&other["mask"], &same) > 0.998, "{}", dice(&other["mask"], &same));
}

#[test]
fn prior_decides_where_there_is_no_bone() {
    // A box of brain in a box of bone, open at the top.
    let bench = Bench::new(2);
    let grid = lps_grid([90, 90, 80], [1.5; 3]);
    let inside = |v: [usize; 3], grow: usize| {
        v[0].abs_diff(45) < 30 + grow && v[1].abs_diff(45) < 30 + grow && v[2].abs_diff(38) < 24 + grow
    };
    let ct = bench.ct(&grid, |v| match () {
        () if inside(v, 0) => 35,
        () if inside(v, 4) && v[2] < 62 => 900,
        () if inside(v, 4) => 40,
        () => -1000,
    });
    let start =
        bench.mask(&grid, |v| v[0].abs_diff(45) < 28 && v[1].abs_diff(45) < 28 && v[2].abs_diff(38) < 22);
    let prior = bench.mask(&grid, |v| inside(v, 0));
    let params = json!({ "iterations": 120, "curvature_weight": 0.1 });
    let inputs = [("ct", &ct), ("mask", &start), ("prior", &prior)];
    let made = bench.run("refine-levelset", params, &inputs).unwrap();
    let top =
        |x: usize, y: usize| (0..80).rfind(|&z| made["mask"].bytes()[grid.index(x, y, z)] != 0).unwrap_or(0);
    assert!((60..=62).contains(&top(45, 45)), "{}", top(45, 45));
    assert!(dice(&made["mask"], &prior) > 0.98, "{}", dice(&made["mask"], &prior));
    let open = measured(&table(&made["table"]), "all", "open_share").as_f64().unwrap();
    assert!((0.1..0.35).contains(&open), "{open}"); // 1/4.6 of the box's surface
}

#[test]
fn masks_are_fused_by_each_rule() {
    let bench = Bench::new(2);
    let grid = lps_grid([40, 40, 20], [2.0, 2.0, 3.0]);
    let ball = |v: [usize; 3], x: usize, r: f64| {
        let d = [2.0 * (v[0] as f64 - x as f64), 2.0 * (v[1] as f64 - 20.0), 3.0 * (v[2] as f64 - 10.0)];
        d.iter().map(|d| d * d).sum::<f64>() < r * r
    };
    let truth = bench.mask(&grid, |v| ball(v, 20, 20.0));
    let raters = [(20, 20.0), (21, 20.0), (27, 14.0)].map(|(x, r)| bench.mask(&grid, |v| ball(v, x, r)));
    let image = |x: usize, r: f64| bench.ct(&grid, |v| if ball(v, x, r) { 35 } else { 900 });
    let images = [image(20, 20.0), image(21, 20.0), image(27, 14.0)];
    let target = image(20, 20.0);
    let mut inputs: Vec<(&str, &Arc<Value>)> = raters.iter().map(|m| ("masks", m)).collect();
    let vote = bench.run("fuse-labels", json!({}), &inputs).unwrap();
    let share = f32s(&vote["agreement"]);
    for (n, s) in share.iter().enumerate() {
        let votes: u8 = raters.iter().map(|r| r.bytes()[n]).sum();
        assert!((s - f32::from(votes) / 3.0).abs() < 1e-6);
        assert_eq!(vote["mask"].bytes()[n], u8::from(votes >= 2));
    }
    let staple = bench.run("fuse-labels", json!({ "rule": "staple" }), &inputs).unwrap();
    let sensitivity = |made: &Outputs| -> Vec<f64> {
        let t = table(&made["table"]);
        t["rows"].as_array().unwrap().iter().map(|r| r[1].as_f64().unwrap()).collect()
    };
    let found = sensitivity(&staple);
    assert!(found[2] < 0.5 && found[0].min(found[1]) > 0.85, "{found:?}");
    inputs.extend(images.iter().map(|i| ("images", i)));
    inputs.push(("target", &target));
    let local =
        bench.run("fuse-labels", json!({ "rule": "local-weighted", "sharpness": 0.02 }), &inputs).unwrap();
    let [by_vote, by_image] = [&vote, &local].map(|made| dice(&made["mask"], &truth));
    assert!(by_image > 0.999 && by_image > by_vote, "{by_image} {by_vote}");

    let error = bench.run("fuse-labels", json!({ "rule": "local-weighted" }), &inputs[..4]).unwrap_err();
    assert!(error.to_string().starts_with("local-weighted needs `target`"), "{error}");
}

#[test]
fn quality_tells_right_masks_from_wrong_ones() {
    let bench = Bench::new(2);
    let head = thin(&bench);
    let (ct, truth) = (&head["ct"], &head["cavity"]);
    let grid = ct.grid().unwrap();
    let check = |ct: &Arc<Value>, mask: &Arc<Value>| {
        verdicts(&bench.run("cavity-qc", json!({}), &[("ct", ct), ("mask", mask)]).unwrap()["table"])
    };
    let good = check(ct, truth);
    assert!(good.values().all(|v| v == "pass"), "{good:?}");

    // The skull is empty: what the mask holds is air.
    let (hu, inside) = (i16s(ct), truth.bytes());
    let at = |[i, j, k]: [usize; 3]| grid.index(i, j, k);
    let empty = bench.ct(&grid, |v| if inside[at(v)] != 0 { -1000 } else { hu[at(v)] });
    let found = check(&empty, truth);
    assert_eq!([&found["air"][..], &found["density"], &found["overall"]], ["fail"; 3], "{found:?}");
    let inputs = [("ct", &empty), ("mask", truth)];
    let error = bench.run("cavity-qc", json!({ "strict": true }), &inputs).unwrap_err();
    assert!(error.to_string().starts_with("the cavity mask fails: "), "{error}");
    let error = bench.run("refine-levelset", json!({}), &[("ct", &empty)]).unwrap_err();
    assert!(error.to_string().starts_with("bone encloses no cavity of soft tissue"), "{error}");

    // Half of it, the whole head, nothing, and a scan without its vertex.
    let half = bench.mask(&grid, |v| inside[at(v)] != 0 && v[0] < 60);
    assert_ne!(check(ct, &half)["overall"], "pass");
    let whole = bench.mask(&grid, |v| hu[at(v)] > -300);
    let found = check(ct, &whole);
    assert_eq!([&found["volume"][..], &found["leak"], &found["overall"]], ["fail"; 3], "{found:?}");
    let none = bench.mask(&grid, |_| false);
    assert_eq!(check(ct, &none)["overall"], "fail");
    let mut low = grid;
    low.shape[2] = 75;
    let cut = check(&bench.ct(&low, |v| hu[at(v)]), &bench.mask(&low, |v| inside[at(v)] != 0));
    assert_eq!([&cut["cut_above"][..], &cut["overall"]], ["review"; 2], "{cut:?}");
    assert_eq!(cut["cut_below"], "pass");
}

#[test]
fn what_cannot_be_refined_is_refused_in_a_sentence() {
    let bench = Bench::new(1);
    let grid = lps_grid([40, 40, 20], [3.0, 3.0, 5.0]);
    let ct = bench.ct(&grid, |_| 900);
    let run = |mask: &Arc<Value>| {
        bench.run("refine-levelset", json!({}), &[("ct", &ct), ("mask", mask)]).unwrap_err().to_string()
    };
    let none = bench.mask(&grid, |_| false);
    assert_eq!(run(&none), "the mask is empty: there is no outline to start from");
    let small = bench.mask(&grid, |v| v.iter().zip([20, 20, 10]).all(|(a, b)| a.abs_diff(b) < 3));
    assert_eq!(run(&small), "nothing is left of the mask: it lies in bone or air, not in the cranial cavity");
}
