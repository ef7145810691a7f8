//! NIfTI files in and out, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_spec::{Kind, Unit};
use ichor_tests::stage::{Affine, Bench, DType, Grid, f32s, i16s, lps_grid};
use ichor_tests::{Case, shared_data};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// A grid that no axis of the world is along, turned but not sheared.
fn oblique() -> Grid {
    let (s, c) = (0.6, 0.8);
    let affine =
        Affine([[-0.4, 0.0, 0.0, 80.0], [0.0, -0.4 * c, -3.0 * s, 70.0], [0.0, -0.4 * s, 3.0 * c, -60.0]]);
    Grid::new([70, 60, 50], affine).unwrap()
}

fn save(bench: &Bench, params: Json, image: &Arc<Value>) -> Arc<Value> {
    bench.run("save-nifti", params, &[("image", image)]).unwrap()["file"].clone()
}

fn try_load(bench: &Bench, params: Json) -> Result<Arc<Value>, String> {
    bench.run("load-nifti", params, &[]).map(|out| out["image"].clone()).map_err(|e| e.to_string())
}

fn pattern(grid: &Grid) -> impl Fn([usize; 3]) -> i16 + use<> {
    let grid = *grid;
    move |[i, j, k]| (grid.index(i, j, k) * 31 % 4096) as i16 - 1024
}

#[test]
fn a_ct_survives_the_file_whatever_the_threads() {
    let case = Case::new();
    let mut files = Vec::new();
    for (threads, worker) in [(1, false), (4, false), (2, true)] {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        let grid = oblique();
        let ct = bench.ct(&grid, pattern(&grid));
        for compression in [0, 1, 6] {
            let file = save(&bench, json!({ "compression": compression }), &ct);
            let extension = if compression == 0 { "nii" } else { "nii.gz" };
            assert_eq!(file.meta()["extension"], extension);
            let source = case.write("ct.dat", file.bytes());
            let back = try_load(&bench, json!({ "source": source, "unit": "HU" })).unwrap();
            assert_eq!((back.kind(), back.unit(), back.dtype()), (Kind::Volume, Unit::Hu, Some(DType::I16)));
            assert!(back.grid().unwrap().same_as(&grid));
            assert!(back.bytes() == ct.bytes());
            assert_eq!(back.meta()["grid"]["nifti"]["xform"], 2);
            files.push((compression, file.bytes().to_vec()));
        }
        assert!(bench.log.lock().unwrap().is_empty());
    }
    for (compression, file) in &files {
        assert!(files.iter().all(|(c, f)| c != compression || f == file), "level {compression}");
    }
}

#[test]
fn every_kind_keeps_its_values() {
    let case = Case::new();
    let bench = Bench::new(2);
    let grid = lps_grid([20, 30, 10], [0.5, 0.5, 5.0]);
    let n = grid.len();
    let bytes = |f: &dyn Fn(usize) -> f32| (0..n).flat_map(|v| f(v).to_ne_bytes()).collect::<Vec<u8>>();
    let values = [
        ("mask", bench.mask(&grid, |[i, j, _]| i > j)),
        ("labels", bench.value((Kind::Labels, Unit::Label, DType::U8), &grid, &vec![7; n])),
        (
            "probs",
            bench.value(
                (Kind::Probs, Unit::Probability, DType::F32),
                &grid,
                &bytes(&|v| v as f32 / n as f32),
            ),
        ),
        (
            "volume",
            bench.value((Kind::Volume, Unit::None, DType::F32), &grid, &bytes(&|v| v as f32 * 0.1 - 50.0)),
        ),
    ];
    for (kind, value) in values {
        let source = case.write("x.nii.gz", save(&bench, json!({}), &value).bytes());
        let back = try_load(&bench, json!({ "source": source, "kind": kind })).unwrap();
        assert_eq!(
            (back.kind(), back.unit(), back.dtype()),
            (value.kind(), value.unit(), value.dtype()),
            "{kind}"
        );
        assert!(back.bytes() == value.bytes() && back.grid().unwrap().same_as(&grid), "{kind}");
    }
}

#[test]
fn several_volumes_are_classes_or_one_is_chosen() {
    let case = Case::new();
    let bench = Bench::new(2);
    // Two volumes of 2 x 1 x 1 voxels of float32: 0.25, 0.5 and 0.75, 0.5.
    let mut file = vec![0u8; 352];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    for (n, d) in [4i16, 2, 1, 1, 2, 1, 1, 1].iter().enumerate() {
        put(40 + 2 * n, &d.to_le_bytes());
    }
    put(70, &16i16.to_le_bytes());
    put(72, &32i16.to_le_bytes());
    put(108, &352f32.to_le_bytes());
    put(123, &[2]);
    put(254, &1i16.to_le_bytes());
    for row in 0..3 {
        put(280 + 20 * row, &1f32.to_le_bytes());
    }
    put(344, b"n+1\0");
    file.extend([0.25f32, 0.5, 0.75, 0.5].iter().flat_map(|v| v.to_le_bytes()));
    let source = case.write("4d.nii", &file);
    let classes = try_load(&bench, json!({ "source": source, "kind": "probs" })).unwrap();
    assert_eq!(f32s(&classes), [0.25, 0.5, 0.75, 0.5]);
    let again = case.write("again.nii.gz", save(&bench, json!({}), &classes).bytes());
    assert_eq!(f32s(&try_load(&bench, json!({ "source": again, "kind": "probs" })).unwrap()), f32s(&classes));
    for path in [&source, &again] {
        let second = try_load(&bench, json!({ "source": path, "volume": 1 })).unwrap();
        assert_eq!((f32s(&second), second.grid().unwrap().shape), (vec![0.75, 0.5], [2, 1, 1]));
        let refused = try_load(&bench, json!({ "source": path })).unwrap_err();
        assert!(refused.ends_with("choose one with `volume`, 0 to 1"), "{refused}");
    }
}

