//! What must hold of an inserted haematoma.

use super::*;
use crate::pose::{Pose, grid};
use crate::subject::Subject;
use ichor_image::Serial;
use ichor_image::parallel::Threads;
use ichor_image::random::normal_at;

fn stage() -> InsertHaematoma {
    InsertHaematoma {
        seed: None,
        volume_ml: Some(20.0),
        place: Place::Deep,
        hu: Some(66.0),
        irregularity: Some(0.3),
        heterogeneity: Some(0.0),
        fluid_level: Some(0.0),
        satellites: Some(0),
        oedema_mm: Some(0.0),
        mass_effect: Some(1.0),
        thickness: None,
        blur_mm: None,
    }
}

/// A cavity of a head's form, and brain of even density with noise in it, on any grid.
struct Background {
    grid: Grid,
    ct: Vec<i16>,
    cavity: Vec<u8>,
}

/// The cavity of the reference head in `grid`, turned by `degrees`. Brain is `brain(q)`, bone around it 1000 HU; noise of
/// standard deviation `noise`, with neighbours along i and j correlated.
fn background(grid: Grid, degrees: [f64; 3], noise: f32, brain: impl Fn(Point) -> f32) -> Background {
    let mut subject = Subject::new(3, None);
    (subject.skew, subject.stretch) = ([0.0; 3], [1.0; 3]);
    let texture = Texture::new(Draw::new(3, 0));
    let to_head = Pose::new(degrees, [0.0; 3]).to_head(&grid, [0.0, -10.0, 12.0]);
    let [nx, ny, _] = grid.shape;
    let mut ct = Vec::new();
    let mut cavity = Vec::new();
    for n in 0..grid.len() {
        let v = [n % nx, n / nx % ny, n / (nx * ny)];
        let p = to_head.apply(v.map(|v| v as f64)).map(|v| v as f32);
        let inside = crate::cavity::inner(&subject, &texture, p).distance < 0.0;
        let white = |a: usize, b: usize| normal_at(5, (n + a + b * nx) as u64) as f32;
        let grain = 0.5 * (white(0, 0) + white(1, 0) + white(0, 1) + white(1, 1));
        let hu = if inside { brain(p) + noise * grain } else { 1000.0 };
        ct.push(hu.round() as i16);
        cavity.push(u8::from(inside));
    }
    Background { grid, ct, cavity }
}

fn thin() -> Grid {
    grid([80, 92, 66], [2.0, 2.0, 2.0], "LPS").unwrap()
}

struct Made {
    ct: Vec<i16>,
    mask: Vec<u8>,
    truth: Table,
}

impl Made {
    fn truth(&self, name: &str) -> f64 {
        let row = self.truth.rows.iter().find(|r| r[1] == name.into()).unwrap_or_else(|| panic!("no {name}"));
        match row[2] {
            Cell::Num(v) => v,
            _ => panic!("{row:?}"),
        }
    }
}

fn made_on(stage: &InsertHaematoma, seed: u64, b: &Background, par: &dyn Parallel) -> Result<Made> {
    let (mut ct, mut mask) = (vec![7; b.ct.len()], vec![9; b.ct.len()]);
    let truth = stage.insert(par, seed, (&b.ct, &b.cavity, &b.grid), (&mut ct, &mut mask), &|_, _| Ok(()))?;
    Ok(Made { ct, mask, truth })
}

fn made(stage: &InsertHaematoma, seed: u64, b: &Background) -> Made {
    made_on(stage, seed, b, &Threads(2)).unwrap()
}

/// Mean and standard deviation of the CT where `chosen`.
fn stats(values: &[i16], chosen: impl Fn(usize) -> bool) -> (f64, f64) {
    let v: Vec<f64> = (0..values.len()).filter(|&n| chosen(n)).map(|n| f64::from(values[n])).collect();
    let mean = v.iter().sum::<f64>() / v.len() as f64;
    (mean, (v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / v.len() as f64).sqrt())
}

