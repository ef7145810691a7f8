//! Writes a NIfTI file.

use crate::affine::Transform;
use crate::encode::{Encoder, type_of};
use crate::extension::{self, Extension};
use crate::fields::Fields;
use crate::header::Header;
use crate::native::{self, Native};
use crate::{affine, gzip};
use ichor_sdk::json::Value;
use ichor_sdk::prelude::*;
use nifti::{Intent, NiftiType, XForm};
use std::borrow::Cow;

/// Type of a voxel in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
enum Type {
    Auto,
    Uint8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Float32,
}

/// Writes a NIfTI file.
///
/// One file, `nii.gz` or, without compression, `nii`: NIfTI-1, or NIfTI-2 when a dimension exceeds 32767. Voxels
/// are written as they are, without slope; probabilities of several classes are volumes along the fourth
/// dimension. The header holds the spatial unit mm, the affine as sform, and as qform if that says the same to
/// 0.05 mm: a quaternion cannot express shear, so an image of a tilted gantry has an sform alone, which programs
/// built on ITK refuse. Both have the code that load-nifti found, or 2 ("aligned"). Extensions that load-nifti
/// was told to keep are written again.
///
/// What lies on the grid of a file that load-nifti read is written with that file's dimensions, voxel sizes, units,
/// codes, qform and sform, bit by bit (and as NIfTI-2 if the file was). The grid's metadata pass from stage to stage
/// as long as the grid is the same; a mask that was computed on another comes back by `resample` with the loaded
/// image as its `reference`. Connect that image as `reference` here, too, and anything else is refused.
///
/// What was made is read again and compared, header and voxels, before it is handed on.
///
/// The same image makes the same bytes, whatever the number of threads; the gzip data are one member that every
/// program reads, with a list of its parts that lets load-nifti decompress them in parallel.
#[derive(Stage)]
#[stage(id = "save-nifti", version = "1.2.0")]
#[input(image, kind = "volume|mask|labels|probs", doc = "the image to write")]
#[input(
    reference,
    kind = "volume|mask|labels|probs",
    grid = "image",
    optional,
    doc = "the image as load-nifti read it: the file gets the geometry of its header"
)]
#[output(file, kind = "blob", doc = "the file: application/gzip (nii.gz) or application/octet-stream (nii)")]
pub struct SaveNifti {
    /// 0 writes plain `nii`; 1 (fast) to 12 (small) compress. For voxels of 16 bits, as CT has, 2 to 9 are the same:
    /// a compressor of their own, which makes 5 % smaller files in twice the time of 1.
    #[param(default = 1, min = 0, max = 12)]
    compression: u32,
    /// Type of a voxel in the file; `auto` is the image's own. Other types round to the nearest whole number and
    /// refuse what does not fit.
    #[param(default = "auto")]
    dtype: Type,
    /// Text in the header, at most 79 bytes. It goes wherever the file goes: no names.
    #[param(default = "Ichor")]
    description: String,
}

impl Run for SaveNifti {
    fn run(&self, run: &Context) -> Result<()> {
        let image = run.input(Self::IMAGE)?;
        let reference = run.optional(Self::REFERENCE)?;
        let (head, ty, native) = self.head(&image, reference.as_ref(), &|note| run.info(note))?;
        let is_same = type_of(image.dtype()) == ty && cfg!(target_endian = "little");
        let raw = if is_same { image.bytes() } else { &[] };
        let encoder = Encoder { head, voxels: image.voxels(), raw, ty };
        let (media, extension) = self.media();
        let watch = |part: f64| {
            run.progress(0.8 * part, "writing");
            run.check_cancelled()
        };
        let mut file = run.blob(Self::FILE);
        self.bytes(run, &encoder, &watch, &mut file)?;
        run.check_cancelled()?;
        run.progress(0.8, "reading again");
        let grid = reference.as_ref().unwrap_or(&image).grid();
        check(run, &file, &encoder, grid, native.as_ref())?;
        run.emit_made(Self::FILE, media, extension, file)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let image = run.input(Self::IMAGE)?;
        let bytes = (image.grid().len() * image.channels() * self.ty(image.dtype()).size_of()) as u64;
        let (media, extension) = self.media();
        run.emit_blob(Self::FILE, media, extension, Vec::new())?;
        // What is compressed at once; the host keeps the file.
        let file = if self.compression > 0 { compressed(image.kind(), bytes) } else { bytes };
        Ok(Need { scratch_bytes: file.min(32 << 20), device_bytes: 0 })
    }
}

