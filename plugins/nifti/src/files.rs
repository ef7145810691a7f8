//! From a path to a header that the file can keep, and voxels.

use crate::affine::{Placement, Transform, place};
use crate::data::Data;
use crate::extension::{self, Extension};
use crate::fault::Fault;
use crate::gzip;
use crate::header::Header;
use crate::native::{self, Native};
use crate::nifti2;
use ichor_sdk::prelude::*;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// What is wanted of a file.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Path of a pair's image file.
    pub image: Option<&'a str>,
    pub transform: Transform,
    /// This volume only.
    pub volume: Option<usize>,
    /// Without it, all volumes; else there must be one.
    pub all: bool,
    /// Extensions, too.
    pub extensions: bool,
}

/// A file whose header is read, and found to be one that the file can keep.
pub struct Opened {
    pub header: Header,
    pub placement: Placement,
    /// How the header says where voxels are.
    pub native: Native,
    /// The volumes that were asked for.
    pub volumes: Range<usize>,
    pub extensions: Vec<Extension>,
    /// Whole sentences that somebody should read.
    pub notes: Vec<String>,
    /// The file with the voxels.
    path: String,
    file: Bytes,
}

/// Opens a file and checks all that its header says; reads no voxel.
pub fn open(path: &str, choice: Choice) -> Result<Opened> {
    let path = header_of(path);
    let file = Bytes::open(&path).map_err(|f| f.of(&path))?;
    let described = describe(&file, choice).map_err(|f| f.of(&path))?;
    let (header, placement, native, volumes, extensions) = described;
    let mut notes: Vec<String> =
        header.notes.iter().chain(&placement.notes).map(|note| format!("`{path}`: {note}")).collect();
    if !extensions.1.is_empty() {
        notes.push(format!("`{path}`: {}", extensions.1));
    }
    let (path, file) = match (choice.image, header.fields.pair) {
        (None, false) => (path, file),
        (Some(image), true) => (image.to_owned(), Bytes::open(image).map_err(|f| f.of(image))?),
        (None, true) => {
            let (image, file) = image_of(&path)?;
            notes.push(format!(
                "`{path}`: its voxels are in `{image}`, changes of which go unnoticed by the cache and the run \
                 record; name that file with `image`"
            ));
            (image, file)
        }
        (Some(_), false) => {
            let why = "is a whole file, not the header of a pair; leave out `image`";
            return Err(Fault::parameter(why).of(&path));
        }
    };
    check_length(&file, &header).map_err(|f| f.of(&path))?;
    Ok(Opened { header, placement, native, volumes, extensions: extensions.0, notes, path, file })
}

impl Opened {
    /// Gets at the voxels: decompresses them, or leaves them in the file. Notes may be added. A thread that would
    /// only wait does what `idle` says, and may take so many bytes of memory for it.
    pub fn read(
        &mut self,
        par: &dyn Parallel,
        watch: &dyn Fn(f64) -> Result<()>,
        idle: &(dyn Fn(u64) + Sync),
    ) -> Result<Data> {
        let (data, extra) = self.voxels(par, watch, idle).map_err(|f| f.of(&self.path))?;
        if extra > 0 {
            self.notes.push(format!("`{}`: {extra} bytes behind the voxels were not read", self.path));
        }
        Ok(data)
    }

    /// Also returns how many bytes follow the voxels.
    fn voxels(
        &self,
        par: &dyn Parallel,
        watch: &dyn Fn(f64) -> Result<()>,
        idle: &(dyn Fn(u64) + Sync),
    ) -> Result<(Data, u64), Fault> {
        let (file, end) = (&self.file, self.header.end());
        if !file.gzip {
            return Ok((Data::File(file.file.try_clone()?), file.len - end));
        }
        let part = gzip::read::read(par, watch, idle, &file.file, file.len, end, self.keep())?;
        Ok((Data::Memory { bytes: part.bytes, from: part.from }, part.extra))
    }

    /// Positions of the volumes that were asked for.
    fn keep(&self) -> Range<u64> {
        let at = |volume: usize| self.header.offset + self.header.volume_bytes() * volume as u64;
        at(self.volumes.start)..at(self.volumes.end)
    }

