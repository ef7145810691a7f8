//! The table's form.

use super::*;
use ichor_image::Serial;

fn table(size: usize, per_lesion: bool) -> Table {
    let grid = Grid::new([60, 60, 40], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
    let mut mask = vec![0u8; grid.len()];
    for (j, k) in (0..size).flat_map(|j| (0..size).map(move |k| (j, k))) {
        let first = grid.index(15, 15 + j, 12 + k);
        mask[first..first + size].fill(1);
    }
    let ct: Vec<i16> = mask.iter().map(|m| if *m != 0 { 60 } else { 30 }).collect();
    let scan = Scan::new(Voxels::I16(&ct), &mask, &grid);
    let settings =
        Settings { min_delta_hu: 5.0, min_patch_ml: 0.1, brain_hu: None, position: Position::Unknown };
    measure(&scan, &analyse(&Serial, &scan, &settings, &|| Ok(())).unwrap(), per_lesion)
}

fn row<'t>(t: &'t Table, lesion: &str, name: &str) -> &'t [Cell] {
    t.rows.iter().find(|r| r[0] == Cell::from(lesion) && r[1] == Cell::from(name)).unwrap()
}

#[test]
fn every_row_is_defined_and_every_null_says_why() {
    for (size, per_lesion) in [(0, true), (5, true), (16, true), (16, false)] {
        let t = table(size, per_lesion);
        for r in &t.rows {
            let Cell::Text(text) = &r[4] else { panic!("{r:?}") };
            assert!(text.len() > 3);
            assert_eq!(r[2] == Cell::Null, text.contains("undefined here: "), "{r:?}");
            assert!(!text.ends_with("undefined here: "), "{r:?}");
        }
        let names: Vec<_> = t.rows.iter().map(|r| (r[0].clone(), r[1].clone())).collect();
        assert!((1..names.len()).all(|n| !names[..n].contains(&names[n])), "a name comes twice");
        let lesions = if size > 0 && per_lesion { 2 } else { 1 };
        assert_eq!(names.len() % lesions, 0);
    }
}

#[test]
fn a_small_lesion_has_statistics_and_no_signs() {
    let t = table(5, false);
    assert_eq!(row(&t, "all", "hu_mean")[2], Cell::Num(60.0));
    assert_eq!(row(&t, "all", "hu_skewness")[2], Cell::Null);
    let Cell::Text(text) = &row(&t, "all", "black_hole_sign")[4] else { panic!() };
    assert!(text.ends_with("the lesion is smaller than 0.5 mL"), "{text}");
}

#[test]
fn a_plain_cube_is_even() {
    let t = table(16, false);
    assert_eq!(row(&t, "all", "barras_density_surrogate")[2], Cell::Int(1));
    for sign in ["blend_sign", "black_hole_sign", "swirl_sign", "hypodensity_sign", "fluid_level_sign"] {
        assert_eq!(row(&t, "all", sign)[2], Cell::Bool(false), "{sign}");
    }
    assert_eq!(row(&t, "all", "hounsfield_mass")[2], Cell::Num(60.0 * 4.096));
    assert_eq!(row(&t, "all", "clot_hu")[2], Cell::Num(60.0));
}
