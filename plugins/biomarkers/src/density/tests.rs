//! Phantoms of two densities, blurred and with noise.

use super::signs::label;
use super::*;
use ichor_image::{Serial, gaussian, random::normal_at};

const THIN: [f64; 3] = [0.5, 0.5, 0.5];
const THICK: [f64; 3] = [0.5, 0.5, 5.0];

/// A ball of 20 mm in brain of 33 HU, seen in voxels of `spacing` averaged along k and blurred in the slice.
fn ball(spacing: [f64; 3], clot: impl Fn([f64; 3]) -> f64, noise: f64, seed: u64) -> Analysis {
    let shape: [usize; 3] = std::array::from_fn(|a| 2 * (32.0 / spacing[a]) as usize + 1);
    let origin: [f64; 3] = std::array::from_fn(|a| -(shape[a] as f64 - 1.0) / 2.0 * spacing[a]);
    let grid = Grid::new(shape, Affine::from_spacing(spacing, origin)).unwrap();
    let parts = (spacing[2] / 0.5).round() as usize;
    let inside = |p: [f64; 3]| p.iter().map(|x| x * x).sum::<f64>() <= 400.0;
    let place = |n: usize| {
        grid.affine.apply([n % shape[0], n / shape[0] % shape[1], n / shape[0] / shape[1]].map(|v| v as f64))
    };
    let sharp: Vec<f32> = (0..grid.len())
        .map(|n| {
            let p = place(n);
            let sum: f64 = (0..parts)
                .map(|s| {
                    let z = p[2] + ((s as f64 + 0.5) / parts as f64 - 0.5) * spacing[2];
                    let p = [p[0], p[1], z];
                    if inside(p) { clot(p) } else { 33.0 }
                })
                .sum();
            (sum / parts as f64) as f32
        })
        .collect();
    let mut ct = gaussian(&Serial, &sharp, shape, [0.7 / spacing[0], 0.7 / spacing[1], 0.0]);
    ct.iter_mut().enumerate().for_each(|(n, v)| *v += (noise * normal_at(seed, n as u64)) as f32);
    let mask: Vec<u8> = (0..grid.len()).map(|n| u8::from(inside(place(n)))).collect();
    let scan = Scan::new(Voxels::F32(&ct), &mask, &grid);
    let settings =
        Settings { min_delta_hu: 5.0, min_patch_ml: 0.1, brain_hu: None, position: Position::Supine };
    analyse(&Serial, &scan, &settings, &|| Ok(())).unwrap()
}

fn signs(a: &Analysis) -> &Signs {
    a.lesions[0].signs.as_ref().unwrap()
}

fn near(p: [f64; 3], c: [f64; 3], r: f64) -> bool {
    (0..3).map(|a| (p[a] - c[a]).powi(2)).sum::<f64>() <= r * r
}

#[test]
fn a_planted_hole_has_its_density_and_volume() {
    for (spacing, off_ml) in [(THIN, 0.10), (THICK, 0.25)] {
        let a = ball(spacing, |p| if near(p, [3.0, -2.0, 0.0], 6.0) { 26.0 } else { 60.0 }, 4.0, 1);
        let s = signs(&a);
        assert!(s.black_hole() && s.hypodensity() && s.swirl() == Some(true), "{spacing:?}");
        assert_eq!((s.blend, s.fluid_level), (Some(false), Some(false)));
        let [hole] = &s.found.patches[..] else { panic!("{} patches", s.found.patches.len()) };
        let truth = 4.0 / 3.0 * std::f64::consts::PI * 216.0 / 1000.0;
        assert!((hole.volume_ml / truth - 1.0).abs() < off_ml, "{} for {truth}", hole.volume_ml);
        assert!((s.brain.unwrap() - 33.0).abs() < 0.5);
        // A Gaussian of 0.7 mm takes 1.8 mm from 10 to 90 %; in thick slices the ball's curvature adds.
        let edge = hole.edge_mm.unwrap();
        assert!(if spacing == THIN { (1.2..2.6).contains(&edge) } else { edge < 4.0 }, "{edge}");
    }
}

