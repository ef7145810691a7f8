//! Which clusters stay, and under which number.

/// The new number of each cluster: 1 for the largest, 0 for those that go. Clusters of equal size keep their
/// order. A cluster of exactly `min_volume_ml` stays.
///
/// `sizes` are in voxels of `voxel_ml` millilitres; `only_largest` drops all but number 1.
pub fn numbering(sizes: &[usize], voxel_ml: f64, min_volume_ml: f64, only_largest: bool) -> Vec<u32> {
    // Room for rounding: 100 voxels of 0.001 mL are 0.1 mL.
    let stays = |size: usize| size as f64 * voxel_ml >= min_volume_ml * (1.0 - 1e-9);
    let mut kept: Vec<usize> = (0..sizes.len()).filter(|n| stays(sizes[*n])).collect();
    kept.sort_by_key(|n| std::cmp::Reverse(sizes[*n]));
    if only_largest {
        kept.truncate(1);
    }
    let mut out = vec![0; sizes.len()];
    for (rank, n) in kept.into_iter().enumerate() {
        out[n] = rank as u32 + 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_down_in_volume_and_ties_keep_their_order() {
        assert_eq!(numbering(&[5, 90, 40, 90, 1], 1e-3, 0.005, false), [4, 1, 3, 2, 0]);
        assert_eq!(numbering(&[5, 90, 40, 90, 1], 1e-3, 0.005, true), [0, 1, 0, 0, 0]);
        assert_eq!(numbering(&[], 1e-3, 0.1, true), [0; 0]);
    }

    #[test]
    fn the_limit_itself_stays_whatever_the_rounding() {
        for voxel_ml in [1e-3, 0.43 * 0.43 * 5e-3, 0.488 * 0.488 * 0.7e-3] {
            let limit = 135.0 * voxel_ml;
            assert_eq!(numbering(&[134, 135, 136], voxel_ml, limit, false), [0, 2, 1]);
        }
        assert_eq!(numbering(&[1, 2], 1.0, 0.0, false), [2, 1]);
        assert_eq!(numbering(&[1, 2], 1.0, 3.0, true), [0, 0]);
    }
}
