//! Statistics of HU.

use super::rows::Rows;

/// Below this mean, a coefficient of variation says nothing, HU.
const LEAST_MEAN_HU: f64 = 1.0;
/// Width of a bin for entropy and uniformity, HU.
const BIN_HU: f64 = 5.0;

/// Statistics of sorted values, with divisor N throughout.
pub struct Statistics {
    sorted: Vec<f32>,
    pub mean: f64,
    pub sd: f64,
    /// Fisher-Pearson g1; `None` without spread.
    pub skewness: Option<f64>,
    /// Excess kurtosis; `None` without spread.
    pub kurtosis: Option<f64>,
}

impl Statistics {
    /// `None` without values.
    pub fn of(mut values: Vec<f32>) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        values.sort_unstable_by(f32::total_cmp);
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let moment = |p: i32| values.iter().map(|&v| (f64::from(v) - mean).powi(p)).sum::<f64>() / n;
        let variance = moment(2);
        let spread = variance > 1e-12;
        let (skewness, kurtosis) = (
            spread.then(|| moment(3) / variance.powf(1.5)),
            spread.then(|| moment(4) / (variance * variance) - 3.0),
        );
        Some(Self { sorted: values, mean, sd: variance.sqrt(), skewness, kurtosis })
    }

    /// Percentile by linear interpolation between order statistics (type 7), `p` from 0 to 100.
    pub fn percentile(&self, p: f64) -> f64 {
        let at = (self.sorted.len() - 1) as f64 * p / 100.0;
        let (low, high) = (at.floor() as usize, at.ceil() as usize);
        let [a, b] = [low, high].map(|n| f64::from(self.sorted[n]));
        a + (b - a) * (at - low as f64)
    }

    /// SD over mean; `None` for a mean too near 0.
    pub fn variation(&self) -> Option<f64> {
        (self.mean.abs() >= LEAST_MEAN_HU).then(|| self.sd / self.mean)
    }

    fn mean_of(&self, f: impl Fn(f64) -> f64) -> f64 {
        self.sorted.iter().map(|&v| f(f64::from(v))).sum::<f64>() / self.sorted.len() as f64
    }

    /// Mean absolute deviation of the values from the 10th to the 90th percentile.
    fn robust_deviation(&self) -> Option<f64> {
        let range = self.percentile(10.0)..=self.percentile(90.0);
        let kept: Vec<f64> =
            self.sorted.iter().map(|&v| f64::from(v)).filter(|v| range.contains(v)).collect();
        let mean = kept.iter().sum::<f64>() / kept.len().max(1) as f64;
        (!kept.is_empty()).then(|| kept.iter().map(|v| (v - mean).abs()).sum::<f64>() / kept.len() as f64)
    }

    /// Entropy in bits and uniformity of bins of 5 HU from 0 HU.
    fn entropy_uniformity(&self) -> (f64, f64) {
        let bin = |v: &f32| (f64::from(*v) / BIN_HU).floor() as i64;
        let n = self.sorted.len() as f64;
        let parts = self.sorted.chunk_by(|a, b| bin(a) == bin(b)).map(|c| c.len() as f64 / n);
        parts.fold((0.0, 0.0), |(e, u), p| (e - p * p.log2(), u + p * p))
    }
}

