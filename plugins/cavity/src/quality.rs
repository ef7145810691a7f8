//! What can be told of a cavity mask without knowing the truth.

pub mod checks;
mod symmetry;

use crate::enclosure::{contact, each_surface_voxel};
use ichor_image::{Connectivity, Grid, Parallel, components, distance_to, enclosure, largest_component};
use symmetry::asymmetry;

/// Further from bone, mm, a piece of surface is an opening of the skull.
const FROM_BONE: f32 = 4.0;
/// An opening whose middle lies no higher than this above the lowest point of the mask is the foramen magnum, mm.
const LOWEST: f64 = 15.0;
/// Bone ahead in fewer of 26 directions: outside the skull.
const OUTSIDE: u8 = 18;
/// Below it there is air, HU.
const AIR: f32 = -200.0;

/// A CT and a mask on a grid of about 2 mm whose z points to the top.
pub struct Masked {
    /// HU.
    pub hu: Vec<f32>,
    /// 0 or 1.
    pub mask: Vec<u8>,
    /// Of both.
    pub grid: Grid,
    /// Above it a voxel is bone, HU.
    pub bone_hu: f32,
}

/// The measurements.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measures {
    /// Share of the surface within 3 mm of bone.
    pub contact: f64,
    /// Surface without bone at the lowest opening, and the largest elsewhere, cm².
    pub foramen_cm2: f64,
    /// The largest opening elsewhere, cm².
    pub defect_cm2: f64,
    /// Volume that bone does not enclose, mL.
    pub leak_ml: f64,
    /// Cross-section in the first and the last plane, cm².
    pub cut_cm2: [f64; 2],
    /// Share of the mask that is air.
    pub air: f64,
    /// Median density, HU.
    pub density: f64,
    /// Share of the mask in its largest piece.
    pub largest: f64,
    /// 1 less the Dice coefficient of the mask and its mirror image about its own plane of symmetry.
    pub asymmetry: f64,
}

/// Measures a mask that is not empty.
pub fn measure(par: &dyn Parallel, c: &Masked) -> Measures {
    let (shape, spacing) = (c.grid.shape, c.grid.spacing());
    let bone: Vec<u8> = c.hu.iter().map(|&v| u8::from(v > c.bone_hu)).collect();
    let bone = largest_component(par, &bone, shape, Connectivity::TwentySix);
    let count = c.mask.iter().filter(|&&v| v != 0).count().max(1) as f64;
    let voxel_ml = c.grid.voxel_volume_mm3() / 1000.0;
    let [foramen_cm2, defect_cm2] = openings(par, c, &bone);

    let ahead = enclosure(par, &bone, shape);
    let leak = c.mask.iter().zip(&ahead).filter(|&(&m, &n)| m != 0 && n < OUTSIDE).count();
    let plane = shape[0] * shape[1];
    let area = |k: usize| {
        let voxels = c.mask[k * plane..][..plane].iter().filter(|&&v| v != 0).count();
        voxels as f64 * spacing[0] * spacing[1] / 100.0
    };
    let mut inside: Vec<f32> = c.hu.iter().zip(&c.mask).filter(|(_, m)| **m != 0).map(|(v, _)| *v).collect();
    let air = inside.iter().filter(|v| **v < AIR).count() as f64 / count;
    let middle = inside.len() / 2;
    let density = match inside.is_empty() {
        true => f64::NAN,
        false => f64::from(*inside.select_nth_unstable_by(middle, f32::total_cmp).1),
    };
    let pieces = components(par, &c.mask, shape, Connectivity::TwentySix);
    Measures {
        contact: contact(par, &c.mask, &bone, shape, spacing),
        foramen_cm2,
        defect_cm2,
        leak_ml: leak as f64 * voxel_ml,
        cut_cm2: [area(0), area(shape[2] - 1)],
        air,
        density,
        largest: pieces.sizes.iter().copied().max().unwrap_or(0) as f64 / count,
        asymmetry: asymmetry(par, &c.mask, &c.grid),
    }
}

