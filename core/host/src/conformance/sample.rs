//! Values that stages are tried on: a crude head, its masks and tables, on grids of every kind.

use crate::pool::BufferPool;
use crate::value::{DType, Shape, Value};
use ichor_image::random::uniform_at;
use ichor_image::{Affine, Grid};
use ichor_spec::{Kind, PortDecl, Unit};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A value by its description; the same description is the same value in every process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Sample {
    /// Voxels, or numbers without a grid.
    Voxels(Shape),
    /// A table, document or blob.
    Bytes(Kind),
}

/// How the axes of a grid lie in the world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pose {
    /// Along the anatomical axes, in these directions.
    Along(&'static str),
    /// Turned about two axes.
    Turned,
    /// Sheared, as by a tilted gantry.
    Tilted,
}

/// The directions that a scanner gives.
pub(super) const STRAIGHT: Pose = Pose::Along("LPS");
/// Size of the field of view in mm.
const VIEW: [f64; 3] = [180.0, 220.0, 170.0];
/// Voxel size in mm where a port does not say otherwise: coarse, so that a trial takes milliseconds.
const SPACING: [f64; 3] = [3.6, 3.9, 6.8];
/// Voxels along an axis; the head may be cut off where a port wants small voxels.
const MOST: usize = 160;

/// Voxel types that a kind may have.
pub(super) fn dtypes(kind: Kind) -> &'static [DType] {
    match kind {
        Kind::Volume => &[DType::I16, DType::U16, DType::F32],
        Kind::Mask => &[DType::U8],
        Kind::Labels => &[DType::U8, DType::U16, DType::U32],
        Kind::Probs => &[DType::F32],
        Kind::Tensor => &[DType::F32, DType::U8, DType::I16, DType::U16, DType::U32],
        Kind::Table | Kind::Doc | Kind::Blob => &[],
    }
}

/// The types that the port lets through.
pub(super) fn dtypes_of(port: &PortDecl, kind: Kind) -> Vec<DType> {
    let allowed = |d: &DType| {
        let name = format!("{d:?}").to_lowercase();
        port.voxels.dtype.is_empty() || port.voxels.dtype.contains(&name)
    };
    dtypes(kind).iter().copied().filter(allowed).collect()
}

/// A grid that the port lets through, in the given pose if that leaves it a choice; `shape` else that of a head.
pub(super) fn grid(port: &PortDecl, pose: Pose, shape: Option<[usize; 3]>) -> Grid {
    let rules = &port.voxels;
    let mut spacing = SPACING;
    if let Some(ranges) = rules.spacing {
        for (s, [low, high]) in spacing.iter_mut().zip(ranges) {
            *s = s.clamp(low, high);
        }
    }
    let letters = match (&rules.orientation, pose) {
        (Some(wanted), _) => wanted.as_str(),
        (None, Pose::Along(letters)) => letters,
        (None, Pose::Turned | Pose::Tilted) => "LPS",
    };
    let mut columns = [[0.0; 3]; 3];
    for ((column, letter), s) in columns.iter_mut().zip(letters.chars()).zip(spacing) {
        let axis = ["RL", "AP", "SI"].iter().position(|pair| pair.contains(letter)).unwrap_or(0);
        column[axis] = if "RAS".contains(letter) { s } else { -s };
    }
    match pose {
        Pose::Turned => {
            let ((s, c), (t, d)) = (20f64.to_radians().sin_cos(), 15f64.to_radians().sin_cos());
            for column in &mut columns {
                let [x, y, z] = *column;
                let (y, z) = (c * y - s * z, s * y + c * z);
                *column = [d * x - t * y, t * x + d * y, z];
            }
        }
        Pose::Tilted if !rules.regular => {
            let shear = 18f64.to_radians().tan() * spacing[2] / spacing[1];
            let [_, j, k] = &mut columns;
            for (k, j) in k.iter_mut().zip(j) {
                *k += shear * *j;
            }
            // The slices stay as far apart along k as the port allows.
            let length = k.iter().map(|x| x * x).sum::<f64>().sqrt();
            k.iter_mut().for_each(|x| *x *= spacing[2] / length);
        }
        Pose::Tilted | Pose::Along(_) => {}
    }
    let world_of = |a: usize| {
        columns[a]
            .iter()
            .enumerate()
            .fold(0, |best, (r, x)| if x.abs() > columns[a][best].abs() { r } else { best })
    };
    let fitting = std::array::from_fn(|a| ((VIEW[world_of(a)] / spacing[a]).round() as usize).clamp(1, MOST));
    let shape = shape.unwrap_or(fitting);
    let mut affine = Affine([[0.0; 4]; 3]);
    for (r, row) in affine.0.iter_mut().enumerate() {
        for (c, column) in columns.iter().enumerate() {
            row[c] = column[r];
            row[3] -= column[r] * (shape[c] as f64 - 1.0) / 2.0;
        }
        row[3] += [3.25, -17.5, 41.0][r]; // the head is not where the world begins
    }
    Grid { shape, affine }
}

