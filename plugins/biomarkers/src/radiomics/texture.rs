//! The six texture families of a region.

use super::aggregation::{Aggregation, Mean};
use super::levels::Levels;
use super::neighbours::{Counts, IN_PLANE};
use super::sizes::{count, features, first16};
use super::zones::{Zone, zones};
use super::{glcm, ngtdm};
use ichor_image::{Parallel, parallel::map_ranges};

/// Values in the order of the families' names.
pub struct Texture {
    pub glcm: [f64; 25],
    pub glrlm: [f64; 16],
    pub glszm: [f64; 16],
    pub gldzm: [f64; 16],
    pub ngtdm: [f64; 5],
    pub ngldm: [f64; 17],
}

/// Of a region with at least one voxel; see [`zones`] for `inside`, and [`Counts::of`] for `alpha`.
pub fn texture(par: &dyn Parallel, levels: &Levels, inside: &[u8], how: Aggregation, alpha: u16) -> Texture {
    let directions = if how.volumetric() { 13 } else { IN_PLANE };
    let slices = levels.shape[2] - 2;
    let (mut co, mut runs) = (Mean::new(), Mean::new());
    let (mut tone, mut dependence) = (Mean::new(), Mean::new());
    let mut add = |counts: &Counts| {
        let voxels = counts.voxels as f64;
        if how.merged() {
            co.add(glcm::features(&counts.pairs_merged(), counts.ng));
            runs.add(first16(features(&counts.runs_merged(), voxels * counts.directions as f64)));
        } else {
            for d in 0..counts.directions {
                co.add(glcm::features(counts.pairs_of(d), counts.ng));
                runs.add(first16(features(&counts.runs_of(d), voxels)));
            }
        }
        let (n, s) = counts.tone();
        tone.add(ngtdm::features(&n, &s));
        dependence.add(features(&counts.dependence(), voxels));
    };
    if how.by_slice() {
        // A slice's matrices are dropped before the next are made: there may be many, and they may be large.
        for k in 1..=slices {
            add(&Counts::of(levels, k..k + 1, directions, alpha));
        }
    } else {
        let parts = map_ranges(par, slices, slices.div_ceil(16), &|r| {
            Counts::of(levels, r.start + 1..r.end + 1, directions, alpha)
        });
        if let Some(whole) = parts.into_iter().reduce(|a, b| a.add(&b)) {
            add(&whole);
        }
    }

    let found = zones(levels, inside, directions);
    let (mut sizes, mut distances) = (Mean::new(), Mean::new());
    let mut add = |zones: &[&Zone], voxels: f64| {
        let of = |value: fn(&Zone) -> u32| {
            let mut pairs: Vec<(u32, u32)> = zones.iter().map(|z| (z.level, value(z))).collect();
            first16(features(&count(&mut pairs), voxels))
        };
        sizes.add(of(|z| z.size));
        distances.add(of(|z| z.distance));
    };
    let all: Vec<&Zone> = found.iter().collect();
    if how.by_slice() {
        for slice in all.chunk_by(|a, b| a.slice == b.slice) {
            add(slice, slice.iter().map(|z| f64::from(z.size)).sum());
        }
    } else {
        add(&all, levels.voxels as f64);
    }
    Texture {
        glcm: co.value(),
        glrlm: runs.value(),
        glszm: sizes.value(),
        gldzm: distances.value(),
        ngtdm: tone.value(),
        ngldm: dependence.value(),
    }
}
