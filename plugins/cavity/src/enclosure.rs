//! The first guess at the cavity, without an atlas: soft tissue that bone encloses.

use ichor_image::{
    Connectivity, Grid, Parallel, cut_below_narrowing, distance_to, fill_holes, largest_component, open,
};

/// How the cavity is told from what bone encloses less.
#[derive(Clone, Copy, Debug)]
pub struct Enclosing {
    /// Above it a voxel is bone, HU. About 200 for thin slices, 150 for slices of more than 3 mm.
    pub bone_hu: f32,
    /// Soft tissue and fluid, HU.
    pub soft_hu: [f32; 2],
    /// Of 26 directions, those in which bone has to lie ahead.
    pub least: u8,
    /// Radius of the ball that parts the cavity from what hangs on it through a narrow opening, mm.
    pub opening_mm: f64,
    /// Less is no cavity, mL.
    pub least_ml: f64,
    /// Cross-section below which the cavity, followed downward, has become the spinal canal, mm².
    pub foramen_mm2: f64,
}

impl Enclosing {
    /// What the cavity of an adult needs, for slices of this thickness in mm.
    pub fn of_slices(thickness: f64) -> Self {
        let bone_hu = if thickness > 3.0 { 150.0 } else { 200.0 };
        Self {
            bone_hu,
            soft_hu: [-30.0, 130.0],
            least: 22,
            opening_mm: 4.0,
            least_ml: 100.0,
            foramen_mm2: 1000.0,
        }
    }
}

/// The first guess, and how far it can be trusted.
#[derive(Clone, Debug, PartialEq)]
pub struct Enclosed {
    /// 0 or 1 on the grid of the CT.
    pub mask: Vec<u8>,
    /// Share of the mask's surface within 3 mm of bone, 0 to 1.
    pub contact: f64,
    /// Whether the mask reaches the first and the last slice, so that a lid held it together.
    pub cut: [bool; 2],
    /// The lowest plane that is not below the foramen magnum.
    pub lowest: usize,
}

/// The largest piece of soft tissue from which bone lies ahead in at least `least` of 26 directions, opened, with
/// its holes filled and what is below the foramen magnum cut off; `None` where bone encloses nothing.
///
/// `hu` lies on a grid of about 2 mm whose z points to the top (see [`ichor_image::upright`]). Bone is the largest
/// piece above the threshold, so that a head rest encloses nothing. Wide openings of the skull make the mask too
/// small beneath them, and it keeps a little away from the inner table: it is a start, not a result.
pub fn enclosure(par: &dyn Parallel, hu: &[f32], grid: &Grid, how: &Enclosing) -> Option<Enclosed> {
    let (shape, spacing) = (grid.shape, grid.spacing());
    let bone: Vec<u8> = hu.iter().map(|&v| u8::from(v > how.bone_hu)).collect();
    let bone = largest_component(par, &bone, shape, Connectivity::TwentySix);
    let ahead = ichor_image::enclosure(par, &bone, shape);
    let inside =
        |(&hu, &n): (&f32, &u8)| u8::from(n >= how.least && (how.soft_hu[0]..=how.soft_hu[1]).contains(&hu));
    let soft: Vec<u8> = hu.iter().zip(&ahead).map(inside).collect();
    let opened = open(par, &soft, shape, spacing, how.opening_mm);
    let largest = largest_component(par, &opened, shape, Connectivity::Six);
    let mut mask = fill_holes(par, &largest, shape);
    let lowest = cut_below_narrowing(&mut mask, shape, how.foramen_mm2 / (spacing[0] * spacing[1]));
    let plane = shape[0] * shape[1];
    let has = |k: usize| mask[k * plane..][..plane].iter().any(|&v| v != 0);
    let cut = [has(0), has(shape[2] - 1)];
    let voxels = mask.iter().filter(|&&v| v != 0).count();
    if (voxels as f64) * grid.voxel_volume_mm3() < 1000.0 * how.least_ml {
        return None;
    }
    let contact = contact(par, &mask, &bone, shape, spacing);
    Some(Enclosed { mask, contact, cut, lowest })
}

/// Share of the surface of `mask` within 3 mm of `bone`. Where the volume cuts the mask is no surface.
pub fn contact(par: &dyn Parallel, mask: &[u8], bone: &[u8], shape: [usize; 3], spacing: [f64; 3]) -> f64 {
    let to_bone = distance_to(par, bone, shape, spacing);
    let (mut near, mut all) = (0usize, 0usize);
    each_surface_voxel(mask, shape, |n| {
        all += 1;
        near += usize::from(to_bone[n] <= 3.0);
    });
    if all == 0 { 0.0 } else { near as f64 / all as f64 }
}

/// Calls `body` for each voxel of `mask` that has a neighbour by face outside the mask.
pub fn each_surface_voxel(mask: &[u8], [nx, ny, nz]: [usize; 3], mut body: impl FnMut(usize)) {
    let strides = [1, nx, nx * ny];
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                let n = i + nx * (j + ny * k);
                let at = [i, j, k];
                let last = [nx - 1, ny - 1, nz - 1];
                let open = |a: usize| {
                    at[a] > 0 && mask[n - strides[a]] == 0 || at[a] < last[a] && mask[n + strides[a]] == 0
                };
                if mask[n] != 0 && (0..3).any(open) {
                    body(n);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Serial};

    /// A hollow ball of bone, 60 mm inside, 6 mm thick, soft tissue inside and outside.
    fn head(grid: &Grid, top: f64) -> Vec<f32> {
        let [nx, ny, _] = grid.shape;
        (0..grid.len())
            .map(|n| {
                let p = grid.affine.apply([n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64));
                let r = p.iter().map(|v| v * v).sum::<f64>().sqrt();
                match r {
                    _ if r > 72.0 || p[2] > top => -1000.0,
                    _ if (60.0..66.0).contains(&r) => 900.0,
                    _ => 35.0,
                }
            })
            .collect()
    }

    #[test]
    fn ball_is_found_whole_and_cut() {
        for (planes, cut) in [(80, false), (55, true)] {
            let affine = Affine::from_spacing([2.0; 3], [-79.0; 3]);
            let grid = Grid::new([80, 80, planes], affine).unwrap();
            let hu = head(&grid, 1e9);
            let found = enclosure(&Serial, &hu, &grid, &Enclosing::of_slices(1.0)).unwrap();
            assert_eq!(found.cut, [false, cut]);
            assert!(found.contact > 0.97, "{}", found.contact);
            let wrong = (0..grid.len())
                .filter(|&n| {
                    let p = grid.affine.apply([n % 80, n / 80 % 80, n / 6400].map(|v| v as f64));
                    let r = p.iter().map(|v| v * v).sum::<f64>().sqrt();
                    found.mask[n] != u8::from(r < 60.0)
                })
                .count();
            assert!(wrong * 200 < found.mask.iter().filter(|&&v| v != 0).count(), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_enclosed_without_bone_or_without_soft_tissue() {
        let grid = Grid::new([80; 3], Affine::from_spacing([2.0; 3], [-79.0; 3])).unwrap();
        let how = Enclosing::of_slices(1.0);
        assert_eq!(enclosure(&Serial, &vec![35.0; grid.len()], &grid, &how), None);
        let empty: Vec<f32> = head(&grid, 1e9).iter().map(|&v| if v == 35.0 { -1000.0 } else { v }).collect();
        assert_eq!(enclosure(&Serial, &empty, &grid, &how), None);
    }
}