#[test]
fn a_planted_hole_has_its_density_whatever_the_noise() {
    // One scan of thick slices has some 30 voxels in the middle of the hole: a mean over scans tells a bias.
    for spacing in [THIN, THICK] {
        let of = |seed| {
            let a = ball(spacing, |p| if near(p, [3.0, -2.0, 0.0], 6.0) { 26.0 } else { 60.0 }, 4.0, seed);
            let hole = &signs(&a).found.patches[0];
            [hole.hu / 6.0, hole.delta / 6.0]
        };
        let mean = (1..=6).map(of).fold([0.0; 2], |sum, v| [sum[0] + v[0], sum[1] + v[1]]);
        assert!((mean[0] - 26.0).abs() < 1.0 && (mean[1] - 34.0).abs() < 1.0, "{spacing:?} {mean:?}");
    }
}

#[test]
fn a_hole_at_the_edge_is_no_black_hole() {
    for spacing in [THIN, THICK] {
        let s = ball(spacing, |p| if near(p, [16.0, 0.0, 0.0], 7.0) { 26.0 } else { 60.0 }, 4.0, 2);
        assert!(!signs(&s).black_hole() && !signs(&s).hypodensity());
        assert!(signs(&s).found.patches[0].open > 0.1);
    }
}

#[test]
fn two_phases_side_by_side_are_a_blend_sign_unless_the_border_is_level() {
    for spacing in [THIN, THICK] {
        let blend = ball(spacing, |p| if p[0] > 4.0 { 38.0 } else { 62.0 }, 4.0, 3);
        let s = signs(&blend);
        assert_eq!((s.blend, s.fluid_level), (Some(true), Some(false)));
        let low = &s.found.patches[0];
        assert!((low.hu - 38.0).abs() < 1.0 && (s.found.reference - 62.0).abs() < 1.0);
        // The darker side in front, turned by 10 degrees: level for a patient who lies supine.
        let (sin, cos) = 10f64.to_radians().sin_cos();
        let level = ball(spacing, |p| if p[1] * cos + p[0] * sin > 2.0 { 38.0 } else { 62.0 }, 4.0, 4);
        let s = signs(&level);
        assert_eq!((s.blend, s.blend_is_level, s.fluid_level), (Some(false), true, Some(true)));
        assert!((s.angle_to_gravity.unwrap() - 10.0).abs() < 1.0, "{:?}", s.angle_to_gravity);
        // The darker side below: not level.
        let upside = ball(spacing, |p| if p[1] < -2.0 { 38.0 } else { 62.0 }, 4.0, 5);
        assert_eq!((signs(&upside).blend, signs(&upside).fluid_level), (Some(true), Some(false)));
        assert!(signs(&upside).angle_to_gravity.unwrap() > 179.0);
    }
}

#[test]
fn specks_beside_the_border_change_neither_level_nor_blend() {
    let specks = [[-6.0, 8.0, 0.0], [5.0, 10.0, 6.0], [0.0, 9.0, -7.0], [7.0, 7.0, 1.0], [-4.0, -6.0, 5.0]];
    for (toward, blend, level) in [(1, false, true), (0, true, false)] {
        // The darker side lies in front, or to the right; specks are as bright as the other side.
        let clot = move |p: [f64; 3]| {
            let q = [p[1 - toward], p[toward], p[2]];
            if (p[toward] > 2.0) ^ specks.iter().any(|c| near(q, *c, 1.4)) { 38.0 } else { 62.0 }
        };
        let a = ball(THIN, clot, 4.0, 9);
        let s = signs(&a);
        assert_eq!((s.blend, s.fluid_level), (Some(blend), Some(level)));
        let [low] = &s.found.patches[..] else { panic!("{} patches", s.found.patches.len()) };
        assert!(low.border_share > 0.95, "{}", low.border_share);
        assert!(s.level.unwrap().rms_mm < 0.5, "{:?}", s.level);
    }
}