impl Sample {
    /// What a port takes: `kind` is one of its kinds.
    pub(super) fn of(port: &PortDecl, kind: Kind, dtype: DType, grid: &Grid) -> Self {
        let unit = match kind {
            Kind::Mask | Kind::Labels => Unit::Label,
            Kind::Probs => Unit::Probability,
            Kind::Volume if port.unit.is_empty() => Unit::Hu,
            Kind::Volume => *port.unit.iter().find(|&&u| u == Unit::Hu).unwrap_or(&port.unit[0]),
            _ => Unit::None,
        };
        Self::made(kind, unit, dtype, grid)
    }

    /// A value of any kind; tables, documents and blobs have neither unit, type nor grid.
    pub(super) fn made(kind: Kind, unit: Unit, dtype: DType, grid: &Grid) -> Self {
        if dtypes(kind).is_empty() {
            return Self::Bytes(kind);
        }
        let [x, y, z] = grid.shape.map(|n| n as i64);
        let affine = (kind != Kind::Tensor).then_some(grid.affine.0);
        Self::Voxels(Shape { kind, unit, dtype, dims: vec![z, y, x], affine })
    }

    /// The value itself.
    pub(super) fn value(&self, pool: &BufferPool) -> Option<Value> {
        match self {
            Self::Bytes(kind) => Some(Value::from_bytes(*kind, bytes_of(*kind))),
            Self::Voxels(shape) => {
                let bytes = voxels(shape);
                let buffer = pool.take(bytes.len())?;
                // SAFETY: the new buffer has room for them and is known to nobody else.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.start(), bytes.len()) };
                Some(Value::voxels(shape.clone(), Arc::new(buffer)))
            }
        }
    }

    /// In a few words, for a message.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Bytes(kind) => format!("a {kind}"),
            Self::Voxels(shape) => {
                let dims: Vec<String> = shape.dims.iter().rev().map(i64::to_string).collect();
                format!(
                    "{} of {} {}",
                    shape.kind,
                    dims.join(" x "),
                    format!("{:?}", shape.dtype).to_lowercase()
                )
            }
        }
    }
}

fn bytes_of(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Table => {
            br#"{"columns":[{"name":"lesion"},{"name":"name"},{"name":"value"},{"name":"unit"},{"name":"definition"}],
"rows":[["1","volume",12.5,"mL","voxels times their volume"],["2","volume",null,"mL","not measured"]]}"#
        }
        Kind::Doc => br#"{"a document": ["of", 2, "words"]}"#,
        _ => b"\x00\x01\xfebytes",
    }
}

/// The head at a place, in HU: `at` in mm from its middle, right, front and up.
fn hu([x, y, z]: [f64; 3]) -> f64 {
    let within = |a: f64, b: f64, c: f64| (x / a).powi(2) + (y / b).powi(2) + (z / c).powi(2) <= 1.0;
    match () {
        () if lesion([x, y, z]) == 1 => 68.0,
        () if lesion([x, y, z]) == 2 => 58.0,
        () if within(64.0, 82.0, 60.0) => 34.0,
        () if within(71.0, 89.0, 67.0) => 1100.0,
        () if within(76.0, 94.0, 72.0) => 20.0,
        () => -1000.0,
    }
}

/// The lesion at a place; 0 for none.
fn lesion([x, y, z]: [f64; 3]) -> u8 {
    let ball = |c: [f64; 3], r: f64| (x - c[0]).powi(2) + (y - c[1]).powi(2) + (z - c[2]).powi(2) <= r * r;
    if ball([22.0, -8.0, 10.0], 19.0) { 1 } else { 2 * u8::from(ball([-30.0, 20.0, -5.0], 10.0)) }
}

