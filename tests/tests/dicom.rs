//! CT series in DICOM, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use dicom_object::InMemDicomObject;
use ichor_host::{Limits, Value};
use ichor_spec::{Kind, Unit};
use ichor_tests::dicom::{Image, Primitive, Syntax, Vr, decimals, file, item, sequence, tag};
use ichor_tests::stage::{Bench, DType, Grid, f32s, i16s, lps_grid, table, voxels};
use ichor_tests::{Case, run, run_ok, shared_data};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

type Out = BTreeMap<String, Arc<Value>>;

fn try_load(bench: &Bench, params: Json) -> Result<Out, String> {
    bench.run("load-dicom", params, &[]).map_err(|e| e.to_string())
}

fn load(bench: &Bench, case: &Case) -> Out {
    try_load(bench, json!({ "source": case.path("") })).unwrap()
}

fn refused(bench: &Bench, case: &Case) -> String {
    try_load(bench, json!({ "source": case.path("") })).err().unwrap()
}

/// HU at a place (RAS, mm): linear, so that linear interpolation of it is exact wherever it is asked.
fn hu_at([x, y, z]: [f64; 3]) -> f64 {
    100.0 + 2.0 * x + 3.0 * y - 4.0 * z
}

/// A stack of slices of a world in which HU are [`hu_at`]; lengths in mm, DICOM's coordinates (LPS).
#[derive(Clone)]
struct Scan {
    along_row: [f64; 3],
    along_column: [f64; 3],
    spacing: [f64; 2],
    size: [u16; 2],
    positions: Vec<[f64; 3]>,
}

impl Scan {
    /// Axial slices at these heights, each moved by `shear` mm to the back for every mm up.
    fn axial(heights: &[f64], shear: f64) -> Self {
        Self {
            along_row: [1.0, 0.0, 0.0],
            along_column: [0.0, 1.0, 0.0],
            spacing: [1.5, 1.25],
            size: [24, 20],
            positions: heights.iter().map(|&z| [-20.0, -15.0 + shear * z, 10.0 + z]).collect(),
        }
    }

    fn world(&self, n: usize, i: f64, j: f64) -> [f64; 3] {
        let lps: [f64; 3] = std::array::from_fn(|a| {
            self.positions[n][a]
                + i * self.spacing[0] * self.along_row[a]
                + j * self.spacing[1] * self.along_column[a]
        });
        [-lps[0], -lps[1], lps[2]]
    }

    fn image(&self, n: usize) -> Image {
        let [columns, rows] = self.size;
        let pixels: Vec<i16> = (0..rows)
            .flat_map(|j| (0..columns).map(move |i| (i, j)))
            .map(|(i, j)| hu_at(self.world(n, i.into(), j.into())).round() as i16)
            .collect();
        // Instance numbers run backwards, and the thickness is wrong: neither may matter.
        let mut image = Image::slice(100 - n as u32, self.size, self.positions[n], &pixels);
        image.decimals(tag::IMAGE_ORIENTATION_PATIENT, &[self.along_row, self.along_column].concat());
        image.decimals(tag::PIXEL_SPACING, &[self.spacing[1], self.spacing[0]]);
        image
    }

    fn images(&self) -> Vec<Image> {
        (0..self.positions.len()).map(|n| self.image(n)).collect()
    }
}

/// Writes images under names in an order that is not theirs.
fn write(case: &Case, images: &[Image], syntax: Syntax) {
    for (n, image) in images.iter().enumerate() {
        case.write(&format!("{:02}.dcm", n * 7 % 31), image.file(syntax));
    }
}

fn written(scan: &Scan) -> Case {
    let case = Case::new();
    write(&case, &scan.images(), Syntax::Explicit);
    case
}

fn rows(out: &Out, port: &str) -> Vec<Json> {
    table(&out[port])["rows"].as_array().unwrap().clone()
}

/// The first row of the report with this name: value and verdict.
fn finding(out: &Out, name: &str) -> (f64, String) {
    let rows = rows(out, "report");
    let row = rows.iter().find(|r| r[0] == name).unwrap_or_else(|| panic!("no {name} in {rows:?}"));
    (row[1].as_f64().unwrap_or(f64::NAN), row[3].as_str().unwrap().to_owned())
}

fn near(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not {b}");
}

/// Whether the volume holds [`hu_at`] wherever it holds more than air; returns the part that does.
fn holds_the_world(image: &Value) -> f64 {
    let grid = image.grid().unwrap();
    let values: Vec<f64> = match image.dtype() {
        Some(DType::I16) => i16s(image).iter().map(|&v| v.into()).collect(),
        _ => f32s(image).iter().map(|&v| v.into()).collect(),
    };
    let mut found = 0;
    for (v, hu) in voxels(&grid).zip(&values) {
        let want = hu_at(grid.affine.apply(v.map(|n| n as f64)));
        // Between a slice and what lies beside it, air is mixed in.
        if (hu - want).abs() <= 1.01 {
            found += 1;
        } else {
            assert!(*hu < want - 1.0, "{v:?}: {hu} for {want}");
        }
    }
    f64::from(found) / values.len() as f64
}

/// A stack turned about two axes.
fn oblique() -> Scan {
    let ((s, c), (t, d)) = (25f64.to_radians().sin_cos(), 10f64.to_radians().sin_cos());
    let along_row = [c, s * d, s * t];
    let along_column = [-s, c * d, c * t];
    let normal: [f64; 3] = std::array::from_fn(|a| {
        let (b, e) = ((a + 1) % 3, (a + 2) % 3);
        along_row[b] * along_column[e] - along_row[e] * along_column[b]
    });
    let positions =
        (0..7).map(|n| std::array::from_fn(|a| [-30.0, 12.5, 40.0][a] + 4.5 * f64::from(n) * normal[a]));
    Scan { along_row, along_column, positions: positions.collect(), ..Scan::axial(&[], 0.0) }
}

