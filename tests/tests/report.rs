//! Tables and pictures, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_spec::{Kind, Unit};
use ichor_tests::stage::{Affine, Bench, DType, Grid, lps_grid};
use serde_json::json;
use std::sync::Arc;

/// A ball of brain in a shell of bone, 96 x 96 x 60 mm.
fn head(bench: &Bench, grid: &Grid) -> Arc<Value> {
    bench.ct(grid, |v| match radius(grid, v) {
        r if r < 0.8 => 30 + (v[0] % 3) as i16,
        r if r < 1.0 => 1200,
        _ => -1000,
    })
}

fn radius(grid: &Grid, v: [usize; 3]) -> f64 {
    let middle = |a: usize| (grid.shape[a] as f64 - 1.0) / 2.0;
    (0..3).map(|a| ((v[a] as f64 - middle(a)) / middle(a)).powi(2)).sum::<f64>().sqrt()
}

/// Width and height, as the header of a PNG file states them.
fn size(png: &[u8]) -> [u32; 2] {
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    assert_eq!(png[12..16], *b"IHDR");
    assert_eq!(png[24..26], [8, 2], "8 bits of red, green and blue");
    [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()))
}

#[test]
fn a_picture_is_the_same_bytes_with_any_number_of_threads_and_in_a_worker() {
    let grid = lps_grid([96, 96, 12], [1.0, 1.0, 5.0]);
    let params = json!({ "slices": 6, "columns": 3, "tile_px": 112, "names": ["cavity", "haematoma"] });
    let draw = |threads: usize, worker: bool| {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        let ct = head(&bench, &grid);
        let cavity = bench.mask(&grid, |v| radius(&grid, v) < 0.8);
        let haematoma =
            bench.mask(&grid, |v| (30..50).contains(&v[0]) && (40..60).contains(&v[1]) && v[2] == 6);
        let out =
            bench.run("picture", params.clone(), &[("ct", &ct), ("masks", &cavity), ("masks", &haematoma)]);
        Arc::clone(&out.unwrap()["png"])
    };
    let png = draw(1, false);
    assert_eq!(
        (png.kind(), &png.meta()["media_type"], &png.meta()["extension"]),
        (Kind::Blob, &json!("image/png"), &json!("png"))
    );
    // The head is found in cells of 4 mm: 96 mm and twice 8 mm of margin are 112 pixels; 2 pixels between tiles.
    let [width, height] = size(png.bytes());
    assert_eq!(width, 3 * 112 + 2 * 2);
    assert!((2 * 114..2 * 114 + 60).contains(&height), "two rows and the words below: {height}");
    for (threads, worker) in [(2, false), (2, true)] {
        assert_eq!(draw(threads, worker).bytes(), png.bytes(), "{threads} threads, worker: {worker}");
    }
}

#[test]
fn volumes_of_every_type_and_orientation_are_drawn() {
    let bench = Bench::new(2);
    // Permuted, flipped and tilted by 10 degrees.
    let (s, c) = 10f64.to_radians().sin_cos();
    let affine =
        Affine([[0.0, 0.0, 2.0, -30.0], [3.0 * s, -2.0 * c, 0.0, 40.0], [3.0 * c, 2.0 * s, 0.0, -50.0]]);
    let grid = Grid::new([20, 40, 48], affine).unwrap();
    let n = grid.len();
    let values: [(DType, Vec<u8>); 3] = [
        (DType::I16, 40i16.to_ne_bytes().repeat(n)),
        (DType::U16, 40u16.to_ne_bytes().repeat(n)),
        (DType::F32, [f32::NAN, f32::INFINITY, 40.0, 40.0].map(f32::to_ne_bytes).concat().repeat(n / 4)),
    ];
    for (dtype, bytes) in values {
        let ct = bench.value((Kind::Volume, Unit::None, dtype), &grid, &bytes);
        let labels: Vec<u8> = (0..n).flat_map(|v| ((v / 7 % 5) as u16).to_ne_bytes()).collect();
        let labels = bench.value((Kind::Labels, Unit::Label, DType::U16), &grid, &labels);
        for plane in ["axial", "coronal", "sagittal"] {
            let params = json!({ "plane": plane, "slices": 3, "tile_px": 64, "tile_mm": 50 });
            let out = bench.run("picture", params, &[("ct", &ct), ("masks", &labels)]).unwrap();
            size(out["png"].bytes());
        }
    }
}

