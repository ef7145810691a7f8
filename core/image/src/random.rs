//! Random numbers that depend on a seed and a position alone, so that threads can draw them in any order.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), read by position instead of in sequence:
//! number n of a seed is a mix of `seed + (n + 1) * γ`. It passes BigCrush; it is not for cryptography.

/// Odd number nearest to 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Number `index` of the sequence of `seed`: 64 independent bits.
pub fn at(seed: u64, index: u64) -> u64 {
    mix(seed.wrapping_add(index.wrapping_add(1).wrapping_mul(GAMMA)))
}

/// Number `index` of the sequence of `seed`, uniform in [0, 1) in steps of 2^-53.
pub fn uniform_at(seed: u64, index: u64) -> f64 {
    unit(at(seed, index))
}

/// Number `index` of the sequence of `seed`, normal with mean 0 and variance 1.
pub fn normal_at(seed: u64, index: u64) -> f64 {
    normal(at(seed, index))
}

/// A generator with a place in its sequence.
#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    next: u64,
}

impl Random {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    /// A generator of its own for part `id` (a slice, a lesion), whatever this one has drawn before.
    pub fn stream(&self, id: u64) -> Self {
        // Seeds apart by multiples of γ would share a sequence; two mixes make that a matter of chance.
        Self::new(mix(at(self.seed ^ 0x5851_f42d_4c95_7f2d, id)))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        at(self.seed, self.next.wrapping_sub(1))
    }

    /// The next number, uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        unit(self.bits())
    }

    /// The next number, normal with mean 0 and variance 1.
    pub fn normal(&mut self) -> f64 {
        normal(self.bits())
    }

    /// The next whole number in `0..n`, equally likely; 0 if n is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // Multiply and shift; the bias is n / 2^64.
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn normal(bits: u64) -> f64 {
    // In the middle of steps of 2^-53, hence never 0 or 1.
    quantile(((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64)
}

/// Quantile of the normal distribution: algorithm AS 241, PPND16 (Wichura, Applied Statistics 37:477, 1988),
/// relative error about 1e-16. One draw makes one number, and seven out of eight need no logarithm.
fn quantile(p: f64) -> f64 {
    fn ratio(x: f64, a: &[f64; 8], b: &[f64; 7]) -> f64 {
        let top = a.iter().rev().fold(0.0, |sum, c| sum * x + c);
        top / (b.iter().rev().fold(0.0, |sum, c| sum * x + c) * x + 1.0)
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(0.180625 - q * q, &A, &B);
    }
    let r = (-(if q < 0.0 { p } else { 1.0 - p }).ln()).sqrt();
    let tail = if r <= 5.0 { ratio(r - 1.6, &C, &D) } else { ratio(r - 5.0, &E, &F) };
    if q < 0.0 { -tail } else { tail }
}

const A: [f64; 8] = [
    3.387_132_872_796_366_5,
    133.141_667_891_784_38,
    1_971.590_950_306_551_3,
    13_731.693_765_509_46,
    45_921.953_931_549_87,
    67_265.770_927_008_7,
    33_430.575_583_588_13,
    2_509.080_928_730_122_7,
];
const B: [f64; 7] = [
    42.313_330_701_600_91,
    687.187_007_492_057_9,
    5_394.196_021_424_751,
    21_213.794_301_586_597,
    39_307.895_800_092_71,
    28_729.085_735_721_943,
    5_226.495_278_852_545,
];
const C: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    0.241_780_725_177_450_6,
    0.022_723_844_989_269_184,
    7.745_450_142_783_414e-4,
];
const D: [f64; 7] = [
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    0.689_767_334_985_1,
    0.148_103_976_427_480_08,
    0.015_198_666_563_616_457,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const E: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    0.296_560_571_828_504_87,
    0.026_532_189_526_576_124,
    0.001_242_660_947_388_078_4,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const F: [f64; 7] = [
    0.599_832_206_555_888,
    0.136_929_880_922_735_8,
    0.014_875_361_290_850_615,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        // The reference values of Rosetta Code's task "Pseudo-random numbers/Splitmix64".
        let want = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        let mut random = Random::new(1_234_567);
        for (n, w) in want.into_iter().enumerate() {
            assert_eq!((random.bits(), at(1_234_567, n as u64)), (w, w));
        }
    }

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        // scipy 1.17.1, special.ndtri.
        for (p, want) in [
            (1e-300, -37.0470962993612),
            (1e-12, -7.034483825301131),
            (1e-6, -4.753424308822899),
            (0.001, -3.090232306167813),
            (0.075, -1.4395314709384563),
            (0.3, -0.5244005127080409),
            (0.5, 0.0),
            (0.9, 1.2815515655446004),
            (0.999999, 4.753424308817087),
        ] {
            let got = quantile(p);
            assert!((got - want).abs() <= 4e-15 * f64::abs(want), "{p}: {got} for {want}");
        }
    }

    #[test]
    fn moments_and_spread_are_as_they_should_be() {
        let n = 200_000;
        let mut random = Random::new(7);
        let normal: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let moment = |p: i32| normal.iter().map(|x| x.powi(p)).sum::<f64>() / f64::from(n);
        // Five standard errors of each.
        let error = |variance: f64| 5.0 * (variance / f64::from(n)).sqrt();
        assert!(moment(1).abs() < error(1.0));
        assert!((moment(2) - 1.0).abs() < error(2.0));
        assert!(moment(3).abs() < error(15.0));
        assert!((moment(4) - 3.0).abs() < error(96.0));

        let mut boxes = [0u32; 64];
        for _ in 0..n {
            boxes[(random.uniform() * 64.0) as usize] += 1;
        }
        let expected = f64::from(n) / 64.0;
        let chi: f64 = boxes.iter().map(|&b| (f64::from(b) - expected).powi(2) / expected).sum();
        assert!((20.0..130.0).contains(&chi), "chi square {chi} with 63 degrees of freedom");
    }

    #[test]
    fn streams_and_seeds_do_not_follow_each_other() {
        let n = 50_000;
        let pairs: [(Random, Random); 4] = [
            (Random::new(0), Random::new(1)),
            (Random::new(5), Random::new(5).stream(0)),
            (Random::new(5).stream(0), Random::new(5).stream(1)),
            (Random::new(5).stream(3), Random::new(6).stream(3)),
        ];
        for (mut a, mut b) in pairs {
            let r: f64 = (0..n).map(|_| a.normal() * b.normal()).sum::<f64>() / f64::from(n);
            assert!(r.abs() < 5.0 / f64::from(n).sqrt(), "correlation {r}");
        }
        let mut drawn = Random::new(5);
        drawn.bits();
        assert_eq!(drawn.stream(9).bits(), Random::new(5).stream(9).bits());
        assert!((0..1000).all(|_| drawn.below(7) < 7));
    }
}
