//! A scan whose HU are known everywhere, as the files of a series, and what the loader made of it.

use super::{Image, Syntax, Vr, item, sequence, tag};
use crate::Case;
use crate::stage::{Bench, f32s, i16s, table, voxels};
use dicom_object::InMemDicomObject;
use ichor_host::{DType, Value};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The outputs of a stage by name.
pub type Out = BTreeMap<String, Arc<Value>>;
/// What `load-dicom` makes of these parameters, else its sentence.
pub fn try_load(bench: &Bench, params: Json) -> Result<Out, String> {
    bench.run("load-dicom", params, &[]).map_err(|e| e.to_string())
}

/// What it makes of the files of a case.
pub fn load(bench: &Bench, case: &Case) -> Out {
    try_load(bench, json!({ "source": case.path("") })).unwrap()
}

/// Why it refuses them.
pub fn refused(bench: &Bench, case: &Case) -> String {
    try_load(bench, json!({ "source": case.path("") })).err().unwrap()
}

/// HU at a place (RAS, mm): linear, so that linear interpolation of it is exact wherever it is asked.
pub fn hu_at([x, y, z]: [f64; 3]) -> f64 {
    100.0 + 2.0 * x + 3.0 * y - 4.0 * z
}

/// A stack of slices of a world in which HU are [`hu_at`]; lengths in mm, DICOM's coordinates (LPS).
#[derive(Clone)]
pub struct Scan {
    /// Direction in which columns are counted.
    pub along_row: [f64; 3],
    /// Direction in which rows are counted.
    pub along_column: [f64; 3],
    /// Along a row and along a column.
    pub spacing: [f64; 2],
    /// Columns and rows.
    pub size: [u16; 2],
    /// Of the first pixel of each slice.
    pub positions: Vec<[f64; 3]>,
}

impl Scan {
    /// Axial slices at these heights, each moved by `shear` mm to the back for every mm up.
    pub fn axial(heights: &[f64], shear: f64) -> Self {
        Self {
            along_row: [1.0, 0.0, 0.0],
            along_column: [0.0, 1.0, 0.0],
            spacing: [1.5, 1.25],
            size: [24, 20],
            positions: heights.iter().map(|&z| [-20.0, -15.0 + shear * z, 10.0 + z]).collect(),
        }
    }

    /// Where a pixel of a slice lies (RAS, mm).
    pub fn world(&self, n: usize, i: f64, j: f64) -> [f64; 3] {
        let lps: [f64; 3] = std::array::from_fn(|a| {
            self.positions[n][a]
                + i * self.spacing[0] * self.along_row[a]
                + j * self.spacing[1] * self.along_column[a]
        });
        [-lps[0], -lps[1], lps[2]]
    }

    /// A slice as a DICOM image.
    pub fn image(&self, n: usize) -> Image {
        let [columns, rows] = self.size;
        let pixels: Vec<i16> = (0..rows)
            .flat_map(|j| (0..columns).map(move |i| (i, j)))
            .map(|(i, j)| hu_at(self.world(n, i.into(), j.into())).round() as i16)
            .collect();
        // Instance numbers run backwards, and the thickness is wrong: neither may matter.
        let mut image = Image::slice(100 - n as u32, self.size, self.positions[n], &pixels);
        image.decimals(tag::IMAGE_ORIENTATION_PATIENT, &[self.along_row, self.along_column].concat());
        image.decimals(tag::PIXEL_SPACING, &[self.spacing[1], self.spacing[0]]);
        image
    }

    /// All of them.
    pub fn images(&self) -> Vec<Image> {
        (0..self.positions.len()).map(|n| self.image(n)).collect()
    }
}

/// Writes images under names in an order that is not theirs.
pub fn write(case: &Case, images: &[Image], syntax: Syntax) {
    for (n, image) in images.iter().enumerate() {
        case.write(&format!("{:02}.dcm", n * 7 % 31), image.file(syntax));
    }
}

/// A case with its files.
pub fn written(scan: &Scan) -> Case {
    let case = Case::new();
    write(&case, &scan.images(), Syntax::Explicit);
    case
}

/// The rows of a table.
pub fn rows(out: &Out, port: &str) -> Vec<Json> {
    table(&out[port])["rows"].as_array().unwrap().clone()
}

/// The first row of the report with this name: value and verdict.
pub fn finding(out: &Out, name: &str) -> (f64, String) {
    let rows = rows(out, "report");
    let row = rows.iter().find(|r| r[0] == name).unwrap_or_else(|| panic!("no {name} in {rows:?}"));
    (row[1].as_f64().unwrap_or(f64::NAN), row[3].as_str().unwrap().to_owned())
}

