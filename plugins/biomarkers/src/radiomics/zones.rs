//! Zones: connected voxels of one grey level (IBSI 3.8), and their distance from the region's edge (3.9).

use super::levels::Levels;
use super::neighbours::steps;

/// A zone: its level, voxels, steps to the edge of the region, and slice of its first voxel.
pub struct Zone {
    pub level: u32,
    pub size: u32,
    pub distance: u32,
    pub slice: usize,
}

/// The zones in the order of their first voxels; `inside` is the region before intensities were excluded, on the
/// same array.
/// With 13 directions zones reach across slices (26 neighbours), with 4 they do not (8).
pub fn zones(levels: &Levels, inside: &[u8], directions: usize) -> Vec<Zone> {
    let shape = levels.shape;
    let back: Vec<usize> = steps(shape, directions).iter().map(|s| s.unsigned_abs()).collect();
    let distance = distances(inside, shape, directions > 4);
    let data = &levels.data[..];
    // The zone of each voxel, while zones are found, and which zone each was joined to.
    let mut of = vec![0u32; data.len()];
    let mut root: Vec<u32> = vec![0];
    let mut zones: Vec<Zone> = Vec::new();
    fn find(root: &mut [u32], mut n: u32) -> u32 {
        while root[n as usize] != n {
            root[n as usize] = root[root[n as usize] as usize];
            n = root[n as usize];
        }
        n
    }
    let plane = shape[0] * shape[1];
    // The border is empty: no voxel of it is reached, and none is left of it.
    for at in plane..data.len() - plane {
        let level = data[at];
        if level == 0 {
            continue;
        }
        let mut mine = 0;
        for &step in &back {
            if data[at - step] == level {
                let other = of[at - step];
                if mine == 0 {
                    mine = find(&mut root, other);
                } else if other != mine {
                    let other = find(&mut root, other);
                    // The smaller number stays: zones are in the order of their first voxels.
                    let (low, high) = (mine.min(other), mine.max(other));
                    root[high as usize] = low;
                    mine = low;
                }
            }
        }
        let d = u32::from(distance[at]);
        if mine == 0 {
            mine = root.len() as u32;
            root.push(mine);
            zones.push(Zone { level: u32::from(level), size: 0, distance: d, slice: at / plane });
        }
        of[at] = mine;
        let zone = &mut zones[mine as usize - 1];
        zone.size += 1;
        zone.distance = zone.distance.min(d);
    }
    for n in (1..root.len()).rev() {
        let to = root[n] as usize;
        if to != n {
            let (size, distance) = (zones[n - 1].size, zones[n - 1].distance);
            let whole = &mut zones[to - 1];
            whole.size += size;
            whole.distance = whole.distance.min(distance);
            zones[n - 1].size = 0;
        }
    }
    zones.retain(|zone| zone.size > 0);
    zones
}

/// Steps through faces from each voxel to the nearest outside; 1 at the edge.
fn distances(inside: &[u8], shape: [usize; 3], volumetric: bool) -> Vec<u16> {
    let [nx, ny, _] = shape;
    let mut out: Vec<u16> = inside.iter().map(|&v| if v != 0 { u16::MAX } else { 0 }).collect();
    let plane = nx * ny;
    let depth = if volumetric { plane } else { 1 };
    // City-block distances take one pass in either sense.
    for at in plane..out.len() - plane {
        if out[at] != 0 {
            out[at] = out[at - 1].min(out[at - nx]).min(out[at - depth]).saturating_add(1);
        }
    }
    for at in (plane..out.len() - plane).rev() {
        if out[at] != 0 {
            out[at] = out[at].min(out[at + 1].min(out[at + nx]).min(out[at + depth]).saturating_add(1));
        }
    }
    out
}
