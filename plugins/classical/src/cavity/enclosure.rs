//! How far bone encloses a place: the number of directions in which a ray meets bone.

use ichor_image::{Parallel, parallel::map_ranges};

/// For every voxel, in how many of 26 directions (to the neighbours by face, edge and corner) bone lies ahead:
/// 0 to 26. Where a scan is cut through the head, a lid closes it: what bone surrounds in the first or last
/// slice counts as bone just outside.
pub fn enclosure(par: &dyn Parallel, bone: &[u8], shape: [usize; 3]) -> Vec<u8> {
    let [nx, ny, nz] = shape;
    let plane = nx * ny;
    let mut closed = lid(&bone[..plane], [nx, ny]);
    closed.extend_from_slice(bone);
    closed.extend(lid(&bone[plane * (nz - 1)..], [nx, ny]));
    let lidded = [nx, ny, nz + 2];
    let opposite = [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [1, 1, 0],
        [1, -1, 0],
        [1, 0, 1],
        [1, 0, -1],
        [0, 1, 1],
        [0, 1, -1],
        [1, 1, 1],
        [1, 1, -1],
        [1, -1, 1],
        [-1, 1, 1],
    ];
    let counts = map_ranges(par, opposite.len(), 1, &|range| {
        let mut count = sweep(&closed, lidded, opposite[range.start]);
        add(&mut count, &sweep(&closed, lidded, opposite[range.start].map(|d: isize| -d)));
        count
    });
    let mut sum = vec![0; closed.len()];
    counts.iter().for_each(|count| add(&mut sum, count));
    sum[plane..plane * (nz + 1)].to_vec()
}

/// Voxels of a slice that are bone, or from which bone lies ahead in all 8 directions of the slice.
fn lid(slice: &[u8], [nx, ny]: [usize; 2]) -> Vec<u8> {
    let mut count = vec![0; slice.len()];
    for d in [[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, -1, 0]] {
        add(&mut count, &sweep(slice, [nx, ny, 1], d));
        add(&mut count, &sweep(slice, [nx, ny, 1], d.map(|d| -d)));
    }
    count.iter().zip(slice).map(|(&n, &bone)| u8::from(n == 8 || bone != 0)).collect()
}

fn add(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

/// 1 where a ray in direction `d` meets bone after the voxel itself, else 0. One pass from the far end: ahead of
/// a voxel is what its neighbour is or has ahead.
fn sweep(bone: &[u8], [nx, ny, nz]: [usize; 3], [dx, dy, dz]: [isize; 3]) -> Vec<u8> {
    let from_far_end = |n: usize, d: isize| (0..n).map(move |p| if d > 0 { n - 1 - p } else { p });
    let mut met = vec![0; bone.len()];
    let mut ahead = vec![0; nx + 2];
    for z in from_far_end(nz, dz) {
        for y in from_far_end(ny, dy) {
            let row = nx * (y + ny * z);
            if dy == 0 && dz == 0 {
                let mut any = 0;
                for x in from_far_end(nx, dx) {
                    met[row + x] = any;
                    any |= bone[row + x];
                }
                continue;
            }
            let (Some(y), Some(z)) = (y.checked_add_signed(dy), z.checked_add_signed(dz)) else { continue };
            if y < ny && z < nz {
                let next = nx * (y + ny * z);
                for (a, n) in ahead[1..=nx].iter_mut().zip(next..) {
                    *a = bone[n] | met[n];
                }
                met[row..row + nx].copy_from_slice(&ahead[(1 + dx) as usize..][..nx]);
            }
        }
    }
    met
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;

    #[test]
    fn count_is_what_walking_along_26_rays_finds() {
        let shape = [7, 6, 5];
        let bone: Vec<u8> = (0..210u32).map(|n| u8::from(n.wrapping_mul(2654435761) >> 28 == 0)).collect();
        // Without bone in the first and last slice there is no lid.
        let bone: Vec<u8> =
            bone.iter().enumerate().map(|(n, &b)| b * u8::from((42..168).contains(&n))).collect();
        let found = enclosure(&Serial, &bone, shape);
        for (n, &found) in found.iter().enumerate() {
            let at = [n % 7, n / 7 % 6, n / 42].map(|v| v as isize);
            let mut count = 0;
            for d in (0..27isize).filter(|&d| d != 13) {
                let d = [d % 3 - 1, d / 3 % 3 - 1, d / 9 - 1];
                let inside = |p: &[isize; 3]| (0..3).all(|a| (0..shape[a] as isize).contains(&p[a]));
                let ray = (1..).map(|t| std::array::from_fn(|a| at[a] + t * d[a])).take_while(inside);
                count +=
                    u8::from(ray.into_iter().any(|p| bone[(p[0] + 7 * (p[1] + 6 * p[2])) as usize] != 0));
            }
            assert_eq!(found, count, "voxel {n}");
        }
    }

    #[test]
    fn lid_closes_a_skull_that_the_scan_cuts() {
        // A square tube, open at both ends.
        let shape = [9, 9, 4];
        let on_ring = |n: usize| [n % 9, n / 9 % 9].iter().any(|&v| v == 1 || v == 7);
        let in_box = |n: usize| [n % 9, n / 9 % 9].iter().all(|v| (1..8).contains(v));
        let bone: Vec<u8> = (0..324).map(|n| u8::from(in_box(n) && on_ring(n))).collect();
        let found = enclosure(&Serial, &bone, shape);
        assert_eq!(found[4 + 9 * 4 + 81], 26);
        assert!(found[9 * 4 + 81] < 15); // outside the tube
    }
}
