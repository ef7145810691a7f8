//! The cranial cavity from bone.

use crate::cavity::refine::{Limits, refine};
use crate::cavity::slices::slices;
use crate::room::{box_voxels, copy_bytes};
use ichor_image::{
    Bounds, Connectivity, Interpolation, average_blocks, close, cut_below_narrowing, dilate, enclosure,
    fill_holes, largest_component, open, resample, upright,
};
use ichor_sdk::prelude::*;

/// Finds the cranial cavity in a non-contrast head CT: all soft tissue and fluid inside the skull, down to the
/// foramen magnum.
///
/// On a 2 mm grid that stands upright with the scan: bone is the largest piece above `bone_threshold`, closed;
/// soft tissue is inside when bone lies ahead in at least `enclosed` of 26 directions; what is inside is opened,
/// its largest piece is kept, its holes are filled and what lies below the foramen magnum is cut off. Then, in
/// the scan's own voxels, the cavity grows to bone. Haematoma that touches bone stays in; so do calcification
/// and metal inside. Where the scan cuts the head, the cavity ends with it. A wide opening in the skull
/// (more than about 6 cm) makes the cavity too small beneath it; a plain craniotomy does not.
#[derive(Stage)]
#[stage(id = "cavity-threshold", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "non-contrast head CT")]
#[output(mask, kind = "mask", grid = "ct", doc = "cranial cavity")]
pub struct CavityThreshold {
    /// Above it a voxel is bone. Lower it to about 80 for averaged or strongly blurred images.
    #[param(default = 150.0, min = 50.0, max = 1000.0, unit = "HU")]
    bone_threshold: f64,
    /// Radius of the ball that closes sutures, fractures and burr holes of the skull.
    #[param(default = 4.0, min = 0.0, max = 20.0, unit = "mm")]
    closing_mm: f64,
    /// Of 26 directions, those in which bone has to lie ahead of a place inside the skull.
    #[param(default = 22, min = 14, max = 26)]
    enclosed: u32,
    /// Radius of the ball that separates the cavity from what hangs on it through a narrow opening, such as an
    /// orbit through the optic canal.
    #[param(default = 4.0, min = 0.0, max = 20.0, unit = "mm")]
    opening_mm: f64,
    /// Cross-section below which the cavity, followed downward, has become the spinal canal. A foramen magnum
    /// of 35 x 30 mm has 8 cm².
    #[param(default = 10.0, min = 0.0, max = 50.0, unit = "cm²")]
    foramen_area_cm2: f64,
    /// Radius of the ball that smooths the outline from inside.
    #[param(default = 1.5, min = 0.0, max = 10.0, unit = "mm")]
    smoothing_mm: f64,
}

/// Voxels of the working grid, mm.
const SPACING: f64 = 2.0;
/// Below it tissue is fat or air, HU: a mixture of orbital fat and roof in a thick slice stays below.
const SOFT: f32 = -10.0;
/// How far the cavity may grow on the way from the working grid to bone, mm: more than the opening takes from
/// its corners.
const GROWTH: f64 = 4.0;
/// A scan of fewer slices, or of less height in mm, shows too little skull to enclose anything.
const FEWEST_SLICES: usize = 5;
const LOWEST_SCAN: f64 = 40.0;
/// A skull has more bone than this, and encloses more than this, mL; a child's or one that is mostly cut too.
const LEAST_BONE: f64 = 50.0;
const LEAST_CAVITY: f64 = 50.0;
/// Cavities of adults, with room on both sides, mL.
const USUAL: std::ops::RangeInclusive<f64> = 900.0..=2200.0;