#[test]
fn a_picture_that_makes_no_sense_is_refused_in_a_sentence() {
    let bench = Bench::new(1);
    let grid = lps_grid([32, 32, 8], [1.0, 1.0, 5.0]);
    let ct = head(&bench, &grid);
    let mask = bench.mask(&grid, |_| true);
    let moved = bench.mask(&lps_grid([32, 32, 8], [1.0, 1.0, 5.1]), |_| true);
    let refusal = |params, inputs: &[(&str, &Arc<Value>)]| {
        bench.run("picture", params, inputs).unwrap_err().to_string()
    };
    let elsewhere = refusal(json!({}), &[("ct", &ct), ("masks", &mask), ("masks", &moved)]);
    assert!(
        elsewhere.contains("1 x 1 x 5.1 mm") && elsewhere.contains("resample one to the other"),
        "{elsewhere}"
    );
    assert_eq!(
        refusal(json!({ "names": ["a", "b"] }), &[("ct", &ct), ("masks", &mask)]),
        "`names` has 2 names for 1 masks; give one a mask"
    );
    assert_eq!(
        refusal(json!({ "focus": "b", "names": ["a"] }), &[("ct", &ct), ("masks", &mask)]),
        "`focus` is no mask's name: `b`; there are a"
    );
    let deep = head(&bench, &lps_grid([32, 32, 40], [1.0, 1.0, 1.0]));
    let huge = json!({ "slices": 40, "tile_px": 2048, "tile_mm": 10 });
    assert!(refusal(huge, &[("ct", &deep)]).contains("lower `slices` or `tile_px`"));
}

#[test]
fn tables_are_stacked_and_written_twice() {
    let bench = Bench::new(1);
    let table = |text: &str| Arc::new(Value::from_bytes(Kind::Table, text.as_bytes().to_vec()));
    let volume =
        table(r#"{"columns":[{"name":"name"},{"name":"value","unit":"mL"}],"rows":[["volume",12.5]]}"#);
    let shape =
        table(r#"{"columns":[{"name":"value"},{"name":"note"}],"rows":[[null,"a\tb"],[0.1234,"c"]]}"#);
    let params = json!({ "decimals": 2, "sources": ["one", "two"] });
    let out = bench.run("save-table", params, &[("tables", &volume), ("tables", &shape)]).unwrap();
    let text = |port: &str| String::from_utf8(out[port].bytes().to_vec()).unwrap();
    assert_eq!(
        text("tsv"),
        "source\tname\tvalue\tnote\none\tvolume\t12.50\tn/a\ntwo\tn/a\tn/a\ta\\tb\ntwo\tn/a\t0.12\tc\n"
    );
    assert_eq!(out["tsv"].meta()["extension"], "tsv");
    let json: serde_json::Value = serde_json::from_str(&text("json")).unwrap();
    assert_eq!(json["columns"][2], json!({ "name": "value", "unit": "mL" }));
    assert_eq!(json["rows"][2], json!(["two", null, 0.1234, "c"]));
    assert_eq!(out["json"].meta()["media_type"], "application/json");

    let wrong = table(r#"{"columns":[{"name":"value","unit":"mm3"}],"rows":[]}"#);
    let error = bench.run("save-table", json!({}), &[("tables", &volume), ("tables", &wrong)]).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("in mL in an earlier table and in mm3 in table 2"), "{error}");
}
