//! Atlas sets and the cavity found with them, through the built plugin, on phantoms.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_tests::Case;
use ichor_tests::cavity::{Head, dice, verdicts};
use ichor_tests::stage::{Bench, f32s, table};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

type Outputs = BTreeMap<String, Arc<Value>>;

fn head(bench: &Bench, seed: u64) -> Head {
    let params = json!({ "shape": [114, 132, 92], "spacing": [1.8, 1.8, 2.2] });
    Head::phantom(bench, &params, json!({ "seed": seed, "haematoma_ml": 0 }))
}

fn find(bench: &Bench, head: &Head, params: Json) -> Outputs {
    bench.run("cavity-atlas", params, &[("ct", &head.value(bench))]).unwrap()
}

fn overall(made: &Outputs) -> [String; 2] {
    verdicts(&made["qc"])["overall"].clone()
}

#[test]
fn shipped_set_finds_the_cavity_and_says_so() {
    let bench = Bench::new(2);
    let head = head(&bench, 31);
    let made = find(&bench, &head, json!({}));
    let found = dice(made["mask"].bytes(), &head.cavity);
    assert!(found > 0.985, "{found}");
    assert_eq!(overall(&made), ["pass".to_owned(), String::new()]);
    // The agreement lies on a grid of its own and is that of a head.
    let grid = made["agreement"].grid().unwrap();
    assert_eq!(grid.affine.orientation(), ['R', 'A', 'S']);
    let inside = f32s(&made["agreement"]).iter().filter(|a| **a >= 0.5).count() as f64;
    let ml = inside * grid.voxel_volume_mm3() / 1000.0;
    let truth =
        head.cavity.iter().filter(|c| **c != 0).count() as f64 * head.grid.voxel_volume_mm3() / 1000.0;
    assert!((ml / truth - 1.0).abs() < 0.05, "{ml} for {truth}");
}

#[test]
fn threads_workers_and_seeds() {
    let maker = Bench::new(2);
    let head = head(&maker, 32);
    let run = |threads: usize, worker: bool, params: Json| {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        let made = find(&bench, &head, params);
        ["mask", "agreement", "qc"].map(|name| made[name].bytes().to_vec())
    };
    let once = run(1, false, json!({}));
    assert!(run(2, false, json!({})) == once, "two threads");
    assert!(run(2, true, json!({})) == once, "a worker");
    // Another seed compares other voxels, and comes to the same cavity.
    let other = run(2, false, json!({ "seed": 99 }));
    assert!(other[2] != once[2] && dice(&other[0], &once[0]) > 0.998, "{}", dice(&other[0], &once[0]));
}

#[test]
fn a_hole_in_the_skull_is_closed_where_the_inner_table_was_and_called_for_review() {
    let bench = Bench::new(2);
    let head = head(&bench, 33).craniotomy([1.0, 0.1, 0.5], 70.0);
    let made = find(&bench, &head, json!({}));
    let alone = bench.run("refine-levelset", json!({}), &[("ct", &head.value(&bench))]).unwrap();
    let (with, without) =
        (dice(made["mask"].bytes(), &head.cavity), dice(alone["mask"].bytes(), &head.cavity));
    assert!(with > 0.975 && with > without + 0.01, "{with} with atlases, {without} without");
    assert_eq!(overall(&made)[0], "review");
}

#[test]
fn what_is_no_head_or_has_no_brain_fails_and_strict_makes_it_an_error() {
    let bench = Bench::new(2);
    let empty = head(&bench, 34).emptied();
    let made = find(&bench, &empty, json!({}));
    assert_eq!(overall(&made)[0], "fail", "{:?}", overall(&made));
    let ct = empty.value(&bench);
    let error =
        bench.run("cavity-atlas", json!({ "strict": true }), &[("ct", &ct)]).err().unwrap().to_string();
    assert!(error.contains("the cavity mask fails: "), "{error}");
    let air = bench.ct(&empty.grid, |_| -1000);
    let made = bench.run("cavity-atlas", json!({}), &[("ct", &air)]).unwrap();
    assert_eq!(overall(&made)[0], "fail");
    assert!(made["mask"].bytes().iter().all(|&v| v == 0));
}

fn build(bench: &Bench, heads: &[Head], params: Json) -> Result<Outputs, String> {
    let values: Vec<[Arc<Value>; 2]> = heads.iter().map(|h| [h.value(bench), h.mask(bench)]).collect();
    let mut inputs: Vec<(&str, &Arc<Value>)> = values.iter().map(|[ct, _]| ("cts", ct)).collect();
    inputs.extend(values.iter().map(|[_, mask]| ("cavities", mask)));
    bench.run("build-atlas", params, &inputs).map_err(|e| e.to_string())
}

