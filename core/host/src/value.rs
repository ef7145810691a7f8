//! What travels between stages, and how a plugin sees it.

use crate::buffer::Buffer;
use crate::pool::BufferPool;
use crate::shared::Mapping;
use crate::spool::Spooled;
use ichor_abi::*;
use ichor_image::{Affine, Grid};
use ichor_spec::{Kind, Unit};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use std::borrow::Cow;
use std::ffi::{c_char, c_void};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Type of a voxel in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

impl DType {
    /// The name in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I16 => "i16",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::F32 => "f32",
        }
    }

    pub(crate) fn code(self) -> (u8, u8) {
        match self {
            Self::U8 => (ICHOR_UINT, 8),
            Self::I16 => (ICHOR_INT, 16),
            Self::U16 => (ICHOR_UINT, 16),
            Self::U32 => (ICHOR_UINT, 32),
            Self::F32 => (ICHOR_FLOAT, 32),
        }
    }

    pub(crate) fn from_code(code: u8, bits: u8) -> Option<Self> {
        [Self::U8, Self::I16, Self::U16, Self::U32, Self::F32].into_iter().find(|d| d.code() == (code, bits))
    }

    /// Bytes a voxel.
    #[must_use]
    pub fn size(self) -> usize {
        usize::from(self.code().1) / 8
    }
}

pub(crate) fn kind_code(kind: Kind) -> ichor_kind {
    kind as ichor_kind + 1
}

pub(crate) fn kind_from_code(code: ichor_kind) -> Option<Kind> {
    Kind::ALL.into_iter().find(|&k| kind_code(k) == code)
}

pub(crate) fn unit_code(unit: Unit) -> ichor_unit {
    unit as ichor_unit
}

pub(crate) fn unit_from_code(code: ichor_unit) -> Option<Unit> {
    Unit::ALL.into_iter().find(|&u| unit_code(u) == code)
}

/// Shape, type and place of voxels or numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub kind: Kind,
    pub unit: Unit,
    pub dtype: DType,
    /// Slowest first, as in DLPack.
    pub dims: Vec<i64>,
    /// Rows of the affine; none for a tensor.
    #[serde(with = "bits")]
    pub affine: Option<[[f64; 4]; 3]>,
}

/// The affine on the wire: JSON has no NaN, which a plugin may well send and must hear about.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Rows<T> = Option<[[T; 4]; 3]>;

    pub fn serialize<S: Serializer>(affine: &Rows<f64>, to: S) -> Result<S::Ok, S::Error> {
        affine.map(|rows| rows.map(|row| row.map(f64::to_bits))).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Rows<f64>, D::Error> {
        Ok(Rows::<u64>::deserialize(from)?.map(|rows| rows.map(|row| row.map(f64::from_bits))))
    }
}

impl Shape {
    /// Bytes of all elements.
    pub(crate) fn bytes(&self) -> Option<usize> {
        let mut n = self.dtype.size();
        for &dim in &self.dims {
            n = n.checked_mul(usize::try_from(dim).ok().filter(|&d| d > 0)?)?;
        }
        Some(n)
    }

    /// The grid of kinds that have one.
    pub(crate) fn grid(&self) -> Option<Grid> {
        let affine = Affine(self.affine?);
        let [.., z, y, x] = self.dims[..] else { return None };
        let dim = |d: i64| usize::try_from(d).ok();
        Grid::new([dim(x)?, dim(y)?, dim(z)?], affine).ok()
    }
}

#[derive(Clone, Debug)]
enum Content {
    Voxels {
        shape: Shape,
        buffer: Arc<Buffer>,
    },
    Bytes(Arc<[u8]>),
    Spooled(Arc<Spooled>),
    /// In a plan: known but for its bytes.
    Planned(Option<Shape>),
}

/// A value: voxels with their grid, a table, a document or bytes. Cheap to clone; immutable once made.
#[derive(Clone, Debug)]
pub struct Value {
    kind: Kind,
    content: Content,
    meta: Map<String, serde_json::Value>,
}

