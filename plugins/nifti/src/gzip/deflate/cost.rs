//! What things cost in bits.

use super::block::{Counts, DISTANCES, LENGTHS, distance_extra, length_symbol};

/// A bit. Fractions count: a code is longer or shorter in the next block.
pub const BIT: u32 = 16;
/// What cannot be had; few enough to be added to what a block costs.
const NEVER: u32 = 1 << 24;

/// Costs of literals, of lengths by their voxels, and of distances by their symbol, extra bits included.
pub struct Costs {
    pub literal: [u32; 256],
    /// Powers of two need no checks.
    pub length: [u32; 256],
    pub distance: [u32; 32],
}

impl Costs {
    /// A guess for the first block.
    pub fn new() -> Self {
        let mut out = Self { literal: [7 * BIT; 256], length: [NEVER; 256], distance: [NEVER; 32] };
        for voxels in LENGTHS {
            out.length[voxels] = BIT * (3 + voxels as u32).min(10);
        }
        for symbol in 0..DISTANCES {
            out.distance[symbol] = BIT * (4 + distance_extra(symbol));
        }
        out
    }

    /// By how often each occurs in a block; what does not, as if once.
    pub fn of(counts: &Counts) -> Self {
        let mut out = Self::new();
        let cost = |count: u32, total: u32, most: u32| {
            let bits = (total as f32 / count.max(1) as f32).log2();
            ((bits * BIT as f32) as u32).clamp(BIT / 2, most * BIT)
        };
        let total = counts.symbols.iter().sum();
        for (literal, &count) in out.literal.iter_mut().zip(&counts.symbols) {
            *literal = cost(count, total, 13);
        }
        for voxels in LENGTHS {
            let (symbol, extra, _) = length_symbol(voxels);
            out.length[voxels] = cost(counts.symbols[symbol], total, 13) + BIT * extra;
        }
        let total = counts.distances.iter().sum();
        for (symbol, &count) in counts.distances.iter().enumerate() {
            out.distance[symbol] = cost(count, total, 10) + BIT * distance_extra(symbol);
        }
        out.distance[0] = out.distance[1]; // see `distance_class`
        out
    }
}
