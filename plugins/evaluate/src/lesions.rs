//! Which lesions were found.

use crate::overlap::Overlap;
use crate::window::Window;
use ichor_image::{Clusters, Parallel};
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

/// A lesion of the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its voxels.
    pub voxels: usize,
    /// Those of them that are in the mask.
    pub overlap: usize,
    /// Voxels of the mask's lesions that touch it.
    pub covered_by: usize,
    /// Whether enough of it is in the mask.
    pub hit: bool,
}

/// The lesions of a reference by decreasing size, and the sizes of the lesions of the mask that overlap none.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Lesions {
    /// Those that should be found.
    pub reference: Vec<Found>,
    /// Those that should not have been.
    pub false_: Vec<usize>,
    /// How far the masks overlap in all.
    pub overlap: Overlap,
}

/// Lesions are connected by faces, edges or corners. One of the reference is hit when at least one of its voxels and at
/// least the fraction `least` of them are in the mask.
pub fn lesions(par: &dyn Parallel, window: &Window, least: f64) -> Lesions {
    let [mask, reference] = [window.mask, window.reference].map(|view| view.clusters(par));
    let shared = shared(&mask, &reference);
    let mut found: Vec<Found> = reference
        .sizes
        .iter()
        .map(|&voxels| Found { voxels, overlap: 0, covered_by: 0, hit: false })
        .collect();
    let mut alone = vec![true; mask.sizes.len()];
    for (&(of_reference, of_mask), &voxels) in &shared {
        let (lesion, n) = (&mut found[of_reference as usize - 1], of_mask as usize - 1);
        lesion.overlap += voxels;
        lesion.covered_by += mask.sizes[n];
        lesion.hit = lesion.overlap as f64 >= least * lesion.voxels as f64;
        alone[n] = false;
    }
    let mut false_: Vec<usize> =
        mask.sizes.iter().zip(&alone).filter(|(_, alone)| **alone).map(|(n, _)| *n).collect();
    found.sort_by_key(|f| Reverse(f.voxels)); // stable: ties stay in the order of memory
    false_.sort_by_key(|n| Reverse(*n));
    let overlap = Overlap {
        mask: mask.sizes.iter().sum(),
        reference: reference.sizes.iter().sum(),
        both: shared.values().sum(),
    };
    Lesions { reference: found, false_, overlap }
}

/// Voxels that a lesion of the reference and one of the mask share, by their numbers.
fn shared(mask: &Clusters, reference: &Clusters) -> BTreeMap<(u32, u32), usize> {
    let mut out = BTreeMap::new();
    let (mut a, mut b) = (reference.runs().peekable(), mask.runs().peekable());
    while let (Some(&(na, [ia, ja, ka], la)), Some(&(nb, [ib, jb, kb], lb))) = (a.peek(), b.peek()) {
        let a_first = match (ka, ja).cmp(&(kb, jb)) {
            Ordering::Equal => {
                let common = (ia + la).min(ib + lb).saturating_sub(ia.max(ib));
                if common > 0 {
                    *out.entry((na, nb)).or_insert(0) += common;
                }
                ia + la <= ib + lb
            }
            order => order == Ordering::Less,
        };
        if a_first {
            a.next();
        } else {
            b.next();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Grid, Serial};

    fn found(mask: &[usize], reference: &[usize], least: f64) -> Lesions {
        let draw = |set: &[usize]| {
            let mut out = vec![0; 500];
            set.iter().for_each(|i| out[i + 20 * (2 + 5 * 2)] = 1);
            out
        };
        let (mask, reference) = (draw(mask), draw(reference));
        let grid = Grid::new([20, 5, 5], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
        lesions(&Serial, &Window::new(&Serial, &mask, &reference, &grid).unwrap(), least)
    }

    #[test]
    fn lesions_are_hit_missed_or_false() {
        let of = |least| found(&[2, 3, 9, 17, 18], &[3, 4, 5, 6, 13], least);
        let all = of(0.0);
        let lesion = |voxels, overlap, covered_by, hit| Found { voxels, overlap, covered_by, hit };
        assert_eq!(all.reference, [lesion(4, 1, 2, true), lesion(1, 0, 0, false)]);
        assert_eq!(all.false_, [2, 1]);
        assert_eq!(all.overlap, Overlap { mask: 5, reference: 5, both: 1 });
        assert!(of(0.25).reference[0].hit);
        assert!(!of(0.26).reference[0].hit);
    }

    #[test]
    fn one_lesion_of_the_mask_may_hit_two() {
        let all = found(&[3, 4, 5, 6, 7, 8], &[2, 3, 7, 8], 0.5);
        assert_eq!(
            all.reference.iter().map(|f| (f.overlap, f.covered_by)).collect::<Vec<_>>(),
            [(1, 6), (2, 6)]
        );
        assert!(all.false_.is_empty());
    }
}
