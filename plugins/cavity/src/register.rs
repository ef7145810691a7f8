//! The stage: the map between two head CTs.

pub mod align;
pub mod bending;
pub mod climb;
pub mod free_form;
pub mod head;
pub mod lattice;
pub mod lbfgs;
pub mod linear;
pub mod mutual_information;
pub mod ncc;
pub mod prepare;
pub mod pyramid;
pub mod sampler;
pub mod samples;
pub mod start;
mod table;
pub mod window;

use crate::input::{clip, counts};
use crate::{transform_file, warp};
use align::{Options, align};
use ichor_image::Interpolation;
use ichor_sdk::prelude::*;
use prepare::Prepared;

/// Finds the map from a head CT to another.
///
/// Both are windowed to -100 to 900 HU and averaged to voxels of `spacing_mm`, and to voxels two and four times as
/// wide. The head is found in each; some 350 poses (turns about the patient's axes, principal axes, each with the
/// middles or the tops of the heads together) are compared on the widest voxels, and the best are followed. Then the
/// model is fitted from coarse to fine: Levenberg-Marquardt on the normalised cross-correlation, or on mutual
/// information with the same steps. `bspline` goes on from the affine map with a cubic B-spline on a grid of control
/// points, first twice as wide, by L-BFGS with bending energy (Rueckert et al., IEEE TMI 18:712, 1999).
///
/// The transform takes places of `fixed` to those of `moving` and is an ITK transform in text, as SimpleITK, ANTs,
/// 3D Slicer and `apply-transform` read it: world coordinates in it are LPS. Results are the same to the last bit on
/// any number of threads.
#[derive(Stage)]
#[stage(id = "register", version = "1.0.0")]
#[input(fixed, kind = "volume", unit = "HU", doc = "head CT that stays")]
#[input(moving, kind = "volume", unit = "HU", doc = "head CT that is brought to it")]
#[input(
    fixed_mask,
    kind = "mask",
    grid = "fixed",
    optional,
    doc = "what of `fixed` is compared; by default the head and 8 mm round it"
)]
#[input(
    moving_mask,
    kind = "mask",
    grid = "moving",
    optional,
    doc = "what of `moving` counts; by default all"
)]
#[output(transform, kind = "doc", doc = "ITK transform as text, from places of `fixed` to those of `moving`")]
#[output(
    image,
    kind = "volume",
    like = "moving",
    grid = "fixed",
    doc = "`moving` on the grid of `fixed`, linear"
)]
#[output(
    report,
    kind = "table",
    doc = "likeness and evaluations of each step, start, overlap, least determinant"
)]
pub struct Register {
    /// What the map may do: `rigid` turns and shifts, `similarity` scales, too, `affine` also shears, `bspline` also
    /// deforms smoothly.
    #[param(default = "affine")]
    model: Model,
    /// How likeness is measured: `ncc`, the normalised cross-correlation, for two CTs; `mi`, mutual information, where
    /// the contrast differs.
    #[param(default = "ncc")]
    metric: Metric,
    /// Width of the finest voxels that are compared. Finer ones bring nothing.
    #[param(default = 2.0, min = 1.0, max = 8.0, unit = "mm")]
    spacing_mm: f64,
    /// Grids from coarse to fine, each with voxels half as wide as the one before.
    #[param(default = 3, min = 1, max = 5)]
    levels: usize,
    /// Voxels that are compared at each of the last two levels to fit the linear model, drawn by the run's seed.
    #[param(default = 50000, min = 1000, max = 1000000)]
    samples: usize,
    /// Distance of the control points of `bspline`.
    #[param(default = 20.0, min = 8.0, max = 200.0, unit = "mm")]
    grid_mm: f64,
    /// Weight of the mean bending energy (1/mm²) against 1 - NCC: the larger, the stiffer. It is raised if the map would
    /// fold.
    #[param(default = 50.0, min = 0.0, max = 1000000.0, unit = "mm2")]
    bending: f64,
}

/// What the map may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Param)]
enum Model {
    Rigid,
    Similarity,
    Affine,
    Bspline,
}

/// How likeness is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Param)]
pub enum Metric {
    /// Normalised cross-correlation.
    Ncc,
    /// Mutual information.
    Mi,
}