#[test]
fn what_a_kind_does_not_allow_is_refused() {
    let case = Case::new();
    let bench = Bench::new(1);
    let grid = lps_grid([4, 4, 4], [1.0; 3]);
    let ct = bench.ct(&grid, |[i, ..]| i as i16);
    let source = case.write("ct.nii.gz", save(&bench, json!({}), &ct).bytes());
    let refused = |params: Json| try_load(&bench, params).unwrap_err();
    assert_eq!(
        refused(json!({ "source": source, "kind": "mask" })),
        format!(
            "`{source}` has 32 voxels that are neither 0 nor 1, the first (2) at position 2; set `binarise: true` to \
             take all that is not 0, or `kind: labels`"
        )
    );
    let mask = try_load(&bench, json!({ "source": source, "kind": "mask", "binarise": true })).unwrap();
    assert_eq!(mask.bytes()[..4], [0, 1, 1, 1]);
    assert!(refused(json!({ "source": source, "kind": "probs" })).contains("no probabilities"));
    assert!(refused(json!({ "source": source, "kind": "mask", "unit": "HU" })).contains("`unit` is for"));
    assert!(refused(json!({ "source": source, "kind": "mask", "fill": 0.0 })).contains("`fill` is for"));
    assert!(refused(json!({ "source": case.path("none.nii") })).contains("none.nii` cannot be opened"));
    let narrow = bench.run("save-nifti", json!({ "dtype": "uint8" }), &[("image", &bench.ct(&grid, |_| -1))]);
    assert_eq!(narrow.unwrap_err().to_string(), "the value -1 is no uint8; choose another `dtype`");
}

#[test]
fn extensions_and_the_space_are_written_again() {
    let case = Case::new();
    let bench = Bench::new(1);
    let grid = lps_grid([3, 3, 3], [1.0; 3]);
    let meta = json!({
        "grid": { "nifti": { "xform": 4 } },
        "nifti": { "extensions": [{ "code": 6, "hex": "6162636465666768" }] },
    });
    let ct = Value::clone(&bench.ct(&grid, |_| 1)).with_meta(meta.as_object().unwrap().clone());
    let source = case.write("x.nii.gz", save(&bench, json!({}), &Arc::new(ct)).bytes());
    let back = try_load(&bench, json!({ "source": source, "keep_extensions": true })).unwrap();
    assert_eq!(back.meta()["nifti"], meta["nifti"]);
    let back = try_load(&bench, json!({ "source": source })).unwrap();
    assert_eq!((back.meta().get("nifti"), &back.meta()["grid"]["nifti"]["xform"]), (None, &json!(4)));
}

#[test]
fn a_sheared_grid_is_kept_and_said_to_be_one() {
    let case = Case::new();
    let bench = Bench::new(1);
    let tilted = Affine([[-0.5, 0.0, 0.0, 9.0], [0.0, -0.5, -1.6, 8.0], [0.0, 0.0, 4.8, 7.0]]);
    let grid = Grid::new([32, 32, 9], tilted).unwrap();
    let ct = bench.ct(&grid, pattern(&grid));
    let source = case.write("x.nii.gz", save(&bench, json!({}), &ct).bytes());
    let back = try_load(&bench, json!({ "source": source })).unwrap();
    assert!(back.grid().unwrap().same_as(&grid));
    let log = bench.log.lock().unwrap();
    assert!(log.len() == 1 && log[0].1.contains("sheared"), "{log:?}");
}

#[test]
fn a_real_head_survives_the_file() {
    let Some(source) = shared_data("head-ge-regular.nii.gz") else { return };
    let case = Case::new();
    let bench = Bench::new(2);
    let head = try_load(&bench, json!({ "source": source, "unit": "HU" })).unwrap();
    assert_eq!(head.grid().unwrap().shape, [512, 611, 37]);
    // nibabel 5.4.2: np.asarray(image.dataobj).sum(dtype="i8")
    assert_eq!(i16s(&head).iter().map(|&v| i64::from(v)).sum::<i64>(), -7_382_681_395);
    let again = case.write("head.nii.gz", save(&bench, json!({}), &head).bytes());
    let back = try_load(&bench, json!({ "source": again })).unwrap();
    assert!(back.bytes() == head.bytes() && back.grid().unwrap().same_as(&head.grid().unwrap()));
    assert_eq!(back.meta(), head.meta());
}
