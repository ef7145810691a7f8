//! From a network's values to a probability and the class that wins.

use ichor_sdk::Param;

/// What makes probabilities of the network's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Activation {
    Softmax,
    Sigmoid,
    None,
}

impl Activation {
    /// Probability of channel `class` among a voxel's values.
    pub fn probability(self, values: &[f32], class: usize) -> f32 {
        let own = values[class];
        match self {
            Self::Softmax => {
                let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = values.iter().map(|v| (v - most).exp()).sum();
                (own - most).exp() / sum
            }
            Self::Sigmoid => 1.0 / (1.0 + (-own).exp()),
            Self::None => own,
        }
    }
}

/// Whether channel `class` has the largest of a voxel's values; of equal ones the first wins.
pub fn wins(values: &[f32], class: usize) -> bool {
    let own = values[class];
    values.iter().enumerate().all(|(c, v)| c == class || *v < own || (*v == own && c > class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // e^0 : e^1 : e^2, and logistic(2).
        let values = [0.0, 1.0, 2.0];
        assert!((Activation::Softmax.probability(&values, 1) - 0.244_728_47).abs() < 1e-7);
        assert!((Activation::Sigmoid.probability(&values, 2) - 0.880_797).abs() < 1e-6);
        assert_eq!(Activation::None.probability(&values, 2), 2.0);
        let huge = [1000.0, -1000.0];
        assert_eq!(Activation::Softmax.probability(&huge, 0), 1.0);
        assert_eq!(Activation::Softmax.probability(&huge, 1), 0.0);
    }

    #[test]
    fn the_first_of_equals_wins() {
        assert!(wins(&[1.0, 3.0, 2.0], 1) && !wins(&[1.0, 3.0, 2.0], 2));
        assert!(wins(&[2.0, 2.0], 0) && !wins(&[2.0, 2.0], 1));
    }
}
