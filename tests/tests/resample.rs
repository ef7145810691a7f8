//! Changes of grid, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_spec::{Kind, Unit};
use ichor_tests::Case;
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
        for interpolation in ["auto", "linear", "cubic", "lanczos"] {
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
    for interpolation in ["auto", "nearest", "linear", "cubic", "lanczos"] {
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
    let params = json!({ "spacing": [1, 1, 1], "anti_alias": false, "profile": "box" });
    assert!(refusal(params, &[("image", &ct)]).contains("say different things"));
    let params = json!({ "spacing": [1, 1, 1], "thickness": [0, 0, 5] });
    assert!(refusal(params, &[("image", &ct)]).contains("`thickness` is for `profile: box`"));
}

#[test]
fn thick_slices_are_means_of_thin_ones() {
    let thin = lps_grid([20, 16, 47], [0.43, 0.43, 0.5]);
    let hu = |[i, j, k]: [usize; 3]| ((i * 31 + j * 17 + k * k * 7) % 97) as i16 * 10 - 200;
    for (threads, worker) in [(1, false), (2, true)] {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        let ct = bench.ct(&thin, hu);
        let mask = bench.mask(&thin, |[.., k]| (13..35).contains(&k));
        let run = |params: serde_json::Value, image: &Arc<Value>| {
            Arc::clone(&bench.run("resample", params, &[("image", image)]).unwrap()["image"])
        };
        let box5 = json!({ "spacing": [0, 0, 5], "profile": "box" });
        let thick = run(box5.clone(), &ct);
        let to = thick.grid().unwrap();
        assert_eq!(to.shape, [20, 16, 5]); // 23.5 mm
        for (v, got) in voxels(&to).zip(i16s(&thick)) {
            // The last slab reaches beyond the 47th slice, which ends the sum.
            let slices = 10 * v[2]..(10 * v[2] + 10).min(47);
            let n = slices.len() as f64;
            let mean = slices.map(|k| f64::from(hu([v[0], v[1], k]))).sum::<f64>() / n;
            assert!((f64::from(got) - mean).abs() <= 0.501, "{v:?}: {got} for {mean}");
        }
        // A slab of 2 mm in slices of 5 mm: the four in the middle.
        let params = json!({ "spacing": [0, 0, 5], "profile": "box", "thickness": [0, 0, 2] });
        let mean = (23..27).map(|k| f64::from(hu([3, 5, k]))).sum::<f64>() / 4.0;
        assert!((f64::from(i16s(&run(params, &ct))[to.index(3, 5, 2)]) - mean).abs() <= 0.501);
        // Half of slice 1 at least is in the mask from 13 on, and half of slice 3 up to 35.
        let params = json!({ "spacing": [0, 0, 5], "profile": "box", "interpolation": "linear" });
        let shares: Vec<u8> = run(params, &mask).bytes().iter().step_by(20 * 16).copied().collect();
        assert_eq!(shares, [0, 1, 1, 1, 0]);
    }
}

#[test]
fn the_older_way_to_say_the_profile_is_the_same() {
    let bench = Bench::new(1);
    let ct = bench.ct(&grid(), |v| ((v[0] * v[1] + v[2] * 77) % 500) as i16);
    let run = |mut params: serde_json::Value| {
        params["spacing"] = json!([1.3, 0, 0]);
        bench.run("resample", params, &[("image", &ct)]).unwrap()["image"].bytes().to_vec()
    };
    let (smooth, sharp) = (run(json!({})), run(json!({ "profile": "none" })));
    assert!(smooth == run(json!({ "profile": "gaussian" })) && smooth == run(json!({ "anti_alias": true })));
    assert!(sharp == run(json!({ "anti_alias": false })) && sharp != smooth);
}

#[test]
fn every_orientation_is_reached_and_left_without_loss() {
    let bench = Bench::new(2);
    let (s, c) = 0.2f64.sin_cos();
    let affine =
        Affine([[-0.5, 0.0, 0.1, 9.0], [0.0, -0.5 * c, -3.0 * s, 8.0], [0.0, -0.5 * s, 3.0 * c, 7.0]]);
    let from = Grid::new([7, 6, 5], affine).unwrap();
    let number = |[i, j, k]: [usize; 3]| (i + 7 * (j + 6 * k)) as i16 - 100;
    let ct = bench.ct(&from, number);
    let turn = |image: &Arc<Value>, to: &str| {
        let out = bench.run("reorient", json!({ "orientation": to }), &[("image", image)]).unwrap();
        Arc::clone(&out["image"])
    };
    let pairs = ["RL", "AP", "SI"];
    let mut seen = 0;
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for signs in 0..8usize {
            let letter = |a: usize| pairs[order[a]].as_bytes()[signs >> a & 1] as char;
            let name: String = (0..3).map(letter).collect();
            let out = turn(&ct, &name);
            let to = out.grid().unwrap();
            assert_eq!(to.affine.orientation().iter().collect::<String>(), name);
            // Each voxel is where it was in the world, with its value.
            let back = from.affine.inverse().unwrap();
            for (v, hu) in voxels(&to).zip(i16s(&out)) {
                let p = back.apply(place(&to, v)).map(|x| (x + 0.5) as usize);
                assert_eq!(hu, number(p), "{name} {v:?}");
                let (p, q) = (place(&from, p), place(&to, v));
                assert!((0..3).all(|a| (p[a] - q[a]).abs() < 1e-9));
            }
            let again = turn(&out, "LPS");
            assert!(again.bytes() == ct.bytes() && again.grid().unwrap().same_as(&from), "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 48);
    assert!(turn(&ct, "LPS").is_same(&ct));
    for wrong in ["RAP", "ras", "RASL", "", "R"] {
        let refused = bench.run("reorient", json!({ "orientation": wrong }), &[("image", &ct)]).unwrap_err();
        assert!(refused.to_string().contains("is no orientation"), "{refused}");
    }
}

#[test]
fn a_box_is_cut_and_everything_stays_in_place() {
    let bench = Bench::new(2);
    let from = grid();
    let number = |[i, j, k]: [usize; 3]| (i + 3 * j + 500 * k) as i16;
    let ct = bench.ct(&from, number);
    let mask =
        bench.mask(&from, |[i, j, k]| (30..50).contains(&i) && (40..45).contains(&j) && (3..6).contains(&k));
    let run = |params, inputs: &[(&str, &Arc<Value>)]| {
        let out = Arc::clone(&bench.run("crop", params, inputs).unwrap()["image"]);
        let to = out.grid().unwrap();
        let origin = from.affine.inverse().unwrap().apply(place(&to, [0; 3])).map(f64::round);
        let begin = origin.map(|x| x as usize);
        for (v, hu) in voxels(&to).zip(i16s(&out)) {
            assert_eq!(hu, number(std::array::from_fn(|a| begin[a] + v[a])));
        }
        (begin, to.shape)
    };
    let both: &[(&str, &Arc<Value>)] = &[("image", &ct), ("mask", &mask)];
    assert_eq!(run(json!({}), both), ([30, 40, 3], [20, 5, 3]));
    // 2 mm are 4 voxels of 0.5 mm and a part of one of 5 mm; 40 mm reach beyond the image.
    assert_eq!(run(json!({ "margin": 2 }), both), ([26, 36, 2], [28, 13, 5]));
    assert_eq!(run(json!({ "margin": 40 }), both), ([0, 0, 0], [120, 100, 12]));
    // 20 mm are 40 and 4 voxels around the middle of the mask, moved inwards at the border.
    assert_eq!(run(json!({ "extent": [20, 20, 20] }), both), ([20, 22, 2], [40, 40, 4]));
    assert_eq!(run(json!({ "extent": [55, 0, 5] }), both), ([0, 0, 4], [110, 100, 1]));
    let alone: &[(&str, &Arc<Value>)] = &[("image", &ct)];
    assert_eq!(run(json!({ "extent": [10, 10, 10] }), alone), ([50, 40, 5], [20, 20, 2]));
    assert_eq!(run(json!({ "begin": [1, 2, 3], "end": [5, 100, 12] }), alone), ([1, 2, 3], [4, 98, 9]));
    assert_eq!(run(json!({ "begin": [1, 0, 0] }), alone), ([1, 0, 0], [119, 100, 12]));

    let nothing = bench.mask(&from, |_| false);
    let empty: &[(&str, &Arc<Value>)] = &[("image", &ct), ("mask", &nothing)];
    let whole = bench.run("crop", json!({ "if_empty": "whole" }), empty).unwrap();
    assert!(whole["image"].is_same(&ct));
    let refusal = |params, inputs| bench.run("crop", params, inputs).unwrap_err().to_string();
    assert!(refusal(json!({}), empty).contains("the mask is empty"));
    assert!(refusal(json!({}), alone).contains("nothing says what the box is"));
    assert!(
        refusal(json!({ "begin": [5, 0, 0], "end": [5, 9, 9] }), alone).contains("are no box in an image")
    );
    assert!(refusal(json!({ "end": [121, 9, 9] }), alone).contains("are no box"));
    assert!(refusal(json!({ "begin": [5, 0, 0] }), both).contains("take them away"));
    assert!(refusal(json!({ "extent": [5, 0, 0], "margin": 1 }), both).contains("take one away"));

    // What was found in the box comes back on the whole image.
    let part = bench.run("crop", json!({ "margin": 3 }), &[("image", &mask), ("mask", &mask)]).unwrap();
    let back = bench.run("resample", json!({}), &[("image", &part["image"]), ("reference", &ct)]).unwrap();
    assert!(back["image"].bytes() == mask.bytes());
}

#[test]
fn padding_moves_nothing() {
    let bench = Bench::new(2);
    let from = lps_grid([7, 5, 3], [0.5, 0.5, 5.0]);
    let ct = bench.ct(&from, |[i, j, k]| (i + 7 * (j + 5 * k)) as i16);
    let run = |params| {
        let out = Arc::clone(&bench.run("pad", params, &[("image", &ct)]).unwrap()["image"]);
        let to = out.grid().unwrap();
        let first = to.affine.inverse().unwrap().apply(place(&from, [0; 3])).map(|x| x.round() as usize);
        let mut seen = 0;
        for (v, hu) in voxels(&to).zip(i16s(&out)) {
            let at: [isize; 3] = std::array::from_fn(|a| v[a] as isize - first[a] as isize);
            let is_old = (0..3).all(|a| (0..from.shape[a] as isize).contains(&at[a]));
            seen += usize::from(is_old);
            let [i, j, k] = at.map(|n| n as i16);
            assert_eq!(hu, if is_old { i + 7 * (j + 5 * k) } else { -1024 });
        }
        assert_eq!(seen, 105);
        (first, to.shape)
    };
    assert_eq!(run(json!({ "voxels": [1, 0, 2] })), ([1, 0, 2], [9, 5, 7]));
    assert_eq!(run(json!({ "mm": [1.2, 0, 5] })), ([3, 0, 1], [13, 5, 5]));
    assert_eq!(run(json!({ "shape": [10, 4, 3] })), ([1, 0, 0], [10, 5, 3]));
    assert_eq!(run(json!({ "multiple": [8, 8, 0] })), ([0, 1, 0], [8, 8, 3]));
    let same = bench.run("pad", json!({ "multiple": [7, 5, 1] }), &[("image", &ct)]).unwrap();
    assert!(same["image"].is_same(&ct));
    let with = bench.run("pad", json!({ "voxels": [1, 1, 1], "value": 5 }), &[("image", &ct)]).unwrap();
    assert_eq!(i16s(&with["image"])[0], 5);
    let mask = bench.mask(&from, |_| true);
    let with = bench.run("pad", json!({ "voxels": [1, 1, 1] }), &[("image", &mask)]).unwrap();
    assert_eq!(with["image"].bytes().iter().map(|v| usize::from(*v)).sum::<usize>(), 105);
    let refusal = |params| bench.run("pad", params, &[("image", &ct)]).unwrap_err().to_string();
    assert!(refusal(json!({})).contains("set one of"));
    assert!(refusal(json!({ "voxels": [1, 1, 1], "mm": [1, 1, 1] })).contains("one alone"));
    assert!(refusal(json!({ "voxels": [1_u64 << 40, 0, 0] })).contains("can be added"));
    assert!(refusal(json!({ "mm": [1e30, 0, 0] })).contains("can be added"));
    assert!(refusal(json!({ "voxels": [1, 1, 1], "value": 40000 })).contains("cannot hold"));
}

#[test]
fn a_window_is_clipped_and_scaled() {
    let bench = Bench::new(2);
    let line = lps_grid([9, 1, 1], [1.0; 3]);
    let hu = [-3000i16, -201, -200, -199, 0, 100, 200, 201, 3000];
    let ct = bench.ct(&line, |[i, ..]| hu[i]);
    let run = |params| Arc::clone(&bench.run("window", params, &[("image", &ct)]).unwrap()["image"]);
    let scaled = run(json!({}));
    assert_eq!((scaled.unit(), scaled.dtype()), (Unit::None, Some(DType::F32)));
    assert_eq!(f32s(&scaled), [0.0, 0.0, 0.0, 0.0025, 0.5, 0.75, 1.0, 1.0, 1.0]);
    let clipped = run(json!({ "unit": "HU", "lower": -1000, "upper": 150 }));
    assert_eq!((clipped.unit(), clipped.dtype()), (Unit::Hu, Some(DType::I16)));
    assert_eq!(i16s(&clipped), [-1000, -201, -200, -199, 0, 100, 150, 150, 150]);
    let refused = bench.run("window", json!({ "lower": 5, "upper": 5 }), &[("image", &ct)]).unwrap_err();
    assert!(refused.to_string().contains("must be below"), "{refused}");
}

#[test]
fn a_site_with_thick_slices_is_an_overlay() {
    let case = Case::new();
    let bench = Bench::new(2);
    let params = json!({ "shape": [96, 96, 60], "spacing": [2.2, 2.2, 2.5], "haematoma_ml": 40 });
    let head = bench.run("phantom-head", params, &[]).unwrap();
    let turned = bench.run("reorient", json!({ "orientation": "SRA" }), &[("image", &head["ct"])]).unwrap();
    let file = bench.run("save-nifti", json!({}), &[("image", &turned["image"])]).unwrap();
    let ct = case.write("head.nii.gz", file["file"].bytes());
    let out = case.path("out");
    let site = ["--with", "pipelines/sites/thick-5mm.yaml"];
    let set = ["--set", "working.spacing=[2.2,2.2,5.0]"];
    let args = ["run", "pipelines/ich-classical.yaml", "-i"].into_iter().map(str::to_owned);
    let rest = [&site[..], &set[..]].concat().into_iter().map(str::to_owned);
    ichor_tests::run_ok(args.chain([format!("ct={ct}"), "-o".into(), out]).chain(rest));
    // The mask is on the file's own grid, and finds the haematoma.
    let load = |name: &str| {
        let params = json!({ "source": case.path(name), "kind": "mask" });
        Arc::clone(&bench.run("load-nifti", params, &[]).unwrap()["image"])
    };
    let mask = load("out/mask.nii.gz");
    assert_eq!(mask.grid().unwrap().shape, [60, 96, 96]);
    let truth =
        bench.run("reorient", json!({ "orientation": "SRA" }), &[("image", &head["haematoma"])]).unwrap();
    let both = mask.bytes().iter().zip(truth["image"].bytes());
    let (a, b, c) =
        both.fold((0, 0, 0), |n, (x, y)| (n.0 + u32::from(*x), n.1 + u32::from(*y), n.2 + u32::from(x & y)));
    let dice = 2.0 * f64::from(c) / f64::from(a + b);
    assert!(dice > 0.8, "{dice}");
}