/// Fails when two numbers are not that close.
pub fn near(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not {b}");
}

/// Whether the volume holds [`hu_at`] wherever it holds more than air; returns the part that does.
pub fn holds_the_world(image: &Value) -> f64 {
    let grid = image.grid().unwrap();
    let values: Vec<f64> = match image.dtype() {
        Some(DType::I16) => i16s(image).iter().map(|&v| v.into()).collect(),
        _ => f32s(image).iter().map(|&v| v.into()).collect(),
    };
    let mut found = 0;
    for (v, hu) in voxels(&grid).zip(&values) {
        let want = hu_at(grid.affine.apply(v.map(|n| n as f64)));
        // Between a slice and what lies beside it, air is mixed in.
        if (hu - want).abs() <= 1.01 {
            found += 1;
        } else {
            assert!(*hu < want - 1.0, "{v:?}: {hu} for {want}");
        }
    }
    f64::from(found) / values.len() as f64
}

/// A stack turned about two axes.
pub fn oblique() -> Scan {
    let ((s, c), (t, d)) = (25f64.to_radians().sin_cos(), 10f64.to_radians().sin_cos());
    let along_row = [c, s * d, s * t];
    let along_column = [-s, c * d, c * t];
    let normal: [f64; 3] = std::array::from_fn(|a| {
        let (b, e) = ((a + 1) % 3, (a + 2) % 3);
        along_row[b] * along_column[e] - along_row[e] * along_column[b]
    });
    let positions =
        (0..7).map(|n| std::array::from_fn(|a| [-30.0, 12.5, 40.0][a] + 4.5 * f64::from(n) * normal[a]));
    Scan { along_row, along_column, positions: positions.collect(), ..Scan::axial(&[], 0.0) }
}

/// What `inspect-ct` finds of a CT, with the table of its slices or without.
pub fn inspect(
    bench: &Bench,
    params: Json,
    ct: &Arc<Value>,
    slices: Option<&Arc<Value>>,
) -> Result<Out, String> {
    let mut inputs = vec![("ct", ct)];
    inputs.extend(slices.map(|s| ("slices", s)));
    bench.run("inspect-ct", params, &inputs).map_err(|e| e.to_string())
}

/// An enhanced CT of a scan, its frames in this order, each with an intercept of its own.
pub fn enhanced(scan: &Scan, order: &[usize]) -> Image {
    let words: Vec<i16> = order
        .iter()
        .flat_map(|&n| scan.image(n).words.into_iter().map(move |w| w as i16 + 10 * n as i16))
        .collect();
    let mut image = Image::slice(1, scan.size, [0.0; 3], &words);
    let per_frame = order.iter().map(|&n| {
        let of = |tag, item| sequence(tag, vec![item]);
        InMemDicomObject::from_element_iter([
            of(tag::PLANE_POSITION_SEQUENCE, item(&[(tag::IMAGE_POSITION_PATIENT, &scan.positions[n])])),
            of(
                tag::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
                item(&[(tag::RESCALE_INTERCEPT, &[-10.0 * n as f64]), (tag::RESCALE_SLOPE, &[1.0])]),
            ),
        ])
    });
    let orientation = [scan.along_row, scan.along_column].concat();
    let shared = InMemDicomObject::from_element_iter([
        sequence(
            tag::PLANE_ORIENTATION_SEQUENCE,
            vec![item(&[(tag::IMAGE_ORIENTATION_PATIENT, &orientation)])],
        ),
        sequence(
            tag::PIXEL_MEASURES_SEQUENCE,
            vec![item(&[
                (tag::PIXEL_SPACING, &[scan.spacing[1], scan.spacing[0]]),
                (tag::SLICE_THICKNESS, &[4.5]),
            ])],
        ),
    ]);
    let per_frame = per_frame.collect();
    image
        .text(tag::SOP_CLASS_UID, Vr::UI, "1.2.840.10008.5.1.4.1.1.2.1")
        .text(tag::NUMBER_OF_FRAMES, Vr::IS, &order.len().to_string())
        .sequence(tag::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, per_frame)
        .sequence(tag::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    for tag in [
        tag::IMAGE_POSITION_PATIENT,
        tag::IMAGE_ORIENTATION_PATIENT,
        tag::PIXEL_SPACING,
        tag::RESCALE_INTERCEPT,
        tag::RESCALE_SLOPE,
        tag::SLICE_THICKNESS,
    ] {
        image.without(tag);
    }
    image
}