impl Run for CavityThreshold {
    fn run(&self, run: &Context) -> Result<()> {
        let ct = run.input(Self::CT)?;
        let grid = *ct.grid();
        let mask = run.new_mask(Self::MASK, &grid)?;
        let tell = Tell {
            progress: &|fraction, what| {
                run.progress(fraction, what);
                run.check_cancelled()
            },
            warn: &|message| run.warn(message),
        };
        match ct.voxels() {
            Voxels::I16(hu) => self.find(run, &tell, hu, &grid, mask),
            Voxels::U16(hu) => self.find(run, &tell, hu, &grid, mask),
            _ => self.find(run, &tell, &ct.to_f32(run), &grid, mask),
        }
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let ct = run.input(Self::CT)?;
        let grid = ct.grid();
        check_size(grid)?;
        let work = grid.len() as f64 * grid.voxel_volume_mm3() / SPACING.powi(3);
        // On the working grid, when rays are followed in all directions; then in the scan, when it is opened.
        let most = (24 * work as u64).max(9 * box_voxels(grid) + 5 * work as u64);
        Ok(Need { scratch_bytes: most + copy_bytes(&ct), device_bytes: 0 })
    }
}

/// Refuses a scan that shows too little.
fn check_size(scan: &Grid) -> Result<()> {
    let (count, thickness) = slices(scan);
    if count < FEWEST_SLICES || count as f64 * thickness < LOWEST_SCAN || scan.shape.contains(&1) {
        return Err(Error::bad_input(format!(
            "the scan has too few slices to find a skull in: {count} of {thickness:.1} mm; at least \
             {FEWEST_SLICES} over {LOWEST_SCAN} mm are needed, and more than one voxel along each axis"
        )));
    }
    Ok(())
}

/// What a run says on the way.
struct Tell<'a> {
    progress: &'a dyn Fn(f64, &str) -> Result<()>,
    warn: &'a dyn Fn(&str),
}

impl CavityThreshold {
    fn find<T: Copy + Sync + Into<f32>>(
        &self,
        par: &dyn Parallel,
        tell: &Tell,
        hu: &[T],
        scan: &Grid,
        mask: &mut [u8],
    ) -> Result<()> {
        check_size(scan)?;
        (tell.progress)(0.0, "averaging to 2 mm")?;
        let all = Bounds { begin: [0; 3], end: scan.shape.map(|n| n as isize) };
        let (small, from) = average_blocks(par, hu, scan, &all, SPACING);
        let grid = upright(&from, [SPACING; 3]);
        let ct = resample(par, &small, &from, &grid, Interpolation::Linear, -1024.0);
        drop(small);

        (tell.progress)(0.2, "finding the skull")?;
        let (allowed, lowest) = self.rough(par, &ct, &grid)?;

        (tell.progress)(0.4, "following the skull")?;
        let limits = Limits {
            allowed: &allowed,
            grid: &grid,
            bone_threshold: self.bone_threshold as f32,
            smoothing_mm: self.smoothing_mm,
        };
        let check = || (tell.progress)(0.6, "following the skull");
        let (bounds, window) = refine(par, hu, scan, &limits, &check)?;
        mask.fill(0);
        bounds.paste(&window, mask, scan.shape);

        let voxels = window.iter().filter(|&&v| v != 0).count();
        let volume = voxels as f64 * scan.voxel_volume_mm3() / 1000.0;
        if !USUAL.contains(&volume) {
            (tell.warn)(&format!(
                "the cranial cavity is {volume:.0} mL, outside {} to {} mL of adults: look at it before you \
                 rely on it",
                USUAL.start(),
                USUAL.end()
            ));
        }
        let plane = grid.shape[0] * grid.shape[1];
        let area = |k: usize| {
            let voxels = allowed[k * plane..][..plane].iter().filter(|&&v| v != 0).count();
            voxels as f64 * pixel_mm2(&grid) / 100.0
        };
        for (k, end) in [(0, "below"), (grid.shape[2] - 1, "above")] {
            if lowest <= k && area(k) > self.foramen_area_cm2 {
                (tell.warn)(&format!("the scan ends inside the head: the cranial cavity is cut {end}"));
            }
        }
        Ok(())
    }