fn depth(b: &Background, mask: &[u8]) -> Vec<f32> {
    let outside: Vec<u8> = mask.iter().map(|v| 1 - v).collect();
    ichor_image::distance_to(&Serial, &outside, b.grid.shape, b.grid.spacing())
}

#[test]
fn volume_is_hit_inside_the_cavity_on_any_grid() {
    // Thin, thick, oblique, and axes in another order.
    let thick = grid([150, 170, 26], [1.0, 1.0, 5.0], "LPS").unwrap();
    let sagittal = grid([60, 60, 48], [2.5, 2.5, 3.0], "PIR").unwrap();
    for (grid, degrees) in [(thin(), [0.0; 3]), (thick, [12.0, 4.0, -15.0]), (sagittal, [8.0, 0.0, 0.0])] {
        let b = background(grid, degrees, 3.0, |_| 32.0);
        for (seed, ml, place) in [
            (1, 0.5, Place::Lobar),
            (2, 8.0, Place::Infratentorial),
            (3, 60.0, Place::Lobar),
            (4, 25.0, Place::Deep),
        ] {
            let stage = InsertHaematoma { volume_ml: Some(ml), place, satellites: Some(1), ..stage() };
            let m = made(&stage, seed, &b);
            let counted =
                m.mask.iter().filter(|v| **v == 1).count() as f64 * b.grid.voxel_volume_mm3() / 1000.0;
            assert!((counted / ml - 1.0).abs() < 0.04, "{counted} of {ml} mL, {place:?} in {}", b.grid);
            assert!((m.truth("haematoma_volume") / ml - 1.0).abs() < 0.002);
            assert!((m.truth("haematoma_volume_voxels") - counted).abs() < 1e-9);
            assert!((0..m.mask.len()).all(|n| m.mask[n] <= b.cavity[n]), "blood outside the cavity");
            assert!((0..m.ct.len()).all(|n| b.cavity[n] == 1 || m.ct[n] == b.ct[n]), "bone was changed");
            // Where the table says it is.
            let (mut sum, mut n) = ([0.0; 3], 0.0);
            for at in (0..m.mask.len()).filter(|&n| m.mask[n] == 1) {
                let [nx, ny, _] = b.grid.shape;
                let w = b.grid.affine.apply([at % nx, at / nx % ny, at / (nx * ny)].map(|v| v as f64));
                (0..3).for_each(|a| sum[a] += w[a]);
                n += 1.0;
            }
            let radius = (ml * 238.7).cbrt();
            for (a, name) in ["centre_r", "centre_a", "centre_s"].into_iter().enumerate() {
                assert!((sum[a] / n - m.truth(name)).abs() < 0.5 * radius + 1.0, "{name} {place:?}");
            }
        }
    }
}

#[test]
fn what_is_far_away_keeps_its_bytes() {
    let b = background(thin(), [0.0; 3], 3.0, |_| 32.0);
    let stage = InsertHaematoma { volume_ml: Some(1.0), oedema_mm: Some(3.0), ..stage() };
    let m = made(&stage, 4, &b);
    let centre = ["centre_r", "centre_a", "centre_s"].map(|n| m.truth(n));
    let radius = 238.732f64.cbrt();
    let [nx, ny, _] = b.grid.shape;
    let mut changed = 0;
    for n in 0..m.ct.len() {
        let w = b.grid.affine.apply([n % nx, n / nx % ny, n / (nx * ny)].map(|v| v as f64));
        let r = (0..3).map(|a| (w[a] - centre[a]).powi(2)).sum::<f64>().sqrt();
        assert!(r < 6.0 * radius + 0.1 || m.ct[n] == b.ct[n], "{} became {} at {r} mm", b.ct[n], m.ct[n]);
        changed += usize::from(m.ct[n] != b.ct[n]);
    }
    assert!(changed > 300, "{changed}");
}

