//! Scores by hand, and the whole stage on an ellipsoid.

use super::*;
use crate::density::Scan;
use ichor_image::Serial;

fn stage() -> BiomarkerExpansion {
    BiomarkerExpansion {
        min_delta_hu: 5.0,
        min_patch_ml: 0.1,
        brain_hu: Some(33.0),
        position: Position::Supine,
        onset_to_ct_h: None,
        nihss: None,
        glucose_mg_dl: None,
        anticoagulant: None,
        warfarin: None,
        recurrent_ich: None,
        ivh: None,
        spot_sign: None,
    }
}

/// An ellipsoid of 60 HU with semi-axes of 25, 20 and 18 mm (37.7 mL) on slices of 1 mm, perhaps with a hole.
fn run(stage: &BiomarkerExpansion, hole: bool, tables: &[Table]) -> Table {
    let grid = Grid::new([64, 54, 44], Affine::from_spacing([1.0; 3], [-31.5, -26.5, -21.5])).unwrap();
    let mut ct = vec![33i16; grid.len()];
    let mut mask = vec![0u8; grid.len()];
    for n in 0..grid.len() {
        let v = [n % 64, n / 64 % 54, n / 64 / 54].map(|x| x as f64);
        let p = grid.affine.apply(v);
        let r = (p[0] / 25.0).powi(2) + (p[1] / 20.0).powi(2) + (p[2] / 18.0).powi(2);
        if r <= 1.0 {
            mask[n] = 1;
            ct[n] = if hole && p.iter().map(|x| x * x).sum::<f64>() <= 36.0 { 25 } else { 60 };
        }
    }
    let scan = Scan::new(Voxels::I16(&ct), &mask, &grid);
    stage.measure(&Serial, &scan, tables, &|| Ok(())).unwrap()
}

fn row<'t>(t: &'t Table, name: &str) -> &'t [Cell] {
    t.rows.iter().find(|r| r[1] == Cell::from(name)).unwrap_or_else(|| panic!("no {name}"))
}

fn value(t: &Table, name: &str) -> Cell {
    row(t, name)[2].clone()
}

#[test]
fn scores_without_clinical_values_are_bounds() {
    let t = run(&stage(), true, &[]);
    assert_eq!(value(&t, "marker_hypodensity"), Cell::Bool(true));
    assert_eq!(value(&t, "marker_black_hole"), Cell::Bool(true));
    assert_eq!(value(&t, "marker_swirl"), Cell::Bool(true));
    assert_eq!(value(&t, "marker_blend"), Cell::Bool(false));
    // Hypodensity 2, time missing.
    assert_eq!(value(&t, "bat"), Cell::Null);
    assert_eq!((value(&t, "bat_min"), value(&t, "bat_max")), (Cell::Int(2), Cell::Int(4)));
    assert_eq!(value(&t, "bat_high"), Cell::Null);
    let Cell::Text(text) = &row(&t, "bat")[4] else { panic!() };
    assert!(text.ends_with("missing: onset_to_ct_h"), "{text}");
    // Volume above 20 mL 7; 4 + 6 + 2 + 5 may come.
    assert_eq!((value(&t, "brain_score_min"), value(&t, "brain_score_max")), (Cell::Int(7), Cell::Int(24)));
    // Volume, black hole and swirl; island and ivh may come.
    assert_eq!(
        (value(&t, "ncct_five_point_min"), value(&t, "ncct_five_point_max")),
        (Cell::Int(3), Cell::Int(5))
    );
    // 37.7 mL is 1 of 2.
    assert_eq!((value(&t, "nine_point_min"), value(&t, "nine_point_max")), (Cell::Int(1), Cell::Int(8)));
    assert_eq!((value(&t, "nag_min"), value(&t, "nag_max")), (Cell::Int(0), Cell::Int(3)));
    // The black hole is enough without the island sign.
    assert_eq!(value(&t, "expansion_prone"), Cell::Bool(true));
    let Cell::Text(text) = &row(&t, "marker_island")[4] else { panic!() };
    assert!(text.contains("no table in `tables` has it"), "{text}");
}

#[test]
fn scores_with_everything_known_are_sums() {
    let full = BiomarkerExpansion {
        onset_to_ct_h: Some(2.0),
        nihss: Some(10),
        glucose_mg_dl: Some(132.9),
        anticoagulant: None,
        warfarin: Some(true),
        recurrent_ich: Some(false),
        ivh: Some(true),
        spot_sign: Some(SpotSign::NotDone),
        ..stage()
    };
    let mut shape = Table::measurements();
    shape.measure("1", "island_sign", false, "", "of one lesion");
    shape.measure("all", "island_sign", true, "", "of all");
    shape.measure("all", "satellite_sign", Cell::Null, "", "undefined");
    let t = run(&full, false, &[Table::default(), shape]);
    for (name, points) in [
        ("bat", 2),
        ("brain_score", 7 + 6 + 2 + 4),
        ("nag", 2), // warfarin is an anticoagulant
        ("nine_point", 2 + 2 + 1 + 1),
        ("ncct_five_point", 3),
    ] {
        assert_eq!(value(&t, name), Cell::Int(points), "{name}");
        assert_eq!(value(&t, &format!("{name}_min")), Cell::Int(points), "{name}");
    }
    assert_eq!(value(&t, "bat_high"), Cell::Bool(false));
    assert_eq!(value(&t, "marker_island"), Cell::Bool(true));
    let Cell::Text(text) = &row(&t, "marker_satellite")[4] else { panic!() };
    assert!(text.ends_with("leaves it undefined"), "{text}");
}

#[test]
fn volume_and_abc2_stand_side_by_side() {
    let t = run(&stage(), false, &[]);
    let number = |name: &str| if let Cell::Num(x) = value(&t, name) { x } else { panic!("{name}") };
    let truth = 4.0 / 3.0 * std::f64::consts::PI * 25.0 * 20.0 * 18.0 / 1000.0;
    assert!((number("volume") / truth - 1.0).abs() < 0.005);
    // 3/π of an ellipsoid with every slice, 0.652 with Kothari's weights; corners of voxels of 1 mm reach past it.
    assert!((number("abc2_unweighted") / truth - 0.955).abs() < 0.06);
    assert!((number("abc2") / truth - 0.652).abs() < 0.05);
    assert!((number("abc2_error") - (number("abc2") - number("volume"))).abs() < 1e-12);
    assert!((number("abc2_error_percent") / 100.0 + 1.0 - number("abc2") / number("volume")).abs() < 1e-12);
}

#[test]
fn an_empty_mask_has_no_markers_and_keeps_bounds() {
    let grid = Grid::new([8, 8, 8], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
    let (ct, mask) = (vec![30i16; 512], vec![0u8; 512]);
    let t = stage().measure(&Serial, &Scan::new(Voxels::I16(&ct), &mask, &grid), &[], &|| Ok(())).unwrap();
    assert_eq!(value(&t, "volume"), Cell::Num(0.0));
    for name in
        ["abc2", "abc2_error_percent", "marker_blend", "marker_swirl", "bat", "bat_high", "expansion_prone"]
    {
        assert_eq!(value(&t, name), Cell::Null, "{name}");
    }
    let Cell::Text(text) = &row(&t, "marker_blend")[4] else { panic!() };
    assert!(text.ends_with("the mask is empty"), "{text}");
    assert_eq!((value(&t, "bat_min"), value(&t, "bat_max")), (Cell::Int(0), Cell::Int(5)));
}