/// What so many bytes become, at most as a rule: noise of a CT fills about half of 16 bits, floats are mostly
/// noise, and masks are nearly nothing.
fn compressed(kind: Kind, bytes: u64) -> u64 {
    match kind {
        Kind::Mask => bytes / 16,
        Kind::Labels => bytes / 8,
        _ => bytes / 3 * 2,
    }
}

/// Bytes that a thread encodes or compares at once.
const CHUNK: usize = 1 << 20;
/// Chunks that are in memory at once.
const BATCH: usize = 16;

impl SaveNifti {
    fn media(&self) -> (&'static str, &'static str) {
        match self.compression {
            0 => ("application/octet-stream", "nii"),
            _ => ("application/gzip", "nii.gz"),
        }
    }

    fn effort(&self, ty: NiftiType) -> gzip::write::Effort {
        gzip::write::Effort { level: self.compression, is_16_bit: ty.size_of() == 2 }
    }

    fn bytes(
        &self,
        par: &dyn Parallel,
        encoder: &Encoder,
        watch: &dyn Fn(f64) -> Result<()>,
        out: &mut Blob,
    ) -> Result<()> {
        let piece = |range: std::ops::Range<usize>| {
            let mut out = vec![0; range.len()];
            encoder.write(range, &mut out).map(|()| out)
        };
        if self.compression > 0 {
            let bytes = |range: std::ops::Range<usize>| match encoder.borrowed(&range) {
                Some(bytes) => Ok(Cow::Borrowed(bytes)),
                None => piece(range).map(Cow::Owned),
            };
            return gzip::write::compress(par, self.effort(encoder.ty), encoder.len(), &bytes, watch, out);
        }
        let count = encoder.len().div_ceil(CHUNK);
        for begin in (0..count).step_by(BATCH) {
            watch(begin as f64 / count as f64)?;
            let pieces = map_ranges(par, (count - begin).min(BATCH), 1, &|range| {
                let at = (begin + range.start) * CHUNK;
                piece(at..(at + CHUNK).min(encoder.len()))
            });
            out.append(pieces.into_iter().collect::<Result<Vec<_>>>()?)?;
        }
        Ok(())
    }

    /// Header and extensions, the type of a voxel, and the header whose geometry it is.
    fn head(
        &self,
        image: &Input,
        reference: Option<&Input>,
        tell: &dyn Fn(&str),
    ) -> Result<(Vec<u8>, NiftiType, Option<Native>)> {
        let ty = self.ty(image.dtype());
        let grid = reference.unwrap_or(image).grid();
        let meta = image.meta();
        let about = reference.map_or_else(|| meta.clone(), Input::meta)["grid"]["nifti"].clone();
        let mut fields = self.fields(grid, image.channels(), code(&about), ty)?;
        if image.kind() == Kind::Labels {
            fields.intent_code = Intent::Label as i32;
        }
        let extensions = extension::from_json(&meta["nifti"]["extensions"]);
        if let Some(native) = Native::from_json(&about["header"]) {
            fields.two = native.is_two();
            let mut head = head(&mut fields, &extensions);
            native.write(&mut head, image.channels());
            // Metadata that came along from another grid are none of this one's.
            if native.grid(&head).is_some_and(|own| own == *grid) {
                return Ok((head, ty, Some(native)));
            }
            fields = self.fields(grid, image.channels(), code(&about), ty)?;
        }
        if fields.qform_code == 0 {
            tell(
                "the file has an sform and no qform: no quaternion says the same to 0.05 mm (the grid is sheared, as \
                 with a tilted gantry)",
            );
        }
        Ok((head(&mut fields, &extensions), ty, None))
    }

    fn ty(&self, own: DType) -> NiftiType {
        match self.dtype {
            Type::Auto => type_of(own),
            Type::Uint8 => NiftiType::Uint8,
            Type::Int16 => NiftiType::Int16,
            Type::Uint16 => NiftiType::Uint16,
            Type::Int32 => NiftiType::Int32,
            Type::Uint32 => NiftiType::Uint32,
            Type::Float32 => NiftiType::Float32,
        }
    }