#[test]
fn a_set_of_ones_own_is_built_checked_and_used() {
    let bench = Bench::new(2);
    let mut heads: Vec<Head> = (41..45).map(|seed| head(&bench, seed)).collect();
    // A mask in two pieces, such as a slip of the hand makes.
    let mut torn = heads[3].clone();
    for k in 0..8 {
        for j in 0..8 {
            (0..8).for_each(|i| torn.cavity[torn.grid.index(i, j, k)] = 1);
        }
    }
    heads.push(torn);
    let names = json!(["a", "b", "c", "d", "torn"]);
    let made = build(&bench, &heads, json!({ "names": names, "licence": "ours", "name": "mine" })).unwrap();
    let report = table(&made["report"]);
    let rows = report["rows"].as_array().unwrap();
    for row in &rows[..4] {
        assert_eq!(row[6], "kept", "{row}");
        assert!(row[3].as_f64().unwrap() > 0.93 && row[4].as_f64().unwrap() > 0.98, "{row}");
    }
    assert_eq!((&rows[4][0], &rows[4][6]), (&json!("torn"), &json!("rejected")));
    assert!(rows[4][7].as_str().unwrap().contains("pieces"), "{}", rows[4][7]);

    let case = Case::new();
    let file = case.write("mine.ichoratlas", made["set"].bytes());
    let other = head(&bench, 46);
    let found = find(&bench, &other, json!({ "atlas": file, "atlases": 3 }));
    let dice = dice(found["mask"].bytes(), &other.cavity);
    assert!(dice > 0.98, "{dice}");

    // The manifest is text that anyone can read.
    let bytes = made["set"].bytes();
    let length = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let manifest: Json = serde_json::from_slice(&bytes[16..16 + length]).unwrap();
    assert_eq!((&manifest["name"], &manifest["licence"]), (&json!("mine"), &json!("ours")));
    assert_eq!(manifest["atlases"].as_array().unwrap().len(), 4);
    assert_eq!(manifest["atlases"][1]["name"], "b");
    assert_eq!(manifest["atlases"][1]["ct_sha256"].as_str().unwrap().len(), 64);

    // A damaged one, one of something else, and none.
    let mut damaged = bytes.to_vec();
    damaged[5000] ^= 4;
    let ct = other.value(&bench);
    let fails = |path: &str| {
        let made = bench.run("cavity-atlas", json!({ "atlas": path }), &[("ct", &ct)]);
        made.err().unwrap().to_string()
    };
    let told = fails(&case.write("damaged.ichoratlas", damaged));
    assert!(told.contains("damaged.ichoratlas") && told.contains("SHA-256"), "{told}");
    assert!(fails(&case.write("note.txt", "not an atlas set")).contains("is no atlas set"));
    assert!(fails(&case.path("nowhere")).contains("cannot be read"));
}

#[test]
fn a_set_of_the_same_heads_has_the_same_bytes() {
    let heads: Vec<Head> = (51..54).map(|seed| head(&Bench::new(2), seed)).collect();
    let set = |threads: usize| {
        let made = build(&Bench::new(threads), &heads, json!({ "leave_one_out": false })).unwrap();
        made["set"].bytes().to_vec()
    };
    assert!(set(1) == set(2));
}

#[test]
fn what_makes_no_set_is_explained() {
    let bench = Bench::new(2);
    let heads: Vec<Head> = (41..44).map(|seed| head(&bench, seed)).collect();
    let told = build(&bench, &heads[..2], json!({})).unwrap_err();
    assert!(told.contains("2 heads are connected; an atlas set is made of 3 to 64"), "{told}");
    let told = build(&bench, &heads, json!({ "names": ["one"] })).unwrap_err();
    assert!(told.contains("`names` has 1 names for 3 heads"), "{told}");
    let told =
        build(&bench, &heads, json!({ "volume_ml": [1500, 1500.5], "names": ["x", "y", "z"] })).unwrap_err();
    assert!(told.contains("of 3 heads are left") && told.contains("mL, not 1500"), "{told}");
    let mask = heads[0].mask(&bench);
    let other = bench.ct(&ichor_tests::stage::lps_grid([20; 3], [2.0; 3]), |_| 0);
    let cts = [heads[0].value(&bench), heads[1].value(&bench), other];
    let masks = [heads[1].mask(&bench), mask.clone(), mask];
    let mut inputs: Vec<(&str, &Arc<Value>)> = cts.iter().map(|v| ("cts", v)).collect();
    inputs.extend(masks.iter().map(|v| ("cavities", v)));
    let told = bench.run("build-atlas", json!({}), &inputs).err().unwrap().to_string();
    assert!(told.contains("resample the mask to the CT"), "{told}");
}