    /// Bytes of memory that a stage needs besides its result of `made` bytes. What reading alone needs is
    /// given back before the result is made.
    pub fn scratch_bytes(&self, made: u64) -> u64 {
        if !self.file.gzip {
            return 1 << 20;
        }
        let (end, keep) = (self.header.end(), self.keep());
        let reading = gzip::read::memory(self.file.len, end, &keep);
        reading.saturating_sub(made).max(gzip::read::held(self.file.len, end, &keep))
    }
}

/// An open file, compressed or not: its first bytes tell, not its name.
struct Bytes {
    file: File,
    len: u64,
    gzip: bool,
}

impl Bytes {
    fn open(path: &str) -> Result<Self, Fault> {
        let cannot = |e: std::io::Error| Fault::io(format!("cannot be opened: {e}"));
        // Asked before opening: a pipe would block, a device would have no end.
        let meta = std::fs::metadata(path).map_err(cannot)?;
        if !meta.is_file() {
            return Err(Fault::io("is no file; give the path of a NIfTI file"));
        }
        let file = File::open(path).map_err(cannot)?;
        let mut start = [0; 2];
        if meta.len() >= 2 {
            file.read_exact_at(&mut start, 0)?;
        }
        Ok(Self { file, len: meta.len(), gzip: start == gzip::MAGIC })
    }

    fn first(&self, most: usize) -> Result<Vec<u8>, Fault> {
        if self.gzip {
            return gzip::read::first(&self.file, most);
        }
        let mut out = vec![0; most.min(usize::try_from(self.len).unwrap_or(usize::MAX))];
        self.file.read_exact_at(&mut out, 0)?;
        Ok(out)
    }
}

type Described = (Header, Placement, Native, Range<usize>, (Vec<Extension>, String));

/// All that the header says, checked, before anything is read for it.
fn describe(file: &Bytes, choice: Choice) -> Result<Described, Fault> {
    let first = file.first(nifti2::SIZE)?;
    let header = Header::parse(&first)?;
    let volumes = choose(&header, choice)?;
    let placement = place(&header, choice.transform)?;
    let native = Native::new(&first, &header, choice.transform);
    let extensions = if choice.extensions { extensions(file, &header)? } else { Default::default() };
    Ok((header, placement, native, volumes, extensions))
}

fn choose(header: &Header, choice: Choice) -> Result<Range<usize>, Fault> {
    match (choice.volume, header.volumes) {
        (Some(volume), n) if volume < n => Ok(volume..volume + 1),
        (Some(volume), 1) => {
            Err(Fault::parameter(format!("holds one volume, number 0, but `volume` is {volume}")))
        }
        (Some(volume), n) => {
            Err(Fault::parameter(format!("holds {n} volumes, 0 to {}, but `volume` is {volume}", n - 1)))
        }
        (None, n) if n == 1 || choice.all => Ok(0..n),
        (None, n) => Err(Fault::content(format!(
            "holds {n} volumes ({}); choose one with `volume`, 0 to {}",
            header.words(),
            n - 1
        ))),
    }
}

/// The extensions, and a note when some are not kept.
fn extensions(file: &Bytes, header: &Header) -> Result<(Vec<Extension>, String), Fault> {
    let start = native::size(header.fields.two);
    // In the header file of a pair, they go on to its end.
    let end = if header.fields.pair { u64::MAX } else { header.offset };
    let most = start + extension::MOST + 4;
    let bytes = file.first(most.min(usize::try_from(end).unwrap_or(usize::MAX)))?;
    let (all, damaged) = extension::parse(bytes.get(start..).unwrap_or_default(), header.fields.big_endian);
    let note = if damaged {
        format!("header extensions that are damaged or beyond {} KiB are left out", extension::MOST >> 10)
    } else {
        String::new()
    };
    Ok((all, note))
}

