//! The plain way to a haematoma: Hounsfield units between two values.

use crate::room::{box_voxels, copy_bytes};
use crate::window::cut_f32;
use ichor_image::{Bounds, bounding_box, dilate, erode, fill_holes, gaussian_in_place, open};
use ichor_sdk::prelude::*;

/// Marks as haematoma what lies between two Hounsfield units inside the cranial cavity.
///
/// The CT is smoothed inside the cavity (bone and calcification do not blur into it), thresholded away from the
/// cavity's border, where bone shares voxels with brain, and opened, which takes away falx and tentorium. What
/// is left is given back its part of the border, and its holes are filled. A baseline: dural sinuses, which
/// are as dense as blood, stay where they are thicker than the opening; `filter-clusters` removes small pieces.
#[derive(Stage)]
#[stage(id = "segment-threshold", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "non-contrast head CT")]
#[input(cavity, kind = "mask", grid = "ct", doc = "cranial cavity")]
#[output(mask, kind = "mask", grid = "ct", doc = "haematoma")]
pub struct SegmentThreshold {
    /// Lowest value of haematoma after smoothing: about half-way between grey matter (37 HU) and fresh clot
    /// (60 to 80 HU), where the edge of a smoothed haematoma stays in place.
    #[param(default = 50.0, unit = "HU")]
    lower: f64,
    /// Highest value of haematoma after smoothing; clot without contrast stays below 100 HU.
    #[param(default = 100.0, unit = "HU")]
    upper: f64,
    /// Standard deviation of the Gaussian.
    #[param(default = 1.0, min = 0.0, max = 10.0, unit = "mm")]
    smoothing_mm: f64,
    /// Width of the cavity's border in which nothing is found by itself; at least one voxel along each axis.
    #[param(default = 2.0, min = 0.0, max = 20.0, unit = "mm")]
    margin_mm: f64,
    /// Radius of the ball that takes away thin structures; a ball of 0.1 mL has one of 2.9 mm.
    #[param(default = 3.0, min = 0.0, max = 20.0, unit = "mm")]
    opening_mm: f64,
}

/// Values that are smoothed: brain, fluid, blood and their noise, but no air, bone or calcification, HU.
const TISSUE: std::ops::RangeInclusive<f32> = -50.0..=150.0;

impl Run for SegmentThreshold {
    fn run(&self, run: &Context) -> Result<()> {
        self.check()?;
        let (ct, cavity) = (run.input(Self::CT)?, run.input(Self::CAVITY)?);
        let grid = *ct.grid();
        if !grid.same_as(cavity.grid()) {
            return Err(Error::bad_input(format!(
                "the CT has {grid} and the cavity {}, or they lie apart; resample one like the other",
                cavity.grid()
            )));
        }
        let cavity = cavity.mask()?;
        let mask = run.new_mask(Self::MASK, &grid)?;
        mask.fill(0);
        let Some(bounds) = bounding_box(run, cavity, grid.shape) else {
            run.warn("the cavity is empty, and so is the haematoma");
            return Ok(());
        };
        let inside = bounds.cut(cavity, grid.shape, 0);
        let hu = match ct.voxels() {
            Voxels::I16(v) => cut_f32(v, grid.shape, &bounds),
            Voxels::U16(v) => cut_f32(v, grid.shape, &bounds),
            _ => cut_f32(&ct.to_f32(run), grid.shape, &bounds),
        };
        run.progress(0.1, "smoothing");
        let found = self.find(run, &|| run.check_cancelled(), hu, &inside, &bounds, grid.spacing())?;
        bounds.paste(&found, mask, grid.shape);
        Ok(())
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        self.check()?;
        let ct = run.input(Self::CT)?;
        // In the box around the cavity: the CT and its weights as f32, or a distance and masks.
        Ok(Need { scratch_bytes: 10 * box_voxels(ct.grid()) + copy_bytes(&ct), device_bytes: 0 })
    }
}

impl SegmentThreshold {
    fn check(&self) -> Result<()> {
        if self.lower >= self.upper {
            return Err(Error::bad_params(format!(
                "`lower` is {} HU and `upper` {} HU: nothing lies between",
                self.lower, self.upper
            )));
        }
        Ok(())
    }

