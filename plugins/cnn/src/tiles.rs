//! Tiles over the part of a volume that is segmented.
//!
//! With valid convolutions a voxel's value does not depend on the tile that computed it, as long as every tile
//! begins at a multiple of the network's alignment: pooling then takes the same voxels together.

use crate::occupied::Occupied;
use ichor_image::Bounds;
use ichor_unet::Architecture;

/// A part of the output and the part of the image that it is computed from; both may reach beyond the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// What the network reads.
    pub input: Bounds,
    /// What it writes.
    pub output: Bounds,
}

/// Tiles of one size, ready to be run one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiling {
    /// In the order of their places, i fastest.
    pub tiles: Vec<Tile>,
    /// Floating-point operations of all, multiply and add counted apart.
    pub flops: f64,
    /// Most memory that one needs, bytes.
    pub bytes: u64,
}

/// What a network costs on images of a shape.
pub trait Cost {
    /// Bytes at once for an input of this shape.
    fn bytes(&self, input: [usize; 3]) -> u64;
    /// Operations for an input of this shape.
    fn flops(&self, input: [usize; 3]) -> f64;
}

/// Sizes that are measured exactly; the others are ranked by their full tiles.
const CANDIDATES: usize = 24;

/// The tiling with the least work whose tiles need at most `budget` bytes; `None` when nothing is occupied.
///
/// # Errors
/// The bytes that the smallest tile needs, when that is more.
pub fn cheapest(
    net: &Architecture,
    occupied: &Occupied,
    cost: &dyn Cost,
    budget: u64,
) -> Result<Option<Tiling>, u64> {
    let Some(bounds) = occupied.bounds([0; 3], occupied.shape) else { return Ok(None) };
    // A full tile may be no larger than what is occupied: it is cut down to that.
    let sizes = bounds.map(|[begin, end]| distinct_sizes(end - begin));
    let mut ranked = Vec::new();
    let mut least = u64::MAX;
    for &z in &sizes[2] {
        for &y in &sizes[1] {
            for &x in &sizes[0] {
                let blocks = [x, y, z];
                let input = input_of(net, occupied, blocks);
                let bytes = cost.bytes(input);
                least = least.min(bytes);
                if bytes <= budget {
                    let number: usize =
                        (0..3).map(|a| (bounds[a][1] - bounds[a][0]).div_ceil(blocks[a])).product();
                    ranked.push((number as f64 * cost.flops(input), blocks));
                }
            }
        }
    }
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let exact = ranked.into_iter().take(CANDIDATES).map(|(_, blocks)| of_size(net, occupied, cost, blocks));
    exact.min_by(|a, b| a.flops.total_cmp(&b.flops)).map(Some).ok_or(least)
}

/// The tiling with tiles of at most so many blocks along each axis; without tiles when nothing is occupied.
pub fn of_size(net: &Architecture, occupied: &Occupied, cost: &dyn Cost, blocks: [usize; 3]) -> Tiling {
    let mut out = Tiling { tiles: Vec::new(), flops: 0.0, bytes: 0 };
    let Some(bounds) = occupied.bounds([0; 3], occupied.shape) else { return out };
    let starts = |a: usize| (bounds[a][0]..bounds[a][1]).step_by(blocks[a].max(1));
    for k in starts(2) {
        for j in starts(1) {
            for i in starts(0) {
                let begin = [i, j, k];
                let end = std::array::from_fn(|a| (begin[a] + blocks[a].max(1)).min(bounds[a][1]));
                let Some(part) = occupied.bounds(begin, end) else { continue };
                let input = input_of(net, occupied, part.map(|[b, e]| e - b));
                out.flops += cost.flops(input);
                out.bytes = out.bytes.max(cost.bytes(input));
                let margin = net.margin();
                let begin: [isize; 3] = std::array::from_fn(|a| (part[a][0] * occupied.block[a]) as isize);
                let from: [isize; 3] = std::array::from_fn(|a| begin[a] - margin[a] as isize);
                let to = std::array::from_fn(|a| from[a] + input[a] as isize);
                let end = std::array::from_fn(|a| to[a] - margin[a] as isize);
                out.tiles
                    .push(Tile { input: Bounds { begin: from, end: to }, output: Bounds { begin, end } });
            }
        }
    }
    out
}