    /// Where the cavity may be on the working grid: the cavity itself and what it may grow into. And the lowest
    /// plane that is not below the foramen magnum.
    fn rough(&self, par: &dyn Parallel, ct: &[f32], grid: &Grid) -> Result<(Vec<u8>, usize)> {
        let (shape, spacing) = (grid.shape, grid.spacing());
        let threshold = self.bone_threshold as f32;
        let ml =
            |mask: &[u8]| mask.iter().filter(|&&v| v != 0).count() as f64 * grid.voxel_volume_mm3() / 1000.0;
        let bone: Vec<u8> = ct.iter().map(|&v| u8::from(v > threshold)).collect();
        let closed = close(par, &bone, shape, spacing, self.closing_mm);
        let skull = largest_component(par, &closed, shape, Connectivity::TwentySix);
        if ml(&skull) < LEAST_BONE {
            return Err(Error::bad_input(format!(
                "no skull found: the largest piece above {threshold} HU is {:.0} mL; check that the image \
                 is a head CT in HU",
                ml(&skull)
            )));
        }
        let ahead = enclosure(par, &skull, shape);
        let inside = |least: u32| {
            move |(&hu, &n): (&f32, &u8)| u8::from(u32::from(n) >= least && hu > SOFT && hu <= threshold)
        };
        let soft: Vec<u8> = ct.iter().zip(&ahead).map(inside(self.enclosed)).collect();
        let opened = open(par, &soft, shape, spacing, self.opening_mm);
        let largest = largest_component(par, &opened, shape, Connectivity::Six);
        let mut cavity = fill_holes(par, &largest, shape);
        let foramen = self.foramen_area_cm2 * 100.0 / pixel_mm2(grid);
        let lowest = cut_below_narrowing(&mut cavity, shape, foramen);
        if ml(&cavity) < LEAST_CAVITY {
            return Err(Error::bad_input(format!(
                "a skull was found, but it encloses only {:.0} mL of soft tissue: the scan shows too little \
                 of the head, or is none of a head",
                ml(&cavity)
            )));
        }
        let grown = dilate(par, &cavity, shape, spacing, GROWTH);
        // Near the skull's openings bone lies ahead in fewer directions.
        let least = self.enclosed.saturating_sub(2);
        for (n, out) in cavity.iter_mut().enumerate().skip(lowest * shape[0] * shape[1]) {
            *out |= u8::from(grown[n] != 0 && u32::from(ahead[n]) >= least && ct[n] > SOFT);
        }
        Ok((cavity, lowest))
    }
}