impl Value {
    pub(crate) fn voxels(shape: Shape, buffer: Arc<Buffer>) -> Self {
        Self { kind: shape.kind, content: Content::Voxels { shape, buffer }, meta: Map::new() }
    }

    /// Voxels with a copy of `bytes`, x fastest.
    ///
    /// # Errors
    /// The bytes are not as many as the grid has voxels of that type, or there is no memory.
    pub fn from_voxels(
        pool: &BufferPool,
        (kind, unit, dtype): (Kind, Unit, DType),
        grid: &Grid,
        bytes: &[u8],
    ) -> Result<Self, String> {
        let [x, y, z] = grid.shape.map(|n| n as i64);
        let shape = Shape { kind, unit, dtype, dims: vec![z, y, x], affine: Some(grid.affine.0) };
        if shape.bytes() != Some(bytes.len()) {
            return Err(format!("{} bytes do not fill {grid} of {dtype:?}", bytes.len()));
        }
        let buffer = pool.take(bytes.len()).ok_or_else(|| format!("no memory for {} bytes", bytes.len()))?;
        // SAFETY: the new buffer has room for them and is known to nobody else.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.start(), bytes.len()) };
        Ok(Self::voxels(shape, Arc::new(buffer)))
    }

    /// A table, document or blob.
    #[must_use]
    pub fn from_bytes(kind: Kind, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { kind, content: Content::Bytes(bytes.into()), meta: Map::new() }
    }

    pub(crate) fn from_spooled(spooled: Spooled) -> Self {
        Self { kind: Kind::Blob, content: Content::Spooled(Arc::new(spooled)), meta: Map::new() }
    }

    /// The same value with other metadata.
    #[must_use]
    pub fn with_meta(mut self, meta: Map<String, serde_json::Value>) -> Self {
        self.meta = meta;
        self
    }

    /// Whether both are one value, in one memory, with the same metadata.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.bytes(), other.bytes()) && self.described() == other.described()
    }

    /// Everything but its bytes.
    #[must_use]
    pub fn described(&self) -> Described {
        let len = match &self.content {
            Content::Planned(shape) => shape.as_ref().and_then(Shape::bytes).unwrap_or(0),
            _ => self.bytes().len(),
        };
        Described { kind: self.kind, shape: self.shape().cloned(), len, meta: self.meta.clone() }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Unit of voxel values.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.shape().map_or(Unit::None, |s| s.unit)
    }

    /// Type of a voxel; `None` for tables, documents and blobs.
    #[must_use]
    pub fn dtype(&self) -> Option<DType> {
        self.shape().map(|s| s.dtype)
    }

    /// Where the voxels are; `None` for what has none.
    #[must_use]
    pub fn grid(&self) -> Option<Grid> {
        self.shape().and_then(Shape::grid)
    }

    pub(crate) fn shape(&self) -> Option<&Shape> {
        match &self.content {
            Content::Voxels { shape, .. } => Some(shape),
            Content::Bytes(_) | Content::Spooled(_) => None,
            Content::Planned(shape) => shape.as_ref(),
        }
    }

    /// A value as a plan knows it.
    pub(crate) fn planned(described: Described) -> Self {
        Self { kind: described.kind, content: Content::Planned(described.shape), meta: described.meta }
    }

    pub(crate) fn buffer(&self) -> Option<&Arc<Buffer>> {
        match &self.content {
            Content::Voxels { buffer, .. } => Some(buffer),
            Content::Bytes(_) | Content::Spooled(_) | Content::Planned(_) => None,
        }
    }

    /// Memory that other processes can be given for reading, if it lies in such.
    pub(crate) fn mapping(&self) -> Option<&Mapping> {
        match &self.content {
            Content::Voxels { buffer, .. } => Some(buffer.mapping()),
            Content::Spooled(spooled) => Some(spooled.mapping()),
            Content::Bytes(_) | Content::Planned(_) => None,
        }
    }

    /// The bytes: voxels x fastest in this machine's byte order, or those of the table, document or blob.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Voxels { buffer, .. } => buffer.bytes(),
            Content::Bytes(bytes) => bytes,
            Content::Spooled(spooled) => spooled.bytes(),
            Content::Planned(_) => &[],
        }
    }

    /// Some of [`Value::bytes`]. What lies in a file is read from there and does not stay in memory.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Cow<'_, [u8]> {
        if let Content::Spooled(spooled) = &self.content
            && let Some(bytes) = spooled.read(&range)
        {
            return Cow::Owned(bytes);
        }
        Cow::Borrowed(&self.bytes()[range])
    }

    /// Makes a blob that the host keeps in a file of the same file system the file `path`, without a copy; tells whether it
    /// did. Once only: two results are never one file.
    #[must_use]
    pub fn link(&self, path: &Path) -> bool {
        matches!(&self.content, Content::Spooled(spooled) if spooled.link(path))
    }

    /// All of [`Value::bytes`], in parts of at most 4 MiB.
    pub fn parts(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        const PART: usize = 4 << 20;
        let len = self.bytes().len();
        (0..len).step_by(PART).map(move |at| self.part(at..(at + PART).min(len)))
    }

    /// Metadata.
    #[must_use]
    pub fn meta(&self) -> &Map<String, serde_json::Value> {
        &self.meta
    }

    pub(crate) fn meta_mut(&mut self) -> &mut Map<String, serde_json::Value> {
        &mut self.meta
    }
}