/// Adds the statistics of all voxels and of those away from the edge.
pub fn rows(rows: &mut Rows, hu: Vec<f32>, core: Vec<f32>, voxel_mm3: f64) {
    let mass: f64 = hu.iter().map(|&v| f64::from(v.max(0.0))).sum::<f64>() * voxel_mm3 / 1000.0;
    let (all, core) = (Statistics::of(hu), Statistics::of(core));
    let empty = "no voxels";
    let at = |p: f64| all.as_ref().map(|s| s.percentile(p));
    let edge = "; voxels shared with brain at the edge count in, more of them in thick slices";
    let noisy = "; rises with noise";
    let mut add = |name: &str, value: Option<f64>, unit: &str, definition: &str| {
        rows.add(name, value, unit, definition, empty);
    };
    let of = |f: &dyn Fn(&Statistics) -> Option<f64>| all.as_ref().and_then(f);
    add("hu_mean", of(&|s| Some(s.mean)), "HU", "mean (IBSI Q4LE)");
    let sd = format!("standard deviation, divisor N{noisy}{edge}");
    add("hu_sd", of(&|s| Some(s.sd)), "HU", &sd);
    let variation = format!(
        "coefficient of variation: SD over mean (IBSI 7TET; Barras, AJNR 2013); undefined for a mean within 1 HU of \
         0{noisy}{edge}"
    );
    add("hu_cov", of(&Statistics::variation), "1", &variation);
    let third = format!("skewness g1, divisor N (IBSI KE2A){edge}");
    add("hu_skewness", of(&|s| s.skewness), "1", &third);
    let fourth = format!("excess kurtosis, divisor N (IBSI IPH6){edge}");
    add("hu_kurtosis", of(&|s| s.kurtosis), "1", &fourth);
    for (name, p, code) in [
        ("hu_min", 0.0, "1GSF"),
        ("hu_p10", 10.0, "QG58"),
        ("hu_p25", 25.0, "quartile"),
        ("hu_median", 50.0, "Y12H"),
        ("hu_p75", 75.0, "quartile"),
        ("hu_p90", 90.0, "8DWT"),
        ("hu_max", 100.0, "84IY"),
    ] {
        let what = if p == 0.0 || p == 100.0 {
            format!("extreme value (IBSI {code}); rests on one voxel: not for thresholds")
        } else {
            let code = if code == "quartile" { String::new() } else { format!(" (IBSI {code})") };
            format!("{p} % of voxels are below{code}, linear between order statistics (type 7)")
        };
        add(name, at(p), "HU", &what);
    }
    add("hu_iqr", of(&|s| Some(s.percentile(75.0) - s.percentile(25.0))), "HU", "p75 less p25 (IBSI SALO)");
    let range = "maximum less minimum (IBSI 2OJQ); rests on two voxels: not for thresholds";
    add("hu_range", of(&|s| Some(s.percentile(100.0) - s.percentile(0.0))), "HU", range);
    add(
        "hu_mad",
        of(&|s| Some(s.mean_of(|v| (v - s.mean).abs()))),
        "HU",
        "mean absolute deviation (IBSI 4FUA)",
    );
    let robust = "mean absolute deviation of the voxels from p10 to p90 (IBSI 1128)";
    add("hu_robust_mad", of(&Statistics::robust_deviation), "HU", robust);
    add("hu_rms", of(&|s| Some(s.mean_of(|v| v * v).sqrt())), "HU", "root mean square (IBSI 5ZWQ)");
    let quartiles = |s: &Statistics| {
        let (a, b) = (s.percentile(25.0), s.percentile(75.0));
        ((a + b).abs() >= LEAST_MEAN_HU).then(|| (b - a) / (b + a))
    };
    add(
        "hu_qcod",
        of(&quartiles),
        "1",
        "quartile coefficient of dispersion: (p75 - p25) / (p75 + p25) (IBSI 9S40)",
    );
    let entropy = format!("entropy of HU in bins of 5 HU from 0 HU{noisy}");
    add("hu_entropy", of(&|s| Some(s.entropy_uniformity().0)), "bit", &entropy);
    let uniformity = "sum of squared shares of the bins of hu_entropy; falls with noise";
    add("hu_uniformity", of(&|s| Some(s.entropy_uniformity().1)), "1", uniformity);
    let mass_of = all.as_ref().map(|_| mass);
    add("hounsfield_mass", mass_of, "HU*mL", "sum over voxels of HU above 0 times the voxel's volume");

    let where_ = "of voxels at least 2 mm from the edge and between two slices of the lesion";
    let few = "no such voxel, or the lesion is smaller than 0.5 mL";
    let of = |f: &dyn Fn(&Statistics) -> Option<f64>| core.as_ref().and_then(f);
    let mut add = |name: &str, value: Option<f64>, unit: &str, what: &str| {
        rows.add(name, value, unit, &format!("{what} {where_}"), few);
    };
    add("hu_mean_core", of(&|s| Some(s.mean)), "HU", "mean");
    add("hu_sd_core", of(&|s| Some(s.sd)), "HU", "standard deviation (rises with noise)");
    add("hu_cov_core", of(&Statistics::variation), "1", "coefficient of variation (rises with noise)");
    add("hu_skewness_core", of(&|s| s.skewness), "1", "skewness");
    add("hu_kurtosis_core", of(&|s| s.kurtosis), "1", "excess kurtosis");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_the_ibsi_digital_phantom() {
        // IBSI reference manual, digital phantom, intensity statistics; 74 voxels, as their values' counts.
        let counts = [(1.0, 50), (3.0, 1), (4.0, 16), (6.0, 7)];
        let values: Vec<f32> = counts.iter().flat_map(|&(v, n)| vec![v; n]).collect();
        let s = Statistics::of(values).unwrap();
        let variance = s.sd * s.sd;
        let robust = s.robust_deviation().unwrap();
        for (found, expected) in [
            (s.mean, 2.15),
            (variance, 3.05),
            (s.skewness.unwrap(), 1.08),
            (s.kurtosis.unwrap(), -0.355),
            (s.percentile(50.0), 1.0),
            (s.percentile(10.0), 1.0),
            (s.percentile(90.0), 4.0),
            (s.percentile(75.0) - s.percentile(25.0), 3.0),
            (s.mean_of(|v| (v - s.mean).abs()), 1.55),
            (robust, 1.11),
            (s.variation().unwrap(), 0.812),
            (s.mean_of(|v| v * v).sqrt(), 2.77),
        ] {
            assert!((found - expected).abs() <= 0.005 * expected.abs().max(1.0), "{found} for {expected}");
        }
    }

    #[test]
    fn four_equal_bins_have_two_bits() {
        let s = Statistics::of(vec![1.0, 6.0, 11.0, 16.0]).unwrap();
        assert_eq!(s.entropy_uniformity(), (2.0, 0.25));
        let flat = Statistics::of(vec![7.0; 5]).unwrap();
        assert_eq!((flat.skewness, flat.kurtosis, flat.entropy_uniformity()), (None, None, (0.0, 1.0)));
    }
}