#[test]
fn an_oblique_series_is_put_in_order_and_in_place_whatever_the_threads() {
    let scan = oblique();
    let case = written(&scan);
    let mut all: Vec<Vec<u8>> = Vec::new();
    for (threads, worker) in [(1, false), (4, false), (2, true)] {
        let mut bench = Bench::new(threads);
        bench.worker = worker;
        let out = load(&bench, &case);
        let image = &out["image"];
        assert_eq!((image.kind(), image.unit(), image.dtype()), (Kind::Volume, Unit::Hu, Some(DType::I16)));
        assert_eq!(image.meta()["nifti"]["xform"], 1);
        let grid = image.grid().unwrap();
        assert_eq!(grid.shape, [24, 20, 7]);
        for (n, v) in [(0, [0.0; 3]), (3, [5.0, 7.0, 3.0]), (6, [23.0, 19.0, 6.0])] {
            let (got, want) = (grid.affine.apply(v), scan.world(n, v[0], v[1]));
            (0..3).for_each(|a| near(got[a], want[a], 1e-4));
        }
        // Copied: every voxel is the pixel that was written.
        let pixels: Vec<i16> = scan.images().iter().flat_map(|i| i.words.iter().map(|&w| w as i16)).collect();
        assert!(i16s(image) == pixels);
        assert_eq!(finding(&out, "gantry tilt").1, "ok");
        near(finding(&out, "slice distance").0, 4.5, 1e-4);
        near(finding(&out, "change of distance").0, 0.0, 1e-4);
        all.push(["image", "slices", "report"].map(|port| out[port].bytes().to_vec()).concat());
        assert!(bench.log.lock().unwrap().is_empty(), "{:?}", bench.log.lock().unwrap());
    }
    assert!(all[1] == all[0] && all[2] == all[0]);
}

#[test]
fn slices_are_tied_to_their_instances() {
    let scan = Scan::axial(&[0.0, 5.0, 10.0, 15.0], 0.0);
    let case = written(&scan);
    let out = load(&Bench::new(2), &case);
    let slices = table(&out["slices"]);
    let names: Vec<&str> =
        slices["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    let cell =
        |row: usize, name: &str| slices["rows"][row][names.iter().position(|n| *n == name).unwrap()].clone();
    for n in 0..4 {
        assert_eq!(cell(n, "index"), n);
        assert_eq!(cell(n, "k"), n as f64);
        assert_eq!(cell(n, "sop_class_uid"), "1.2.840.10008.5.1.4.1.1.2");
        assert_eq!(cell(n, "sop_instance_uid"), format!("1.2.826.0.1.7.{}", 100 - n));
        assert_eq!(cell(n, "frame"), 1);
        assert_eq!(cell(n, "series_instance_uid"), "1.2.826.0.1.6");
        assert_eq!(cell(n, "study_instance_uid"), "1.2.826.0.1.5");
        assert_eq!(cell(n, "frame_of_reference_uid"), "1.2.826.0.1.8");
        assert_eq!(cell(n, "position_lps_y"), -15.0);
        assert_eq!(cell(n, "position_lps_z"), 10.0 + 5.0 * n as f64);
        assert_eq!((cell(n, "row_lps_x"), cell(n, "column_lps_y")), (json!(1.0), json!(1.0)));
        assert_eq!(
            (cell(n, "spacing_between_columns"), cell(n, "spacing_between_rows")),
            (json!(1.5), json!(1.25))
        );
        assert_eq!((cell(n, "columns"), cell(n, "rows")), (json!(24), json!(20)));
        assert_eq!((cell(n, "slice_thickness"), cell(n, "convolution_kernel")), (json!(5.0), json!("H31s")));
    }
}

#[test]
fn a_tilted_gantry_is_corrected_kept_or_refused_whichever_way_it_leans() {
    let bench = Bench::new(2);
    for (degrees, header) in [(18.5f64, 18.5), (-18.5, 18.5), (11.0, -11.0)] {
        let shear = degrees.to_radians().tan();
        let heights: Vec<f64> = (0..9).map(|n| 4.0 * f64::from(n)).collect();
        let scan = Scan::axial(&heights, shear);
        let case = Case::new();
        let mut images = scan.images();
        images.iter_mut().for_each(|i| {
            i.decimals(tag::GANTRY_DETECTOR_TILT, &[header]);
        });
        write(&case, &images, Syntax::Explicit);
        let out = load(&bench, &case);
        let (tilt, verdict) = finding(&out, "gantry tilt");
        near(tilt, degrees.abs(), 1e-3);
        assert_eq!(verdict, "repaired");
        assert!(rows(&out, "report").iter().all(|r| r[0] != "gantry tilt in the header"));
        let grid = out["image"].grid().unwrap();
        let m = grid.affine.0;
        assert!(m[1][2].abs() < 1e-9 && m[0][2].abs() < 1e-9, "no shear is left: {m:?}");
        // 32 mm up at this shear are so many rows of 1.25 mm more.
        assert_eq!(grid.shape, [24, 20 + (32.0 * shear.abs() / 1.25).ceil() as usize, 9]);
        let part = holds_the_world(&out["image"]);
        let full = 20.0 / grid.shape[1] as f64;
        assert!(part > 0.94 * full, "{part} of {full}");

        let kept = try_load(&bench, json!({ "source": case.path(""), "tilt": "keep" })).unwrap();
        assert_eq!(finding(&kept, "gantry tilt").1, "warn");
        let grid = kept["image"].grid().unwrap();
        assert_eq!(grid.shape, [24, 20, 9]);
        let (got, want) = (grid.affine.apply([3.0, 4.0, 8.0]), scan.world(8, 3.0, 4.0));
        (0..3).for_each(|a| near(got[a], want[a], 1e-6));
        assert_eq!(holds_the_world(&kept["image"]), 1.0);

        let refused = try_load(&bench, json!({ "source": case.path(""), "tilt": "refuse" })).err().unwrap();
        assert!(refused.contains("set `tilt: correct` or `tilt: keep`"), "{refused}");
    }
}

#[test]
fn a_tilt_in_the_header_that_the_positions_deny_is_a_warning() {
    let case = Case::new();
    let mut images = Scan::axial(&[0.0, 5.0, 10.0], 0.0).images();
    images.iter_mut().for_each(|i| {
        i.decimals(tag::GANTRY_DETECTOR_TILT, &[20.0]);
    });
    write(&case, &images, Syntax::Explicit);
    let out = load(&Bench::new(1), &case);
    assert_eq!(finding(&out, "gantry tilt in the header"), (20.0, "warn".into()));
    assert_eq!(finding(&out, "gantry tilt").1, "ok");
}

#[test]
fn distances_that_change_are_evened_at_the_true_positions() {
    let bench = Bench::new(2);
    let heights = [0.0, 4.0, 8.0, 12.0, 13.1, 20.1, 27.1, 34.1];
    for shear in [0.0, 0.3] {
        let case = written(&Scan::axial(&heights, shear));
        let out = load(&bench, &case);
        assert_eq!(finding(&out, "change of distance").1, "repaired");
        let grid = out["image"].grid().unwrap();
        near(grid.spacing()[2], 4.0, 1e-9);
        // 34.1 mm are 8.5 distances: the last grid slice lies beyond the last slice by half of one at most.
        assert_eq!(grid.shape[2], 10);
        let mut values = i16s(&out["image"]);
        values.truncate(values.len() / 10 * 9);
        let inner = Grid::new([grid.shape[0], grid.shape[1], 9], grid.affine).unwrap();
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_ne_bytes()).collect();
        let inner = bench.value((Kind::Volume, Unit::Hu, DType::I16), &inner, &bytes);
        let part = holds_the_world(&inner);
        // Where two slices are mixed, the edge of either is air.
        assert!(part > 0.88 * 20.0 / grid.shape[1] as f64, "{part}");
        let refused =
            try_load(&bench, json!({ "source": case.path(""), "irregular": "refuse" })).err().unwrap();
        assert!(
            refused.contains("set `irregular: resample`") && refused.contains("7.00 mm (3 times)"),
            "{refused}"
        );
        if shear == 0.0 {
            let travel: Vec<f64> = rows(&out, "report")
                .iter()
                .filter(|r| r[0] == "slice distance")
                .map(|r| r[1].as_f64().unwrap())
                .collect();
            assert_eq!(travel, [4.0, 1.1, 7.0]);
        }
    }
}