/// Areas of the lowest large opening and of the largest other, cm².
fn openings(par: &dyn Parallel, c: &Masked, bone: &[u8]) -> [f64; 2] {
    let (shape, spacing) = (c.grid.shape, c.grid.spacing());
    let to_bone = distance_to(par, bone, shape, spacing);
    let mut open = vec![0u8; c.mask.len()];
    let plane = shape[0] * shape[1];
    each_surface_voxel(&c.mask, shape, |n| open[n] = u8::from(to_bone[n] > FROM_BONE));
    let lowest = c.mask.iter().position(|&v| v != 0).unwrap_or(0) / plane;
    let patches = components(par, &open, shape, Connectivity::TwentySix);
    let mut heights = vec![0f64; patches.sizes.len()];
    for (n, &l) in patches.labels.iter().enumerate().filter(|(_, l)| **l > 0) {
        heights[l as usize - 1] += (n / plane - lowest) as f64 * spacing[2];
    }
    let voxel_cm2 = c.grid.voxel_volume_mm3().cbrt().powi(2) / 100.0;
    let mut found = [0f64; 2];
    for (&size, height) in patches.sizes.iter().zip(&heights) {
        let which = usize::from(height / size as f64 > LOWEST);
        found[which] = found[which].max(size as f64 * voxel_cm2);
    }
    found
}

/// How a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Somebody should look.
    Review,
    /// It cannot be right.
    Fail,
}

impl Verdict {
    /// In tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Review => "review",
            Self::Fail => "fail",
        }
    }

    /// A value that should lie in `pass` and must lie in `bear`. What is not a number fails.
    pub fn of(value: f64, pass: [f64; 2], bear: [f64; 2]) -> Self {
        let within = |[low, high]: [f64; 2]| value >= low && value <= high;
        match () {
            () if within(pass) && within(bear) => Self::Pass,
            () if within(bear) => Self::Review,
            () => Self::Fail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Serial};

    /// A ball of 60 mm in a shell of bone; `hole` says where the bone is missing.
    fn head(hole: impl Fn([f64; 3]) -> bool, radius: f64) -> Masked {
        let grid = Grid::new([72; 3], Affine::from_spacing([2.0; 3], [-71.0; 3])).unwrap();
        let places =
            (0..grid.len()).map(|n| grid.affine.apply([n % 72, n / 72 % 72, n / 5184].map(|v| v as f64)));
        let r = |p: [f64; 3]| p.iter().map(|v| v * v).sum::<f64>().sqrt();
        let hu = |p: [f64; 3]| match r(p) {
            d if d > 69.0 => -1000.0,
            d if (60.0..66.0).contains(&d) && !hole(p) => 900.0,
            _ => 35.0,
        };
        Masked {
            hu: places.clone().map(|p| hu(p) as f32).collect(),
            mask: places.map(|p| u8::from(r(p) < radius)).collect(),
            grid,
            bone_hu: 200.0,
        }
    }

    #[test]
    fn closed_ball_has_nothing_to_tell() {
        let m = measure(&Serial, &head(|_| false, 60.0));
        assert!(m.contact > 0.999 && m.foramen_cm2 == 0.0 && m.defect_cm2 == 0.0, "{m:?}");
        assert!(m.leak_ml == 0.0 && m.cut_cm2 == [0.0; 2] && m.air == 0.0, "{m:?}");
        assert!((m.density - 35.0).abs() < 1e-6 && m.largest == 1.0 && m.asymmetry < 0.03, "{m:?}");
    }

    #[test]
    fn openings_are_measured_where_they_are() {
        // A foramen of radius 16 mm: 4 mm of its rim are near bone, so a disc of 12 mm, 4.5 cm².
        let m = measure(&Serial, &head(|p| p[2] < 0.0 && p[0].hypot(p[1]) < 16.0, 60.0));
        assert!((3.0..6.5).contains(&m.foramen_cm2) && m.defect_cm2 == 0.0, "{m:?}");
        // A defect of radius 30 mm at the side: a disc of 26 mm, 21 cm².
        let m = measure(&Serial, &head(|p| p[0] > 0.0 && p[1].hypot(p[2]) < 30.0, 60.0));
        assert!((17.0..30.0).contains(&m.defect_cm2) && m.foramen_cm2 == 0.0, "{m:?}");
        assert!(m.contact < 0.97, "{m:?}");
    }

    #[test]
    fn mask_beyond_the_skull_leaks_and_is_not_at_bone_when_small() {
        let m = measure(&Serial, &head(|_| false, 69.0));
        assert!(m.leak_ml > 100.0, "{m:?}");
        let m = measure(&Serial, &head(|_| false, 50.0));
        assert!(m.contact < 0.01, "{m:?}");
    }

    #[test]
    fn verdicts() {
        let of = |v| Verdict::of(v, [1.0, 2.0], [0.5, 3.0]).name();
        assert_eq!([1.0, 2.5, 0.4, f64::NAN].map(of), ["pass", "review", "fail", "fail"]);
    }
}