/// Refuses a file that cannot hold what its header promises, before memory is asked for.
fn check_length(file: &Bytes, header: &Header) -> Result<(), Fault> {
    let (words, end, len) = (header.words(), header.end(), file.len);
    if file.gzip && !gzip::read::plausible(len, end) {
        return Err(Fault::io(format!(
            "is cut off or its header is damaged: {words} need {end} bytes, which {len} bytes of gzip cannot hold"
        )));
    }
    if !file.gzip && len < end {
        return Err(Fault::io(format!(
            "is cut off or its header is damaged: {words} need {end} bytes, it has {len}"
        )));
    }
    Ok(())
}

/// Endings of the files of a pair and of single files, the longest first.
const ENDINGS: [&str; 6] = [".nii.gz", ".hdr.gz", ".img.gz", ".nii", ".hdr", ".img"];

/// A path without its ending, and the ending.
fn split(path: &str) -> (&str, &str) {
    let ends = |e: &&&str| {
        let at = path.len().checked_sub(e.len());
        at.and_then(|at| path.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(e))
    };
    ENDINGS.iter().find(ends).map_or((path, ""), |e| path.split_at(path.len() - e.len()))
}

/// The file beside `path` with another ending, `.gz` or not, capitals or not.
fn beside(path: &str, ending: &str) -> Option<String> {
    let (stem, own) = split(path);
    let packed = own.to_ascii_lowercase().ends_with(".gz");
    let order = if packed { [".gz", ""] } else { ["", ".gz"] };
    let names = order.iter().flat_map(|gz| {
        let name = format!("{ending}{gz}");
        [format!("{stem}{name}"), format!("{stem}{}", name.to_ascii_uppercase())]
    });
    names.into_iter().find(|name| std::fs::metadata(name).is_ok_and(|m| m.is_file()))
}

/// The file with the header, when the path may be that of a pair's image.
fn header_of(path: &str) -> String {
    let image = split(path).1.to_ascii_lowercase().starts_with(".img");
    image.then(|| beside(path, ".hdr")).flatten().unwrap_or_else(|| path.to_owned())
}

