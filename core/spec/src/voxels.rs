//! What a port says of its voxels beyond kind and unit: their type, and the form of their grid.

use serde::{Deserialize, Serialize};

/// Types of voxels by name.
pub const DTYPES: [&str; 10] = ["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"];
/// Spacings as close as this, relative to each other, are the same: headers store 32-bit floats.
const SPACING_TOLERANCE: f64 = 1e-4;
/// Largest cosine between axes that count as perpendicular: 0.1 degrees off. A gantry tilt that was written
/// into the affine is tens of degrees, rounding in a header thousandths.
const MAX_COSINE: f64 = 1.75e-3;

/// What an input needs of its voxels, or an output promises. Nothing said means anything goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VoxelRules {
    /// The types they may have: names of [`DTYPES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dtype: Vec<String>,
    /// Least and greatest spacing in mm along the voxel axes i, j and k.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing: Option<[[f64; 2]; 3]>,
    /// Directions in which i, j and k grow, such as `RAS`: the nearest anatomical ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orientation: Option<String>,
    /// The axes are perpendicular to each other: no shear, such as that of a tilted gantry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub regular: bool,
}

/// The rule that voxels break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Their type.
    Dtype,
    /// The distance between them.
    Spacing,
    /// Where i, j and k grow.
    Orientation,
    /// Perpendicular axes.
    Regular,
}

/// Voxels as they are.
#[derive(Clone, Copy, Debug)]
pub struct VoxelForm<'a> {
    /// Their type: one of [`DTYPES`].
    pub dtype: &'a str,
    /// The steps along i, j and k: the columns of the affine, in mm.
    pub steps: [[f64; 3]; 3],
    /// Directions in which i, j and k grow.
    pub orientation: [char; 3],
}