#[test]
fn missing_slices_are_reported_and_a_wide_gap_is_refused() {
    let bench = Bench::new(2);
    let heights: Vec<f64> = (0..12).filter(|n| *n != 5).map(|n| 3.0 * f64::from(n)).collect();
    let out = load(&bench, &written(&Scan::axial(&heights, 0.0)));
    assert_eq!(finding(&out, "missing slices"), (1.0, "warn".into()));
    assert_eq!(out["image"].grid().unwrap().shape[2], 12);
    assert_eq!(holds_the_world(&out["image"]), 1.0);
    let heights: Vec<f64> = (0..14).filter(|n| !(5..8).contains(n)).map(|n| 3.0 * f64::from(n)).collect();
    let refused = refused(&bench, &written(&Scan::axial(&heights, 0.0)));
    assert!(refused.contains("between slices 5 and 6") && refused.contains("12.00 mm"), "{refused}");
}

#[test]
fn copies_are_dropped_and_different_slices_at_one_position_are_refused() {
    let bench = Bench::new(2);
    let scan = Scan::axial(&[0.0, 5.0, 10.0, 15.0], 0.0);
    let case = written(&scan);
    case.write("copy.dcm", scan.image(2).file(Syntax::Implicit));
    let out = load(&bench, &case);
    assert_eq!(finding(&out, "duplicate slices"), (1.0, "repaired".into()));
    assert_eq!(out["image"].grid().unwrap().shape[2], 4);

    let mut other = scan.image(2);
    other.words[7] ^= 1;
    case.write("copy.dcm", other.file(Syntax::Explicit));
    let refused = refused(&bench, &case);
    assert!(refused.contains("different slices of one series at one position"), "{refused}");
    assert!(!refused.contains("copy"), "{refused}");
}

#[test]
fn acquisitions_of_one_series_are_told_apart() {
    let bench = Bench::new(2);
    let case = Case::new();
    let scan = Scan::axial(&[0.0, 5.0, 10.0], 0.0);
    for acquisition in 1..=2u32 {
        for (n, image) in scan.images().iter().enumerate() {
            let mut image = image.clone();
            image.text(tag::ACQUISITION_NUMBER, Vr::IS, &acquisition.to_string());
            image.text(tag::SOP_INSTANCE_UID, Vr::UI, &format!("1.2.3.{acquisition}.{n}"));
            image.words[0] = acquisition as u16;
            case.write(&format!("{acquisition}{n}"), image.file(Syntax::Explicit));
        }
    }
    assert!(refused(&bench, &case).contains("(2) CT, 3 slices"));
    for acquisition in 1..=2 {
        let out = try_load(&bench, json!({ "source": case.path(""), "series": acquisition })).unwrap();
        assert_eq!(i16s(&out["image"])[0], acquisition);
    }
}

#[test]
fn of_several_series_one_is_chosen_and_what_is_no_volume_is_set_aside() {
    let bench = Bench::new(2);
    let case = Case::new();
    let scan = Scan::axial(&[0.0, 5.0, 10.0, 15.0], 0.0);
    write(&case, &scan.images(), Syntax::Explicit);
    let aside = |name: &str, image: &Image| {
        case.write(name, image.file(Syntax::Explicit));
    };
    let mut scout = scan.image(0);
    scout.text(tag::IMAGE_TYPE, Vr::CS, "ORIGINAL\\PRIMARY\\LOCALIZER");
    aside("scout", &scout);
    let mut other = scan.image(0);
    aside("mr", other.text(tag::MODALITY, Vr::CS, "MR"));
    aside(
        "capture",
        scan.image(0)
            .text(tag::SOP_CLASS_UID, Vr::UI, "1.2.840.10008.5.1.4.1.1.7")
            .without(tag::PIXEL_SPACING),
    );
    aside("colour", scan.image(0).number(tag::SAMPLES_PER_PIXEL, 3));
    let mut report = InMemDicomObject::new_empty();
    for (tag, vr, text) in [
        (tag::SOP_CLASS_UID, Vr::UI, "1.2.840.10008.5.1.4.1.1.88.67"),
        (tag::SOP_INSTANCE_UID, Vr::UI, "1.2.9"),
        (tag::MODALITY, Vr::CS, "SR"),
    ] {
        report.put(dicom_core::DataElement::new(tag, vr, Primitive::from(text)));
    }
    case.write("report", file(&report, Syntax::Explicit));
    case.write("notes.txt", "no DICOM");
    case.write(".DS_Store", "no DICOM");
    std::fs::create_dir(case.path("inner")).unwrap();
    let mut thin: Vec<Image> = Scan::axial(&[0.0, 2.5, 5.0, 7.5, 10.0], 0.0).images();
    for (n, image) in thin.iter_mut().enumerate() {
        image.text(tag::SERIES_INSTANCE_UID, Vr::UI, "1.2.826.0.1.66");
        image.text(tag::SERIES_NUMBER, Vr::IS, "3");
        image.text(tag::CONVOLUTION_KERNEL, Vr::SH, "H60s");
        case.write(&format!("inner/{n}"), image.file(Syntax::Explicit));
    }
    let refused = refused(&bench, &case);
    assert_eq!(
        refused,
        "2 series of images are here; choose one by its number, with `series`: (1) CT, 4 slices of 24 x 20, 1.500 x 1.250 \
         mm, 5.00 mm apart, kernel H31s; (2) CT, 5 slices of 24 x 20, 1.500 x 1.250 mm, 2.50 mm apart, kernel H60s"
    );
    for (choice, slices) in [(json!(1), 4), (json!("2"), 5), (json!("1.2.826.0.1.66"), 5)] {
        let out = try_load(&bench, json!({ "source": case.path(""), "series": choice })).unwrap();
        assert_eq!(out["image"].grid().unwrap().shape[2], slices);
        let texts: Vec<String> = rows(&out, "report")
            .iter()
            .filter(|r| r[0] == "set aside")
            .map(|r| format!("{} {}", r[1], r[4].as_str().unwrap()))
            .collect();
        for text in [
            "1.0 localisers",
            "1.0 of modality MR",
            "1.0 of modality SR",
            "1.0 in colour",
            "1.0 without a position (secondary captures)",
            "1.0 no DICOM",
        ] {
            assert!(texts.contains(&text.to_owned()), "{text} is not in {texts:?}");
        }
    }
    let none = try_load(&bench, json!({ "source": case.path(""), "series": 3 })).err().unwrap();
    assert!(none.starts_with("`series` names none of those here: (1) CT"), "{none}");
}

