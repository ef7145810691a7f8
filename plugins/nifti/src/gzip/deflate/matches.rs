//! Where the same voxels stood last.

use super::block::{MOST, distance_class};
use std::ops::Range;

/// Voxels that a match may lie back: deflate's 32768 bytes.
pub const WINDOW: usize = 16_384;
/// Place of the first voxel. No match lies before it: an empty table says 0, which is too far back from here.
pub const FIRST: usize = WINDOW + 1;

const PAIR_BITS: u32 = 14;
const LONGER_BITS: u32 = 15;

/// The same voxels at an earlier place: how far back, how many (0 to 4, of which 2 are a match), and the distance's class.
#[derive(Clone, Copy, Default)]
pub struct Match {
    pub back: u16,
    pub voxels: u8,
    pub class: u8,
}

/// All that lies in reach, and four voxels from here on.
const REACH: usize = 2 * WINDOW + 8;

impl Match {
    /// What a table says, which is a guess, compared.
    #[inline(always)]
    fn found(reach: &[u8; REACH], here: u64, back: u16) -> Self {
        let is_far = usize::from(back.wrapping_sub(1)) >= WINDOW;
        let less = usize::from(back.wrapping_sub(1)) % WINDOW;
        let begin = 2 * (WINDOW - 1 - less);
        let there = reach[begin..begin + 8].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let differ = here ^ there | u64::from(is_far);
        let back = less as u16 + 1;
        Self { back, voxels: differ.trailing_zeros() as u8 / 16, class: distance_class(back) }
    }
}

/// The last places of the same two, three and four voxels, often the same.
pub type Matches = [Match; 3];

/// Looks for matches by tables of the last voxel at which something began.
pub struct Finder {
    pairs: Vec<u16>,
    triples: Vec<u16>,
    quads: Vec<u16>,
    /// By voxel of the block.
    pub found: Vec<Matches>,
}

impl Finder {
    pub fn new(block: usize) -> Self {
        Self {
            pairs: vec![0; 1 << PAIR_BITS],
            triples: vec![0; 1 << LONGER_BITS],
            quads: vec![0; 1 << LONGER_BITS],
            found: vec![Matches::default(); block],
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        [&mut self.pairs, &mut self.triples, &mut self.quads].into_iter().for_each(|table| table.fill(0));
    }

    /// Fills `found` for the voxels of a block, which follows the one before; [`FIRST`] and at least three voxels lie
    /// around all blocks.
    pub fn find(&mut self, voxels: &[u8], block: Range<usize>) {
        // Tables of known length need no checks.
        let (Some(pairs), Some(triples), Some(quads)) = (
            self.pairs.first_chunk_mut::<{ 1 << PAIR_BITS }>(),
            self.triples.first_chunk_mut::<{ 1 << LONGER_BITS }>(),
            self.quads.first_chunk_mut::<{ 1 << LONGER_BITS }>(),
        ) else {
            return;
        };
        const MIX: u64 = 0x9E37_79B9_7F4A_7C15; // 2^64 over the golden ratio
        let place = |bits: u64, n: u32| (bits.wrapping_mul(MIX) >> (64 - n)) as usize;
        // No branch depends on the voxels: it could not be predicted.
        for (found, voxel) in self.found.iter_mut().zip(block) {
            let Some(reach) = voxels.get(2 * (voxel - WINDOW)..).and_then(|rest| rest.first_chunk::<REACH>())
            else {
                break;
            };
            let Some(here) = reach.last_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else { break };
            let last = |place: &mut u16| (voxel as u16).wrapping_sub(std::mem::replace(place, voxel as u16));
            let two = last(&mut pairs[place(here << 32, PAIR_BITS)]);
            let three = last(&mut triples[place(here << 16, LONGER_BITS)]);
            let four_ = last(&mut quads[place(here, LONGER_BITS)]);
            *found = [
                Match::found(reach, here, two),
                Match::found(reach, here, three),
                Match::found(reach, here, four_),
            ];
        }
    }
}

/// Four voxels.
#[inline]
fn four(voxels: &[u8], at: usize) -> Option<u64> {
    voxels.get(2 * at..2 * at + 8)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// How many voxels are the same as so far back, if four are.
pub fn extended(voxels: &[u8], at: usize, back: usize) -> usize {
    let mut n = 4;
    while n < MOST {
        let (Some(here), Some(there)) = (four(voxels, at + n), four(voxels, at + n - back)) else { break };
        let same = (here ^ there).trailing_zeros() as usize / 16;
        n += same;
        if same < 4 {
            break;
        }
    }
    n.min(MOST)
}
