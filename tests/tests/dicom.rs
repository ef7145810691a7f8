//! CT series in DICOM, through the built plugin.

#![allow(clippy::unwrap_used, reason = "tests")]

use dicom_object::InMemDicomObject;
use ichor_spec::{Kind, Unit};
use ichor_tests::dicom::scan::{
    Scan, enhanced, finding, holds_the_world, inspect, load, near, oblique, refused, rows, try_load, write,
    written,
};
use ichor_tests::dicom::{Image, Primitive, Syntax, Vr, decimals, file, tag};
use ichor_tests::stage::{Bench, DType, Grid, f32s, i16s, table};
use ichor_tests::{Case, shared_data};
use serde_json::json;

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
fn decimals_are_short_enough_for_dicom() {
    assert!(decimals(&[-1.0 / 3.0, 123_456.789_012_345]).split('\\').all(|d| d.len() <= 16));
}