/// Everything of a value but its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Described {
    kind: Kind,
    shape: Option<Shape>,
    pub(crate) len: usize,
    meta: Map<String, serde_json::Value>,
}

impl Described {
    /// Voxels of a shape, their bytes unknown.
    pub(crate) fn of_shape(shape: Shape) -> Self {
        let len = shape.bytes().unwrap_or(0);
        Self { kind: shape.kind, shape: Some(shape), len, meta: Map::new() }
    }

    /// A table, document or blob of unknown content.
    pub(crate) fn of_bytes(kind: Kind) -> Self {
        Self { kind, shape: None, len: 0, meta: Map::new() }
    }

    pub(crate) fn shape(&self) -> Option<&Shape> {
        self.shape.as_ref()
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Unit of voxel values.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.shape.as_ref().map_or(Unit::None, |s| s.unit)
    }

    /// Type of a voxel; `None` for tables, documents and blobs.
    #[must_use]
    pub fn dtype(&self) -> Option<DType> {
        self.shape.as_ref().map(|s| s.dtype)
    }

    /// Where the voxels are; `None` for what has none.
    #[must_use]
    pub fn grid(&self) -> Option<Grid> {
        self.shape.as_ref().and_then(Shape::grid)
    }

    /// Number of bytes that belong to it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no byte belongs to it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes a voxel; 1 for what has no voxels.
    #[must_use]
    pub fn element(&self) -> usize {
        self.shape.as_ref().map_or(1, |s| s.dtype.size())
    }

    /// The value with the bytes that `fill` writes; `None` when there is no memory for them.
    pub fn with_bytes<E>(
        self,
        pool: &BufferPool,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Option<Result<Value, E>> {
        let value = match self.shape {
            Some(shape) => {
                if shape.bytes() != Some(self.len) {
                    return None;
                }
                let buffer = pool.take(self.len)?;
                // SAFETY: fresh memory of that size that nobody else knows.
                let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.start(), self.len) };
                if let Err(error) = fill(bytes) {
                    return Some(Err(error));
                }
                buffer.mapping().protect(false).ok()?;
                Value::voxels(shape, Arc::new(buffer))
            }
            None => {
                let mut bytes = Vec::new();
                bytes.try_reserve_exact(self.len).ok()?;
                bytes.resize(self.len, 0);
                if let Err(error) = fill(&mut bytes) {
                    return Some(Err(error));
                }
                Value::from_bytes(self.kind, bytes)
            }
        };
        Some(Ok(value.with_meta(self.meta)))
    }

    /// The value whose bytes another process has put into `buffer`.
    pub(crate) fn with_buffer(self, buffer: Buffer) -> Value {
        let value = match self.shape {
            Some(shape) => Value::voxels(shape, Arc::new(buffer)),
            None => Value::from_bytes(self.kind, buffer.bytes()),
        };
        value.with_meta(self.meta)
    }
}

