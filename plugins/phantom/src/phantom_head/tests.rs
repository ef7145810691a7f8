//! What must hold of a phantom head.

use super::*;
use crate::head::{BLOOD, CAVITY};
use crate::subject::Subject;
use ichor_image::parallel::Threads;
use ichor_image::{Connectivity, Serial, components, erode};
use std::ops::Range;

fn stage() -> PhantomHead {
    PhantomHead {
        seed: None,
        shape: [76, 88, 31],
        spacing: [3.0, 3.0, 6.0],
        thickness: None,
        orientation: "LPS".into(),
        rotation: Some([0.0; 3]),
        shift: Some([0.0; 3]),
        cavity_ml: None,
        haematoma_ml: Some(30.0),
        site: Site::Deep,
        irregularity: None,
        heterogeneity: None,
        fluid_level: Some(0.0),
        satellites: Some(0),
        oedema_mm: None,
        blood_hu: None,
        noise_hu: Some(0.0),
        kernel: Kernel::Soft,
        streaks: Some(0.0),
        look_alikes: Some(0.0),
        holder: false,
    }
}

struct Made {
    grid: Grid,
    ct: Vec<i16>,
    cavity: Vec<u8>,
    haematoma: Vec<u8>,
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

    /// Middle of a mask in the world, mm.
    fn centroid(&self, mask: &[u8]) -> [f64; 3] {
        let [nx, ny, _] = self.grid.shape;
        let (mut sum, mut n) = ([0.0; 3], 0.0);
        for index in (0..mask.len()).filter(|&n| mask[n] == 1) {
            let v = [index % nx, index / nx % ny, index / (nx * ny)].map(|v| v as f64);
            let w = self.grid.affine.apply(v);
            (0..3).for_each(|a| sum[a] += w[a]);
            n += 1.0;
        }
        sum.map(|s| s / n)
    }
}

fn made_on(stage: &PhantomHead, seed: u64, par: &dyn Parallel) -> Result<Made> {
    let grid = grid(stage.shape, stage.spacing, &stage.orientation)?;
    let (mut ct, mut cavity, mut haematoma) = (vec![0; grid.len()], vec![9; grid.len()], vec![9; grid.len()]);
    let images = Images { ct: &mut ct, cavity: &mut cavity, haematoma: &mut haematoma };
    let truth = stage.make(par, seed, &grid, images, &|_| false)?;
    Ok(Made { grid, ct, cavity, haematoma, truth })
}

fn made(stage: &PhantomHead, seed: u64) -> Made {
    made_on(stage, seed, &Threads(2)).unwrap()
}

fn head(stage: &PhantomHead, seed: u64) -> Head {
    Head::new(&Threads(2), seed, stage.cavity_ml, 0.0, &stage.wishes(), [0.0, 1.0, 0.0]).unwrap()
}

/// The last range first.
struct Backwards;

impl Parallel for Backwards {
    fn for_each(&self, n: usize, grain: usize, body: &(dyn Fn(Range<usize>) + Sync)) {
        for range in (0..n.div_ceil(grain)).rev() {
            body(range * grain..((range + 1) * grain).min(n));
        }
    }
}

/// What lies on a lattice of `step` mm within `reach` mm about a point.
fn lattice(head: &Head, about: [f32; 3], reach: f32, step: f32, mut visit: impl FnMut([f32; 3], f32, u8)) {
    let n = (reach / step).ceil() as i32;
    for k in -n..=n {
        for j in -n..=n {
            for i in -n..=n {
                let p = [i, j, k].map(|v| v as f32 * step);
                let p = std::array::from_fn(|a| about[a] + p[a]);
                let sample = head.at(p);
                visit(p, sample.hu, sample.parts);
            }
        }
    }
}

#[test]
fn haematoma_has_the_volume_asked_for() {
    for (seed, site, ml, satellites) in [
        (1, Site::Deep, 0.3, 0),
        (2, Site::Lobar, 3.0, 2),
        (3, Site::Cerebellar, 15.0, 1),
        (4, Site::Deep, 40.0, 3),
        (5, Site::Lobar, 100.0, 0),
    ] {
        let stage = PhantomHead { haematoma_ml: Some(ml), site, satellites: Some(satellites), ..stage() };
        let head = head(&stage, seed);
        let h = head.haematoma.as_ref().unwrap();
        assert!((h.volume_ml() / ml - 1.0).abs() < 0.002, "{} for {ml}", h.volume_ml());
        // Counted on a lattice of a tenth of the radius, reaching well past clot and satellites.
        let radius = (ml * 238.7).cbrt() as f32;
        let (step, mut n) = (radius / 10.0, 0u32);
        lattice(&head, h.centre, 2.6 * radius + 10.0 * f32::from(satellites > 0), step, |_, _, parts| {
            n += u32::from(parts & BLOOD != 0);
        });
        let counted = f64::from(n) * f64::from(step).powi(3) / 1000.0;
        assert!((counted / ml - 1.0).abs() < 0.02, "{counted} mL counted for {ml} mL at {site:?}");
    }
}

