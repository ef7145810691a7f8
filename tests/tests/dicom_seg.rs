//! Masks as DICOM Segmentations, through the built plugin, read by other programs.

#![allow(clippy::unwrap_used, reason = "tests")]

use dicom_object::{FileDicomObject, InMemDicomObject};
use ichor_host::Value;
use ichor_spec::{Kind, Unit};
use ichor_tests::dicom::{Image, Syntax, Vr, tag};
use ichor_tests::stage::{Bench, DType, voxels};
use ichor_tests::{Case, root, run_ok, shared_data};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

const SIZE: [u16; 2] = [12, 10];
const HEIGHTS: [f64; 5] = [0.0, 3.0, 6.0, 9.0, 12.0];

/// Slices 1 mm by 1 mm, moved by `shear` mm to the back for every mm up; names of the patient in each.
fn series(shear: f64) -> Case {
    let case = Case::new();
    for (n, z) in HEIGHTS.into_iter().enumerate() {
        let pixels = vec![40; 120];
        let mut image = Image::slice(50 - n as u32, SIZE, [-5.0, -4.0 + shear * z, z], &pixels);
        image.text(tag::PATIENT_NAME, Vr::PN, "Canary^Yellow").text(tag::PATIENT_ID, Vr::LO, "ID-4711");
        image.text(tag::STUDY_DATE, Vr::DA, "20190203");
        case.write(&format!("{}.dcm", 9 - n), image.file(Syntax::Explicit));
    }
    case
}

type Out = BTreeMap<String, Arc<Value>>;

fn load(bench: &Bench, case: &Case, tilt: &str) -> Out {
    bench.run("load-dicom", json!({ "source": case.path(""), "tilt": tilt }), &[]).unwrap()
}

fn save(bench: &Bench, params: Json, mask: &Arc<Value>, slices: &Arc<Value>) -> Result<Vec<u8>, String> {
    let made = bench.run("save-dicom-seg", params, &[("mask", mask), ("slices", slices)]);
    Ok(made.map_err(|e| e.to_string())?["file"].bytes().to_vec())
}

fn read(bytes: &[u8]) -> FileDicomObject<InMemDicomObject> {
    assert_eq!(&bytes[128..132], b"DICM");
    dicom_object::from_reader(&bytes[128..]).unwrap()
}

fn text(object: &InMemDicomObject, tag: dicom_core::Tag) -> String {
    object.element(tag).unwrap().to_str().unwrap().trim_end_matches(['\0', ' ']).to_owned()
}

fn items(object: &InMemDicomObject, tag: dicom_core::Tag) -> Vec<InMemDicomObject> {
    object.element(tag).unwrap().items().unwrap().to_vec()
}