    /// The haematoma in a window; `inside` is the cavity there.
    fn find(
        &self,
        par: &dyn Parallel,
        check: &dyn Fn() -> Result<()>,
        hu: Vec<f32>,
        inside: &[u8],
        bounds: &Bounds,
        spacing: [f64; 3],
    ) -> Result<Vec<u8>> {
        let shape = bounds.shape();
        let smooth = smooth_inside(par, hu, inside, shape, spacing.map(|s| self.smoothing_mm / s));
        check()?;
        let (lower, upper) = (self.lower as f32, self.upper as f32);
        let dense: Vec<u8> = smooth
            .iter()
            .zip(inside)
            .map(|(&v, &c)| u8::from(c != 0 && (lower..=upper).contains(&v)))
            .collect();
        drop(smooth);
        // Bone shares the voxels of a whole slice, however thick: no voxel counts as longer than the margin.
        let step = if self.margin_mm > 0.0 { spacing.map(|s| s.min(self.margin_mm)) } else { spacing };
        let mut core = erode(par, inside, shape, step, self.margin_mm);
        core.iter_mut().zip(&dense).for_each(|(c, &d)| *c &= d);
        check()?;
        let core = open(par, &core, shape, spacing, self.opening_mm);
        check()?;
        let mut found = dilate(par, &core, shape, step, self.margin_mm);
        found.iter_mut().zip(&dense).for_each(|(f, &d)| *f &= d);
        Ok(fill_holes(par, &found, shape))
    }
}

/// Gaussian average over tissue inside the cavity alone; where there is none around, negative infinity.
fn smooth_inside(
    par: &dyn Parallel,
    mut hu: Vec<f32>,
    inside: &[u8],
    shape: [usize; 3],
    sigma: [f64; 3],
) -> Vec<f32> {
    let mut weight: Vec<f32> =
        hu.iter().zip(inside).map(|(v, &c)| f32::from(u8::from(c != 0 && TISSUE.contains(v)))).collect();
    for (v, &w) in hu.iter_mut().zip(&weight) {
        *v = if w > 0.0 { *v } else { 0.0 };
    }
    gaussian_in_place(par, &mut hu, shape, sigma);
    gaussian_in_place(par, &mut weight, shape, sigma);
    for (v, &w) in hu.iter_mut().zip(&weight) {
        *v = if w > 1e-3 { *v / w } else { f32::NEG_INFINITY };
    }
    hu
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dice, in_cavity, places, scan, tilted};
    use ichor_image::Serial;

    const STAGE: SegmentThreshold =
        SegmentThreshold { lower: 50.0, upper: 100.0, smoothing_mm: 1.0, margin_mm: 2.0, opening_mm: 3.0 };

    /// What is found in a cavity with these HU inside and bone around, on the whole grid.
    fn find(grid: &Grid, inside: impl Fn([f64; 3]) -> f64) -> Vec<u8> {
        let hu = scan(grid, |p| if in_cavity(p) { inside(p) } else { 900.0 });
        let cavity: Vec<u8> = places(grid).map(|p| u8::from(in_cavity(p))).collect();
        let bounds = bounding_box(&Serial, &cavity, grid.shape).unwrap();
        let (hu, cavity) = (cut_f32(&hu, grid.shape, &bounds), bounds.cut(&cavity, grid.shape, 0));
        let found = STAGE.find(&Serial, &|| Ok(()), hu, &cavity, &bounds, grid.spacing()).unwrap();
        let mut out = vec![0; grid.len()];
        bounds.paste(&found, &mut out, grid.shape);
        out
    }

    fn ball(p: [f64; 3], c: [f64; 3], r: f64) -> bool {
        (0..3).map(|a| (p[a] - c[a]).powi(2)).sum::<f64>() <= r * r
    }

    #[test]
    fn clots_are_found_deep_and_against_the_skull() {
        let grid = tilted(0..50);
        for centre in [[-20.0, 10.0, 15.0], [48.0, 0.0, 10.0]] {
            let clot = |p| in_cavity(p) && ball(p, centre, 20.0);
            let found = find(&grid, |p| if clot(p) { 67.0 } else { 33.0 });
            let truth: Vec<u8> = places(&grid).map(|p| u8::from(clot(p))).collect();
            assert!(dice(&found, &truth) > 0.95, "{centre:?}: {}", dice(&found, &truth));
        }
    }

    #[test]
    fn falx_calcification_and_brain_are_not_taken_for_blood() {
        let grid = tilted(0..50);
        let found = find(&grid, |p| match () {
            () if p[0].abs() < 1.2 && p[2] > 0.0 => 60.0,
            () if ball(p, [15.0, -30.0, 0.0], 4.0) => 400.0,
            () => 36.0,
        });
        assert_eq!(found.iter().filter(|&&v| v != 0).count(), 0);
    }

    #[test]
    fn lucent_core_of_a_clot_belongs_to_it() {
        let grid = tilted(0..50);
        let centre = [-20.0, 10.0, 15.0];
        let found = find(&grid, |p| match () {
            () if ball(p, centre, 5.0) => 35.0,
            () if ball(p, centre, 20.0) => 67.0,
            () => 33.0,
        });
        assert!(places(&grid).zip(&found).all(|(p, &v)| v == 1 || !ball(p, centre, 10.0)));
    }
}