/// A value as `ichor.h` lays it out, and what its pointers point to.
pub(crate) struct View {
    raw: ichor_value,
    _dims: Box<[i64]>,
    _geometry: Option<Box<ichor_geometry>>,
    _meta: String,
    _value: Value,
}

// SAFETY: the pointers in `raw` point into what the View itself owns, or into a Value, which is Send and Sync.
unsafe impl Send for View {}
// SAFETY: as above; a View is read only.
unsafe impl Sync for View {}

impl View {
    /// Boxed, because plugins hold the address of `raw`.
    pub(crate) fn new(value: &Value) -> Box<Self> {
        let value = value.clone();
        let mut dims: Box<[i64]> = value.shape().map(|s| s.dims.clone()).unwrap_or_default().into();
        let geometry = value.grid().map(|grid| Box::new(geometry_of(&grid)));
        let meta = if value.meta.is_empty() {
            String::new()
        } else {
            serde_json::Value::Object(value.meta.clone()).to_string()
        };
        let (mut dtype, mut data) = ((0, 0), std::ptr::null_mut());
        let (mut bytes, mut bytes_len) = (std::ptr::null(), 0);
        match &value.content {
            Content::Voxels { shape, buffer } => {
                dtype = shape.dtype.code();
                data = buffer.start().cast::<c_void>();
            }
            Content::Bytes(_) | Content::Spooled(_) => {
                bytes = value.bytes().as_ptr().cast::<c_void>();
                bytes_len = value.bytes().len() as u64;
            }
            Content::Planned(shape) => dtype = shape.as_ref().map_or(dtype, |s| s.dtype.code()),
        }
        let raw = ichor_value {
            size: size_of::<ichor_value>() as u32,
            kind: kind_code(value.kind),
            unit: unit_code(value.unit()),
            reserved: 0,
            tensor: ichor_dl_tensor {
                data,
                device_type: 1,
                device_id: 0,
                ndim: dims.len() as i32,
                dtype_code: dtype.0,
                dtype_bits: dtype.1,
                dtype_lanes: u16::from(dtype.1 != 0),
                shape: if dims.is_empty() { std::ptr::null_mut() } else { dims.as_mut_ptr() },
                strides: std::ptr::null_mut(),
                byte_offset: 0,
            },
            geometry: geometry.as_deref().map_or(std::ptr::null(), std::ptr::from_ref),
            bytes,
            bytes_len,
            meta: ichor_str { ptr: meta.as_ptr().cast(), len: meta.len() },
        };
        Box::new(Self { raw, _dims: dims, _geometry: geometry, _meta: meta, _value: value })
    }

    pub(crate) fn raw(&self) -> *const ichor_value {
        &raw const self.raw
    }
}

fn geometry_of(grid: &Grid) -> ichor_geometry {
    let mut affine = [0.0; 12];
    for (n, entry) in affine.iter_mut().enumerate() {
        *entry = grid.affine.0[n / 4][n % 4];
    }
    let mut orientation: [c_char; 4] = [0; 4];
    for (to, letter) in orientation.iter_mut().zip(grid.affine.orientation()) {
        *to = letter as u8 as c_char;
    }
    ichor_geometry {
        size: size_of::<ichor_geometry>() as u32,
        reserved: 0,
        affine,
        spacing: grid.spacing(),
        orientation,
        reserved2: 0,
    }
}
