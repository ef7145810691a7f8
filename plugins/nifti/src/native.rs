//! How a file wrote its grid down, so that what is computed on that grid is written with the very same bits.

use crate::affine::{Transform, place};
use crate::header::Header;
use crate::{nifti1, nifti2};
use ichor_sdk::json::{Value, json};
use ichor_sdk::prelude::*;
use std::ops::Range;

/// The fields of a header that say where voxels are, as little-endian bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Native {
    two: bool,
    /// Rank and dimensions; of a file of several volumes none, since one volume has others.
    dim: Option<Vec<u8>>,
    /// Voxel sizes, unit, codes, quaternion, offset and matrix.
    place: Vec<u8>,
    transform: Transform,
}

/// Positions in a header, and bytes of a number there.
type Fields = (Range<usize>, usize);

const DIM: [Fields; 2] = [(40..56, 2), (16..80, 8)];
/// pixdim, xyzt_units, qform_code and sform_code, quatern, qoffset and srow.
const PLACE: [[Fields; 4]; 2] = [
    [(76..108, 4), (123..124, 1), (252..256, 2), (256..328, 4)],
    [(104..168, 8), (500..504, 4), (344..352, 4), (352..496, 8)],
];
const NAMES: [(&str, Transform); 4] = [
    ("auto", Transform::Auto),
    ("sform", Transform::Sform),
    ("qform", Transform::Qform),
    ("pixdim", Transform::Pixdim),
];

impl Native {
    /// From the first bytes of a file, which were found to be `header`, and the transform that was used.
    pub fn new(first: &[u8], header: &Header, transform: Transform) -> Self {
        let (two, big_endian) = (header.fields.two, header.fields.big_endian);
        let take = |(range, size): &Fields| {
            let mut bytes = first.get(range.clone()).unwrap_or_default().to_vec();
            if big_endian {
                bytes.chunks_mut(*size).for_each(<[u8]>::reverse);
            }
            bytes
        };
        let place = PLACE[usize::from(two)].iter().flat_map(take).collect();
        let dim = (header.volumes == 1).then(|| take(&DIM[usize::from(two)]));
        Self { two, dim, place, transform }
    }

    /// Whether the file was NIfTI-2.
    pub fn is_two(&self) -> bool {
        self.two
    }

    /// Which of the header's transforms was used.
    pub fn transform(&self) -> Transform {
        self.transform
    }

    /// Writes the fields into a header of the same version, little-endian.
    pub fn write(&self, head: &mut [u8], volumes: usize) {
        let mut put = |range: &Range<usize>, from: &[u8]| {
            if let Some(place) = head.get_mut(range.clone()).filter(|place| place.len() == from.len()) {
                place.copy_from_slice(from);
            }
        };
        if let Some(dim) = self.dim.as_ref().filter(|_| volumes == 1) {
            put(&DIM[usize::from(self.two)].0, dim);
        }
        let mut rest = &self.place[..];
        for (range, _) in &PLACE[usize::from(self.two)] {
            let (field, after) = rest.split_at(range.len().min(rest.len()));
            put(range, field);
            rest = after;
        }
    }

    /// Whether a header has these fields, and puts the voxels of a volume onto `grid`.
    pub fn is_in(&self, first: &[u8], grid: &Grid) -> bool {
        let Ok(header) = Header::parse(first) else { return false };
        let own = Self::new(first, &header, self.transform);
        let dim = own.dim.as_ref().zip(self.dim.as_ref()).is_none_or(|(a, b)| a == b);
        dim && (own.two, &own.place) == (self.two, &self.place)
            && grid_of(&header, self.transform) == Some(*grid)
    }

    /// The grid that a header with these fields has.
    pub fn grid(&self, first: &[u8]) -> Option<Grid> {
        grid_of(&Header::parse(first).ok()?, self.transform)
    }

