//! Changes of grid, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_spec::{Kind, Unit};
use ichor_tests::stage::{Affine, Bench, DType, Grid, f32s, i16s, lps_grid, voxels};
use serde_json::json;
use std::sync::Arc;

/// Voxels as a scanner gives them, 60 x 50 x 60 mm.
fn grid() -> Grid {
    lps_grid([120, 100, 12], [0.5, 0.5, 5.0])
}

/// HU that are a linear function of the place in mm.
fn ramp(p: [f64; 3]) -> f64 {
    40.0 + 5.0 * p[0] - 7.0 * p[1] + 3.0 * p[2]
}

fn place(grid: &Grid, v: [usize; 3]) -> [f64; 3] {
    grid.affine.apply(v.map(|n| n as f64))
}

/// Whether a voxel is so far inside that smoothing across the border does not reach it.
fn is_inner(grid: &Grid, v: [usize; 3]) -> bool {
    (0..3).all(|a| {
        let edge = v[a].min(grid.shape[a] - 1 - v[a]) as f64 * grid.spacing()[a];
        edge > if a == 2 { 6.0 } else { 4.0 }
    })
}

#[test]
fn a_ct_keeps_its_field_of_view_its_type_and_its_values() {
    for (threads, worker) in [(1, false), (2, true)] {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        let ct = bench.ct(&grid(), |v| ramp(place(&grid(), v)).round() as i16);
        for interpolation in ["auto", "linear", "cubic"] {
            let params = json!({ "spacing": [1.0, 0, 2.5], "interpolation": interpolation });
            let out = &bench.run("resample", params, &[("image", &ct)]).unwrap()["image"];
            let to = out.grid().unwrap();
            assert_eq!((out.kind(), out.unit(), out.dtype()), (Kind::Volume, Unit::Hu, Some(DType::I16)));
            assert_eq!(to.shape, [60, 100, 24]);
            assert!((0..3).all(|a| (to.spacing()[a] - [1.0, 0.5, 2.5][a]).abs() < 1e-9));
            let corners = [to, grid()].map(|g| g.affine.apply([-0.5; 3]));
            assert!((0..3).all(|a| (corners[0][a] - corners[1][a]).abs() < 1e-9));
            let mut seen = 0;
            for (v, hu) in voxels(&to).zip(i16s(out)).filter(|(v, _)| is_inner(&to, *v)) {
                assert!((f64::from(hu) - ramp(place(&to, v))).abs() <= 1.1, "{interpolation} {v:?}: {hu}");
                seen += 1;
            }
            assert!(seen > 10_000);
        }
    }
}

#[test]
fn a_grid_that_is_right_already_passes_the_image_through() {
    let bench = Bench::new(1);
    let ct = bench.ct(&grid(), |v| v[0] as i16);
    let by_spacing = bench.run("resample", json!({ "spacing": [0.5, 0, 5] }), &[("image", &ct)]).unwrap();
    assert!(by_spacing["image"].is_same(&ct));
    let mask = bench.mask(&grid(), |_| true);
    let by_reference = bench.run("resample", json!({}), &[("image", &ct), ("reference", &mask)]).unwrap();
    assert!(by_reference["image"].is_same(&ct));
}

#[test]
fn a_mask_and_labels_follow_a_reference_without_new_values() {
    let bench = Bench::new(2);
    // Tilted, finer, and larger than the image.
    let (s, c) = 0.2f64.sin_cos();
    let affine =
        Affine([[0.7, 0.0, 0.0, -35.0], [0.0, 0.7 * c, -2.0 * s, -28.0], [0.0, 0.7 * s, 2.0 * c, -40.0]]);
    let to = Grid::new([100, 90, 40], affine).unwrap();
    let reference = bench.ct(&to, |_| 0);
    let in_ball = |p: [f64; 3], r: f64| p.iter().map(|x| x * x).sum::<f64>() < r * r;
    let mask = bench.mask(&grid(), |v| in_ball(place(&grid(), v), 15.0));
    let numbers = voxels(&grid()).map(|v| match place(&grid(), v) {
        p if in_ball(p, 8.0) => 70_000u32,
        p if in_ball(p, 15.0) => 3,
        _ => 0,
    });
    let bytes: Vec<u8> = numbers.flat_map(u32::to_ne_bytes).collect();
    let labels = bench.value((Kind::Labels, Unit::Label, DType::U32), &grid(), &bytes);
    let ball_mm3 = 4.0 / 3.0 * std::f64::consts::PI * 15f64.powi(3);
    for interpolation in ["auto", "nearest", "linear", "cubic"] {
        let params = json!({ "interpolation": interpolation });
        let run =
            |image| bench.run("resample", params.clone(), &[("image", image), ("reference", &reference)]);
        let out = &run(&mask).unwrap()["image"];
        assert!(out.grid().unwrap().same_as(&to));
        assert_eq!((out.kind(), out.dtype()), (Kind::Mask, Some(DType::U8)));
        assert!(out.bytes().iter().all(|v| *v < 2));
        let mm3 = out.bytes().iter().filter(|v| **v == 1).count() as f64 * to.voxel_volume_mm3();
        assert!((mm3 / ball_mm3 - 1.0).abs() < 0.04, "{interpolation}: {mm3} of {ball_mm3}");

        let out = &run(&labels).unwrap()["image"];
        assert_eq!((out.kind(), out.dtype()), (Kind::Labels, Some(DType::U32)));
        let mut count = [0usize; 3];
        for b in out.bytes().as_chunks::<4>().0 {
            count[[0, 3, 70_000].iter().position(|l| *l == u32::from_ne_bytes(*b)).unwrap()] += 1;
        }
        let share = count[2] as f64 / (count[1] + count[2]) as f64;
        assert!((share / (8f64 / 15.0).powi(3) - 1.0).abs() < 0.1, "{interpolation}: {count:?}");
    }
}

