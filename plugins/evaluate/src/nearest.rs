//! The nearest of many voxels.
//!
//! A surface has few voxels and most distances between two surfaces are short, so a search tree over the voxels of one
//! costs far less than a distance transform of the volume between them, needs memory for the surface alone, and is
//! exact on sheared grids, too.

use crate::metric::Metric;
use ichor_image::{Parallel, parallel::for_each_chunk};

/// Voxels that are looked through one after another.
const LEAF: usize = 8;

/// A tree over voxels that finds the nearest one (Bentley 1975).
pub struct Nearest {
    metric: Metric,
    voxels: Vec<[i32; 3]>,
    nodes: Vec<Node>,
}

/// The voxels `begin..end` and the box around them in mm. Its first child follows it.
struct Node {
    low: [f64; 3],
    high: [f64; 3],
    begin: u32,
    end: u32,
    /// The second child; 0 for a leaf.
    second: u32,
}

/// The nearest voxel so far: squared distance in mm² and number.
type Best = (f64, usize);

impl Nearest {
    /// Of these voxels, fewer than 2^32.
    #[cfg(test)]
    pub fn new(metric: Metric, voxels: Vec<[i32; 3]>) -> Self {
        let [one, _] = Self::pair(&ichor_image::Serial, metric, [voxels, Vec::new()]);
        one
    }

    /// Two trees, grown at the same time.
    pub fn pair(par: &dyn Parallel, metric: Metric, voxels: [Vec<[i32; 3]>; 2]) -> [Self; 2] {
        let mut trees = voxels.map(|voxels| Self { metric, voxels, nodes: Vec::new() });
        for_each_chunk(par, &mut trees, 1, &|_, trees| trees.iter_mut().for_each(Self::grow));
        trees
    }

    fn grow(&mut self) {
        self.nodes.reserve_exact(2 * self.voxels.len().div_ceil(LEAF / 2));
        if !self.voxels.is_empty() {
            split(&self.metric, &mut self.voxels, 0, &mut self.nodes);
        }
    }

    /// Whether there is no voxel.
    pub fn is_empty(&self) -> bool {
        self.voxels.is_empty()
    }

    /// Distance in mm from `voxel` to the nearest one, and which that is; infinity when there is none. `guess` is
    /// the number of one that may be near: the answer to a neighbour's question saves most of the search.
    pub fn find(&self, voxel: [i32; 3], guess: usize) -> (f64, usize) {
        let first = self.voxels.get(guess).map_or(f64::INFINITY, |v| self.metric.square(voxel, *v));
        let mut best = (first, guess);
        if !self.is_empty() {
            self.search(0, voxel, self.metric.place(voxel), &mut best);
        }
        (best.0.sqrt(), best.1)
    }

    fn search(&self, node: usize, voxel: [i32; 3], place: [f64; 3], best: &mut Best) {
        let here = &self.nodes[node];
        if here.second == 0 {
            for n in here.begin as usize..here.end as usize {
                let square = self.metric.square(voxel, self.voxels[n]);
                if square < best.0 {
                    *best = (square, n);
                }
            }
            return;
        }
        let children = [node + 1, here.second as usize];
        let away = children.map(|n| self.nodes[n].away(place));
        let order = if away[1] < away[0] { [1, 0] } else { [0, 1] };
        for n in order {
            // Places are rounded, differences of indices are not.
            if away[n] * (1.0 - 1e-12) < best.0 {
                self.search(children[n], voxel, place, best);
            }
        }
    }
}

impl Node {
    /// Squared distance from a place to the box.
    fn away(&self, place: [f64; 3]) -> f64 {
        (0..3).map(|a| (self.low[a] - place[a]).max(place[a] - self.high[a]).max(0.0).powi(2)).sum()
    }
}

/// Makes the node of `voxels`, of which `begin` come before, and all below it.
fn split(metric: &Metric, voxels: &mut [[i32; 3]], begin: usize, nodes: &mut Vec<Node>) {
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for &voxel in voxels.iter() {
        let place = metric.place(voxel);
        for a in 0..3 {
            low[a] = low[a].min(place[a]);
            high[a] = high[a].max(place[a]);
        }
    }
    let (node, n) = (nodes.len(), voxels.len());
    nodes.push(Node { low, high, begin: begin as u32, end: (begin + n) as u32, second: 0 });
    if n <= LEAF {
        return;
    }
    let extent = |a: usize| high[a] - low[a];
    let axis = (1..3).fold(0, |widest, a| if extent(a) > extent(widest) { a } else { widest });
    let middle = n / 2;
    voxels.select_nth_unstable_by_key(middle, |v| v[axis]);
    let (first, second) = voxels.split_at_mut(middle);
    split(metric, first, begin, nodes);
    nodes[node].second = nodes.len() as u32;
    split(metric, second, begin + middle, nodes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Grid, random::at};

    #[test]
    fn the_nearest_is_the_one_that_a_search_of_all_finds() {
        let sheared = Affine([[0.45, 0.0, 0.0, 0.0], [0.0, 0.45, 1.6, 0.0], [0.0, 0.0, 4.8, 0.0]]);
        let straight = Affine::from_spacing([0.45, 0.45, 5.0], [7.0, 8.0, 9.0]);
        for (affine, count) in [(straight, 300), (sheared, 300), (straight, 1), (sheared, 9), (straight, 8)] {
            let metric = Metric::of(&Grid::new([64, 64, 64], affine).unwrap());
            let voxel = |seed: u64, n: u64| [0, 1, 2].map(|a| (at(seed + a, n) % 64) as i32);
            let voxels: Vec<[i32; 3]> = (0..count).map(|n| voxel(1, n)).collect();
            let nearest = Nearest::new(metric, voxels.clone());
            let mut guess = 0;
            for n in 0..500 {
                let from = voxel(11, n);
                let want = voxels.iter().map(|v| metric.square(from, *v)).fold(f64::INFINITY, f64::min);
                let (distance, found) = nearest.find(from, guess);
                assert_eq!(distance, want.sqrt());
                assert_eq!(nearest.find(from, usize::MAX).0, distance);
                guess = found;
            }
        }
        assert_eq!(
            Nearest::new(Metric::of(&Grid::new([1; 3], straight).unwrap()), Vec::new()).find([0; 3], 0).0,
            f64::INFINITY
        );
    }
}