/// For each frame: its segment, the instance it refers to, its position, its pixels.
fn frames(object: &InMemDicomObject) -> Vec<(u16, String, Vec<f64>, Vec<bool>)> {
    let bits = object.element(tag::PIXEL_DATA).unwrap().to_bytes().unwrap().to_vec();
    let n = usize::from(SIZE[0]) * usize::from(SIZE[1]);
    let groups = items(object, tag::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    assert_eq!(text(object, tag::NUMBER_OF_FRAMES), groups.len().to_string());
    assert_eq!(bits.len(), (groups.len() * n).div_ceil(8).next_multiple_of(2));
    let one = |(f, group): (usize, &InMemDicomObject)| {
        let segment = &items(group, tag::SEGMENT_IDENTIFICATION_SEQUENCE)[0];
        let derived = &items(group, tag::DERIVATION_IMAGE_SEQUENCE)[0];
        let image = &items(derived, tag::SOURCE_IMAGE_SEQUENCE)[0];
        let plane = &items(group, tag::PLANE_POSITION_SEQUENCE)[0];
        let pixels = (f * n..(f + 1) * n).map(|b| bits[b / 8] >> (b % 8) & 1 == 1).collect();
        (
            segment.element(tag::REFERENCED_SEGMENT_NUMBER).unwrap().to_int::<u16>().unwrap(),
            text(image, tag::REFERENCED_SOP_INSTANCE_UID),
            plane.element(tag::IMAGE_POSITION_PATIENT).unwrap().to_multi_float64().unwrap(),
            pixels,
        )
    };
    groups.iter().enumerate().map(one).collect()
}

#[test]
fn a_mask_comes_back_on_the_slices_it_was_made_from() {
    let (bench, case) = (Bench::new(2), series(0.4));
    // With the shear kept, the volume is the slices: pixel for pixel.
    let kept = load(&bench, &case, "keep");
    let grid = kept["image"].grid().unwrap();
    let marked = |[i, j, k]: [usize; 3]| (i * 3 + j * 5 + k) % 7 == 0 && k != 2;
    let mask = bench.mask(&grid, marked);
    let bytes = save(&bench, json!({}), &mask, &kept["slices"]).unwrap();
    let object = read(&bytes);
    let all = frames(&object);
    assert_eq!(all.len(), 4, "a slice without a mark has no frame");
    for (at, (segment, instance, position, pixels)) in all.iter().enumerate() {
        let k = if at < 2 { at } else { at + 1 };
        assert_eq!((*segment, instance.clone()), (1, format!("1.2.826.0.1.7.{}", 50 - k)));
        let z = HEIGHTS[k];
        assert!(position.iter().zip([-5.0, -4.0 + 0.4 * z, z]).all(|(a, b)| (a - b).abs() < 1e-6));
        for j in 0..10 {
            for i in 0..12 {
                assert_eq!(pixels[j * 12 + i], marked([i, j, k]), "{i} {j} {k}");
            }
        }
    }
    assert_eq!(text(&object, tag::SOP_CLASS_UID), "1.2.840.10008.5.1.4.1.1.66.4");
    assert_eq!(text(&object, tag::STUDY_INSTANCE_UID), "1.2.826.0.1.5");
    assert_eq!(text(&object, tag::FRAME_OF_REFERENCE_UID), "1.2.826.0.1.8");
    let referenced = &items(&object, tag::REFERENCED_SERIES_SEQUENCE)[0];
    assert_eq!(text(referenced, tag::SERIES_INSTANCE_UID), "1.2.826.0.1.6");
    assert_eq!(items(referenced, tag::REFERENCED_INSTANCE_SEQUENCE).len(), 5);
    let one = Bench::new(1);
    assert!(save(&one, json!({}), &mask, &kept["slices"]).unwrap() == bytes, "whatever the threads");

    // Corrected, the volume has a grid of its own; what depends on left and right alone is where it was.
    let straight = load(&bench, &case, "correct");
    let grid = straight["image"].grid().unwrap();
    assert_ne!(grid.shape, kept["image"].grid().unwrap().shape);
    let mask = bench.mask(&grid, |v| grid.affine.apply(v.map(|n| n as f64))[0] > 0.4);
    let all = frames(&read(&save(&bench, json!({}), &mask, &straight["slices"]).unwrap()));
    assert_eq!(all.len(), 5);
    for (.., pixels) in &all {
        for (n, on) in pixels.iter().enumerate() {
            // LPS x is i - 5 mm, so RAS x is 5 - i.
            assert_eq!(*on, 5.0 - (n % 12) as f64 > 0.4);
        }
    }
}

#[test]
fn labels_are_segments_and_nothing_is_one_empty_frame() {
    let (bench, case) = (Bench::new(1), series(0.0));
    let loaded = load(&bench, &case, "keep");
    let grid = loaded["image"].grid().unwrap();
    let bytes: Vec<u8> = voxels(&grid)
        .flat_map(|[i, _, k]| (if k == 1 { 300 * (i as u16 / 6) + 2 } else { 0 }).to_ne_bytes())
        .collect();
    let labels = bench.value((Kind::Labels, Unit::Label, DType::U16), &grid, &bytes);
    let object = read(&save(&bench, json!({ "label": "lesion" }), &labels, &loaded["slices"]).unwrap());
    let segments = items(&object, tag::SEGMENT_SEQUENCE);
    let names: Vec<String> = segments.iter().map(|s| text(s, tag::SEGMENT_LABEL)).collect();
    assert_eq!(names, ["lesion 2", "lesion 302"]);
    let all = frames(&object);
    let counts: Vec<usize> = all.iter().map(|f| f.3.iter().filter(|on| **on).count()).collect();
    assert_eq!((counts, all[1].0), (vec![60, 60], 2));

    let none = bench.mask(&grid, |_| false);
    let all = frames(&read(&save(&bench, json!({}), &none, &loaded["slices"]).unwrap()));
    assert!(all.len() == 1 && all[0].3.iter().all(|on| !on));
}

#[test]
fn nobody_is_named_unless_asked_for() {
    let (bench, case) = (Bench::new(1), series(0.0));
    let loaded = load(&bench, &case, "keep");
    let mask = bench.mask(&loaded["image"].grid().unwrap(), |[i, ..]| i > 3);
    let bytes = save(&bench, json!({}), &mask, &loaded["slices"]).unwrap();
    for secret in [&b"Canary"[..], b"4711", b"20190203"] {
        assert!(!bytes.windows(secret.len()).any(|w| w == secret));
    }
    let object = read(&bytes);
    for tag in [tag::PATIENT_NAME, tag::PATIENT_ID, tag::PATIENT_BIRTH_DATE, tag::STUDY_DATE] {
        assert_eq!(text(&object, tag), "", "there, and empty: the standard wants it there");
    }
    let bytes = save(&bench, json!({ "identity": case.path("9.dcm") }), &mask, &loaded["slices"]).unwrap();
    let object = read(&bytes);
    assert_eq!(text(&object, tag::PATIENT_NAME), "Canary^Yellow");
    assert_eq!(
        (text(&object, tag::PATIENT_ID), text(&object, tag::STUDY_DATE)),
        ("ID-4711".into(), "20190203".into())
    );

    let other = Image::slice(1, SIZE, [0.0; 3], &[0; 120])
        .text(tag::STUDY_INSTANCE_UID, Vr::UI, "1.2.3")
        .file(Syntax::Explicit);
    let other = case.write("other", other);
    for (params, says) in [
        (json!({ "identity": other }), "is of another study than the slices"),
        (json!({ "identity": "/no/such" }), "cannot read `/no/such`"),
        (json!({ "date": "2026-11-24" }), "write YYYYMMDD"),
        (json!({ "label": "a\\b" }), "plain ASCII characters without \\"),
    ] {
        let error = save(&bench, params, &mask, &loaded["slices"]).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

/// The shipped pipeline on the real head; pydicom and highdicom read what it wrote, where they are installed.
#[test]
fn other_programs_read_it() {
    let Some(folder) = shared_data("head-ge-dicom") else { return };
    let case = Case::new();
    let out = case.path("out");
    run_ok(["run", "pipelines/dicom-in-out.yaml", "-i", &format!("ct={folder}"), "-o", &out, "--no-cache"]);
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let has =
        Command::new(&python).args(["-c", "import highdicom"]).output().is_ok_and(|o| o.status.success());
    if !has {
        println!(
            "not run: {python} has no highdicom (pip install -r tests/peers/requirements.txt; PYTHON=...)"
        );
        return;
    }
    let script = root().join("tests/peers/dicom_seg.py");
    let output = Command::new(&python).arg(script).args([case.path("out/seg.dcm"), folder]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