    fn fields(&self, grid: &Grid, volumes: usize, code: i32, ty: NiftiType) -> Result<Fields> {
        let text = self.description.as_bytes();
        if text.len() > 79 || text.contains(&0) {
            let n = text.len();
            return Err(Error::bad_params(format!("`description` has {n} bytes, 79 fit; shorten it")));
        }
        let mut fields = Fields {
            datatype: ty as i16,
            bitpix: 8 * ty.size_of() as i16,
            xyzt_units: nifti::Unit::Mm as u8,
            ..Fields::default()
        };
        fields.descrip[..text.len()].copy_from_slice(text);
        let [x, y, z] = grid.shape.map(|n| n as i64);
        fields.dim = [if volumes > 1 { 4 } else { 3 }, x, y, z, volumes as i64, 1, 1, 1];
        fields.two = fields.dim.iter().any(|&n| n > i64::from(i16::MAX));
        affine::put(&mut fields, grid, code);
        Ok(fields)
    }
}

/// Reads what was made, and compares it with what was to be written; compressed voxels were compared when they were
/// made. `native` is the header whose geometry the file must have.
fn check(
    par: &dyn Parallel,
    file: &Blob,
    encoder: &Encoder,
    grid: &Grid,
    native: Option<&Native>,
) -> Result<()> {
    let wrong = |what: &str| {
        Err(Error::internal(format!(
            "{what} of the file that was made do not read back as they were to be written, so it is not kept; if this \
             happens again, the memory of this computer or Ichor is at fault"
        )))
    };
    let holds = |at: usize, bytes: &[u8]| {
        let mut wanted = vec![0; bytes.len()];
        encoder.write(at..at + bytes.len(), &mut wanted).map(|()| wanted == bytes)
    };
    let is_compressed = *file.read(0..file.len().min(2))? == gzip::MAGIC;
    if !is_compressed && file.len() != encoder.len() {
        return wrong("voxels");
    }
    let packed = if is_compressed { Some(gzip::read::first_chunk(file, encoder.len())?) } else { None };
    let (mut at, mut first) = (0, Vec::new());
    // Compressed voxels behind the first chunk were compared when they were made.
    while at == 0 || at < file.len() && !is_compressed {
        let part = match &packed {
            None => file.read(at..(at + BATCH * CHUNK).min(file.len()))?,
            Some(Some(chunk)) => Cow::Borrowed(&chunk[..]),
            Some(None) => return wrong("voxels"),
        };
        let parts = map_ranges(par, part.len().div_ceil(CHUNK), 1, &|range| {
            let from = range.start * CHUNK;
            holds(at + from, &part[from..(from + CHUNK).min(part.len())])
        });
        if !parts.into_iter().collect::<Result<Vec<bool>>>()?.into_iter().all(|holds| holds) {
            return wrong("voxels");
        }
        if at == 0 {
            first = part[..part.len().min(encoder.head.len() + 1)].to_vec();
        }
        at += part.len().max(1);
    }
    let first = &first[..];
    let is_native = native.is_none_or(|native| native.is_in(first, grid));
    let transform = native.map_or(Transform::Auto, Native::transform);
    let placed =
        Header::parse(first).and_then(|header| Ok((header.shape, affine::place(&header, transform)?.affine)));
    let is_placed = placed.is_ok_and(|(shape, affine)| Grid { shape, affine }.same_as(grid));
    if is_native && is_placed { Ok(()) } else { wrong("dimensions and transforms") }
}

/// The NIFTI_XFORM code that load-nifti left, or 2.
fn code(about: &Value) -> i32 {
    let known = about["xform"].as_i64().and_then(|c| i32::try_from(c).ok()).filter(|c| (1..=5).contains(c));
    known.unwrap_or(XForm::AlignedAnat as i32)
}

