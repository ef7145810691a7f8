//! Volumes, limits and directions known beforehand.

use super::growth::Kind;
use super::*;
use ichor_image::Serial;

fn stage() -> CompareFollowup {
    CompareFollowup { margin_mm: 1.0, min_growth_ml: 0.1, measurement_sd_ml: None, min_bone_dice: 0.9 }
}

fn table_of(baseline: f64, followup: f64, stage: &CompareFollowup) -> Table {
    let volumes = Volumes { baseline, registered: followup, native: Some(followup) };
    let grid = Grid::new([1, 1, 1], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
    let growth = Growth::of(&Serial, &[0], &[0], &grid, 1.0, 0.1);
    let mut table = Table::measurements();
    rows::rows(&mut table, &volumes, &growth, None, stage);
    table
}

fn value(t: &Table, name: &str) -> Cell {
    t.rows.iter().find(|r| r[1] == Cell::from(name)).unwrap_or_else(|| panic!("no {name}"))[2].clone()
}

#[test]
fn limits_count_as_each_definition_says() {
    let yes = |from: f64, to: f64, name: &str| value(&table_of(from, to, &stage()), name) == Cell::Bool(true);
    // 30 mL: 6 mL are 20 %, 33 % are 9.9 mL.
    for (growth, gt, ge) in [(0.0, false, false), (5.9, false, false), (6.0, false, true), (6.1, true, true)]
    {
        assert_eq!(yes(30.0, 30.0 + growth, "expansion"), gt, "{growth}");
        assert_eq!(yes(30.0, 30.0 + growth, "expansion_6ml_or_33pct_ge"), ge, "{growth}");
        assert_eq!(yes(30.0, 30.0 + growth, "expansion_6ml_gt"), gt, "{growth}");
        assert_eq!(yes(30.0, 30.0 + growth, "expansion_6ml_ge"), ge, "{growth}");
    }
    // 10 mL: 33 % are 3.3 mL.
    for (percent, gt, ge) in [(32.9, false, false), (33.0, false, true), (33.1, true, true)] {
        let to = 10.0 * (1.0 + percent / 100.0);
        assert_eq!(yes(10.0, to, "expansion"), gt, "{percent}");
        assert_eq!(yes(10.0, to, "expansion_33pct_gt"), gt, "{percent}");
        assert_eq!(yes(10.0, to, "expansion_6ml_or_33pct_ge"), ge, "{percent}");
        assert_eq!(yes(10.0, to, "expansion_12_5ml_or_33pct_ge"), ge, "{percent}");
    }
    assert!(
        !yes(60.0, 72.4, "expansion_12_5ml_or_33pct_ge") && yes(60.0, 72.5, "expansion_12_5ml_or_33pct_ge")
    );
}

#[test]
fn without_blood_at_first_there_is_no_percentage() {
    let t = table_of(0.0, 7.0, &stage());
    assert_eq!(value(&t, "volume_change_percent"), Cell::Null);
    assert_eq!(value(&t, "expansion_33pct_gt"), Cell::Null);
    assert_eq!(value(&t, "expansion"), Cell::Bool(true));
}

#[test]
fn what_measurement_could_undo_is_indeterminate() {
    let stage = CompareFollowup { measurement_sd_ml: Some(0.5), ..stage() };
    // 1.96 √2 0.5 mL = 1.39 mL.
    for (growth, indeterminate) in [(4.5, false), (4.7, true), (7.3, true), (7.5, false)] {
        let t = table_of(30.0, 30.0 + growth, &stage);
        assert_eq!(value(&t, "expansion_6ml_gt_indeterminate"), Cell::Bool(indeterminate), "{growth}");
    }
}

#[test]
fn growth_is_found_where_it_is() {
    // Axes P, S, L with 0.5, 2 and 0.5 mm: a ball of 10 mm at the origin grows by one of 5 mm, 12 mm to the right, and
    // a ball of 4 mm appears 20 mm in front.
    let affine = Affine([[0.0, 0.0, -0.5, 30.0], [-0.5, 0.0, 0.0, 30.0], [0.0, 2.0, 0.0, -20.0]]);
    let grid = Grid::new([121, 21, 121], affine).unwrap();
    let ball = |p: [f64; 3], c: [f64; 3], r: f64| (0..3).map(|a| (p[a] - c[a]).powi(2)).sum::<f64>() <= r * r;
    let draw = |inside: &dyn Fn([f64; 3]) -> bool| -> Vec<u8> {
        (0..grid.len())
            .map(|n| {
                u8::from(inside(grid.affine.apply([n % 121, n / 121 % 21, n / 121 / 21].map(|v| v as f64))))
            })
            .collect()
    };
    let first = draw(&|p| ball(p, [0.0; 3], 10.0));
    let second = draw(&|p| {
        ball(p, [0.0; 3], 10.0) || ball(p, [12.0, 0.0, 0.0], 5.0) || ball(p, [0.0, 20.0, 0.0], 4.0)
    });
    let g = Growth::of(&Serial, &first, &second, &grid, 1.0, 0.1);
    // Two balls of radii R and r at distance d share π (R + r - d)² (d² + 2 d (R + r) - 3 (R - r)²) / (12 d); what
    // lies within the margin of the first is shared with one of 11 mm.
    let ball_of_5 = 4.0 / 3.0 * std::f64::consts::PI * 125.0;
    let lobe = (ball_of_5 - std::f64::consts::PI * 16.0 * (144.0 + 384.0 - 108.0) / 144.0) / 1000.0;
    // The focus has slices of radius 4, √12 and √12 mm, 2 mm apart; those at 4 mm have an area of nothing.
    let apart = 2.0 * std::f64::consts::PI * (16.0 + 12.0 + 12.0) / 1000.0;
    assert_eq!(g.pieces.len(), 2);
    assert!((g.pieces[0].0 - lobe).abs() < 0.06 * lobe && g.pieces[0].1, "{:?} {lobe}", g.pieces);
    assert!((g.pieces[1].0 - apart).abs() < 0.06 * apart && !g.pieces[1].1, "{:?} {apart}", g.pieces);
    assert!((g.toward[0] - lobe).abs() < 0.06 * lobe && (g.toward[2] - apart).abs() < 0.06 * apart);
    assert_eq!([1, 3, 4, 5].map(|n| g.toward[n]), [0.0; 4]);
    // The focus in front ends at 24 mm, 14 mm from the ball.
    assert!((g.reach_mm.unwrap() - 14.0).abs() < 0.5);
    assert_eq!(g.kinds.iter().filter(|k| **k == Kind::Gone).count(), 0);
    let total: f64 = g.ml.iter().sum();
    assert!((total - count(&Serial, &second) as f64 * grid.voxel_volume_mm3() / 1000.0).abs() < 1e-9);
}

#[test]
fn a_shift_within_the_margin_is_no_growth() {
    let grid = Grid::new([60, 60, 60], Affine::from_spacing([0.5; 3], [-15.0; 3])).unwrap();
    let ball = |shift: f64| -> Vec<u8> {
        (0..grid.len())
            .map(|n| {
                let p = grid.affine.apply([n % 60, n / 60 % 60, n / 3600].map(|v| v as f64));
                u8::from((p[0] - shift).hypot(p[1]).hypot(p[2]) <= 10.0)
            })
            .collect()
    };
    let g = Growth::of(&Serial, &ball(0.0), &ball(0.9), &grid, 1.0, 0.1);
    assert_eq!(g.ml[Kind::Growth as usize], 0.0);
    assert!(g.ml[Kind::Margin as usize] > 0.1 && g.ml[Kind::Gone as usize] > 0.1);
    assert_eq!(bone_of(&[400.0, 400.0, 0.0], &[400.0, 0.0, 0.0]), Some(2.0 / 3.0));
    assert_eq!(bone_of(&[0.0], &[0.0]), None);
}

fn bone_of(a: &[f32], b: &[f32]) -> Option<f64> {
    growth::bone_dice(&Serial, a, b)
}