fn voxels(shape: &Shape) -> Vec<u8> {
    let [.., z, y, x] = shape.dims[..] else {
        return (0..shape.bytes().unwrap_or(0)).map(|n| (n % 2) as u8).collect();
    };
    let affine = Affine(shape.affine.unwrap_or(Affine::from_spacing([1.0; 3], [0.0; 3]).0));
    let middle = affine.apply([x, y, z].map(|n| (n as f64 - 1.0) / 2.0));
    let size = shape.dtype.size();
    let mut bytes = Vec::with_capacity(shape.bytes().unwrap_or(0));
    let classes: i64 = shape.dims[..shape.dims.len() - 3].iter().product();
    for class in 0..classes {
        for k in 0..z {
            for j in 0..y {
                for i in 0..x {
                    let at = affine.apply([i as f64, j as f64, k as f64]);
                    let at: [f64; 3] = std::array::from_fn(|a| at[a] - middle[a]);
                    let noise = uniform_at(7, (bytes.len() / size) as u64);
                    let value = match (shape.kind, shape.unit) {
                        (Kind::Mask, _) => f64::from(u8::from(lesion(at) > 0)),
                        (Kind::Labels, _) | (_, Unit::Label) => f64::from(lesion(at)),
                        (Kind::Probs, _) | (_, Unit::Probability) => {
                            let p = if lesion(at) > 0 { 0.75 + 0.25 * noise } else { 0.25 * noise };
                            if class % 2 == 0 { p } else { 1.0 - p }
                        }
                        (Kind::Volume, Unit::Hu) => hu(at) + 8.0 * (noise - 0.5),
                        _ => (hu(at) + 1024.0) / 20.0 + noise,
                    };
                    put(&mut bytes, shape.dtype, value);
                }
            }
        }
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, dtype: DType, value: f64) {
    // Casts of floats saturate: an unsigned volume has 0 where the head has less.
    match dtype {
        DType::U8 => bytes.push(value.round() as u8),
        DType::I16 => bytes.extend((value.round() as i16).to_ne_bytes()),
        DType::U16 => bytes.extend((value.round() as u16).to_ne_bytes()),
        DType::U32 => bytes.extend((value.round() as u32).to_ne_bytes()),
        DType::F32 => bytes.extend((value as f32).to_ne_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn port(more: serde_json::Value) -> PortDecl {
        let mut port = json!({"name": "ct", "kind": ["volume"], "unit": ["HU"]});
        port.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(port).unwrap()
    }

    #[test]
    fn grids_keep_what_their_port_asks_for() {
        for pose in [STRAIGHT, Pose::Along("SAR"), Pose::Turned, Pose::Tilted] {
            let rules = json!({"spacing": [[0.9, 1.1], [2.0, 2.0], [5.0, 9.0]], "orientation": "RAS", "regular": true});
            let made = grid(&port(rules), pose, None);
            let spacing = made.spacing();
            assert!(
                (spacing[0] - 1.1).abs() < 1e-9
                    && (spacing[1] - 2.0).abs() < 1e-9
                    && (spacing[2] - 6.8).abs() < 1e-9
            );
            assert_eq!(made.affine.orientation(), ['R', 'A', 'S']);
            let volume: f64 = spacing.iter().product();
            assert!((made.voxel_volume_mm3() - volume).abs() < 1e-9 * volume, "axes are perpendicular");
        }
        let free = port(json!({}));
        assert_eq!(grid(&free, Pose::Along("SAR"), None).affine.orientation(), ['S', 'A', 'R']);
        assert_eq!(grid(&free, Pose::Turned, None).affine.orientation(), ['L', 'P', 'S']);
        let tilted = grid(&free, Pose::Tilted, Some([5, 5, 5]));
        assert!(tilted.voxel_volume_mm3() < 0.97 * tilted.spacing().iter().product::<f64>());
    }

    #[test]
    fn a_description_is_one_value() {
        let (port, pool) = (port(json!({})), BufferPool::default());
        let straight = grid(&port, STRAIGHT, None);
        for &dtype in dtypes(Kind::Volume) {
            let sample = Sample::of(&port, Kind::Volume, dtype, &straight);
            let text = serde_json::to_string(&sample).unwrap();
            let again: Sample = serde_json::from_str(&text).unwrap();
            let (a, b) = (sample.value(&pool).unwrap(), again.value(&pool).unwrap());
            assert_eq!(a.bytes(), b.bytes());
            assert_eq!(a.bytes().len(), straight.len() * dtype.size());
            assert_eq!(a.grid().unwrap(), straight);
        }
    }
}
