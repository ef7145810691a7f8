//! How far a mask encloses a place: the number of directions in which a ray meets it.
//!
//! Voxels are packed along x, 64 to a word, so that a direction costs a shift and an OR a word.

use crate::{Parallel, parallel::for_each_chunk, parallel::map_ranges};

/// One of each pair of opposite directions, to the neighbours by face, edge and corner.
const OPPOSITE: [[isize; 3]; 13] = [
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

/// For every voxel, in how many of 26 directions (to the neighbours by face, edge and corner) a voxel of `mask`
/// lies ahead: 0 to 26; the voxel itself does not count.
///
/// Where a volume is cut through a closed wall along z, a lid closes it: what the mask surrounds in the first or
/// last slice, in all 8 directions of the slice, counts as mask just outside.
pub fn enclosure(par: &dyn Parallel, mask: &[u8], shape: [usize; 3]) -> Vec<u8> {
    let [nx, ny, nz] = shape;
    assert_eq!(mask.len(), nx * ny * nz, "mask and shape disagree");
    if mask.is_empty() {
        return Vec::new();
    }
    let packed = Packed::new(mask, shape);
    // Of each pair, how many of the two meet the mask: the low and the high bit.
    let pairs = map_ranges(par, OPPOSITE.len(), 1, &|range| {
        let there = packed.sweep(OPPOSITE[range.start]);
        let back = packed.sweep(OPPOSITE[range.start].map(|d| -d));
        let both: Vec<u64> = there.iter().zip(&back).map(|(a, b)| a & b).collect();
        let one: Vec<u64> = there.iter().zip(&back).map(|(a, b)| a ^ b).collect();
        (one, both)
    });
    let words = packed.words;
    let mut out = vec![0u8; mask.len()];
    for_each_chunk(par, &mut out, nx * ny, &|k, plane| {
        for (j, row) in plane.chunks_mut(nx).enumerate() {
            for (w, voxels) in row.chunks_mut(64).enumerate() {
                let at = w + words * (j + ny * (k + 1)); // the lid comes first
                for (one, both) in &pairs {
                    let (one, both) = (one[at], both[at]);
                    for (bit, v) in voxels.iter_mut().enumerate() {
                        *v += (one >> bit & 1) as u8 + 2 * (both >> bit & 1) as u8;
                    }
                }
            }
        }
    });
    out
}

/// A mask with a lid below and above, as bits.
struct Packed {
    bits: Vec<u64>,
    /// Words a row.
    words: usize,
    /// The bits of the last word of a row that are voxels.
    last: u64,
    ny: usize,
    nz: usize,
}

impl Packed {
    fn new(mask: &[u8], [nx, ny, nz]: [usize; 3]) -> Self {
        let words = nx.div_ceil(64);
        let last = if nx % 64 == 0 { !0 } else { (1 << (nx % 64)) - 1 };
        let mut bits = vec![0u64; words * ny];
        for row in mask.chunks(nx) {
            for part in row.chunks(64) {
                bits.push(part.iter().rev().fold(0, |word, &v| word << 1 | u64::from(v != 0)));
            }
        }
        bits.resize(words * ny * (nz + 2), 0);
        let mut packed = Self { bits, words, last, ny, nz: nz + 2 };
        for (lid, slice) in [(0, 1), (nz + 1, nz)] {
            let cover = packed.lid(slice);
            packed.bits[words * ny * lid..][..words * ny].copy_from_slice(&cover);
        }
        packed
    }

    /// Voxels of a slice that are in the mask, or from which it lies ahead in all 8 directions of the slice.
    fn lid(&self, slice: usize) -> Vec<u64> {
        let plane = self.words * self.ny;
        let mut one = Self { bits: self.bits[plane * slice..][..plane].to_vec(), nz: 1, ..*self };
        let mut all = vec![!0u64; plane];
        for [x, y, _] in OPPOSITE.into_iter().filter(|d| d[2] == 0) {
            for d in [[x, y, 0], [-x, -y, 0]] {
                all.iter_mut().zip(one.sweep(d)).for_each(|(a, met)| *a &= met);
            }
        }
        one.bits.iter_mut().zip(all).for_each(|(b, a)| *b |= a);
        one.bits
    }

    /// 1 where a ray in direction `d` meets the mask after the voxel itself. One pass from the far end: ahead of
    /// a voxel is what its neighbour is or has ahead.
    fn sweep(&self, [dx, dy, dz]: [isize; 3]) -> Vec<u64> {
        let from_far_end = |n: usize, d: isize| (0..n).map(move |p| if d > 0 { n - 1 - p } else { p });
        let (words, ny, nz) = (self.words, self.ny, self.nz);
        let mut met = vec![0u64; self.bits.len()];
        let mut ahead = vec![0u64; words];
        for z in from_far_end(nz, dz) {
            for y in from_far_end(ny, dy) {
                let row = words * (y + ny * z);
                if dy == 0 && dz == 0 {
                    along(&self.bits[row..][..words], &mut met[row..][..words], dx > 0);
                } else {
                    let (Some(y), Some(z)) = (y.checked_add_signed(dy), z.checked_add_signed(dz)) else {
                        continue;
                    };
                    if y >= ny || z >= nz {
                        continue;
                    }
                    let next = words * (y + ny * z);
                    for (n, a) in ahead.iter_mut().enumerate() {
                        *a = self.bits[next + n] | met[next + n];
                    }
                    shifted(&ahead, &mut met[row..][..words], dx);
                }
                met[row + words - 1] &= self.last;
            }
        }
        met
    }
}

/// Bits of a row beyond which, toward higher x or lower x, one is set.
fn along(bits: &[u64], out: &mut [u64], higher: bool) {
    let mut seen = false;
    for n in 0..bits.len() {
        let n = if higher { bits.len() - 1 - n } else { n };
        let word = bits[n];
        out[n] = match word {
            _ if seen => !0,
            0 => 0,
            _ if higher => (1u64 << (63 - word.leading_zeros())) - 1,
            _ => !(word ^ (word - 1)),
        };
        seen |= word != 0;
    }
}

/// Moves a row so that bit x becomes what bit x + dx was.
fn shifted(from: &[u64], to: &mut [u64], dx: isize) {
    let at = |n: Option<usize>| n.and_then(|n| from.get(n)).copied().unwrap_or(0);
    for (n, out) in to.iter_mut().enumerate() {
        *out = match dx {
            0 => from[n],
            1 => from[n] >> 1 | at(n.checked_add(1)) << 63,
            _ => from[n] << 1 | at(n.checked_sub(1)) >> 63,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Threads;
    use crate::{Serial, random::at};

    #[test]
    fn count_is_what_walking_along_26_rays_finds() {
        for [nx, ny, nz] in [[7usize, 6, 5], [130, 5, 6], [64, 7, 5]] {
            let mask: Vec<u8> = (0..nx * ny * nz)
                // Without anything in the first and last slice there is no lid.
                .map(|n| u8::from(at(3, n as u64).is_multiple_of(40) && (1..nz - 1).contains(&(n / nx / ny))))
                .collect();
            let found = enclosure(&Serial, &mask, [nx, ny, nz]);
            assert_eq!(enclosure(&Threads(3), &mask, [nx, ny, nz]), found);
            for (n, &found) in found.iter().enumerate() {
                let at = [n % nx, n / nx % ny, n / nx / ny].map(|v| v as isize);
                let mut count = 0;
                for d in (0..27isize).filter(|&d| d != 13) {
                    let d = [d % 3 - 1, d / 3 % 3 - 1, d / 9 - 1];
                    let inside =
                        |p: &[isize; 3]| (0..3).all(|a| (0..[nx, ny, nz][a] as isize).contains(&p[a]));
                    let ray = (1..).map(|t| std::array::from_fn(|a| at[a] + t * d[a])).take_while(inside);
                    let index = |p: [isize; 3]| p[0] as usize + nx * (p[1] as usize + ny * p[2] as usize);
                    count += u8::from(ray.into_iter().any(|p| mask[index(p)] != 0));
                }
                assert_eq!(found, count, "voxel {n}");
            }
        }
    }

    #[test]
    fn lid_closes_a_wall_that_the_volume_cuts() {
        // A square tube, open at both ends.
        let on_ring = |n: usize| [n % 9, n / 9 % 9].iter().any(|&v| v == 1 || v == 7);
        let in_box = |n: usize| [n % 9, n / 9 % 9].iter().all(|v| (1..8).contains(v));
        let wall: Vec<u8> = (0..324).map(|n| u8::from(in_box(n) && on_ring(n))).collect();
        let found = enclosure(&Serial, &wall, [9, 9, 4]);
        assert_eq!(found[4 + 9 * 4 + 81], 26);
        assert!(found[9 * 4 + 81] < 15); // outside the tube
        assert!(enclosure(&Serial, &[], [0, 4, 4]).is_empty());
    }
}