#[test]
fn half_a_ball_in_front_is_not_flat() {
    let a = ball(THIN, |p| if near(p, [0.0, 18.0, 0.0], 5.5) { 30.0 } else { 60.0 }, 3.0, 10);
    let s = signs(&a);
    let (level, angle) = (s.level.unwrap(), s.angle_to_gravity.unwrap());
    assert!(level.rms_mm < 1.5 && level.extent_mm[0] >= 8.0 && angle < 15.0, "{level:?} {angle}");
    assert_eq!(s.fluid_level, Some(false));
}

#[test]
fn a_patch_below_the_least_volume_counts_if_it_is_as_dark_as_a_black_hole() {
    // 0.11 mL, of which smoothing leaves less than the least patch of 0.1 mL.
    let hole = |hu: f64| ball(THIN, move |p| if near(p, [3.0, -2.0, 0.0], 3.0) { hu } else { 60.0 }, 3.0, 14);
    let (dark, faint) = (hole(24.0), hole(44.0));
    let [patch] = &signs(&dark).found.patches[..] else { panic!("not one patch") };
    assert!(signs(&dark).black_hole() && (0.05..0.1).contains(&patch.volume_ml), "{}", patch.volume_ml);
    assert!(signs(&faint).found.patches.is_empty());
}

#[test]
fn a_plain_clot_and_a_slow_change_have_no_signs() {
    for spacing in [THIN, THICK] {
        for (seed, slope) in [(6, 0.0), (7, 0.25)] {
            let a = ball(spacing, |p| 60.0 + slope * p[0], 5.0, seed);
            let s = signs(&a);
            assert!(!s.black_hole() && !s.hypodensity(), "{spacing:?} {slope}");
            assert_eq!((s.blend, s.swirl(), s.fluid_level), (Some(false), Some(false), Some(false)));
            assert!((s.found.reference - 60.0).abs() < 2.0);
        }
    }
}

#[test]
fn three_holes_make_grade_four_and_are_painted() {
    let centres = [[9.0, 0.0, 0.0], [-7.0, 7.0, 0.0], [-6.0, -8.0, 1.0]];
    let a = ball(THIN, |p| if centres.iter().any(|c| near(p, *c, 4.0)) { 40.0 } else { 60.0 }, 3.0, 8);
    let s = signs(&a);
    assert_eq!((s.found.patches.len(), s.barras(), s.black_hole()), (3, 4, false));
    let mut out = vec![0u8; 129 * 129 * 129];
    a.paint(&mut out);
    let painted = out.iter().filter(|v| **v == label::ENCAPSULATED).count();
    assert_eq!(painted, s.found.patches.iter().map(|p| p.voxels.len()).sum::<usize>());
    // The middle of the first hole, where it is in the image.
    assert_eq!(out[64 + 18 + 129 * (64 + 129 * 64)], label::ENCAPSULATED);
}

#[test]
fn hu_that_are_no_numbers_are_refused() {
    let grid = Grid::new([40, 40, 40], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
    let mut ct = vec![60f32; grid.len()];
    ct[grid.index(20, 20, 20)] = f32::NAN;
    let mut mask = vec![0u8; grid.len()];
    (15..25).for_each(|k| (15..25).for_each(|j| mask[grid.index(15, j, k)..][..10].fill(1)));
    let settings =
        Settings { min_delta_hu: 5.0, min_patch_ml: 0.1, brain_hu: None, position: Position::Unknown };
    let scan = Scan::new(Voxels::F32(&ct), &mask, &grid);
    let failed = analyse(&Serial, &scan, &settings, &|| Ok(()));
    assert!(failed.is_err_and(|e| e.message().contains("not numbers")));
}