#[test]
fn what_is_no_volume_is_refused_with_the_reason() {
    let bench = Bench::new(1);
    let scan = Scan::axial(&[0.0, 5.0, 10.0], 0.0);
    let case = Case::new();
    let lone = case.write("lone", scan.image(0).file(Syntax::Explicit));
    assert_eq!(refused(&bench, &case), "1 slice is no volume: there must be 3 or more");
    assert!(try_load(&bench, json!({ "source": lone })).is_err());
    case.write("second", scan.image(1).file(Syntax::Explicit));
    assert_eq!(refused(&bench, &case), "2 slices are no volume: there must be 3 or more");
    case.write("third", scan.image(1).file(Syntax::Explicit));
    assert!(refused(&bench, &case).starts_with("2 slices at different positions"));

    let case = Case::new();
    assert!(refused(&bench, &case).contains("a folder without files"));
    let text = case.write("text", "no DICOM");
    assert!(refused(&bench, &case).contains("1 no DICOM"));
    assert!(try_load(&bench, json!({ "source": text })).err().unwrap().contains("is no DICOM file"));
    assert!(
        try_load(&bench, json!({ "source": case.path("none") })).err().unwrap().contains("cannot be opened")
    );

    // A slice of the series that has lost its position would be missing without a word.
    let case = written(&scan);
    case.write("lost", scan.image(1).clone().without(tag::IMAGE_POSITION_PATIENT).file(Syntax::Explicit));
    assert!(refused(&bench, &case).contains("belongs to the series and has no position"));
    // Positions that are no stack.
    let mut far = Scan::axial(&[0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0], 0.0);
    far.positions[3][0] += 60.0;
    assert!(refused(&bench, &written(&far)).contains("beside the line"));
    assert!(refused(&bench, &written(&Scan::axial(&[0.0, 5.0, 10.0], 1.5))).contains("gantry tilt of 56°"));
}

#[test]
fn a_damaged_file_in_the_middle_is_an_error_that_names_it_by_number() {
    let bench = Bench::new(2);
    let scan = Scan::axial(&[0.0, 5.0, 10.0, 15.0, 20.0], 0.0);
    let whole = scan.image(2).file(Syntax::Explicit);
    let damages: [(&str, Vec<u8>); 4] = [
        ("is cut off", whole[..whole.len() - 100].to_vec()),
        ("is cut off", whole[..600].to_vec()),
        ("is no DICOM file", b"damaged".to_vec()),
        ("is no DICOM file", Vec::new()),
    ];
    for (what, bytes) in damages {
        let case = written(&scan);
        case.write("14.dcm", bytes);
        let refused = refused(&bench, &case);
        assert!(refused.starts_with("file 3 of 5 (in the order of their names) "), "{refused}");
        assert!(refused.contains(what), "{refused}");
    }
}

#[test]
fn claims_are_compared_with_the_file_before_memory_is_asked_for() {
    // In a worker that has little memory: what is claimed is gigabytes.
    let mut bench = Bench::new(1);
    bench.worker = true;
    bench.limits = Limits { seconds: None, bytes: Some(160 << 20) };
    let case = Case::new();
    let scan = Scan::axial(&[0.0, 5.0, 10.0], 0.0);
    type Change<'a> = &'a dyn Fn(&mut Image);
    let claims: [(Change, &str); 6] = [
        (
            &|i| _ = i.number(tag::ROWS, 8192).number(tag::COLUMNS, 8192),
            "bytes of pixels where 8192 x 8192 x 1",
        ),
        (&|i| _ = i.number(tag::ROWS, 0), "has 0 rows"),
        (&|i| _ = i.number(tag::COLUMNS, 60_000), "has 60000 columns"),
        (&|i| _ = i.text(tag::NUMBER_OF_FRAMES, Vr::IS, "1000000"), "1000000 frames"),
        (&|i| _ = i.text(tag::NUMBER_OF_FRAMES, Vr::IS, "-7"), "damaged number of frames"),
        (&|i| _ = i.number(tag::BITS_STORED, 17), "has pixels of 17 bits"),
    ];
    for (change, what) in claims {
        write(&case, &scan.images(), Syntax::Explicit);
        let mut image = scan.image(1);
        change(&mut image);
        case.write("07.dcm", image.file(Syntax::Explicit));
        let refused = refused(&bench, &case);
        // A slice of another size is another series; alone it is what is asked for.
        let alone = try_load(&bench, json!({ "source": case.path("07.dcm") })).err().unwrap();
        assert!(
            refused.contains(what) || alone.contains(what) || alone.contains("1 slice is"),
            "{what}: {refused}"
        );
    }
    // A small file that inflates to a gigabyte.
    let mut bomb = scan.image(0).file(Syntax::Deflated);
    let from = 132 + 12 + u32::from_le_bytes(bomb[140..144].try_into().unwrap()) as usize;
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(9));
    let zeros = vec![0; 1 << 20];
    (0..256).for_each(|_| std::io::Write::write_all(&mut deflated, &zeros).unwrap());
    bomb.truncate(from);
    bomb.extend(deflated.finish().unwrap());
    let source = case.write("bomb.dcm", &bomb);
    let refused = try_load(&bench, json!({ "source": source })).err().unwrap();
    assert!(refused.contains("deflated more than 64 times"), "{refused}");
}

