//! What a model says about itself: its network, the images it was made for, and where it comes from.

use ichor_image::Grid;
use ichor_unet::Architecture;
use serde::{Deserialize, Serialize};
use serde_json::{self as json, Value};

/// The form of card that this code reads and writes.
pub const FORM: u32 = 1;

/// A model's card: JSON under the key `ichor` of a safetensors file's metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// [`FORM`].
    pub form: u32,
    /// Name, for people and for the run's log.
    pub name: String,
    /// Version of the weights.
    pub version: String,
    /// What it may be used for.
    pub intended_use: String,
    /// Licence of the weights.
    pub licence: String,
    /// The network.
    pub network: Network,
    /// The images it was made for.
    pub input: Images,
    /// Names of the classes, background first.
    pub classes: Vec<String>,
    /// What the training recorded: data, seeds, command, figures. Not read, only shown.
    #[serde(default)]
    pub training: Value,
}

/// The network's architecture, see [`Architecture`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Kind of network; there is one.
    pub kind: Kind,
    /// Channels of the image.
    pub inputs: usize,
    /// Classes.
    pub outputs: usize,
    /// Channels of the first convolution.
    pub width: usize,
    /// Times the image is pooled.
    pub depth: usize,
    /// Pooling along i, j and k.
    pub pool: [usize; 3],
    /// Slope of the leaky ReLU below zero.
    pub slope: f32,
    /// Added to variances by the batch normalisation.
    pub epsilon: f32,
}

/// Kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The 3D U-Net with valid convolutions of Patel et al. 2019.
    #[serde(rename = "unet3d-valid")]
    Unet3dValid,
}

/// The images a model was made for, with its axes in its own orientation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// What values mean.
    pub unit: Unit,
    /// Values that become 0 and 1; beyond them values are clipped.
    pub window: [f32; 2],
    /// Where the axes i, j and k point, e.g. `LPS`.
    pub orientation: String,
    /// Least and largest voxel size along i, j and k, mm.
    pub spacing_mm: [[f64; 2]; 3],
}

/// Unit of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Hounsfield units.
    #[serde(rename = "HU")]
    Hu,
}