#[test]
fn what_the_image_does_not_reach_is_air() {
    let bench = Bench::new(1);
    let ct = bench.ct(&grid(), |_| 30);
    let reference = bench.mask(&lps_grid([10, 10, 10], [22.0; 3]), |_| true);
    let run = |params| {
        let out = bench.run("resample", params, &[("image", &ct), ("reference", &reference)]).unwrap();
        i16s(&out["image"])
    };
    // 60 x 50 x 60 mm of 220 x 220 x 220 mm; centres lie at odd multiples of 11 mm.
    let hit =
        |v: [usize; 3]| [30.0, 25.0, 30.0].iter().zip(v).all(|(h, n)| (n as f64 * 22.0 - 99.0).abs() < *h);
    for (v, hu) in voxels(&lps_grid([10, 10, 10], [1.0; 3])).zip(run(json!({}))) {
        assert_eq!(hu, if hit(v) { 30 } else { -1024 });
    }
    assert_eq!(run(json!({ "outside": 7 }))[0], 7);

    let far = Grid::new([4, 4, 4], Affine::from_spacing([1.0; 3], [500.0; 3])).unwrap();
    let far = bench.mask(&far, |_| true);
    let out = bench.run("resample", json!({}), &[("image", &ct), ("reference", &far)]).unwrap();
    assert_eq!(i16s(&out["image"]), [-1024; 64]);
    assert!(bench.log.lock().unwrap().iter().any(|(_, text)| text.contains("do not overlap")));
}

#[test]
fn volumes_of_each_type_and_probabilities_stay_what_they_are() {
    let bench = Bench::new(2);
    let step: Vec<bool> = voxels(&grid()).map(|v| v[0] >= 60).collect();
    let of = |f: &dyn Fn(bool) -> Vec<u8>| -> Vec<u8> { step.iter().flat_map(|s| f(*s)).collect() };
    let run = |kind, unit, dtype, bytes: &[u8]| {
        let value = bench.value((kind, unit, dtype), &grid(), bytes);
        let params = json!({ "spacing": [0.3, 0, 0], "interpolation": "cubic" });
        let out = Arc::clone(&bench.run("resample", params, &[("image", &value)]).unwrap()["image"]);
        assert_eq!((out.kind(), out.unit(), out.dtype()), (kind, unit, Some(dtype)));
        out
    };
    let u16 = of(&|s| u16::to_ne_bytes(if s { 65_000 } else { 100 }).to_vec());
    let u16 = run(Kind::Volume, Unit::None, DType::U16, &u16);
    let u16: Vec<u16> = u16.bytes().as_chunks::<2>().0.iter().map(|b| u16::from_ne_bytes(*b)).collect();
    assert_eq!((u16[0], u16[199]), (100, 65_000));
    // A spline overshoots a step: the type's range stops it, and so does that of probabilities.
    assert_eq!((u16.iter().min(), u16.iter().max()), (Some(&0), Some(&65_535)));
    let floats = of(&|s| f32::to_ne_bytes(f32::from(u8::from(s))).to_vec());
    let range = |v: Vec<f32>| (v.iter().copied().fold(1.0, f32::min), v.iter().copied().fold(0.0, f32::max));
    let (low, high) = range(f32s(&run(Kind::Volume, Unit::None, DType::F32, &floats)));
    assert!(low < -0.05 && high > 1.05);
    assert_eq!(range(f32s(&run(Kind::Probs, Unit::Probability, DType::F32, &floats))), (0.0, 1.0));
}

#[test]
fn what_makes_no_sense_is_refused_in_a_sentence() {
    let bench = Bench::new(1);
    let ct = bench.ct(&grid(), |_| 0);
    let mask = bench.mask(&grid(), |_| true);
    let refusal = |params, inputs: &[(&str, &Arc<Value>)]| {
        bench.run("resample", params, inputs).unwrap_err().to_string()
    };
    assert!(refusal(json!({}), &[("image", &ct)]).contains("set `spacing` or connect `reference`"));
    let both = refusal(json!({ "spacing": [1, 1, 1] }), &[("image", &ct), ("reference", &mask)]);
    assert!(both.contains("take one away"), "{both}");
    let outside = refusal(json!({ "spacing": [1, 1, 1], "outside": 0.5 }), &[("image", &mask)]);
    assert!(outside.contains("must be 0 or 1 for a mask"), "{outside}");
    let outside = refusal(json!({ "spacing": [1, 1, 1], "outside": -40000 }), &[("image", &ct)]);
    assert!(outside.contains("cannot hold"), "{outside}");
}