/// Shape of the input that gives at least so many blocks of output.
fn input_of(net: &Architecture, occupied: &Occupied, blocks: [usize; 3]) -> [usize; 3] {
    let output = net.output_at_least(std::array::from_fn(|a| blocks[a] * occupied.block[a]));
    let margin = net.margin();
    std::array::from_fn(|a| output[a] + 2 * margin[a])
}

/// Sizes of the largest of 1, 2, 3... equal parts of n blocks, each once, largest first.
fn distinct_sizes(n: usize) -> Vec<usize> {
    let mut out: Vec<usize> = (1..=n).map(|parts| n.div_ceil(parts)).collect();
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;
    use ichor_image::Turn;

    struct ByVoxels(Architecture);

    impl Cost for ByVoxels {
        fn bytes(&self, input: [usize; 3]) -> u64 {
            100 * input.iter().product::<usize>() as u64
        }

        fn flops(&self, input: [usize; 3]) -> f64 {
            self.0.flops(input).unwrap()
        }
    }

    /// A ball in a volume, and the volume's shape.
    fn ball() -> (Vec<u8>, [usize; 3]) {
        let shape = [150, 120, 90];
        let inside = |i: usize, j: usize, k: usize| {
            let d = [i as f64 - 70.0, j as f64 - 55.0, k as f64 - 50.0];
            u8::from(d.iter().map(|x| x * x).sum::<f64>() < 35.0 * 35.0)
        };
        let mut mask = Vec::new();
        (0..90).for_each(|k| (0..120).for_each(|j| (0..150).for_each(|i| mask.push(inside(i, j, k)))));
        (mask, shape)
    }

    #[test]
    fn every_occupied_voxel_is_in_a_tile_that_starts_on_the_grid() {
        let (mask, shape) = ball();
        for net in [Architecture::thin(4), Architecture::thick(4)] {
            let occupied = Occupied::of(&Serial, &mask, &Turn::upright(shape), net.alignment());
            for budget in [1u64 << 62, 300_000_000, 120_000_000] {
                let tiling = cheapest(&net, &occupied, &ByVoxels(net), budget).unwrap().unwrap();
                assert!(tiling.bytes <= budget);
                let mut covered = vec![0; mask.len()];
                for t in &tiling.tiles {
                    assert_eq!(net.output_shape(t.input.shape()).unwrap(), t.output.shape());
                    for a in 0..3 {
                        assert_eq!(t.output.begin[a] % net.alignment()[a] as isize, 0);
                        assert_eq!(t.output.begin[a] - t.input.begin[a], net.margin()[a] as isize);
                    }
                    Turn::upright(shape).places(&t.output, |_, at| covered[at] = 1);
                }
                assert!(mask.iter().zip(&covered).all(|(m, c)| m <= c));
            }
        }
    }

    #[test]
    fn a_smaller_budget_makes_more_tiles_and_more_work() {
        let (mask, shape) = ball();
        let net = Architecture::thin(4);
        let occupied = Occupied::of(&Serial, &mask, &Turn::upright(shape), net.alignment());
        let at = |budget| cheapest(&net, &occupied, &ByVoxels(net), budget).unwrap().unwrap();
        let (one, some) = (at(1 << 62), at(300_000_000));
        assert_eq!(one.tiles.len(), 1);
        assert!(some.tiles.len() > 1 && some.flops > one.flops);
        // The smallest tile of 4 voxels needs 92 voxels of input along each axis, one block 8.
        assert_eq!(cheapest(&net, &occupied, &ByVoxels(net), 1000), Err(100 * 100 * 100 * 100));
    }

    #[test]
    fn nothing_to_segment_needs_no_tile() {
        let net = Architecture::thin(1);
        let occupied = Occupied::of(&Serial, &[0; 1000], &Turn::upright([10; 3]), net.alignment());
        assert_eq!(cheapest(&net, &occupied, &ByVoxels(net), 1 << 40), Ok(None));
        assert!(of_size(&net, &occupied, &ByVoxels(net), [1; 3]).tiles.is_empty());
    }

    #[test]
    fn parts_are_equal_and_each_size_occurs_once() {
        assert_eq!(distinct_sizes(10), [10, 5, 4, 3, 2, 1]);
        assert_eq!(distinct_sizes(1), [1]);
    }
}