/// The image file of a pair.
fn image_of(header: &str) -> Result<(String, Bytes)> {
    let Some(path) = beside(header, ".img") else {
        let stem = split(header).0;
        return Err(
            Fault::io(format!("is the header of a pair, but there is no `{stem}.img` beside it")).of(header)
        );
    };
    let file = Bytes::open(&path).map_err(|f| f.of(&path))?;
    Ok((path, file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;
    use crate::testing::{gzip, sample_fields, sample_file, write};
    use ichor_image::Serial;

    const ONE: Choice =
        Choice { image: None, transform: Transform::Auto, volume: None, all: false, extensions: false };

    fn try_open(path: &str, choice: Choice) -> Result<(Opened, Data), String> {
        let mut opened = open(path, choice).map_err(|e| e.to_string())?;
        let data = opened.read(&Serial, &|_| Ok(()), &|_| ()).map_err(|e| e.to_string())?;
        Ok((opened, data))
    }

    fn first_voxels((opened, data): &(Opened, Data)) -> Vec<u8> {
        data.get(opened.header.offset, 6).unwrap().into_owned()
    }

    #[test]
    fn single_files_and_pairs_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for two in [false, true] {
            let fields = sample_fields(two);
            let single = sample_file(&fields);
            let plain = write(&dir, "my.scan.nii", &single);
            let packed = write(&dir, "named-otherwise.dat", &gzip(&single));
            let pair = Fields { pair: true, vox_offset: 0.0, ..fields.clone() };
            let voxels = &single[fields.vox_offset as usize..];
            let header = write(&dir, "pair.hdr", &pair.to_bytes());
            let image = write(&dir, "pair.IMG.GZ", &gzip(voxels));
            for path in [&plain, &packed, &header, &image] {
                let opened = try_open(path, ONE).unwrap();
                assert_eq!(first_voxels(&opened), [0, 0, 1, 0, 2, 0], "{path}");
                let pair = path.contains("pair");
                assert_eq!(opened.0.notes.iter().any(|n| n.contains("name that file")), pair, "{path}");
                assert_eq!(opened.0.notes.len(), usize::from(pair));
            }
            let named = Choice { image: Some(&image), ..ONE };
            assert!(try_open(&header, named).unwrap().0.notes.is_empty());
            assert!(try_open(&plain, named).err().unwrap().contains("leave out `image`"));
            let alone = write(&dir, "alone.hdr", &pair.to_bytes());
            let refused = try_open(&alone, ONE).err().unwrap();
            assert!(refused.contains("alone.hdr` is the header of a pair, but there is no"), "{refused}");
        }
    }

    #[test]
    fn voxels_are_where_the_header_says() {
        let dir = tempfile::tempdir().unwrap();
        for offset in [416.0, 348.0, 10_000.0] {
            let file = sample_file(&Fields { vox_offset: offset, ..sample_fields(false) });
            for (name, file) in [("a.nii", file.clone()), ("a.nii.gz", gzip(&file))] {
                let opened = try_open(&write(&dir, name, &file), ONE).unwrap();
                assert_eq!(first_voxels(&opened), [0, 0, 1, 0, 2, 0], "{name} {offset}");
            }
        }
    }

    #[test]
    fn files_that_hold_less_or_more_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = sample_file(&sample_fields(false));
        let refused = |bytes: &[u8]| try_open(&write(&dir, "x.nii", bytes), ONE).err().unwrap();
        let text = refused(&file[..399]);
        assert!(text.ends_with("4 x 3 x 2 voxels of int16 need 400 bytes, it has 399"), "{text}");
        assert!(refused(&gzip(&file[..399])).contains("decompresses to 399 bytes"));
        let huge = Fields { dim: [3, 10_000, 10_000, 10_000, 1, 1, 1, 1], ..sample_fields(false) };
        assert!(refused(&sample_file(&huge)).contains("need 2000000000352 bytes"));
        assert!(refused(&gzip(&sample_file(&huge))).contains("cannot hold"));
        assert!(refused(b"").contains("only 0 bytes"));
        let longer = [&file[..], &[1, 2, 3]].concat();
        for file in [longer.clone(), gzip(&longer)] {
            let notes = try_open(&write(&dir, "x.nii", &file), ONE).unwrap().0.notes;
            assert!(notes[0].contains("3 bytes behind the voxels"), "{notes:?}");
        }
        assert!(try_open(dir.path().to_str().unwrap(), ONE).err().unwrap().contains("is no file"));
        assert!(try_open("/nowhere/x.nii", ONE).err().unwrap().contains("`/nowhere/x.nii` cannot be opened"));
        assert!(try_open("/dev/zero", ONE).err().unwrap().contains("is no file"));
    }

    #[test]
    fn a_volume_is_chosen() {
        let dir = tempfile::tempdir().unwrap();
        let fields = Fields { dim: [4, 2, 2, 2, 3, 1, 1, 1], ..sample_fields(false) };
        let file = sample_file(&fields);
        for file in [file.clone(), gzip(&file)] {
            let path = write(&dir, "x", &file);
            assert!(try_open(&path, ONE).err().unwrap().contains("holds 3 volumes"));
            assert!(try_open(&path, Choice { volume: Some(3), ..ONE }).err().unwrap().contains("0 to 2"));
            assert_eq!(try_open(&path, Choice { all: true, ..ONE }).unwrap().0.volumes, 0..3);
            let (second, data) = try_open(&path, Choice { volume: Some(1), ..ONE }).unwrap();
            let at = second.header.offset + second.header.volume_bytes();
            assert_eq!(data.get(at, 4).unwrap()[..], [8, 0, 9, 0]);
        }
    }

    #[test]
    fn extensions_are_kept_on_request() {
        let dir = tempfile::tempdir().unwrap();
        let one = [Extension { code: 6, data: vec![3; 24] }];
        let mut file = Fields { vox_offset: 384.0, ..sample_fields(false) }.to_bytes();
        file.extend(extension::to_bytes(&one));
        file.extend([0; 48]);
        for file in [file.clone(), gzip(&file)] {
            let path = write(&dir, "x.nii", &file);
            assert_eq!(try_open(&path, ONE).unwrap().0.extensions, []);
            assert_eq!(try_open(&path, Choice { extensions: true, ..ONE }).unwrap().0.extensions, one);
        }
    }
}