/// What comes before the voxels.
fn head(fields: &mut Fields, extensions: &[Extension]) -> Vec<u8> {
    let after = extension::to_bytes(extensions);
    fields.vox_offset = (native::size(fields.two) + after.len()) as f64;
    let mut out = fields.to_bytes();
    out.extend(after);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{Choice, open};
    use crate::testing::write;
    use ichor_image::Serial;

    const ALL: Choice =
        Choice { image: None, transform: Transform::Auto, volume: None, all: true, extensions: true };

    fn stage(compression: u32) -> SaveNifti {
        SaveNifti { compression, dtype: Type::Auto, description: "Ichor".into() }
    }

    fn grid(shape: [usize; 3]) -> Grid {
        Grid::new(shape, Affine([[-0.5, 0.0, 0.0, 9.0], [0.0, -0.4, -3.0, 8.0], [0.0, -0.3, 4.0, 7.0]]))
            .unwrap()
    }

    fn file(compression: u32, grid: &Grid, voxels: &[i16], extensions: &[Extension]) -> Vec<u8> {
        let stage = stage(compression);
        let mut fields = stage.fields(grid, voxels.len() / grid.len(), 1, NiftiType::Int16).unwrap();
        let encoder = Encoder {
            head: head(&mut fields, extensions),
            voxels: Voxels::I16(voxels),
            raw: &[], // made, not borrowed
            ty: NiftiType::Int16,
        };
        assert_eq!(encoder.head.len() % 16, 0);
        let mut file = Blob::new();
        stage.bytes(&Serial, &encoder, &|_| Ok(()), &mut file).unwrap();
        check(&Serial, &file, &encoder, grid, None).unwrap();
        file.read(0..file.len()).unwrap().to_vec()
    }

    #[test]
    fn a_file_that_does_not_read_back_is_noticed() {
        let grid = grid([70, 50, 3]);
        let voxels: Vec<i16> = (0..grid.len()).map(|n| (n * 7 % 4001) as i16).collect();
        for compression in [0, 1] {
            let stage = stage(compression);
            let mut fields = stage.fields(&grid, 1, 1, NiftiType::Int16).unwrap();
            let head = head(&mut fields, &[]);
            let encoder = Encoder { head, voxels: Voxels::I16(&voxels), raw: &[], ty: NiftiType::Int16 };
            let mut good = Blob::new();
            stage.bytes(&Serial, &encoder, &|_| Ok(()), &mut good).unwrap();
            check(&Serial, &good, &encoder, &grid, None).unwrap();
            let good = good.read(0..good.len()).unwrap().to_vec();
            let check = |file: &[u8], grid: &Grid| {
                let mut blob = Blob::new();
                blob.append([file.to_vec()]).unwrap();
                check(&Serial, &blob, &encoder, grid, None)
            };
            for at in [if compression == 0 { 100 } else { 40 }, good.len() / 2, good.len() - 9] {
                let mut bad = good.clone();
                bad[at] ^= 4;
                let refused = check(&bad, &grid).unwrap_err().to_string();
                assert!(refused.contains("do not read back"), "{compression} {at}");
            }
            assert!(check(&good[..good.len() - 1], &grid).is_err());
            let elsewhere = Grid { affine: Affine::from_spacing([1.0; 3], [0.0; 3]), ..grid };
            let refused = check(&good, &elsewhere).unwrap_err().to_string();
            assert!(refused.starts_with("dimensions and transforms"), "{refused}");
        }
    }

    #[test]
    fn files_read_back() {
        let dir = tempfile::tempdir().unwrap();
        for (shape, volumes) in [([7, 5, 3], 1), ([2, 2, 1], 3), ([40_000, 2, 1], 1), ([300, 200, 20], 1)] {
            let grid = grid(shape);
            let voxels: Vec<i16> = (0..grid.len() * volumes).map(|n| (n * 7 % 4001) as i16 - 1024).collect();
            let one = [Extension { code: 6, data: vec![65; 8] }];
            for compression in [0, 1, 9] {
                let path = write(&dir, "x", &file(compression, &grid, &voxels, &one));
                let mut image = open(&path, ALL).unwrap();
                let data = image.read(&Serial, &|_| Ok(()), &|_| ()).unwrap();
                assert!(image.notes.is_empty(), "{:?}", image.notes);
                let affine = image.placement.affine;
                assert!(grid.same_as(&Grid::new(image.header.shape, affine).unwrap()));
                assert_eq!((image.header.volumes, image.extensions), (volumes, one.to_vec()));
                assert_eq!(image.header.fields.two, shape[0] > 32767);
                let bytes = data.get(image.header.offset, 2 * voxels.len()).unwrap();
                assert!(bytes[..] == voxels.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
            }
        }
    }

    #[test]
    fn the_description_has_a_limit() {
        let mut stage = stage(0);
        stage.description = "x".repeat(80);
        let refused = stage.fields(&grid([1, 1, 1]), 1, 1, NiftiType::Int16).unwrap_err();
        assert!(refused.to_string().contains("80 bytes, 79 fit"));
    }

    #[test]
    fn the_code_of_the_space_comes_from_the_metadata() {
        let of = |meta: Value| code(&meta);
        assert_eq!(of(ichor_sdk::json::json!({ "xform": 4 })), 4);
        assert_eq!(of(ichor_sdk::json::json!({ "xform": 0 })), 2);
        assert_eq!(of(Value::Null), 2);
    }
}