#[test]
fn cavity_has_its_volume_and_it_is_an_adults() {
    for seed in 0..3 {
        let stage =
            PhantomHead { haematoma_ml: Some(0.0), spacing: [3.0, 3.0, 4.0], shape: [76, 88, 46], ..stage() };
        let made = made(&stage, seed);
        let (drawn, true_ml, voxels) = (
            f64::from(Subject::new(seed, None).cavity_ml),
            made.truth("cavity_volume"),
            made.truth("cavity_volume_voxels"),
        );
        assert!((1100.0..1700.0).contains(&true_ml));
        assert!((true_ml / drawn - 1.0).abs() < 0.003, "{true_ml} {drawn}");
        assert!((voxels / true_ml - 1.0).abs() < 0.01, "{voxels} {true_ml}");
    }
    assert!(
        (head(&PhantomHead { cavity_ml: Some(1250.0), ..stage() }, 7).cavity_ml(&Serial) - 1250.0).abs()
            < 4.0
    );
}

#[test]
fn masks_are_nested_and_whole() {
    let stage = PhantomHead { satellites: Some(3), haematoma_ml: Some(45.0), ..stage() };
    let made = made(&stage, 8);
    let parts = |mask: &[u8], shape| components(&Serial, mask, shape, Connectivity::TwentySix).sizes.len();
    assert_eq!(parts(&made.cavity, made.grid.shape), 1);
    // Satellites are apart from the clot and from each other in continuous space.
    let satellites = made.truth("satellites") as usize;
    assert!(satellites > 0);
    let head = head(&stage, 8);
    let mut fine = Vec::new();
    lattice(&head, head.haematoma.as_ref().unwrap().centre, 55.0, 1.0, |_, _, p| fine.push(p & BLOOD));
    assert_eq!(parts(&fine, [111; 3]), 1 + satellites);
    assert!(made.haematoma.iter().zip(&made.cavity).all(|(h, c)| h <= c));
    assert!(made.cavity.iter().all(|&v| v <= 1));
}

#[test]
fn tissues_have_their_densities() {
    let stage = PhantomHead { haematoma_ml: Some(0.0), ..stage() };
    let (made, subject) = (made(&stage, 3), Subject::new(3, None));
    assert_eq!(made.ct[0], -1000);
    // Deep inside the skull there is no bone and no air; a calcification is the densest thing.
    let [x, y, z] = stage.spacing;
    let deep = erode(&Serial, &made.cavity, made.grid.shape, [x, y, z], 7.0);
    let inside: Vec<f64> =
        made.ct.iter().zip(&deep).filter(|(_, d)| **d == 1).map(|(v, _)| f64::from(*v)).collect();
    assert!(inside.len() > 10_000);
    assert!(inside.iter().all(|v| (-10.0..520.0).contains(v)));
    let mean = inside.iter().sum::<f64>() / inside.len() as f64;
    let (white, grey) = (f64::from(subject.hu.white), f64::from(subject.hu.grey));
    assert!((white - 6.0..grey).contains(&mean), "{mean} between CSF, {white} and {grey}");
    // Cortical bone, diploe with partial volume, and fat exist in quantity.
    let share = |low: i16, high: i16| {
        made.ct.iter().filter(|v| (low..high).contains(*v)).count() as f64 * made.grid.voxel_volume_mm3()
            / 1000.0
    };
    assert!((350.0..1100.0).contains(&share(300, 3000)), "bone: {} mL", share(300, 3000));
    assert!(share(-130, -60) > 80.0, "fat: {} mL", share(-130, -60));
    // In continuous space nothing in the cavity is bone or air, and white matter lies where it should.
    let head = head(&stage, 3);
    lattice(&head, [0.0; 3], 60.0, 3.0, |p, hu, parts| {
        assert!(parts & CAVITY == 0 || (0.0..560.0).contains(&hu), "{hu} at {p:?}");
    });
}

