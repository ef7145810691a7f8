//! Files for tests.

use crate::convert::Target;
use crate::fields::Fields;
use ichor_sdk::prelude::*;
use std::any::Any;
use std::path::{Path, PathBuf};

/// 4 x 3 x 2 voxels of int16, LPS, 0.5 x 0.5 x 5 mm.
pub fn sample_fields(two: bool) -> Fields {
    Fields {
        two,
        dim: [3, 4, 3, 2, 1, 1, 1, 1],
        datatype: 4,
        bitpix: 16,
        pixdim: [1.0, 0.5, 0.5, 5.0, 1.0, 1.0, 1.0, 1.0],
        vox_offset: if two { 544.0 } else { 352.0 },
        xyzt_units: 2,
        sform_code: 1,
        qform_code: 1,
        quatern: [0.0, 0.0, 1.0],
        qoffset: [10.0, 20.0, -30.0],
        srow: [[-0.5, 0.0, 0.0, 10.0], [0.0, -0.5, 0.0, 20.0], [0.0, 0.0, 5.0, -30.0]],
        descrip: *b"a patient's name                                                                ",
        ..Fields::default()
    }
}

/// A file of `fields` and the voxels 0, 1, 2, ... as int16.
pub fn sample_file(fields: &Fields) -> Vec<u8> {
    let mut bytes = fields.to_bytes();
    bytes.resize(fields.vox_offset as usize, 0);
    bytes.extend((0..24i16).flat_map(i16::to_le_bytes));
    bytes
}

/// Plain gzip, by another library than the one that writes results.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes a file into a folder.
pub fn write(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> String {
    let path = dir.path().join(name);
    // Overwriting in place makes ext4 wait for the disk.
    _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A file of the test data beside the checkout, or `None`, said plainly, when it is not there.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    #[allow(clippy::print_stderr, reason = "a test that does not run says so")]
    {
        eprintln!("not run: {} is not there", path.display());
    }
    None
}

/// An output without a host.
pub struct Memory {
    pub dtype: Option<DType>,
    pub notes: Vec<String>,
    len: usize,
    u8: Vec<u8>,
    i16: Vec<i16>,
    u16: Vec<u16>,
    u32: Vec<u32>,
    f32: Vec<f32>,
}

impl Memory {
    /// For so many voxels.
    pub fn new(len: usize) -> Self {
        let (u8, i16, u16, u32, f32) = Default::default();
        Self { dtype: None, notes: Vec::new(), len, u8, i16, u16, u32, f32 }
    }

    /// What was written.
    pub fn numbers(&self) -> Vec<f64> {
        match self.voxels() {
            Voxels::U8(v) => v.iter().map(|&v| v.into()).collect(),
            Voxels::I16(v) => v.iter().map(|&v| v.into()).collect(),
            Voxels::U16(v) => v.iter().map(|&v| v.into()).collect(),
            Voxels::U32(v) => v.iter().map(|&v| v.into()).collect(),
            Voxels::F32(v) => v.iter().map(|&v| v.into()).collect(),
        }
    }

    /// What was written, as an input has it.
    pub fn voxels(&self) -> Voxels<'_> {
        match self.dtype {
            Some(DType::I16) => Voxels::I16(&self.i16),
            Some(DType::U16) => Voxels::U16(&self.u16),
            Some(DType::U32) => Voxels::U32(&self.u32),
            Some(DType::F32) => Voxels::F32(&self.f32),
            _ => Voxels::U8(&self.u8),
        }
    }
}

impl Memory {
    fn make<T: Voxel>(&mut self) -> Result<&mut [T]> {
        self.dtype = Some(T::DTYPE);
        let any: &mut dyn Any = match T::DTYPE {
            DType::U8 => &mut self.u8,
            DType::I16 => &mut self.i16,
            DType::U16 => &mut self.u16,
            DType::U32 => &mut self.u32,
            DType::F32 => &mut self.f32,
        };
        let all = any.downcast_mut::<Vec<T>>().unwrap();
        // A value that every conversion must overwrite, as a host's memory is unspecified.
        let other = match T::DTYPE {
            DType::U8 => Box::new(99u8) as Box<dyn Any>,
            DType::I16 => Box::new(99i16),
            DType::U16 => Box::new(99u16),
            DType::U32 => Box::new(99u32),
            DType::F32 => Box::new(99f32),
        };
        all.resize(self.len, *other.downcast::<T>().unwrap());
        Ok(all)
    }
}

impl Target for Memory {
    fn volume<T: Voxel>(&mut self) -> Result<&mut [T]> {
        self.make()
    }

    fn labels<T: Voxel>(&mut self) -> Result<&mut [T]> {
        self.make()
    }

    fn mask(&mut self) -> Result<&mut [u8]> {
        self.make()
    }

    fn probs(&mut self) -> Result<&mut [f32]> {
        self.make()
    }
}