#[test]
fn density_is_that_asked_for_and_noise_that_of_the_scan() {
    let b = background(thin(), [0.0; 3], 4.0, |_| 32.0);
    let m = made(&InsertHaematoma { volume_ml: Some(60.0), irregularity: Some(0.0), ..stage() }, 2, &b);
    let inside = depth(&b, &m.mask);
    let core = |n: usize| inside[n] > 4.5;
    let (mean, sd) = stats(&m.ct, core);
    // Swirls of a uniform clot are 1.5 HU.
    assert!((mean - 66.0).abs() < 0.7, "{mean}");
    let (_, around) = stats(&b.ct, |n| b.cavity[n] == 1);
    let expected = (around * around + 1.5 * 1.5).sqrt();
    assert!((sd / expected - 1.0).abs() < 0.1, "{sd} inside, {around} around");
    // Neighbours along i and j correlate as in the background (0.5), those along k do not.
    let [nx, ny, _] = b.grid.shape;
    let high = |values: &[i16], n: usize, step: usize| f64::from(values[n]) - f64::from(values[n + step]);
    for (step, usual) in [(1, 0.5), (nx, 0.5), (nx * ny, 0.0)] {
        let structure = |values: &[i16], chosen: &dyn Fn(usize) -> bool| {
            let d: Vec<f64> = (0..values.len() - step)
                .filter(|&n| chosen(n) && chosen(n + step))
                .map(|n| high(values, n, step).powi(2))
                .collect();
            d.iter().sum::<f64>() / d.len() as f64 / 2.0
        };
        let (here, there) = (structure(&m.ct, &core), structure(&b.ct, &|n| b.cavity[n] == 1));
        let (rho_here, rho_there) = (1.0 - here / (around * around), 1.0 - there / (around * around));
        assert!((rho_there - usual).abs() < 0.05, "{rho_there}");
        assert!((rho_here - rho_there).abs() < 0.13, "{rho_here} inside, {rho_there} around, step {step}");
    }
}

#[test]
fn a_marked_region_moves_and_keeps_its_volume() {
    // A block of fluid beside the clot, as a ventricle is.
    let inside =
        |p: Point, by: f32| p[0].abs() < 7.0 + by && (p[1] + 5.0).abs() < 25.0 && (p[2] - 14.0).abs() < 13.0;
    let b = background(thin(), [0.0; 3], 0.0, |p| if inside(p, 0.0) { 5.0 } else { 32.0 });
    for seed in [1, 2] {
        let m = made(&InsertHaematoma { volume_ml: Some(20.0), ..stage() }, seed, &b);
        let fluid = |ct: &[i16]| {
            let share = |n: usize| {
                if b.cavity[n] == 1 && m.mask[n] == 0 { f64::from(32 - ct[n]).max(0.0) / 27.0 } else { 0.0 }
            };
            let [nx, ny, _] = b.grid.shape;
            let (mut sum, mut x) = (0.0, 0.0);
            for n in 0..ct.len() {
                let w = b.grid.affine.apply([n % nx, n / nx % ny, n / (nx * ny)].map(|v| v as f64));
                sum += share(n);
                x += share(n) * w[0];
            }
            (sum * b.grid.voxel_volume_mm3() / 1000.0, x / sum)
        };
        let (before, x_before) = fluid(&b.ct);
        let (after, x_after) = fluid(&m.ct);
        assert!((after / before - 1.0).abs() < 0.05, "{before} mL became {after} mL");
        let away = -m.truth("centre_r").signum();
        assert!((x_after - x_before) * away > 1.0, "moved by {}", x_after - x_before);
        assert!(m.truth("midline_shift") * away > 1.0, "{}", m.truth("midline_shift"));
    }
}