fn pixel_mm2(grid: &Grid) -> f64 {
    let [x, y, _] = grid.spacing();
    x * y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dice, head, in_cavity, places, scan, tilted};
    use ichor_image::{Affine, Serial};
    use std::cell::RefCell;

    const STAGE: CavityThreshold = CavityThreshold {
        bone_threshold: 150.0,
        closing_mm: 4.0,
        enclosed: 22,
        opening_mm: 4.0,
        foramen_area_cm2: 10.0,
        smoothing_mm: 1.5,
    };

    fn find(hu: &[i16], grid: &Grid) -> Result<(Vec<u8>, Vec<String>)> {
        let said = RefCell::new(Vec::new());
        let warn = |message: &str| said.borrow_mut().push(message.to_owned());
        let mut mask = vec![9; grid.len()];
        STAGE.find(&Serial, &Tell { progress: &|_, _| Ok(()), warn: &warn }, hu, grid, &mut mask)?;
        assert!(mask.iter().all(|&v| v <= 1));
        Ok((mask, said.into_inner()))
    }

    fn truth(grid: &Grid) -> Vec<u8> {
        places(grid).map(|p| u8::from(in_cavity(p))).collect()
    }

    #[test]
    fn cavity_ends_at_bone_and_at_the_foramen_and_spares_orbits() {
        let grid = tilted(0..50);
        let (mask, said) = find(&scan(&grid, head), &grid).unwrap();
        let found = dice(&mask, &truth(&grid));
        assert!(found > 0.985, "{found}");
        assert!(said.is_empty(), "{said:?}");
        // The canal goes on to -110 mm; the slices' tilt moves its cut by up to 8 mm. The orbits' middle is at
        // (±32, 72, -38).
        let outside = |p: [f64; 3]| p[2] < -70.0 || p[1] > 72.0 && p[2] < -32.0;
        assert!(places(&grid).zip(&mask).all(|(p, &m)| m == 0 || !outside(p)));
    }

    #[test]
    fn thin_slices_and_other_axes_change_little() {
        // Axes S, R, A with 2 mm slices.
        let affine = Affine([[0.0, 1.2, 0.0, -90.0], [0.0, 0.0, 1.2, -100.0], [2.0, 0.0, 0.0, -104.0]]);
        let grid = Grid { shape: [92, 150, 170], affine };
        let (mask, _) = find(&scan(&grid, head), &grid).unwrap();
        let found = dice(&mask, &truth(&grid));
        assert!(found > 0.985, "{found}");
    }

    #[test]
    fn scan_that_is_cut_at_the_vertex_or_the_base_keeps_the_cavity_to_its_end() {
        for (slices, end) in [(0..32, "above"), (20..50, "below")] {
            let grid = tilted(slices);
            let (mask, said) = find(&scan(&grid, head), &grid).unwrap();
            let found = dice(&mask, &truth(&grid));
            assert!(found > 0.98, "{end}: {found}");
            assert!(said.iter().any(|s| s.ends_with(&format!("cut {end}"))), "{said:?}");
        }
    }

    #[test]
    fn haematoma_at_bone_calcification_and_a_bright_head_rest_change_nothing() {
        let grid = tilted(0..50);
        let with = |p: [f64; 3]| {
            let ball = |c: [f64; 3], r: f64| (0..3).map(|a| (p[a] - c[a]).powi(2)).sum::<f64>() <= r * r;
            let rest = (105.0..110.0).contains(&p[0].hypot(p[1])) && p[1] < 0.0;
            match () {
                () if ball([45.0, 0.0, 10.0], 25.0) && in_cavity(p) => 80.0, // 60 mL, against the skull
                () if ball([0.0, -10.0, 5.0], 5.0) => 500.0,
                () if rest => 600.0,
                () => head(p),
            }
        };
        let (mask, _) = find(&scan(&grid, with), &grid).unwrap();
        let found = dice(&mask, &truth(&grid));
        assert!(found > 0.985, "{found}");
        let plain = find(&scan(&grid, head), &grid).unwrap().0;
        assert!(dice(&mask, &plain) > 0.999);
    }

    #[test]
    fn craniotomy_of_four_centimetres_costs_little() {
        let grid = tilted(0..50);
        let open = |p: [f64; 3]| {
            if p[1].hypot(p[2] - 20.0) < 20.0 && p[0] > 0.0 { head(p).min(40.0) } else { head(p) }
        };
        let found = dice(&find(&scan(&grid, open), &grid).unwrap().0, &truth(&grid));
        assert!(found > 0.975, "{found}");
    }

    #[test]
    fn what_shows_no_head_is_refused_in_words() {
        let grid = tilted(0..50);
        let message = |hu: &[i16], grid: &Grid| find(hu, grid).unwrap_err().message().to_owned();
        assert!(
            message(&vec![-1000; grid.len()], &grid).starts_with("no skull found: the largest piece above")
        );
        let empty = scan(&grid, |p| if in_cavity(p) { -1000.0 } else { head(p) });
        assert!(message(&empty, &grid).starts_with("a skull was found, but it encloses only"));
        let few = tilted(20..23);
        let text = message(&scan(&few, head), &few);
        assert!(text.starts_with("the scan has too few slices to find a skull in: 3 of 4.0 mm"), "{text}");
    }
}
