//! Reads a NIfTI file.

use crate::affine::Transform;
use crate::convert::{self, Failure, Target};
use crate::decode::{Stored, always_i16};
use crate::extension;
use crate::files::{Choice, Opened, open};
use crate::gzip::read::touch;
use ichor_image::Serial;
use ichor_sdk::json::json;
use ichor_sdk::prelude::*;
use std::sync::Mutex;

/// What the voxels mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
enum Meaning {
    Volume,
    Mask,
    Labels,
    Probs,
}

/// Reads a NIfTI file.
///
/// NIfTI-1 and NIfTI-2, `.nii` or a pair `.hdr` and `.img`, gzip or not, either byte order, every integer and float type but 128-bit floats. Voxels are
/// neither reordered nor flipped: orientation is in the affine.
///
/// The affine is the sform when its code is above 0, else the qform when its code is above 0; else voxel sizes
/// with a guess at left and right, which is warned about. So is an sform and a qform that differ by more than
/// 0.25 mm. Micrometres and metres become mm; without a unit, mm are assumed.
///
/// Slope and intercept are applied (a slope of 0, NaN or infinity means none). Voxel types: a `volume` is i16
/// when the stored type, the slope and the intercept are whole numbers and every value fits, else u16 if every
/// value fits, else f32; stored floats are always f32. A `mask` holds 0 and 1 (u8). `labels` hold whole numbers
/// from 0 on, whatever type they are stored in (u8, u16 or u32, the smallest that fits). `probs` lie between 0
/// and 1 (f32), one class a volume. What a kind does not allow is refused.
///
/// How the header says where voxels are travels with the image's grid, and save-nifti writes it again bit by bit.
///
/// A file must hold what its header promises: damaged, cut off and overlong gzip data are refused. Free text of
/// the header (description, names) is dropped, because it may name the patient.
#[derive(Stage)]
#[stage(id = "load-nifti", version = "1.1.0")]
#[output(
    image,
    kind = "volume|mask|labels|probs",
    kind_param = "kind",
    unit_param = "unit",
    doc = "the image, on the file's grid"
)]
pub struct LoadNifti {
    /// Path of the file.
    #[param(input_file)]
    source: String,
    /// Path of the image file when `source` is the header of a pair. Without it, the file beside the header is
    /// taken, with a warning: it is not hashed, so that a change of it goes unnoticed.
    #[param(input_file)]
    image: Option<String>,
    /// What the voxels mean.
    #[param(default = "volume")]
    kind: Meaning,
    /// What the values of a volume are: HU for CT. Other kinds have units of their own.
    #[param(default = "none")]
    unit: Unit,
    /// Which volume to take of a file that holds several, counted from 0; without it, there must be one, or all
    /// are the classes of `kind: probs`.
    volume: Option<usize>,
    /// Which of the header's transforms to use.
    #[param(default = "auto")]
    transform: Transform,
    /// For a mask: takes whatever is not 0 as 1.
    #[param(default = false)]
    binarise: bool,
    /// For a volume: replaces voxels that are NaN or infinite, with a warning; without it they are refused.
    #[param(min = -1e9, max = 1e9)]
    fill: Option<f64>,
    /// Keeps the header's extensions, up to 64 KiB, in the image's metadata, where save-nifti finds them. They
    /// may name the patient (DICOM attributes, comments).
    #[param(default = false)]
    keep_extensions: bool,
}