impl Register {
    fn options(&self, seed: u64) -> Options {
        Options {
            model: match self.model {
                Model::Rigid => linear::Model::Rigid,
                Model::Similarity => linear::Model::Similarity,
                Model::Affine | Model::Bspline => linear::Model::Affine,
            },
            free_form: self.model == Model::Bspline,
            metric: self.metric,
            samples: self.samples,
            seed,
            grid_mm: self.grid_mm,
            bending: self.bending,
        }
    }

    fn prepared(&self, run: &Context, scan: &Input, counts: &[u8], name: &str) -> Result<Prepared> {
        let (grid, levels) = (scan.grid(), (self.spacing_mm, self.levels));
        let watch = |what: &str| {
            run.progress(0.05, what);
            run.check_cancelled()
        };
        match scan.voxels() {
            Voxels::I16(v) => Prepared::new(run, v, counts, grid, levels, name, &watch),
            Voxels::F32(v) => Prepared::new(run, v, counts, grid, levels, name, &watch),
            Voxels::U16(v) => Prepared::new(run, v, counts, grid, levels, name, &watch),
            Voxels::U8(v) => Prepared::new(run, v, counts, grid, levels, name, &watch),
            Voxels::U32(v) => Prepared::new(run, v, counts, grid, levels, name, &watch),
        }
    }
}

impl Run for Register {
    fn run(&self, run: &Context) -> Result<()> {
        let (fixed, moving) = (run.input(Self::FIXED)?, run.input(Self::MOVING)?);
        let fixed_counts = counts(run.optional(Self::FIXED_MASK)?, fixed.grid(), "fixed_mask", "fixed")?;
        let moving_counts = counts(run.optional(Self::MOVING_MASK)?, moving.grid(), "moving_mask", "moving")?;
        let watch = |fraction: f64, what: &str| {
            run.progress(fraction, what);
            run.check_cancelled()
        };
        watch(0.0, "averaging")?;
        let from = self.prepared(run, &fixed, fixed_counts, "fixed")?;
        watch(0.1, "averaging")?;
        let to = self.prepared(run, &moving, moving_counts, "moving")?;
        let found = align(run, &from, &to, &self.options(run.seed()), &watch)?;
        if found.least_determinant <= 0.0 {
            run.warn(
                "the map folds: somewhere the determinant of its Jacobian is not above 0; raise `bending`",
            );
        }
        watch(0.97, "writing")?;
        let text = transform_file::write(&found.transform);
        run.emit_doc(Self::TRANSFORM, transform_file::MEDIA_TYPE, transform_file::EXTENSION, &text)?;
        run.emit_table(Self::REPORT, &table::report(&found, self.metric))?;
        self.image(run, &fixed, &moving, &found.transform)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let (fixed, moving) = (run.input(Self::FIXED)?, run.input(Self::MOVING)?);
        self.image(run, &fixed, &moving, &crate::transform::Transform::default())?;
        let levels = |scan: &Input| {
            let ml = scan.grid().len() as f64 * scan.grid().voxel_volume_mm3();
            (ml / self.spacing_mm.powi(3)) as u64
        };
        // The pyramids and masks, 10 bytes a voxel, samples of the free form, and slices that are averaged.
        let rows = 8 * (fixed.grid().shape[0] * fixed.grid().shape[1]) as u64 * run.max_threads() as u64;
        let scratch_bytes = 16 * (levels(&fixed) + levels(&moving)) + 28 * levels(&fixed) + rows + (8 << 20);
        Ok(Need { scratch_bytes, device_bytes: 0 })
    }
}

impl Register {
    /// Makes the output `image`; in a plan without voxels.
    fn image(
        &self,
        run: &Context,
        fixed: &Input,
        moving: &Input,
        transform: &crate::transform::Transform,
    ) -> Result<()> {
        macro_rules! warp {
            ($($variant:ident: $ty:ty),*) => {
                match moving.voxels() {$(
                    Voxels::$variant(data) => {
                        let out = run.new_like::<$ty>(Self::IMAGE, moving, fixed.grid())?;
                        if !out.is_empty() {
                            let air = clip(-1024.0);
                            let (from, to) = ((data, moving.grid()), (out, fixed.grid()));
                            warp::values(run, from, transform, Interpolation::Linear, air, to);
                        }
                    }
                )*}
            };
        }
        warp!(U8: u8, I16: i16, U16: u16, U32: u32, F32: f32);
        Ok(())
    }
}