#[test]
fn every_uncompressed_syntax_deflate_and_rle_give_the_same_voxels() {
    let bench = Bench::new(2);
    let scan = Scan::axial(&[0.0, 5.0, 10.0], 0.0);
    let read = |syntax| {
        let case = Case::new();
        write(&case, &scan.images(), syntax);
        let out = load(&bench, &case);
        (i16s(&out["image"]), rows(&out, "slices"))
    };
    let plain = read(Syntax::Explicit);
    for syntax in [Syntax::Implicit, Syntax::BigEndian, Syntax::Deflated, Syntax::Rle] {
        assert!(read(syntax) == plain, "{syntax:?}");
    }
    let case = Case::new();
    let lossy = scan.image(0).encapsulated("1.2.840.10008.1.2.4.50", vec![vec![0xff, 0xd8]]);
    let refused = try_load(&bench, json!({ "source": case.write("x", lossy) })).err().unwrap();
    assert!(
        refused.contains("a transfer syntax that is not read here (1.2.840.10008.1.2.4.50)"),
        "{refused}"
    );
}

#[test]
fn pixels_become_hu_once_slice_by_slice() {
    let bench = Bench::new(2);
    let of = |change: &dyn Fn(usize, &mut Image)| {
        let case = Case::new();
        let mut images: Vec<Image> =
            (0..3).map(|n| Image::slice(n, [2, 2], [0.0, 0.0, 5.0 * f64::from(n)], &[0; 4])).collect();
        images.iter_mut().enumerate().for_each(|(n, image)| change(n, image));
        write(&case, &images, Syntax::Explicit);
        load(&bench, &case)
    };
    // Unsigned 12 bits, with something else in the upper four; a whole slope of each slice's own.
    let out = of(&|n, i| {
        i.words = vec![0, 0x1400, 0xffff, 1064];
        i.number(tag::BITS_STORED, 12).number(tag::HIGH_BIT, 11).number(tag::PIXEL_REPRESENTATION, 0);
        i.decimals(tag::RESCALE_SLOPE, &[1.0 + n as f64]).decimals(tag::RESCALE_INTERCEPT, &[-1024.0]);
    });
    assert_eq!(out["image"].dtype(), Some(DType::I16));
    assert_eq!(i16s(&out["image"]), [-1024, 0, 3071, 40, -1024, 1024, 7166, 1104, -1024, 2048, 11_261, 2168]);
    // A decimal slope.
    let out = of(&|n, i| {
        i.words = vec![0, 1, 2, 3];
        i.decimals(tag::RESCALE_SLOPE, &[[1.0, 0.5, 2.0][n]]);
    });
    assert_eq!(f32s(&out["image"]), [0.0, 1.0, 2.0, 3.0, 0.0, 0.5, 1.0, 1.5, 0.0, 2.0, 4.0, 6.0]);
    // Padding, one value and a range.
    let out = of(&|n, i| {
        i.words = [-2000i16, -1900, -1000, 40].map(|v| v as u16).to_vec();
        i.number(tag::PIXEL_PADDING_VALUE, -2000i16 as u16);
        if n == 1 {
            i.number(tag::PIXEL_PADDING_RANGE_LIMIT, -1900i16 as u16);
        }
    });
    assert_eq!(
        i16s(&out["image"]),
        [-1024, -1900, -1000, 40, -1024, -1024, -1000, 40, -1024, -1900, -1000, 40]
    );
    assert_eq!(finding(&out, "padding"), (4.0, "ok".into()));
    // Padding that is tissue is not believed; slope and intercept that are not there are told.
    let out = of(&|_, i| {
        i.words = vec![40; 4];
        i.number(tag::PIXEL_PADDING_VALUE, 40).without(tag::RESCALE_SLOPE);
    });
    assert_eq!(i16s(&out["image"]), [40; 12]);
    assert_eq!(finding(&out, "doubtful padding"), (12.0, "warn".into()));
    assert_eq!(finding(&out, "no rescale"), (3.0, "warn".into()));
}