#[test]
fn equal_seeds_give_equal_bytes_in_whatever_order_slices_are_made() {
    let stage = PhantomHead {
        shape: [60, 70, 12],
        spacing: [3.5, 3.5, 12.0],
        noise_hu: Some(4.0),
        streaks: Some(1.0),
        satellites: None,
        holder: true,
        rotation: None,
        shift: None,
        site: Site::Random,
        ..stage()
    };
    let a = made_on(&stage, 11, &Serial).unwrap();
    for par in [&Backwards as &dyn Parallel, &Threads(3)] {
        let b = made_on(&stage, 11, par).unwrap();
        assert!(a.ct == b.ct && a.cavity == b.cavity && a.haematoma == b.haematoma && a.truth == b.truth);
    }
    assert!(made_on(&stage, 12, &Serial).unwrap().ct != a.ct);
}

#[test]
fn a_thick_slice_is_the_mean_of_thin_ones() {
    let thick = PhantomHead { shape: [76, 88, 20], spacing: [3.0, 3.0, 6.0], ..stage() };
    let thin = PhantomHead { shape: [76, 88, 60], spacing: [3.0, 3.0, 2.0], ..stage() };
    let (thick, thin) = (made(&thick, 5), made(&thin, 5));
    let slice = 76 * 88;
    let (mut sum, mut far) = (0.0, 0usize);
    for (n, &hu) in thick.ct.iter().enumerate() {
        let (k, at) = (n / slice, n % slice);
        let mean = (0..3).map(|s| f64::from(thin.ct[at + slice * (3 * k + s)])).sum::<f64>() / 3.0;
        let off = (mean - f64::from(hu)).abs();
        sum += off;
        far += usize::from(off > 20.0);
    }
    // Both sample space in layers of 1 mm; they differ in which cells count as edges, and by rounding to HU.
    let (mean, far) = (sum / thick.ct.len() as f64, far as f64 / thick.ct.len() as f64);
    assert!(mean < 0.3 && far < 1e-3, "mean {mean} HU, share far off {far}");
}

#[test]
fn the_head_turns_and_shifts_as_told() {
    let still = made(&stage(), 6);
    let c = still.centroid(&still.haematoma);
    let yaw =
        made(&PhantomHead { rotation: Some([0.0, 0.0, 25.0]), shift: Some([4.0, -3.0, 5.0]), ..stage() }, 6);
    let (sin, cos) = 25f64.to_radians().sin_cos();
    let want = [cos * c[0] - sin * c[1] + 4.0, sin * c[0] + cos * c[1] - 3.0, c[2] + 5.0];
    let got = yaw.centroid(&yaw.haematoma);
    for a in 0..3 {
        assert!((got[a] - want[a]).abs() < 0.4, "{got:?} {want:?}");
    }
    // The same place in other axes of the array.
    let other =
        PhantomHead { orientation: "SRA".into(), shape: [31, 76, 88], spacing: [6.0, 3.0, 3.0], ..stage() };
    let other = made(&other, 6);
    let got = other.centroid(&other.haematoma);
    for a in 0..3 {
        assert!((got[a] - c[a]).abs() < 0.6, "{got:?} {c:?}");
    }
}

#[test]
fn noise_grows_as_slices_thin_and_leaves_the_mean() {
    let shape = [112, 132, 4];
    let base = PhantomHead { shape, spacing: [1.0, 1.0, 5.0], haematoma_ml: Some(0.0), ..stage() };
    let sd_mean = |thickness: f64, kernel: Kernel| {
        let clean = PhantomHead { thickness: Some(thickness), kernel, ..stage_of(&base) };
        let noisy = PhantomHead { noise_hu: Some(4.0), ..stage_of(&clean) };
        let (clean, noisy) = (made(&clean, 2), made(&noisy, 2));
        let inside = (0..clean.ct.len()).filter(|&n| clean.cavity[n] == 1);
        let off: Vec<f64> = inside.map(|n| f64::from(noisy.ct[n]) - f64::from(clean.ct[n])).collect();
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        ((off.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / off.len() as f64).sqrt(), mean)
    };
    let (thick, mean) = sd_mean(5.0, Kernel::Soft);
    assert!((3.2..4.6).contains(&thick) && mean.abs() < 0.1, "{thick} {mean}");
    let (thin, _) = sd_mean(1.25, Kernel::Soft);
    assert!((thin / thick - 2.0).abs() < 0.1, "{thin} {thick}");
    assert!(sd_mean(5.0, Kernel::Sharp).0 > 1.8 * thick);
}

