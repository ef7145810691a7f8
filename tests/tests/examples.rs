//! The threshold stage of `plugins/examples`, written three times, gives the same mask three times.

use ichor_tests::stage::{Bench, lps_grid};
use ichor_tests::{examples, run, run_ok};
use serde_json::json;

#[test]
fn rust_c_and_cpp_agree_in_process_and_in_a_worker() {
    let grid = lps_grid([61, 47, 33], [0.5, 0.5, 5.0]);
    let mut masks = Vec::new();
    for worker in [false, true] {
        let mut bench = Bench::with_plugins(2, examples());
        bench.worker = worker;
        let ct = bench.ct(&grid, |[i, j, k]| (i * 7 + j * 13 + k * 29) as i16 % 200 - 50);
        for id in ["threshold-rust", "threshold-c", "threshold-cpp"] {
            let made = bench.run(id, json!({"lower": 40, "upper": 79.5}), &[("ct", &ct)]).unwrap();
            let mask = &made["mask"];
            assert!(mask.grid().unwrap().same_as(&grid));
            masks.push(mask.bytes().to_vec());
        }
    }
    let expected: Vec<u8> = ichor_tests::stage::voxels(&grid)
        .map(|[i, j, k]| (i * 7 + j * 13 + k * 29) as i32 % 200 - 50)
        .map(|hu| u8::from((40..=79).contains(&hu)))
        .collect();
    assert!(masks.iter().all(|m| *m == expected));
}

#[test]
fn a_folder_of_plugins_is_listed() {
    let ended = run_ok(["plugins", "--plugin-path", examples().to_str().unwrap()]);
    for id in ["threshold-rust", "threshold-c", "threshold-cpp"] {
        assert!(ended.stdout.contains(id), "{}", ended.stdout);
    }
    assert_eq!(run(["plugins", "--plugin-path", "/no/such/folder"]).code, 2);
}