/// An enhanced CT of a scan, its frames in this order, each with an intercept of its own.
fn enhanced(scan: &Scan, order: &[usize]) -> Image {
    let words: Vec<i16> = order
        .iter()
        .flat_map(|&n| scan.image(n).words.into_iter().map(move |w| w as i16 + 10 * n as i16))
        .collect();
    let mut image = Image::slice(1, scan.size, [0.0; 3], &words);
    let per_frame = order.iter().map(|&n| {
        let of = |tag, item| sequence(tag, vec![item]);
        InMemDicomObject::from_element_iter([
            of(tag::PLANE_POSITION_SEQUENCE, item(&[(tag::IMAGE_POSITION_PATIENT, &scan.positions[n])])),
            of(
                tag::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
                item(&[(tag::RESCALE_INTERCEPT, &[-10.0 * n as f64]), (tag::RESCALE_SLOPE, &[1.0])]),
            ),
        ])
    });
    let orientation = [scan.along_row, scan.along_column].concat();
    let shared = InMemDicomObject::from_element_iter([
        sequence(
            tag::PLANE_ORIENTATION_SEQUENCE,
            vec![item(&[(tag::IMAGE_ORIENTATION_PATIENT, &orientation)])],
        ),
        sequence(
            tag::PIXEL_MEASURES_SEQUENCE,
            vec![item(&[
                (tag::PIXEL_SPACING, &[scan.spacing[1], scan.spacing[0]]),
                (tag::SLICE_THICKNESS, &[4.5]),
            ])],
        ),
    ]);
    let per_frame = per_frame.collect();
    image
        .text(tag::SOP_CLASS_UID, Vr::UI, "1.2.840.10008.5.1.4.1.1.2.1")
        .text(tag::NUMBER_OF_FRAMES, Vr::IS, &order.len().to_string())
        .sequence(tag::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, per_frame)
        .sequence(tag::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    for tag in [
        tag::IMAGE_POSITION_PATIENT,
        tag::IMAGE_ORIENTATION_PATIENT,
        tag::PIXEL_SPACING,
        tag::RESCALE_INTERCEPT,
        tag::RESCALE_SLOPE,
        tag::SLICE_THICKNESS,
    ] {
        image.without(tag);
    }
    image
}

#[test]
fn enhanced_multi_frame_ct_is_read() {
    let bench = Bench::new(2);
    let scan = oblique();
    let image = enhanced(&scan, &[3, 0, 6, 1, 5, 2, 4]);
    for syntax in [Syntax::Explicit, Syntax::Implicit, Syntax::BigEndian, Syntax::Rle] {
        let case = Case::new();
        let source = case.write("x.dcm", image.file(syntax));
        let out = try_load(&bench, json!({ "source": source })).unwrap();
        assert_eq!(holds_the_world(&out["image"]), 1.0, "{syntax:?}");
        let frames: Vec<i64> = rows(&out, "slices").iter().map(|r| r[4].as_i64().unwrap()).collect();
        assert_eq!(frames, [2, 4, 6, 1, 7, 5, 3]);
    }
}

/// Whatever is done to a file, the loader comes back with a volume or a sentence.
#[test]
fn damaged_bytes_are_never_a_bug() {
    let bench = Bench::new(1);
    let case = Case::new();
    let scan = Scan { size: [6, 5], ..oblique() };
    let image = enhanced(&scan, &[3, 0, 6, 1, 5, 2, 4]);
    let files = [Syntax::Explicit, Syntax::Implicit, Syntax::BigEndian, Syntax::Deflated, Syntax::Rle]
        .map(|s| image.file(s));
    let source = case.path("x.dcm");
    let mut read = 0;
    for round in 0..3000u64 {
        let random = |n: u64, below: usize| (ichor_image::random::at(round, n) % below as u64) as usize;
        let mut bytes = files[random(0, files.len())].clone();
        for n in 0..1 + random(1, 4) as u64 {
            let at = 132 + random(10 * n + 2, bytes.len() - 132);
            match random(10 * n + 3, 6) {
                0 => bytes[at] = random(10 * n + 4, 256) as u8,
                1 => bytes[at] ^= 1 << random(10 * n + 4, 8),
                2 => bytes.truncate(at.max(140)),
                3 => bytes[at..].iter_mut().take(4).for_each(|b| *b = 0xff),
                4 => bytes[at..].iter_mut().take(1 + random(10 * n + 4, 16)).for_each(|b| *b = 0),
                _ => {
                    let part: Vec<u8> = bytes[at..].iter().take(random(10 * n + 4, 40)).copied().collect();
                    bytes.splice(at..at, part);
                }
            }
        }
        std::fs::write(&source, &bytes).unwrap();
        match try_load(&bench, json!({ "source": source })) {
            Ok(_) => read += 1,
            Err(text) => assert!(!text.contains("bug"), "round {round}: {text}"),
        }
    }
    assert!(read > 100, "{read} were read: damage should not always be deadly");
}

/// Thirty strings that name somebody, somewhere or some day, and where they hide.
fn with_canaries(image: &mut Image, n: usize) -> Vec<String> {
    let mut canaries = Vec::new();
    let mut canary = |text: &str| {
        let text = format!("Canary{text}");
        canaries.push(text.clone());
        text
    };
    for (tag, vr) in [
        (tag::PATIENT_NAME, Vr::PN),
        (tag::PATIENT_ID, Vr::LO),
        (tag::OTHER_PATIENT_NAMES, Vr::PN),
        (tag::PATIENT_ADDRESS, Vr::LO),
        (tag::PATIENT_COMMENTS, Vr::LT),
        (tag::PATIENT_TELEPHONE_NUMBERS, Vr::SH),
        (tag::MILITARY_RANK, Vr::LO),
        (tag::OCCUPATION, Vr::SH),
        (tag::ADDITIONAL_PATIENT_HISTORY, Vr::LT),
        (tag::INSTITUTION_NAME, Vr::LO),
        (tag::INSTITUTION_ADDRESS, Vr::ST),
        (tag::REFERRING_PHYSICIAN_NAME, Vr::PN),
        (tag::PERFORMING_PHYSICIAN_NAME, Vr::PN),
        (tag::OPERATORS_NAME, Vr::PN),
        (tag::STATION_NAME, Vr::SH),
        (tag::DEVICE_SERIAL_NUMBER, Vr::LO),
        (tag::ACCESSION_NUMBER, Vr::SH),
        (tag::STUDY_ID, Vr::SH),
        (tag::STUDY_DESCRIPTION, Vr::LO),
        (tag::SERIES_DESCRIPTION, Vr::LO),
        (tag::PROTOCOL_NAME, Vr::LO),
        (tag::IMAGE_COMMENTS, Vr::LT),
        (tag::REQUESTED_PROCEDURE_DESCRIPTION, Vr::LO),
    ] {
        let text = canary(&format!("{:04x}{:04x}", tag.0, tag.1));
        image.text(tag, vr, &text);
    }
    // Dates and times have forms of their own.
    for (tag, vr, text) in [
        (tag::STUDY_DATE, Vr::DA, "19630704"),
        (tag::PATIENT_BIRTH_DATE, Vr::DA, "19180518"),
        (tag::ACQUISITION_DATE_TIME, Vr::DT, "19630704113355"),
    ] {
        image.text(tag, vr, text);
        canaries.push(text.to_owned());
    }
    // Private attributes, Siemens' CSA header among them.
    let mut canary = |text: &str| {
        let text = format!("Canary{text}");
        canaries.push(text.clone());
        text
    };
    let (owner, private, csa) = (canary("Owner"), canary("Private"), canary("Csa"));
    image.text(dicom_core::Tag(0x0029, 0x0010), Vr::LO, "SIEMENS CSA HEADER");
    image.text(dicom_core::Tag(0x0029, 0x0011), Vr::LO, &owner);
    image.text(dicom_core::Tag(0x0029, 0x1120), Vr::LO, &private);
    let block = [b"SV10\x04\x03\x02\x01".as_slice(), csa.as_bytes(), &[0; 3]].concat();
    image.object.put(dicom_core::DataElement::new(
        dicom_core::Tag(0x0029, 0x1010),
        Vr::OB,
        Primitive::from(block),
    ));
    let inner = canary("Nested");
    let mut person = InMemDicomObject::new_empty();
    person.put(dicom_core::DataElement::new(tag::PATIENT_NAME, Vr::PN, Primitive::from(inner)));
    image.sequence(tag::REFERENCED_PATIENT_SEQUENCE, vec![person]);
    canaries.push(format!("CanaryFile{n}"));
    canaries
}

#[test]
fn nothing_that_names_the_patient_leaves_the_loader() {
    let case = Case::new();
    let scan = Scan::axial(&[0.0, 4.0, 8.0, 12.0, 13.1, 20.1, 27.1], 0.3);
    std::fs::create_dir_all(case.path("scan/CanaryFolder")).unwrap();
    let mut canaries = vec!["CanaryFolder".to_owned()];
    for (n, image) in scan.images().iter().enumerate() {
        let mut image = image.clone();
        let of_file = with_canaries(&mut image, n);
        assert!(of_file.len() >= 30);
        case.write(&format!("scan/CanaryFolder/CanaryFile{n}.dcm"), image.file(Syntax::Explicit));
        canaries.extend(of_file);
    }
    let pipeline = case.write(
        "p.yaml",
        "ichor: 1
name: p
inputs: { ct: { kind: volume, unit: HU } }
stages:
  load: { use: load-dicom, with: { source: $inputs.ct } }
  look: { use: inspect-ct, in: { ct: load.image, slices: load.slices } }
  save: { use: save-table, in: { tables: [load.report, look.report] } }
  slices: { use: save-table, in: { tables: [load.slices] } }
outputs: { ct: load.image, report: save.tsv, slices: slices.json }
",
    );
    let out = case.path("out");
    let source = format!("ct={}", case.path("scan"));
    let ended = run_ok(["run", &pipeline, "-i", &source, "-o", &out]);
    // And when it fails.
    let inside = format!("scan/CanaryFolder/CanaryFile{}.dcm", 3);
    let whole = case.read(&inside);
    case.write(&inside, &whole[..whole.len() - 200]);
    let failed = run(["run", &pipeline, "-i", &source, "-o", &case.path("failed")]);
    assert!(failed.code != 0 && failed.stderr.contains("file 4 of 7"), "{}", failed.stderr);
    let mut left = vec![(
        "output".to_owned(),
        [ended.stdout, ended.stderr, failed.stdout, failed.stderr].concat().into_bytes(),
    )];
    for folder in ["out", "failed"] {
        collect(std::path::Path::new(&case.path(folder)), &mut left);
    }
    // The cache is seen through: the table of slices is there, and it alone has UIDs.
    let uid = "1.2.826.0.1.7.9";
    let holds_uid = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(uid);
    let with_uid: Vec<&str> =
        left.iter().filter(|(_, bytes)| holds_uid(bytes)).map(|(name, _)| name.as_str()).collect();
    assert!(with_uid.iter().any(|name| name.contains("cache/values")), "{with_uid:?}");
    assert!(
        with_uid.iter().all(|name| name.contains("cache/values") || name.ends_with("slices.json")),
        "{with_uid:?}"
    );
    for (name, bytes) in &left {
        let text = String::from_utf8_lossy(bytes);
        for canary in &canaries {
            assert!(!text.contains(canary) && !name.contains(canary), "{canary} is in {name}");
        }
    }
}

/// Names and contents of all files in a folder; compressed ones also decompressed.
fn collect(folder: &std::path::Path, left: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, left);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let mut inflated = Vec::new();
        _ = std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut inflated);
        left.push((path.display().to_string(), inflated));
        // Values of the cache: blocks of Zstandard behind a line of JSON.
        let magic = [0x28, 0xb5, 0x2f, 0xfd];
        for at in (0..bytes.len()).filter(|&at| bytes[at..].starts_with(&magic)) {
            let block =
                zstd::stream::read::Decoder::new(&bytes[at..]).map(zstd::stream::read::Decoder::single_frame);
            let mut plain = Vec::new();
            _ = std::io::Read::read_to_end(&mut block.unwrap(), &mut plain);
            left.push((path.display().to_string(), plain));
        }
        left.push((path.display().to_string(), bytes));
    }
}