fn stage_of(s: &PhantomHead) -> PhantomHead {
    PhantomHead {
        shape: s.shape,
        spacing: s.spacing,
        haematoma_ml: s.haematoma_ml,
        thickness: s.thickness,
        kernel: s.kernel,
        ..stage()
    }
}

#[test]
fn a_fluid_level_lies_in_front_of_the_cells_and_has_its_share() {
    let stage =
        PhantomHead { fluid_level: Some(0.35), heterogeneity: Some(0.0), blood_hu: Some(70.0), ..stage() };
    let head = head(&stage, 4);
    let centre = head.haematoma.as_ref().unwrap().centre;
    let (mut plasma, mut cells) = ((0.0, f32::MAX), (0.0, f32::MIN));
    lattice(&head, centre, 40.0, 1.0, |p, hu, parts| {
        if parts & BLOOD != 0 {
            if hu < 50.0 {
                plasma = (plasma.0 + 1.0, plasma.1.min(p[1]));
            } else {
                cells = (cells.0 + 1.0, cells.1.max(p[1]));
            }
        }
    });
    let share = plasma.0 / (plasma.0 + cells.0);
    assert!((share - 0.35f64).abs() < 0.02, "{share}");
    assert!(plasma.1 > cells.1, "plasma begins at {} mm, cells end at {} mm", plasma.1, cells.1);
}

#[test]
fn the_clot_pushes_the_midline_away_and_oedema_is_dark() {
    let big = PhantomHead { haematoma_ml: Some(60.0), oedema_mm: Some(8.0), ..stage() };
    let big = head(&big, 4);
    let h = big.haematoma.as_ref().unwrap();
    let shift = big.midline_shift();
    assert!(shift.abs() > 2.0 && shift.abs() < 14.0 && shift * h.centre[0] < 0.0, "{shift} {:?}", h.centre);
    let small = head(&PhantomHead { haematoma_ml: Some(0.5), ..stage() }, 4);
    assert!(small.midline_shift().abs() < 0.5);
    // The same place without and with oedema.
    let dry = head(&PhantomHead { haematoma_ml: Some(60.0), oedema_mm: Some(0.0), ..stage() }, 4);
    let (mut wet_sum, mut dry_sum, mut n) = (0.0, 0.0, 0);
    lattice(&big, h.centre, 45.0, 2.0, |p, hu, parts| {
        let before = dry.at(p);
        if parts == CAVITY && before.parts == CAVITY && before.hu != hu {
            wet_sum += hu;
            dry_sum += before.hu;
            n += 1;
        }
    });
    let (wet, dry) = (wet_sum / n as f32, dry_sum / n as f32);
    assert!(n > 500 && wet < dry - 4.0, "{wet} {dry} {n}");
}

#[test]
fn an_empty_head_has_an_empty_mask() {
    let made = made(&PhantomHead { haematoma_ml: Some(0.0), ..stage() }, 1);
    assert!(made.haematoma.iter().all(|&v| v == 0));
    assert_eq!(made.truth("haematoma_volume"), 0.0);
    assert!(made.truth.rows.iter().all(|r| r[1] != "site".into()));
}

#[test]
fn what_does_not_fit_is_refused_with_the_room_there_is() {
    let stage = PhantomHead { site: Site::Cerebellar, haematoma_ml: Some(250.0), ..stage() };
    let error = made_on(&stage, 1, &Serial).err().unwrap();
    assert!(
        error.message().starts_with("a cerebellar haematoma of 250 mL does not fit this head"),
        "{error}"
    );
}

#[test]
fn look_alikes_are_bright_but_no_haematoma() {
    let plain = PhantomHead { haematoma_ml: Some(0.0), cavity_ml: Some(1400.0), ..stage() };
    let rich =
        PhantomHead { haematoma_ml: Some(0.0), cavity_ml: Some(1400.0), look_alikes: Some(1.0), ..stage() };
    let like_blood = |made: &Made| {
        made.ct.iter().zip(&made.cavity).filter(|(v, c)| **c == 1 && (50..90).contains(*v)).count()
    };
    let (mut few, mut many) = (0, 0);
    for seed in 1..=4 {
        let (a, b) = (made(&plain, seed), made(&rich, seed));
        assert!(b.haematoma.iter().all(|v| *v == 0));
        assert!((b.truth("cavity_volume") / 1400.0 - 1.0).abs() < 0.003);
        few += like_blood(&a);
        many += like_blood(&b);
    }
    assert!(many as f64 > 1.3 * few as f64, "{many} voxels of 50 to 90 HU, {few} without look-alikes");
}