impl VoxelRules {
    /// Whether anything is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == VoxelRules::default()
    }

    /// Why these voxels break the rules, as the end of a sentence: "has the orientation LPS, RAS is needed".
    #[must_use]
    pub fn objection(&self, voxels: &VoxelForm<'_>) -> Option<String> {
        self.broken(voxels).map(|(_, why)| why)
    }

    /// The first rule that these voxels break, and [why](VoxelRules::objection).
    #[must_use]
    pub fn broken(&self, voxels: &VoxelForm<'_>) -> Option<(Rule, String)> {
        if !self.dtype.is_empty() && !self.dtype.iter().any(|d| d == voxels.dtype) {
            let why = format!("has voxels of type {}, {} is needed", voxels.dtype, self.dtype.join(" or "));
            return Some((Rule::Dtype, why));
        }
        let length = |v: [f64; 3]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let spacing = voxels.steps.map(length);
        if let Some(ranges) = &self.spacing {
            for ((&[low, high], has), axis) in ranges.iter().zip(spacing).zip(["i", "j", "k"]) {
                if !(low * (1.0 - SPACING_TOLERANCE)..=high * (1.0 + SPACING_TOLERANCE)).contains(&has) {
                    let why =
                        format!("has a spacing of {has:.3} mm along {axis}, {low} to {high} mm is needed");
                    return Some((Rule::Spacing, why));
                }
            }
        }
        let orientation: String = voxels.orientation.iter().collect();
        if let Some(wanted) = self.orientation.as_ref().filter(|wanted| **wanted != orientation) {
            let why = format!("has the orientation {orientation}, {wanted} is needed");
            return Some((Rule::Orientation, why));
        }
        let cosine = |a: usize, b: usize| {
            let dot: f64 = voxels.steps[a].iter().zip(voxels.steps[b]).map(|(x, y)| x * y).sum();
            (dot / (spacing[a] * spacing[b])).abs()
        };
        let worst = cosine(0, 1).max(cosine(0, 2)).max(cosine(1, 2));
        if self.regular && worst > MAX_COSINE {
            let degrees = worst.min(1.0).asin().to_degrees();
            let why = format!(
                "has axes {degrees:.1} degrees off perpendicular (a tilted gantry?), perpendicular ones are needed"
            );
            return Some((Rule::Regular, why));
        }
        None
    }

    /// What `output` promises that can never be what `self`, an input, needs: "u8" and "i16 or f32".
    pub(crate) fn contradicts(&self, output: &VoxelRules) -> Option<(String, String)> {
        let dtypes = (&output.dtype, &self.dtype);
        if !dtypes.0.is_empty() && !dtypes.1.is_empty() && !dtypes.0.iter().any(|d| dtypes.1.contains(d)) {
            return Some((dtypes.0.join(" or "), dtypes.1.join(" or ")));
        }
        if let (Some(has), Some(wanted)) = (&output.spacing, &self.spacing) {
            for ((has, wanted), axis) in has.iter().zip(wanted).zip(["i", "j", "k"]) {
                if has[0] > wanted[1] || has[1] < wanted[0] {
                    let words = |range: &[f64; 2]| {
                        format!("a spacing of {} to {} mm along {axis}", range[0], range[1])
                    };
                    return Some((words(has), words(wanted)));
                }
            }
        }
        match (&output.orientation, &self.orientation) {
            (Some(has), Some(wanted)) if has != wanted => {
                Some((format!("the orientation {has}"), format!("the orientation {wanted}")))
            }
            _ => None,
        }
    }

    /// In a few words each, for a list of ports.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if !self.dtype.is_empty() {
            words.push(self.dtype.join("|"));
        }
        if let Some(ranges) = &self.spacing {
            let ranges =
                ranges.map(|[low, high]| if low == high { low.to_string() } else { format!("{low}-{high}") });
            words.push(format!("spacing {} mm", ranges.join(" x ")));
        }
        words.extend(self.orientation.iter().map(|o| format!("orientation {o}")));
        if self.regular {
            words.push("perpendicular axes".to_owned());
        }
        words
    }

    /// Whether the rules can be kept at all.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(other) = self.dtype.iter().find(|d| !DTYPES.contains(&d.as_str())) {
            return Err(format!("`{other}` is no type of voxels; there are {}", DTYPES.join(", ")));
        }
        let sound = |&[low, high]: &[f64; 2]| low > 0.0 && low <= high && high.is_finite();
        if self.spacing.is_some_and(|ranges| !ranges.iter().all(sound)) {
            return Err("its spacing is not three ranges of mm, [least, greatest]".to_owned());
        }
        let axis = |c| ["RL", "AP", "SI"].iter().position(|pair| pair.contains(c));
        if let Some(letters) = &self.orientation {
            let mut axes: Vec<Option<usize>> = letters.chars().map(axis).collect();
            axes.sort_unstable();
            if axes != [Some(0), Some(1), Some(2)] {
                return Err(format!("`{letters}` is no orientation: one of R and L, A and P, S and I each"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(json: serde_json::Value) -> VoxelRules {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn rules_are_read_checked_and_described() {
        let all = rules(
            json!({"dtype": ["i16", "f32"], "spacing": [[0.3, 0.6], [0.3, 0.6], [5, 5]], "orientation": "LPS", "regular": true}),
        );
        assert_eq!(all.check(), Ok(()));
        assert_eq!(
            all.words().join(", "),
            "i16|f32, spacing 0.3-0.6 x 0.3-0.6 x 5 mm, orientation LPS, perpendicular axes"
        );
        assert!(rules(json!({})).is_empty() && !all.is_empty());
        for wrong in [
            json!({"dtype": ["int"]}),
            json!({"spacing": [[1, 0.5], [1, 1], [1, 1]]}),
            json!({"spacing": [[0, 1], [1, 1], [1, 1]]}),
            json!({"orientation": "RLS"}),
            json!({"orientation": "RA"}),
            json!({"orientation": "ras"}),
        ] {
            assert!(rules(wrong.clone()).check().is_err(), "{wrong}");
        }
    }

    #[test]
    fn voxels_are_held_against_the_rules() {
        // Slices of 5 mm, the gantry tilted by 20 degrees about R.
        let (sin, cos) = 20_f64.to_radians().sin_cos();
        let upright = [[-0.45, 0.0, 0.0], [0.0, -0.45, 0.0], [0.0, 0.0, 5.0]];
        let tilted = [upright[0], upright[1], [0.0, 5.0 * sin, 5.0 * cos]];
        let form = |steps| VoxelForm { dtype: "i16", steps, orientation: ['L', 'P', 'S'] };
        let verdict = |json, steps| rules(json).objection(&form(steps)).unwrap_or_default();
        assert_eq!(verdict(json!({}), tilted), "");
        assert_eq!(
            verdict(json!({"dtype": ["f32", "i16"], "orientation": "LPS", "regular": true}), upright),
            ""
        );
        assert_eq!(
            verdict(json!({"dtype": ["f32", "u8"]}), upright),
            "has voxels of type i16, f32 or u8 is needed"
        );
        assert_eq!(verdict(json!({"orientation": "RAS"}), upright), "has the orientation LPS, RAS is needed");
        assert_eq!(
            verdict(json!({"regular": true}), tilted),
            "has axes 20.0 degrees off perpendicular (a tilted gantry?), perpendicular ones are needed"
        );
        let ranges = json!({"spacing": [[0.45, 0.45], [0.2, 1], [1, 3]]});
        assert_eq!(verdict(ranges, upright), "has a spacing of 5.000 mm along k, 1 to 3 mm is needed");
        // As a header rounds it.
        let rounded = [[f64::from(-0.45_f32), 0.0, 0.0], upright[1], upright[2]];
        assert_eq!(verdict(json!({"spacing": [[0.45, 0.45], [0.45, 0.45], [5, 5]]}), rounded), "");
    }

    #[test]
    fn only_what_can_never_fit_is_a_contradiction() {
        let between = |output, input| rules(input).contradicts(&rules(output));
        assert_eq!(between(json!({}), json!({"dtype": ["u8"]})), None);
        assert_eq!(between(json!({"dtype": ["u8", "i16"]}), json!({"dtype": ["i16"]})), None);
        assert_eq!(
            between(json!({"dtype": ["u8"]}), json!({"dtype": ["i16", "f32"]})),
            Some(("u8".into(), "i16 or f32".into()))
        );
        let cube = |low: f64, high: f64| json!({"spacing": [[low, high], [low, high], [low, high]]});
        assert_eq!(between(cube(1.0, 2.0), cube(2.0, 3.0)), None);
        assert!(between(cube(1.0, 1.0), cube(2.0, 3.0)).is_some());
        assert!(between(json!({"orientation": "RAS"}), json!({"orientation": "LPS"})).is_some());
    }
}