fn inspect(bench: &Bench, params: Json, ct: &Arc<Value>, slices: Option<&Arc<Value>>) -> Result<Out, String> {
    let mut inputs = vec![("ct", ct)];
    inputs.extend(slices.map(|s| ("slices", s)));
    bench.run("inspect-ct", params, &inputs).map_err(|e| e.to_string())
}

/// An ellipsoid head with a skull.
fn head(bench: &Bench, grid: &Grid, offset: i16) -> Arc<Value> {
    let middle: [f64; 3] = std::array::from_fn(|a| (grid.shape[a] as f64 - 1.0) / 2.0);
    bench.ct(grid, |v| {
        let r: f64 = (0..3).map(|a| ((v[a] as f64 - middle[a]) / (0.85 * middle[a])).powi(2)).sum();
        let hu = if r < 0.75 {
            30 + ((7 * v[0] + v[2]) % 5) as i16
        } else if r < 1.0 {
            1000
        } else {
            -1000
        };
        hu + offset
    })
}

#[test]
fn a_volume_is_inspected_wherever_it_comes_from() {
    let bench = Bench::new(2);
    let grid = lps_grid([96, 100, 24], [2.0, 2.0, 6.0]);
    let sound = head(&bench, &grid, 0);
    let out = inspect(&bench, json!({ "strict": true }), &sound, None).unwrap();
    for name in [
        "gantry tilt",
        "slices",
        "repeated slices",
        "air",
        "median of the head",
        "skull",
        "cavity at the top",
        "cavity at the bottom",
    ] {
        assert_eq!(finding(&out, name).1, "ok", "{name}: {:?}", rows(&out, "report"));
    }
    // The rescale intercept forgotten.
    let shifted = head(&bench, &grid, 1024);
    assert_eq!(finding(&inspect(&bench, json!({}), &shifted, None).unwrap(), "air").1, "fail");
    let refused = inspect(&bench, json!({ "strict": true }), &shifted, None).err().unwrap();
    assert!(refused.contains("the rescale intercept seems to be missing"), "{refused}");
    // A sheared affine, whichever axis the slices are along.
    let shear = 15f64.to_radians().tan();
    let mut tilted = grid;
    tilted.affine.0[1][2] = 6.0 * shear;
    let out = inspect(&bench, json!({}), &head(&bench, &tilted, 0), None).unwrap();
    assert_eq!(finding(&out, "gantry tilt").1, "warn");
    near(finding(&out, "gantry tilt").0, 15.0, 1e-6);
    // Cut off at the top, and slices that are there twice.
    let cut = lps_grid([96, 100, 24], [2.0, 2.0, 6.0]);
    let low = head(&bench, &lps_grid([96, 100, 34], [2.0, 2.0, 6.0]), 0);
    let part: Vec<u8> = low.bytes()[..2 * cut.len()].to_vec();
    let out =
        inspect(&bench, json!({}), &bench.value((Kind::Volume, Unit::Hu, DType::I16), &cut, &part), None)
            .unwrap();
    assert_eq!(finding(&out, "cavity at the top").1, "warn");
    assert_eq!(finding(&out, "cavity at the bottom").1, "ok");
    let plane = 2 * 96 * 100;
    let mut twice = sound.bytes().to_vec();
    twice.copy_within(10 * plane..11 * plane, 11 * plane);
    let out =
        inspect(&bench, json!({}), &bench.value((Kind::Volume, Unit::None, DType::I16), &cut, &twice), None)
            .unwrap();
    assert_eq!(finding(&out, "repeated slices"), (1.0, "warn".into()));
    let thin = bench.ct(&lps_grid([9, 9, 2], [1.0, 1.0, 5.0]), |_| -1000);
    assert_eq!(finding(&inspect(&bench, json!({}), &thin, None).unwrap(), "slices"), (2.0, "fail".into()));
}

