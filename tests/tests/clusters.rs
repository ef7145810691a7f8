//! Cluster filters, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_spec::Kind;
use ichor_tests::stage::{Affine, Bench, DType, Grid, lps_grid};
use serde_json::json;
use std::sync::Arc;

/// Voxels of 0.5 x 0.5 x 4 mm: 1 microlitre each.
fn grid() -> Grid {
    lps_grid([40, 30, 12], [0.5, 0.5, 4.0])
}

/// Clusters of 99, 250, 100 and 250 voxels, in the order of their first voxels; the last two touch in a corner.
fn clusters(bench: &Bench) -> Arc<Value> {
    let in_box = |v: [usize; 3], from: [usize; 3], size: [usize; 3]| {
        (0..3).all(|a| (from[a]..from[a] + size[a]).contains(&v[a]))
    };
    bench.mask(&grid(), |v| {
        in_box(v, [1, 1, 1], [11, 9, 1])
            || in_box(v, [20, 1, 1], [10, 5, 5])
            || in_box(v, [1, 15, 2], [10, 5, 2])
            || in_box(v, [11, 20, 4], [10, 5, 5])
    })
}

fn u16s(value: &Value) -> Vec<u16> {
    value.bytes().as_chunks::<2>().0.iter().map(|b| u16::from_ne_bytes(*b)).collect()
}

#[test]
fn small_clusters_go_and_the_rest_is_numbered_by_volume() {
    for (threads, worker) in [(1, false), (2, true)] {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        let mask = clusters(&bench);
        let run = |params| bench.run("filter-clusters", params, &[("mask", &mask)]).unwrap();
        let at = |i, j, k| grid().index(i, j, k);

        // 100 voxels are the default limit of 0.1 mL, and stay.
        let out = run(json!({ "connectivity": "6" }));
        let labels = u16s(&out["labels"]);
        assert_eq!((out["mask"].kind(), out["labels"].kind()), (Kind::Mask, Kind::Labels));
        assert_eq!(out["labels"].dtype(), Some(DType::U16));
        assert!(out["labels"].grid().unwrap().same_as(&grid()));
        let first = [at(1, 1, 1), at(20, 1, 1), at(1, 15, 2), at(11, 20, 4)].map(|n| labels[n]);
        assert_eq!(first, [0, 1, 3, 2]);
        let sizes = [1, 2, 3].map(|l| labels.iter().filter(|v| **v == l).count());
        assert_eq!(sizes, [250, 250, 100]);
        assert!(labels.iter().zip(out["mask"].bytes()).all(|(l, m)| u8::from(*l > 0) == *m));

        // By corners, the last two are one.
        let labels = u16s(&run(json!({}))["labels"]);
        assert_eq!([at(20, 1, 1), at(1, 15, 2), at(11, 20, 4)].map(|n| labels[n]), [2, 1, 1]);
        let largest = run(json!({ "keep": "largest" }));
        assert_eq!(largest["mask"].bytes().iter().filter(|v| **v == 1).count(), 350);
        let none = run(json!({ "min_volume_ml": 0.5 }));
        assert!(none["mask"].bytes().iter().all(|v| *v == 0));
        let all = run(json!({ "min_volume_ml": 0 }));
        assert_eq!(all["mask"].bytes(), mask.bytes());
    }
}

#[test]
fn the_volume_of_a_tilted_voxel_is_that_of_its_sheared_box() {
    let bench = Bench::new(1);
    // Slices are tilted by 60 degrees: 2 mm along the axis of k, 1 mm between slices, 1 mm³ a voxel.
    let s = 3f64.sqrt();
    let affine = Affine([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, s, 0.0], [0.0, 0.0, 1.0, 0.0]]);
    let grid = Grid::new([20, 20, 20], affine).unwrap();
    let mask = bench.mask(&grid, |v| v[0] < 15 && v[1] < 10 && v[2] == 3);
    let kept = |limit: f64| {
        let out =
            bench.run("filter-clusters", json!({ "min_volume_ml": limit }), &[("mask", &mask)]).unwrap();
        out["mask"].bytes().contains(&1)
    };
    assert!(kept(0.15) && !kept(0.16));
}

#[test]
fn labels_beyond_u16_are_u32() {
    let bench = Bench::new(2);
    let grid = lps_grid([101, 101, 60], [1.0; 3]);
    let mask = bench.mask(&grid, |v| v.iter().all(|n| n % 2 == 0));
    let params = json!({ "min_volume_ml": 0 });
    let out = bench.run("filter-clusters", params, &[("mask", &mask)]).unwrap();
    let labels: Vec<u32> =
        out["labels"].bytes().as_chunks::<4>().0.iter().map(|b| u32::from_ne_bytes(*b)).collect();
    assert_eq!(labels.iter().max(), Some(&(51 * 51 * 30)));
    assert_eq!(labels[2], 2);
}