    /// As metadata.
    pub fn to_json(&self) -> Value {
        let hex = |bytes: &Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let name = NAMES.iter().find(|n| n.1 == self.transform).map_or("auto", |n| n.0);
        json!({
            "version": if self.two { 2 } else { 1 },
            "dim": self.dim.as_ref().map(hex),
            "place": hex(&self.place),
            "transform": name,
        })
    }

    /// From metadata; what is none of ours is nothing.
    pub fn from_json(value: &Value) -> Option<Self> {
        let two = match value["version"].as_i64()? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let transform = NAMES.iter().find(|n| Some(n.0) == value["transform"].as_str())?.1;
        let place = bytes(&value["place"])?;
        let dim = if value["dim"].is_null() { None } else { Some(bytes(&value["dim"])?) };
        let wanted: usize = PLACE[usize::from(two)].iter().map(|f| f.0.len()).sum();
        let fits =
            place.len() == wanted && dim.as_ref().is_none_or(|d| d.len() == DIM[usize::from(two)].0.len());
        fits.then_some(Self { two, dim, place, transform })
    }
}

/// The first bytes of a file that [`Native`] is about.
pub fn size(two: bool) -> usize {
    if two { nifti2::SIZE } else { nifti1::SIZE }
}

fn grid_of(header: &Header, transform: Transform) -> Option<Grid> {
    Grid::new(header.shape, place(header, transform).ok()?.affine).ok()
}

/// Bytes from hexadecimal digits.
pub fn bytes(value: &Value) -> Option<Vec<u8>> {
    let (pairs, odd) = value.as_str()?.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if odd.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_fields;

    fn native(two: bool) -> (Native, Vec<u8>) {
        let first = sample_fields(two).to_bytes();
        let header = Header::parse(&first).unwrap();
        (Native::new(&first, &header, Transform::Auto), first)
    }

    #[test]
    fn every_bit_survives_metadata_and_another_header() {
        for two in [false, true] {
            let (mut native, first) = native(two);
            // Bits that are no number and must not be touched.
            native.place[5] = 0xa5;
            assert_eq!(Native::from_json(&native.to_json()), Some(native.clone()));
            let mut head = vec![0; first.len()];
            head[..16].copy_from_slice(&first[..16]);
            head[first.len() - 4..].copy_from_slice(&first[first.len() - 4..]);
            native.write(&mut head, 1);
            for (range, _) in PLACE[usize::from(two)].iter().chain([&DIM[usize::from(two)]]).skip(1) {
                assert_eq!(head[range.clone()], first[range.clone()]);
            }
        }
    }

    #[test]
    fn byte_order_makes_no_difference() {
        let (little, first) = native(false);
        let mut swapped = first.clone();
        for (range, size) in PLACE[0].iter().chain([&DIM[0], &(0..4, 4), &(70..74, 2), &(108..120, 4)]) {
            swapped[range.clone()].chunks_mut(*size).for_each(<[u8]>::reverse);
        }
        let header = Header::parse(&swapped).unwrap();
        assert!(header.fields.big_endian);
        assert_eq!(Native::new(&swapped, &header, Transform::Auto), little);
    }

    #[test]
    fn a_header_that_differs_is_noticed() {
        let (native, first) = native(false);
        let grid = native.grid(&first).unwrap();
        assert!(native.is_in(&first, &grid));
        for at in [42, 80, 123, 252, 254, 256, 268, 280, 327] {
            let mut other = first.clone();
            other[at] ^= 1;
            assert!(!native.is_in(&other, &grid), "byte {at}");
        }
        let moved = Grid { shape: [4, 3, 3], ..grid };
        assert!(!native.is_in(&first, &moved));
    }

    #[test]
    fn metadata_that_is_none_of_ours_is_nothing() {
        let good = native(true).0.to_json();
        for (key, value) in
            [("version", json!(3)), ("place", json!("00")), ("dim", json!("0")), ("transform", json!(1))]
        {
            let mut bad = good.clone();
            bad[key] = value;
            assert_eq!(Native::from_json(&bad), None, "{key}");
        }
        assert_eq!(Native::from_json(&Value::Null), None);
    }
}