#[test]
fn with_its_slices_a_volume_tells_what_the_scanner_did() {
    let bench = Bench::new(2);
    let heights = [0.0, 4.0, 8.0, 12.0, 13.1, 20.1, 27.1, 34.1];
    let case = written(&Scan::axial(&heights, 0.3));
    let loaded = load(&bench, &case);
    let out = inspect(&bench, json!({}), &loaded["image"], Some(&loaded["slices"])).unwrap();
    assert_eq!(finding(&out, "gantry tilt").1, "repaired");
    near(finding(&out, "gantry tilt").0, 0.3f64.atan().to_degrees(), 1e-3);
    assert_eq!(finding(&out, "change of distance").1, "repaired");
    assert_eq!(finding(&out, "overlap").1, "warn");
    let kernel = rows(&out, "report").into_iter().find(|r| r[0] == "kernel").unwrap();
    assert_eq!((&kernel[3], &kernel[4]), (&json!("ok"), &json!("H31s, for soft tissue")));
    let wrong = Arc::new(Value::from_bytes(Kind::Table, br#"{"columns":[{"name":"a"}],"rows":[]}"#.to_vec()));
    let refused = inspect(&bench, json!({}), &loaded["image"], Some(&wrong)).err().unwrap();
    assert!(refused.contains("has no column `position_lps_x`"), "{refused}");
}

#[test]
fn a_real_tilted_head_agrees_with_another_programs_regular_one() {
    let (Some(source), Some(regular)) = (shared_data("head-ge-dicom"), shared_data("head-ge-regular.nii.gz"))
    else {
        return;
    };
    let bench = Bench::new(2);
    let out = try_load(&bench, json!({ "source": source })).unwrap();
    near(finding(&out, "gantry tilt").0, 18.5, 0.005);
    assert_eq!(finding(&out, "gantry tilt").1, "repaired");
    assert!(rows(&out, "report").iter().all(|r| r[0] != "gantry tilt in the header"));
    let travel: Vec<f64> = rows(&out, "report")
        .iter()
        .filter(|r| r[0] == "slice distance")
        .map(|r| (r[1].as_f64().unwrap() * 100.0).round() / 100.0)
        .collect();
    assert_eq!(travel, [4.22, 1.14, 7.38]);

    let image = &out["image"];
    let reference =
        bench.run("load-nifti", json!({ "source": regular, "unit": "HU" }), &[]).unwrap()["image"].clone();
    let (a, b) = (image.grid().unwrap(), reference.grid().unwrap());
    assert_eq!(a.shape[2], b.shape[2]);
    // The same axes; the origins differ by less than a pixel along the second, on whose lattice each has its own start.
    for r in 0..3 {
        for c in 0..3 {
            near(a.affine.0[r][c], b.affine.0[r][c], 2e-3);
        }
    }
    let moved: [f64; 3] = std::array::from_fn(|r| a.affine.0[r][3] - b.affine.0[r][3]);
    let step = a.affine.0.map(|row| row[1] / a.spacing()[1]);
    let along: f64 = (0..3).map(|r| moved[r] * step[r]).sum();
    assert!(along.abs() < 0.489);
    (0..3).for_each(|r| near(moved[r], along * step[r], 0.01));

    let on_theirs = bench.run("resample", json!({}), &[("image", image), ("reference", &reference)]).unwrap();
    let on_theirs = &on_theirs["image"];
    assert!(on_theirs.grid().unwrap().same_as(&b));
    let ours: Vec<f64> = match on_theirs.dtype() {
        Some(DType::I16) => i16s(on_theirs).iter().map(|&v| v.into()).collect(),
        _ => f32s(on_theirs).iter().map(|&v| v.into()).collect(),
    };
    let (mut sum, mut n) = (0.0, 0);
    for (ours, theirs) in ours.iter().zip(i16s(&reference)) {
        // Inside the head: soft tissue and bone.
        if theirs > -200 {
            sum += (ours - f64::from(theirs)).abs();
            n += 1;
        }
    }
    let mean = sum / f64::from(n);
    #[allow(clippy::print_stderr, reason = "a figure to be written down")]
    {
        eprintln!(
            "mean absolute difference {mean:.3} HU in {n} voxels; origin off by {along:.4} mm along rows"
        );
    }
    assert!(mean < 5.0, "{mean} HU");

    let looked = inspect(&bench, json!({ "strict": true }), image, Some(&out["slices"])).unwrap();
    for name in ["air", "median of the head", "skull", "cavity at the top"] {
        assert_eq!(finding(&looked, name).1, "ok", "{name}");
    }
}

#[test]
fn the_pipeline_that_ships_inspects_a_folder() {
    let Some(source) = shared_data("head-ge-dicom") else { return };
    let case = Case::new();
    run_ok(["run", "pipelines/inspect-ct.yaml", "-i", &format!("ct={source}"), "-o", &case.path("out")]);
    let report = String::from_utf8(case.read("out/report.tsv")).unwrap();
    assert!(report.contains("gantry tilt\t18.5"), "{report}");
    assert!(case.list("out").contains(&"picture.png".to_owned()));
}

#[test]
fn decimals_are_short_enough_for_dicom() {
    assert!(decimals(&[-1.0 / 3.0, 123_456.789_012_345]).split('\\').all(|d| d.len() <= 16));
}
