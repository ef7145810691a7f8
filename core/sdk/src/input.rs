//! What a stage reads: a view of one input.

use crate::{Context, Error, Param, Result, Table};
use ichor_abi::*;
use ichor_image::{Affine, Grid};
use std::borrow::Cow;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Scalar field: i16, u16 or f32.
    Volume,
    /// u8, 0 or 1.
    Mask,
    /// u8, u16 or u32.
    Labels,
    /// f32 in [0, 1].
    Probs,
    /// Numbers without geometry.
    Tensor,
    /// A [`Table`].
    Table,
    /// Text.
    Doc,
    /// Bytes.
    Blob,
}

/// What a voxel's value means; also the type of a parameter that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Unit {
    /// Nothing stated.
    None,
    /// Hounsfield units.
    #[param(name = "HU")]
    Hu,
    /// Probability in [0, 1].
    Probability,
    /// Class number.
    Label,
    /// Millimetres.
    Mm,
}

/// Type of a voxel in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// Unsigned byte.
    U8,
    /// Signed 16 bit.
    I16,
    /// Unsigned 16 bit.
    U16,
    /// Unsigned 32 bit.
    U32,
    /// IEEE single.
    F32,
}

impl Kind {
    pub(crate) fn code(self) -> ichor_kind {
        self as ichor_kind + 1
    }

    /// Its name in manifests and pipelines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Mask => "mask",
            Self::Labels => "labels",
            Self::Probs => "probs",
            Self::Tensor => "tensor",
            Self::Table => "table",
            Self::Doc => "doc",
            Self::Blob => "blob",
        }
    }

    fn from_code(code: ichor_kind) -> Result<Self> {
        use Kind::*;
        [Volume, Mask, Labels, Probs, Tensor, Table, Doc, Blob]
            .into_iter()
            .find(|k| k.code() == code)
            .ok_or_else(|| Error::internal(format!("the host passed a value of unknown kind {code}")))
    }
}

impl Unit {
    pub(crate) fn code(self) -> ichor_unit {
        self as ichor_unit
    }

    fn from_code(code: ichor_unit) -> Self {
        use Unit::*;
        [None, Hu, Probability, Label, Mm].into_iter().find(|u| u.code() == code).unwrap_or(None)
    }
}

impl DType {
    pub(crate) fn code(self) -> (u8, u8) {
        match self {
            Self::U8 => (ICHOR_UINT, 8),
            Self::I16 => (ICHOR_INT, 16),
            Self::U16 => (ICHOR_UINT, 16),
            Self::U32 => (ICHOR_UINT, 32),
            Self::F32 => (ICHOR_FLOAT, 32),
        }
    }
}

mod sealed {
    /// Only types of which every bit pattern is a value may view the host's memory.
    pub trait Sealed {}
}

/// A voxel type that travels between stages: `u8`, `i16`, `u16`, `u32` or `f32`.
pub trait Voxel: Copy + Send + Sync + sealed::Sealed + 'static {
    /// Its run-time name.
    const DTYPE: DType;
}

macro_rules! voxel {
    ($($ty:ty => $dtype:ident),*) => {$(
        impl sealed::Sealed for $ty {}
        impl Voxel for $ty { const DTYPE: DType = DType::$dtype; }
    )*};
}
voxel!(u8 => U8, i16 => I16, u16 => U16, u32 => U32, f32 => F32);

