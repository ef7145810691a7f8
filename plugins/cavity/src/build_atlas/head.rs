//! A head as it is given: checked, and on 2 mm.

use crate::atlas::FAR_MM;
use crate::levelset::evolve::{half_width, start};
use crate::register::pyramid::Level;
use crate::segment::coarse::{Coarse, share};
use ichor_image::{Connectivity, Grid, Parallel, components, distance_to};
use ichor_sdk::{Context, Error, Input, Result, Voxels};
use sha2::{Digest, Sha256};

/// Above it a voxel inside a mask is bone, HU: calcifications and partial bone are below or small.
const BONE_HU: f32 = 300.0;
/// So far inside the surface a voxel of 2 mm has no part of the skull, mm.
const DEEP_MM: f32 = 2.0;
/// Smallest share of a mask in its largest piece.
const LARGEST: f64 = 0.999;

/// A head.
pub struct Head {
    /// What reports call it.
    pub name: String,
    /// SHA-256 of the voxels of CT and mask in the order of memory, little-endian.
    pub sha256: [String; 2],
    /// Of the scan.
    pub scan: Grid,
    /// Of the mask.
    pub ml: f64,
    /// Windowed, on about 2 mm.
    pub level: Level,
    /// Share of each voxel in the cavity, and distance to its surface in mm, negative inside.
    pub share: Vec<f32>,
    pub distance: Vec<f32>,
    /// Why it cannot be used.
    pub wrong: Option<String>,
}

impl Head {
    /// # Errors
    /// CT and mask lie on two grids, or the mask is empty.
    pub fn new(
        run: &Context,
        name: String,
        ct: &Input,
        cavity: &Input,
        volume_ml: [f64; 2],
        bone: f64,
    ) -> Result<Self> {
        let scan = *ct.grid();
        if !cavity.grid().same_as(&scan) {
            return Err(Error::bad_input(format!(
                "the mask of head {name} lies on {}, its CT on {scan}; resample the mask to the CT",
                cavity.grid()
            )));
        }
        let mask = cavity.mask()?;
        let coarse = match ct.voxels() {
            Voxels::I16(hu) => Coarse::new(run, hu, &scan),
            Voxels::U16(hu) => Coarse::new(run, hu, &scan),
            _ => Coarse::new(run, &ct.to_f32(run), &scan),
        };
        let share = share(run, mask, &scan, &coarse.grid);
        let ml = mask.iter().map(|&v| u64::from(v)).sum::<u64>() as f64 * scan.voxel_volume_mm3() / 1000.0;
        let mut head = Self {
            name,
            sha256: [hash(ct), hash(cavity)],
            scan,
            ml,
            level: coarse.level(),
            distance: distance(run, &share, &coarse.grid),
            share,
            wrong: None,
        };
        head.wrong = head.check(run, &coarse, volume_ml, bone);
        Ok(head)
    }

    /// What is wrong with the mask.
    fn check(&self, run: &Context, coarse: &Coarse, [least, most]: [f64; 2], bone: f64) -> Option<String> {
        if !(least..=most).contains(&self.ml) {
            return Some(format!("its mask has {:.0} mL, not {least:.0} to {most:.0}", self.ml));
        }
        let inside: Vec<u8> = self.share.iter().map(|&s| u8::from(s >= 0.5)).collect();
        let pieces = components(run, &inside, coarse.grid.shape, Connectivity::TwentySix).sizes;
        let all = pieces.iter().sum::<usize>() as f64;
        let largest = pieces.iter().copied().max().unwrap_or(0) as f64 / all.max(1.0);
        if largest < LARGEST {
            return Some(format!(
                "its mask is in {} pieces, the largest of which is {largest:.3} of it",
                pieces.len()
            ));
        }
        let deep =
            self.distance.iter().zip(&coarse.hu).filter(|(d, v)| **d < -DEEP_MM && **v > BONE_HU).count();
        let dense = deep as f64 / all;
        if dense > bone {
            return Some(format!(
                "{:.1} % of its mask is bone, more than {:.1} %",
                100.0 * dense,
                100.0 * bone
            ));
        }
        None
    }
}

/// Signed distance to the surface where half of a voxel is inside, mm.
fn distance(par: &dyn Parallel, share: &[f32], grid: &Grid) -> Vec<f32> {
    let (shape, spacing) = (grid.shape, grid.spacing());
    let mut near: Vec<f32> = share.iter().map(|s| 0.5 - s).collect();
    start(par, &mut near, shape, spacing);
    let inside: Vec<u8> = share.iter().map(|&s| u8::from(s >= 0.5)).collect();
    let outside: Vec<u8> = inside.iter().map(|v| 1 - v).collect();
    let to_inside = distance_to(par, &inside, shape, spacing);
    let to_outside = distance_to(par, &outside, shape, spacing);
    let half = 0.5 * grid.voxel_volume_mm3().cbrt() as f32;
    let width = half_width(spacing) - 0.5;
    for (n, near) in near.iter_mut().enumerate() {
        if near.abs() >= width {
            let far = if inside[n] != 0 { half - to_outside[n] } else { to_inside[n] - half };
            *near = far.clamp(-FAR_MM, FAR_MM);
        }
    }
    near
}

fn hash(input: &Input) -> String {
    let mut sum = Sha256::new();
    macro_rules! feed {
        ($voxels:expr) => {
            for part in $voxels.chunks(1 << 14) {
                let bytes: Vec<u8> = part.iter().flat_map(|v| v.to_le_bytes()).collect();
                sum.update(&bytes);
            }
        };
    }
    match input.voxels() {
        Voxels::U8(v) => sum.update(v),
        Voxels::I16(v) => feed!(v),
        Voxels::U16(v) => feed!(v),
        Voxels::U32(v) => feed!(v),
        Voxels::F32(v) => feed!(v),
    }
    sum.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