impl Card {
    /// Reads and checks a card.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn read(text: &str) -> Result<Self, String> {
        let form = json::from_str::<Value>(text).map_err(|e| format!("its card is no JSON: {e}"))?;
        match form["form"].as_u64() {
            Some(n) if n == u64::from(FORM) => {}
            Some(n) => return Err(format!("its card is of form {n}; this version reads form {FORM}")),
            None => return Err("its card does not say which form it has (`form`)".into()),
        }
        let card: Self = json::from_str(text).map_err(|e| format!("its card is wrong: {e}"))?;
        card.check().map_err(|why| format!("its card is wrong: {why}"))?;
        Ok(card)
    }

    /// The card as text.
    pub fn text(&self) -> String {
        json::to_string(self).unwrap_or_default()
    }

    fn check(&self) -> Result<(), String> {
        let net = &self.network;
        self.architecture().check()?;
        if self.classes.len() != net.outputs {
            return Err(format!(
                "it names {} classes, and the network has {}",
                self.classes.len(),
                net.outputs
            ));
        }
        if !(net.epsilon > 0.0 && net.epsilon < 1.0) {
            return Err(format!("`network.epsilon` is {}, not between 0 and 1", net.epsilon));
        }
        let [low, high] = self.input.window;
        if !(low < high && low.is_finite() && high.is_finite()) {
            return Err(format!("the window from {low} to {high} is none"));
        }
        if self.input.spacing_mm.iter().any(|[lo, hi]| !(*lo > 0.0 && lo <= hi && hi.is_finite())) {
            return Err("`input.spacing_mm` has a range that is none".into());
        }
        let letters = self.letters().ok_or_else(|| self.no_orientation())?;
        let unit = Grid { shape: [1; 3], affine: ichor_image::Affine::from_spacing([1.0; 3], [0.0; 3]) };
        unit.reoriented(letters).map(|_| ()).ok_or_else(|| self.no_orientation())
    }

    fn no_orientation(&self) -> String {
        format!("`{}` is no orientation", self.input.orientation)
    }

    fn letters(&self) -> Option<[char; 3]> {
        let letters: Vec<char> = self.input.orientation.chars().collect();
        letters.try_into().ok()
    }

    /// The network to build.
    pub fn architecture(&self) -> Architecture {
        let Network { inputs, outputs, width, depth, pool, slope, .. } = self.network;
        Architecture { inputs, outputs, width, depth, pool, slope }
    }

    /// The image's grid with its axes as the model has them: the same voxels in another order.
    ///
    /// # Errors
    /// The voxels are larger or smaller than those the model was made for; what to do about it.
    pub fn fit(&self, grid: &Grid) -> Result<Grid, String> {
        let letters = self.letters().ok_or_else(|| self.no_orientation())?;
        let turned = grid.reoriented(letters).ok_or_else(|| self.no_orientation())?;
        let spacing = turned.spacing();
        // Spacings come out of affines in single precision.
        let fits = |a: usize| {
            let [lo, hi] = self.input.spacing_mm[a];
            (lo * 0.999..=hi * 1.001).contains(&spacing[a])
        };
        if (0..3).all(fits) {
            return Ok(turned);
        }
        let range = self
            .input
            .spacing_mm
            .map(|[lo, hi]| if lo == hi { format!("{lo}") } else { format!("{lo} to {hi}") });
        let middle = self.input.spacing_mm.map(|[lo, hi]| ((lo + hi) * 500.0).round() / 1000.0);
        let [x, y, z] = spacing.map(|s| (s * 1000.0).round() / 1000.0);
        Err(format!(
            "the model `{}` is for voxels of {} mm along {}, and the image has {x} x {y} x {z} mm; resample it \
             first, for example to {} x {} x {} mm, or take another model",
            self.name,
            range.join(" x "),
            self.input.orientation,
            middle[0],
            middle[1],
            middle[2]
        ))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use ichor_image::Affine;

    /// A card of a small network for thin slices.
    pub fn small(width: usize, pool: [usize; 3]) -> Card {
        Card {
            form: FORM,
            name: "test".into(),
            version: "0".into(),
            intended_use: "tests".into(),
            licence: "CC0-1.0".into(),
            network: Network {
                kind: Kind::Unet3dValid,
                inputs: 1,
                outputs: 2,
                width,
                depth: 3,
                pool,
                slope: 0.01,
                epsilon: 1e-5,
            },
            input: Images {
                unit: Unit::Hu,
                window: [-200.0, 200.0],
                orientation: "LPS".into(),
                spacing_mm: [[0.3, 0.6], [0.3, 0.6], [0.4, 1.0]],
            },
            classes: vec!["background".into(), "haematoma".into()],
            training: Value::Null,
        }
    }

    #[test]
    fn a_card_comes_back_as_it_went() {
        let card = small(4, [2, 2, 2]);
        assert_eq!(Card::read(&card.text()).unwrap(), card);
    }

    #[test]
    fn wrong_cards_are_refused_with_the_reason() {
        let text = small(4, [2; 3]).text();
        for (from, to, why) in [
            ("\"form\":1", "\"form\":2", "form 2"),
            ("\"width\":4", "\"width\":40000", "40000 channels wide"),
            ("[-200.0,200.0]", "[200.0,-200.0]", "the window from 200 to -200 is none"),
            ("LPS", "LPR", "`LPR` is no orientation"),
            ("\"depth\":3", "\"depht\":3", "unknown field `depht`"),
            ("unet3d-valid", "vnet", "unknown variant `vnet`"),
            ("[2,2,2]", "[3,2,2]", "pools by [3, 2, 2]"),
            ("[0.4,1.0]", "[1.4,1.0]", "range that is none"),
        ] {
            let error = Card::read(&text.replace(from, to)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_grid_fits_in_any_order_of_its_axes_and_not_with_other_voxels() {
        let card = small(4, [2; 3]);
        // i up, j to the right, k to the front.
        let affine = Affine([[0.0, 0.43, 0.0, 0.0], [0.0, 0.0, 0.44, 0.0], [0.5, 0.0, 0.0, 0.0]]);
        let turned = card.fit(&Grid::new([30, 20, 10], affine).unwrap()).unwrap();
        assert_eq!((turned.shape, turned.affine.orientation()), ([20, 10, 30], ['L', 'P', 'S']));
        let thick = Grid::new([9, 9, 9], Affine::from_spacing([0.43, 0.43, 5.0], [0.0; 3])).unwrap();
        assert_eq!(
            card.fit(&thick).unwrap_err(),
            "the model `test` is for voxels of 0.3 to 0.6 x 0.3 to 0.6 x 0.4 to 1 mm along LPS, and the image has \
             0.43 x 0.43 x 5 mm; resample it first, for example to 0.45 x 0.45 x 0.7 mm, or take another model"
        );
    }
}