/// The voxels of an input, x fastest.
#[derive(Clone, Copy, Debug)]
pub enum Voxels<'a> {
    /// Masks and small label maps.
    U8(&'a [u8]),
    /// CT as scanners store it.
    I16(&'a [i16]),
    /// Unsigned volumes and label maps.
    U16(&'a [u16]),
    /// Large label maps.
    U32(&'a [u32]),
    /// Everything else.
    F32(&'a [f32]),
}

/// The first `n` elements: none in a plan, `None` at an address that is not aligned.
///
/// # Safety
/// `data` is NULL or has room for `n` elements, which live and do not change for `'a`; they are fewer than
/// `isize::MAX` bytes.
unsafe fn elements<'a, T: Voxel>(tensor: &ichor_dl_tensor, n: usize) -> Option<&'a [T]> {
    let data = tensor.data.cast::<u8>().wrapping_add(tensor.byte_offset as usize).cast::<T>();
    if tensor.data.is_null() {
        return Some(&[]);
    }
    // SAFETY: the caller's promise, and alignment is checked; every bit pattern is a T, because Voxel is sealed.
    data.is_aligned().then(|| unsafe { std::slice::from_raw_parts(data, n) })
}

/// A read-only view of an input; it lives as long as the run.
pub struct Input<'a> {
    value: &'a ichor_value,
    name: &'static str,
    kind: Kind,
    grid: Option<Grid>,
    channels: usize,
    voxels: Voxels<'a>,
}

impl<'a> Input<'a> {
    /// Checks all that the accessors rely on, so that they cannot fail: a wrong pointer is beyond a check, a
    /// wrong shape, type, stride or alignment is not.
    pub(crate) fn new(value: &'a ichor_value, name: &'static str) -> Result<Self> {
        let kind = Kind::from_code(value.kind)?;
        let mut input = Self { value, name, kind, grid: None, channels: 1, voxels: Voxels::U8(&[]) };
        if kind.code() <= Kind::Probs.code() {
            input.view()?;
        }
        Ok(input)
    }

    fn view(&mut self) -> Result<()> {
        let name = self.name;
        let wrong = |what: &str| Error::internal(format!("the host passed input `{name}` {what}"));
        let t = &self.value.tensor;
        // SAFETY: a geometry that is not NULL lives as long as its value (ichor.h).
        let g = unsafe { self.value.geometry.as_ref() }.ok_or_else(|| wrong("without a geometry"))?;
        let ndim = usize::try_from(t.ndim).unwrap_or(0);
        if !(3..=4).contains(&ndim) || t.shape.is_null() {
            return Err(wrong(&format!("with {ndim} dimensions, not 3 or 4")));
        }
        // SAFETY: shape has ndim entries (DLPack).
        let shape = unsafe { std::slice::from_raw_parts(t.shape, ndim) };
        let dim = |axis: usize| usize::try_from(shape[ndim - 1 - axis]).unwrap_or(0);
        let row = |r: usize| [0, 1, 2, 3].map(|c| g.affine[4 * r + c]);
        let grid = Grid::new([dim(0), dim(1), dim(2)], Affine([row(0), row(1), row(2)]))
            .map_err(|e| Error::bad_input(format!("input `{name}`: {e}")))?;
        let channels = if ndim > 3 { dim(3) } else { 1 };
        let n = grid.len().checked_mul(channels).filter(|&n| (1..1 << 48).contains(&n));
        let n = n.ok_or_else(|| wrong(&format!("with {channels} channels")))?;
        if !t.strides.is_null() {
            // SAFETY: strides has ndim entries (DLPack).
            let strides = unsafe { std::slice::from_raw_parts(t.strides, ndim) };
            let mut compact = 1;
            for (&length, &stride) in shape.iter().zip(strides).rev() {
                if stride != compact && length != 1 {
                    return Err(wrong("with gaps between its voxels"));
                }
                compact *= length;
            }
        }
        // DLPack's kDLCPU and kDLCUDAHost: memory that this process can read.
        if ![1, 3].contains(&t.device_type) {
            return Err(wrong(&format!("in the memory of a device of type {}", t.device_type)));
        }
        // SAFETY: the host gives `data` room for the shape's elements of this dtype, alive and unchanged until
        // run() returns.
        let voxels = unsafe {
            match (t.dtype_code, t.dtype_bits, t.dtype_lanes) {
                (ICHOR_UINT, 8, 1) => elements(t, n).map(Voxels::U8),
                (ICHOR_INT, 16, 1) => elements(t, n).map(Voxels::I16),
                (ICHOR_UINT, 16, 1) => elements(t, n).map(Voxels::U16),
                (ICHOR_UINT, 32, 1) => elements(t, n).map(Voxels::U32),
                (ICHOR_FLOAT, 32, 1) => elements(t, n).map(Voxels::F32),
                (code, bits, lanes) => {
                    return Err(wrong(&format!("with voxels of DLPack type {code}/{bits}/{lanes}")));
                }
            }
        };
        self.voxels = voxels.ok_or_else(|| wrong("at an address that its voxel type does not allow"))?;
        (self.grid, self.channels) = (Some(grid), channels);
        Ok(())
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What voxel values mean.
    pub fn unit(&self) -> Unit {
        Unit::from_code(self.value.unit)
    }

    /// The grid on which the voxels lie; for kinds without one, a grid of one voxel.
    pub fn grid(&self) -> &Grid {
        const NONE: Grid = Grid {
            shape: [1, 1, 1],
            affine: Affine([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]),
        };
        self.grid.as_ref().unwrap_or(&NONE)
    }

    /// Volumes stored one after another: classes of probabilities, else 1.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The voxels, x fastest.
    ///
    /// Empty in a plan and for kinds without voxels.
    pub fn voxels(&self) -> Voxels<'a> {
        self.voxels
    }

    /// Type of a voxel in memory.
    pub fn dtype(&self) -> DType {
        match self.voxels {
            Voxels::U8(_) => DType::U8,
            Voxels::I16(_) => DType::I16,
            Voxels::U16(_) => DType::U16,
            Voxels::U32(_) => DType::U32,
            Voxels::F32(_) => DType::F32,
        }
    }

    /// The voxels as f32: borrowed where they are, converted in parallel where not.
    pub fn to_f32(&self, run: &Context) -> Cow<'a, [f32]> {
        fn convert<T: Voxel + Into<f32>>(run: &Context, from: &[T]) -> Vec<f32> {
            let mut out = vec![0.0; from.len()];
            ichor_image::parallel::for_each_chunk(run, &mut out, 1 << 16, &|n, part| {
                let from = &from[n << 16..][..part.len()];
                part.iter_mut().zip(from).for_each(|(o, &v)| *o = v.into());
            });
            out
        }
        match self.voxels() {
            Voxels::F32(v) => Cow::Borrowed(v),
            Voxels::U8(v) => Cow::Owned(convert(run, v)),
            Voxels::I16(v) => Cow::Owned(convert(run, v)),
            Voxels::U16(v) => Cow::Owned(convert(run, v)),
            Voxels::U32(v) => Cow::Owned(v.iter().map(|&v| v as f32).collect()),
        }
    }

    /// The voxels of a mask, each 0 or 1.
    ///
    /// # Errors
    /// [`Error::bad_input`] when the input is no mask.
    pub fn mask(&self) -> Result<&'a [u8]> {
        match (self.kind, self.voxels()) {
            (Kind::Mask, Voxels::U8(v)) => Ok(v),
            _ => Err(Error::bad_input(format!("input `{}` is {:?}, not a mask", self.name, self.kind))),
        }
    }

    /// The bytes of a table, doc or blob.
    pub fn bytes(&self) -> &'a [u8] {
        if self.value.bytes.is_null() {
            return &[];
        }
        // SAFETY: the host keeps `bytes_len` bytes alive until run() returns.
        unsafe { std::slice::from_raw_parts(self.value.bytes.cast(), self.value.bytes_len as usize) }
    }

    /// The table.
    ///
    /// # Errors
    /// [`Error::bad_input`] when the input is no table.
    pub fn table(&self) -> Result<Table> {
        Table::from_json(self.bytes()).map_err(|e| Error::bad_input(format!("input `{}`: {e}", self.name)))
    }

    /// Metadata; null when there is none.
    pub fn meta(&self) -> serde_json::Value {
        // SAFETY: the host keeps the text alive until run() returns.
        unsafe { self.value.meta.text() }.and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default()
    }
}
