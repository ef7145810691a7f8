//! What a block is made of: voxels as they are, and repetitions of earlier ones.

use super::block::Step;
use super::cost::Costs;
use super::matches::{Match, Matches, extended};
use std::ops::Range;

/// Voxels from which on a match is taken without asking.
const LONG: usize = 24;

/// Chooses matches and literals.
pub struct Parser {
    steps: Vec<Step>,
    /// By voxel of the block: the cheapest way there, as what it costs (upper 32 bits) and its last step, distance and
    /// length in voxels (8 bits).
    ways: Vec<u64>,
}

impl Parser {
    pub fn new(block: usize) -> Self {
        Self { steps: Vec::with_capacity(block), ways: vec![0; block + 4] }
    }

    /// The cheapest way through the block.
    pub fn cheapest(
        &mut self,
        voxels: &[u8],
        block: Range<usize>,
        found: &[Matches],
        costs: &Costs,
    ) -> &[Step] {
        let n = block.len();
        let own = &voxels[2 * block.start..2 * block.end].as_chunks::<2>().0[..n];
        let found = &found[..n];
        let ways = &mut self.ways[..n + 4];
        ways.fill(u64::MAX);
        ways[0] = 0;
        let mut at = 0;
        while at < n {
            let Some(next) = ways[at..].first_chunk_mut::<4>() else { break };
            let so_far = next[0] >> 32;
            let [low, high] = own[at].map(usize::from);
            next[1] = next[1].min((so_far + u64::from(costs.literal[low] + costs.literal[high])) << 32 | 1);
            let [pair, triple, quad] = found[at];
            // No match, of length 0 or 1, costs more than anything.
            let way = |m: Match, length: usize| {
                let cost = costs.length[length & 255] + costs.distance[usize::from(m.class & 31)];
                (so_far + u64::from(cost)) << 32 | u64::from(m.back) << 8 | length as u64
            };
            if (pair.voxels | triple.voxels | quad.voxels) & 4 == 0 {
                for m in [pair, triple] {
                    let length = usize::from(m.voxels & 3);
                    next[length] = next[length].min(way(m, length));
                }
                at += 1;
                continue;
            }
            let mut long = 1;
            for (nth, m) in found[at].into_iter().enumerate() {
                if found[at][..nth].iter().any(|other| other.back == m.back) {
                    continue;
                }
                let mut most = usize::from(m.voxels);
                if most == 4 {
                    most = extended(voxels, block.start + at, usize::from(m.back));
                }
                most = most.min(n - at);
                // The longer it is, the less it matters where it ends.
                let least = if most < LONG { 2 } else { most };
                for (to, length) in ways[at..=at + most].iter_mut().zip(0..).skip(least) {
                    *to = (*to).min(way(m, length));
                }
                long = long.max(if most < LONG { 1 } else { most });
            }
            at += long;
        }
        self.steps.clear();
        let mut end = n;
        while end > 0 {
            let (length, back) = ((ways[end] & 255) as usize, (ways[end] >> 8) as u16);
            let begin = end - length.clamp(1, end);
            self.steps.push(if length > 1 { Step::copy(length, back) } else { Step::literal(own[begin]) });
            end = begin;
        }
        self.steps.reverse();
        &self.steps
    }
}
