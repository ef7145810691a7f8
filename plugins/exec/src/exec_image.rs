//! A program that makes an image.

use crate::convert::{self, Meaning};
use crate::nifti_read;
use ichor_sdk::prelude::*;

/// Which grid the output may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
enum OnGrid {
    Same,
    Any,
}

exec_stage! {
    /// Runs a program that makes an image.
    ///
    /// The program runs in a folder of its own, which is removed afterwards, with the inputs as files in it
    /// (NIfTI-1, the affine as sform; TSV), no standard input and a small environment. It must write a
    /// NIfTI-1 file (`.nii`, gzip or not, with an sform) to `{output}` and end with exit code 0. What it
    /// prints goes to the log.
    ///
    /// In `args`, `environment` and `version_args`, `{images[0]}`, `{tables[0]}`, `{files[0]}`, `{script}`,
    /// `{output}` and `{work}` (the folder) are absolute paths, `{threads}` and `{seed}` numbers; `{images}`
    /// as an argument of its own is all images. `{{output}}` is `{output}` itself.
    ///
    /// The cache key holds the content of `program`, `script` and `files` and all other parameters. It cannot
    /// hold what a program loads besides: name that under `files`, or put all of it into a container image.
    #[stage(id = "exec-image", version = "1.0.0")]
    #[output(
        image,
        kind = "volume|mask|labels|probs",
        kind_param = "kind",
        unit_param = "unit",
        doc = "what the program wrote; types of voxels as load-nifti chooses them"
    )]
    pub struct ExecImage {
        /// What the voxels of the output mean.
        #[param(default = "volume")]
        kind: Meaning,
        /// What the values of a volume are: HU for CT. Other kinds have units of their own.
        #[param(default = "none")]
        unit: Unit,
        /// `same` refuses an output that is not on the grid of the first image (to 0.001 mm), if there is
        /// one.
        #[param(default = "same")]
        grid: OnGrid,
        /// Name of the file that the program writes, in its folder.
        #[param(default = "output.nii")]
        output: String,
    }
}

impl Run for ExecImage {
    fn run(&self, run: &Context) -> Result<()> {
        self.check()?;
        let (images, tables) = (run.many(Self::IMAGES)?, run.many(Self::TABLES)?);
        let done = self.task().run(run, &images, &tables)?;
        let picture = nifti_read::read(&done.output).map_err(|why| done.wrong(&why))?;
        let grid = self.on(&picture.grid, images.first()).map_err(|why| done.wrong(&why))?;
        run.check_cancelled()?;
        let dtype =
            convert::dtype(&picture, &picture.survey(run), self.kind).map_err(|why| done.wrong(&why))?;
        let form = (self.kind, self.unit, dtype);
        convert::emit(run, Self::IMAGE, form, &grid, Some(&picture))?;
        run.set_meta(Self::IMAGE, &done.meta)?;
        done.close(run);
        Ok(())
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        self.check()?;
        let (images, tables) = (run.many(Self::IMAGES)?, run.many(Self::TABLES)?);
        if let (OnGrid::Same, Some(first)) = (self.grid, images.first()) {
            // The largest type that it may be.
            let dtype = if self.kind == Meaning::Labels { DType::U32 } else { DType::F32 };
            convert::emit(run, Self::IMAGE, (self.kind, self.unit, dtype), first.grid(), None)?;
        }
        self.task().plan(run, &images, &tables)
    }
}

impl ExecImage {
    fn check(&self) -> Result<()> {
        if self.kind != Meaning::Volume && self.unit != Unit::None {
            return Err(Error::bad_params(
                "`unit` is for `kind: volume`; other kinds have units of their own",
            ));
        }
        Ok(())
    }

    /// The grid of the output: that of the first image itself where float32 in the file is all that differs.
    fn on(&self, grid: &Grid, first: Option<&Input>) -> Result<Grid, String> {
        match first.map(Input::grid) {
            Some(first) if grid.same_as(first) => Ok(*first),
            Some(first) if self.grid == OnGrid::Same => {
                let alike = if grid.to_string() == first.to_string() { " (at another place)" } else { "" };
                Err(format!(
                    "has the grid {grid}{alike}, and not that of the first image, {first}; resample it there, or set \
                     `grid: any`"
                ))
            }
            _ => Ok(*grid),
        }
    }
}