#[test]
fn thick_slices_are_thin_ones_averaged() {
    let fine = grid([80, 92, 126], [2.0, 2.0, 1.0], "LPS").unwrap();
    let coarse = grid([80, 92, 25], [2.0, 2.0, 5.0], "LPS").unwrap();
    let b = background(fine, [0.0; 3], 0.0, |_| 32.0);
    let c = background(coarse, [0.0; 3], 0.0, |_| 32.0);
    let stage = InsertHaematoma { blur_mm: Some(0.5), ..stage() };
    let (thin, thick) = (made(&stage, 6, &b), made(&stage, 6, &c));
    for (name, most) in [("centre_r", 1.5), ("centre_a", 1.5), ("centre_s", 1.5), ("sphericity", 0.05)] {
        let (t, k) = (thin.truth(name), thick.truth(name));
        assert!((t - k).abs() < most, "{name}: {t} thin, {k} thick");
    }
    // Slice k of the thick grid lies at the middle of slices 5 k + 1 to 5 k + 5 of the thin one.
    let plane = 80 * 92;
    let (mut off, mut signal) = (0.0, 0.0);
    for n in 0..thick.ct.len() {
        let (k, at) = (n / plane, n % plane);
        let first = 5 * k as i64 + 1;
        let values = (first..first + 5).map(|s| f64::from(thin.ct[at + plane * s as usize]));
        let before = (first..first + 5).map(|s| f64::from(b.ct[at + plane * s as usize]));
        if b.cavity[at + plane * (first as usize)..].first() == Some(&1) && c.cavity[n] == 1 {
            let averaged = (values.sum::<f64>() - before.sum::<f64>()) / 5.0;
            let here = f64::from(thick.ct[n]) - f64::from(c.ct[n]);
            off += (averaged - here).abs();
            signal += averaged.abs();
        }
    }
    assert!(off / signal < 0.2, "{}", off / signal);
}

#[test]
fn the_seed_alone_decides() {
    let b = background(thin(), [5.0, 0.0, 10.0], 3.0, |_| 32.0);
    let stage = InsertHaematoma {
        volume_ml: None,
        place: Place::Random,
        irregularity: None,
        heterogeneity: None,
        ..stage()
    };
    let one = made_on(&stage, 9, &b, &Serial).unwrap();
    let two = made_on(&stage, 9, &b, &Threads(3)).unwrap();
    assert!(one.ct == two.ct && one.mask == two.mask && one.truth == two.truth);
    let other = made(&stage, 10, &b);
    assert!(one.mask != other.mask);
}

#[test]
fn heads_are_found_however_they_lie() {
    let reference = background(thin(), [0.0; 3], 0.0, |_| 32.0);
    let centre = |b: &Background, degrees: [f64; 3]| {
        let m = made(&stage(), 3, b);
        let world = ["centre_r", "centre_a", "centre_s"].map(|n| m.truth(n));
        // The world's point in the head, which lies turned by `degrees` in it.
        let unit = Grid::new([1; 3], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
        Pose::new(degrees, [0.0; 3]).to_head(&unit, [0.0, -10.0, 12.0]).apply(world)
    };
    let expected = centre(&reference, [0.0; 3]);
    for degrees in [[12.0, 0.0, 0.0], [-10.0, 3.0, 0.0], [0.0, 0.0, 20.0], [8.0, -4.0, -12.0]] {
        let grid = grid([100, 100, 76], [2.0; 3], "PLS").unwrap();
        let found = centre(&background(grid, degrees, 0.0, |_| 32.0), degrees);
        let off = (0..3).map(|a| (found[a] - expected[a]).powi(2)).sum::<f64>().sqrt();
        assert!(off < 6.0, "{off} mm off: {found:?}, {expected:?} for {degrees:?}");
    }
}

#[test]
fn what_does_not_fit_and_what_is_no_cavity_is_explained() {
    let b = background(thin(), [0.0; 3], 0.0, |_| 32.0);
    let too_much = InsertHaematoma { volume_ml: Some(199.0), place: Place::Infratentorial, ..stage() };
    let text = made_on(&too_much, 1, &b, &Serial).err().unwrap().to_string();
    assert!(text.contains("infratentorial haematoma of 199 mL does not fit this cavity"), "{text}");
    let empty = Background { cavity: vec![0; b.cavity.len()], ..b };
    let text = made_on(&stage(), 1, &empty, &Serial).err().unwrap().to_string();
    assert!(text.contains("the cavity is empty"), "{text}");
}
