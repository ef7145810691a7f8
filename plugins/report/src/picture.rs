//! Shows a volume and masks as a picture.

use crate::mosaic::Plan;
use crate::palette::OVERLAYS;
use crate::plane::{Plane, View};
use crate::png_file;
use crate::scene::{Overlay, Scene};
use crate::window::Window;
use ichor_sdk::prelude::*;

/// Pixels of the largest picture: 16 tiles of 2048 x 2048.
const LARGEST: usize = 1 << 26;

/// Draws slices of a volume side by side, with the outlines of masks, as a PNG for people to look at.
///
/// Pictures follow the radiological convention, decided from the affine: the patient's right is on the left;
/// anterior is up in axial slices, superior in coronal and sagittal ones; in sagittal ones anterior is left.
/// On an oblique grid, each anatomical axis is taken to be the nearest voxel axis. Pixels are square in mm.
/// Tiles go from inferior to superior, anterior to posterior, or right to left. Each shows the voxel axis
/// and number of its slice (`k 17`, from 0), the position of its middle along the anatomical axis, the sides,
/// and a scale. Slices are single: nothing is averaged across them.
///
/// Slices are spread evenly over what the masks (or the one in `focus`) cover, or over the head when they
/// cover nothing; of each part, the slice that shows most of them is taken. Outlines run halfway between voxel
/// centres inside and outside; every label of a label map has its own, in the colour of its input, or in one of its own
/// with `label_names`. Colours can be told apart by people with colour blindness (Okabe and Ito).
#[derive(Stage)]
#[stage(id = "picture", version = "1.0.0")]
#[input(ct, kind = "volume", doc = "the volume that is shown")]
#[input(masks, kind = "mask|labels", grid = "ct", many, optional, doc = "what is outlined, at most 7")]
#[output(png, kind = "blob", doc = "image/png: 8 bits a channel, RGB")]
pub struct Picture {
    /// Width of the window: so many values, around the level, are spread from black to white.
    #[param(default = 80.0, min = 1e-6)]
    window: f64,
    /// The value in the middle of the window.
    #[param(default = 40.0)]
    level: f64,
    /// Number of tiles; fewer when there are fewer slices.
    #[param(default = 12, min = 1, max = 400)]
    slices: usize,
    /// Tiles in a row; without it, what gives the picture a pleasing shape.
    #[param(min = 1, max = 400)]
    columns: Option<usize>,
    /// How slices are cut.
    #[param(default = "axial")]
    plane: Plane,
    /// A name for each mask, drawn below the tiles; without it, `mask 1`, `mask 2` and so on.
    #[param(default = [])]
    names: Vec<String>,
    /// Names of the labels 1, 2 and so on of label maps: each is drawn like a mask of its own, and other labels are not.
    #[param(default = [])]
    label_names: Vec<String>,
    /// The name of the mask that slices and `tile_mm` follow; without it, all masks together.
    focus: Option<String>,
    /// Side of the square that each tile shows, around the middle of the masks; without it, the head.
    #[param(min = 1.0, max = 2000.0, unit = "mm")]
    tile_mm: Option<f64>,
    /// Longer side of a tile in pixels.
    #[param(default = 320, min = 64, max = 2048)]
    tile_px: usize,
}

impl Run for Picture {
    fn run(&self, run: &Context) -> Result<()> {
        let ct = run.input(Self::CT)?;
        let masks = run.many(Self::MASKS)?;
        let scene = self.scene(&ct, &masks)?;
        let plan = Plan::new(run, &scene);
        if plan.pixels(&scene) > LARGEST {
            let n = plan.slices.len();
            return Err(Error::bad_params(format!(
                "{n} tiles of {} pixels make a picture that few programs open; lower `slices` or `tile_px`",
                self.tile_px
            )));
        }
        run.check_cancelled()?;
        run.progress(0.2, "drawing");
        let canvas = plan.draw(run, &scene);
        run.check_cancelled()?;
        run.progress(0.6, "compressing");
        run.emit_blob(Self::PNG, "image/png", "png", png_file::encode(&canvas)?)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let ct = run.input(Self::CT)?;
        let scene = self.scene(&ct, &run.many(Self::MASKS)?)?;
        let (grid, view) = (&scene.grid, View::new(&scene.grid, self.plane));
        let tiles = self.slices.min(grid.shape[view.n]);
        let pixels = self.tile_px * self.tile_px;
        // RGB of the tiles, of the whole and its PNG; and for each tile that is being drawn, a slice's greys and
        // labels, and its ink.
        let drawn = run.max_threads().min(tiles) * (8 * grid.shape[view.u] * grid.shape[view.v] + 8 * pixels);
        Ok(Need { scratch_bytes: (8 * tiles * pixels + drawn) as u64, device_bytes: 0 })
    }
}