impl Run for LoadNifti {
    fn run(&self, run: &Context) -> Result<()> {
        let mut image = self.open()?;
        let watch = |part: f64| {
            run.progress(0.8 * part, "reading");
            run.check_cancelled()
        };
        watch(0.0)?;
        let mut output = self.output(run, &image)?;
        // What is known to be i16 gets its memory while another thread decompresses.
        let early = match self.kind {
            Meaning::Volume if always_i16(&image.header) => Some(Mutex::new(output.volume::<i16>()?)),
            _ => None,
        };
        let prepare = |bytes: u64| {
            if let Some(Ok(mut out)) = early.as_ref().map(Mutex::lock) {
                let n = out.len().min(bytes as usize / 2);
                touch(&Serial, &mut out[..n]);
            }
        };
        let data = image.read(run, &watch, &prepare)?;
        run.check_cancelled()?;
        run.progress(0.8, "converting");
        image.notes.iter().for_each(|note| run.warn(note));
        let stored = Stored::new(&image.header, &data, image.volumes.start, image.volumes.len());
        let notes = match early.map(Mutex::into_inner) {
            Some(Ok(out)) => convert::volume_i16(run, &stored, out),
            _ => self.convert(run, &stored, &mut output),
        };
        let notes = notes.map_err(|failure| match failure {
            Failure::File(fault) => fault.of(&self.source),
            Failure::Host(error) => error,
        })?;
        notes.iter().for_each(|note| run.warn(&format!("`{}`: {note}", self.source)));
        let about = json!({ "xform": image.placement.code, "header": image.native.to_json() });
        let mut meta = json!({ "grid": { "nifti": about } });
        if !image.extensions.is_empty() {
            meta["nifti"] = json!({ "extensions": extension::to_json(&image.extensions) });
        }
        run.set_meta(Self::IMAGE, &meta)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let image = self.open()?;
        let mut output = self.output(run, &image)?;
        // Of a type that depends on the values, the largest is declared.
        let bytes = match self.kind {
            Meaning::Volume if always_i16(&image.header) => {
                output.volume::<i16>()?;
                2
            }
            Meaning::Volume => {
                output.volume::<f32>()?;
                4
            }
            Meaning::Mask => {
                output.mask()?;
                1
            }
            Meaning::Labels => {
                output.labels::<u32>()?;
                4
            }
            Meaning::Probs => {
                output.probs()?;
                4 * image.volumes.len() as u64
            }
        };
        let made = bytes * image.header.voxels() as u64;
        Ok(Need { scratch_bytes: image.scratch_bytes(made), device_bytes: 0 })
    }
}

impl LoadNifti {
    fn check(&self) -> Result<()> {
        let own = match self.kind {
            Meaning::Volume => self.unit,
            Meaning::Mask | Meaning::Labels => Unit::Label,
            Meaning::Probs => Unit::Probability,
        };
        if self.unit != own && self.unit != Unit::None {
            return Err(Error::bad_params(
                "`unit` is for `kind: volume`; other kinds have units of their own",
            ));
        }
        if self.binarise && self.kind != Meaning::Mask {
            return Err(Error::bad_params("`binarise` is for `kind: mask`; leave it out"));
        }
        if self.fill.is_some() && self.kind != Meaning::Volume {
            return Err(Error::bad_params("`fill` is for `kind: volume`; leave it out"));
        }
        Ok(())
    }

    fn open(&self) -> Result<Opened> {
        self.check()?;
        let choice = Choice {
            image: self.image.as_deref(),
            transform: self.transform,
            volume: self.volume,
            all: self.kind == Meaning::Probs,
            extensions: self.keep_extensions,
        };
        open(&self.source, choice)
    }

    fn output<'a>(&self, run: &'a Context<'a>, image: &Opened) -> Result<Output<'a>> {
        let grid = Grid::new(image.header.shape, image.placement.affine)?;
        Ok(Output { run, grid, unit: self.unit, classes: image.volumes.len() })
    }

    fn convert(
        &self,
        par: &dyn Parallel,
        stored: &Stored,
        target: &mut impl Target,
    ) -> Result<Vec<String>, Failure> {
        match self.kind {
            Meaning::Volume => convert::volume(par, stored, self.fill, target),
            Meaning::Mask => convert::mask(par, stored, self.binarise, target),
            Meaning::Labels => convert::labels(par, stored, target),
            Meaning::Probs => convert::probs(par, stored, target),
        }
    }
}

/// The host's memory, made when the type is known.
struct Output<'a> {
    run: &'a Context<'a>,
    grid: Grid,
    unit: Unit,
    classes: usize,
}

impl Target for Output<'_> {
    fn volume<T: Voxel>(&mut self) -> Result<&mut [T]> {
        self.run.new_volume(LoadNifti::IMAGE, self.unit, &self.grid)
    }

    fn labels<T: Voxel>(&mut self) -> Result<&mut [T]> {
        self.run.new_labels(LoadNifti::IMAGE, &self.grid)
    }

    fn mask(&mut self) -> Result<&mut [u8]> {
        self.run.new_mask(LoadNifti::IMAGE, &self.grid)
    }

    fn probs(&mut self) -> Result<&mut [f32]> {
        self.run.new_probs(LoadNifti::IMAGE, self.classes, &self.grid)
    }
}