impl Picture {
    fn scene<'a>(&self, ct: &Input<'a>, masks: &[Input<'a>]) -> Result<Scene<'a>> {
        let names = names(&self.names, masks.len())?;
        let mut overlays = Vec::with_capacity(masks.len());
        for (mask, name) in masks.iter().zip(names) {
            if !mask.grid().same_as(ct.grid()) {
                let (mask, ct) = (mask.grid(), ct.grid());
                return Err(Error::bad_input(format!(
                    "`{name}` does not lie on the grid of `ct` ({mask} against {ct}); resample one to the other first"
                )));
            }
            let mut add = |only: Option<u32>, name: String| {
                let colour = OVERLAYS.get(overlays.len()).copied().unwrap_or_default();
                overlays.push(Overlay { voxels: mask.voxels(), only, name, colour });
            };
            if self.label_names.is_empty() || mask.kind() != Kind::Labels {
                add(None, name);
            } else {
                (1..).zip(&self.label_names).for_each(|(label, name)| add(Some(label), name.clone()));
            }
        }
        let shown: Vec<String> = overlays.iter().map(|o| o.name.clone()).collect();
        few_enough(shown.len())?;
        let focus = self.focus.as_ref().map(|name| place(name, &shown)).transpose()?;
        Ok(Scene {
            voxels: ct.voxels(),
            grid: *ct.grid(),
            overlays,
            focus,
            window: Window { width: self.window, level: self.level },
            unit: unit(ct.unit()),
            plane: self.plane,
            slices: self.slices,
            columns: self.columns,
            tile_px: self.tile_px,
            tile_mm: self.tile_mm,
        })
    }
}

fn few_enough(overlays: usize) -> Result<()> {
    let most = OVERLAYS.len();
    if overlays > most {
        return Err(Error::bad_input(format!(
            "{overlays} masks and labels are to be shown, but only {most} can be told apart by colour; make more pictures"
        )));
    }
    Ok(())
}

/// A name for each mask.
fn names(given: &[String], masks: usize) -> Result<Vec<String>> {
    if given.is_empty() {
        return Ok((1..=masks).map(|n| format!("mask {n}")).collect());
    }
    if given.len() != masks {
        let n = given.len();
        return Err(Error::bad_params(format!("`names` has {n} names for {masks} masks; give one a mask")));
    }
    Ok(given.to_vec())
}

/// Which of the names it is.
fn place(name: &str, names: &[String]) -> Result<usize> {
    names.iter().position(|n| n == name).ok_or_else(|| {
        let known = if names.is_empty() {
            "no mask is connected".into()
        } else {
            format!("there are {}", names.join(", "))
        };
        Error::bad_params(format!("`focus` is no mask's name: `{name}`; {known}"))
    })
}

/// What follows a value.
fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Hu => " HU",
        Unit::Mm => " mm",
        Unit::None | Unit::Probability | Unit::Label => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_named() {
        assert_eq!(names(&[], 2).unwrap(), ["mask 1", "mask 2"]);
        assert_eq!(names(&["x".into()], 1).unwrap(), ["x"]);
        assert!(names(&["x".into()], 2).unwrap_err().message().contains("1 names for 2 masks"));
        assert!(few_enough(7).is_ok() && few_enough(8).unwrap_err().message().contains("only 7"));
        let known = ["cavity".into(), "haematoma".into()];
        assert_eq!(place("haematoma", &known).unwrap(), 1);
        assert!(place("x", &known).unwrap_err().message().contains("there are cavity, haematoma"));
        assert!(place("x", &[]).unwrap_err().message().contains("no mask is connected"));
    }
}
