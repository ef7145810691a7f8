//! The table that ties a volume to the images that it was made of.

use crate::place::Place;
use crate::slice::Slice;
use ichor_sdk::prelude::*;

/// Name, unit and definition of each column.
const COLUMNS: [(&str, &str, &str); 31] = [
    ("index", "", "slice, from 0, in the order of position along the normal"),
    ("k", "", "position on the volume's third axis, in voxels from 0; fractions where it was resampled"),
    ("sop_class_uid", "", "SOP Class UID (0008,0016)"),
    ("sop_instance_uid", "", "SOP Instance UID (0008,0018)"),
    ("frame", "", "frame of the instance, from 1; 1 for an image of one frame"),
    ("series_instance_uid", "", "Series Instance UID (0020,000E)"),
    ("study_instance_uid", "", "Study Instance UID (0020,000D)"),
    ("frame_of_reference_uid", "", "Frame of Reference UID (0020,0052)"),
    ("position_lps_x", "mm", "Image Position (Patient), to the left"),
    ("position_lps_y", "mm", "Image Position (Patient), to the back"),
    ("position_lps_z", "mm", "Image Position (Patient), to the head"),
    ("row_lps_x", "", "direction of a row (of rising columns), to the left"),
    ("row_lps_y", "", "direction of a row, to the back"),
    ("row_lps_z", "", "direction of a row, to the head"),
    ("column_lps_x", "", "direction of a column (of rising rows), to the left"),
    ("column_lps_y", "", "direction of a column, to the back"),
    ("column_lps_z", "", "direction of a column, to the head"),
    ("spacing_between_columns", "mm", "distance of pixels along a row: the second number of Pixel Spacing"),
    ("spacing_between_rows", "mm", "distance of pixels along a column: the first number of Pixel Spacing"),
    ("columns", "", "pixels in a row"),
    ("rows", "", "rows"),
    ("slice_thickness", "mm", "Slice Thickness (0018,0050)"),
    ("i", "", "position of the first pixel on the volume's first axis, in voxels from 0"),
    ("j", "", "position of the first pixel on the volume's second axis, in voxels from 0"),
    ("gantry_tilt", "deg", "Gantry/Detector Tilt as the header states it (0018,1120)"),
    ("convolution_kernel", "", "Convolution Kernel (0018,1210)"),
    ("acquisition_number", "", "Acquisition Number (0020,0012)"),
    ("rescale_slope", "", "Rescale Slope (0028,1053)"),
    ("rescale_intercept", "", "Rescale Intercept (0028,1052)"),
    ("lossy", "", "whether the pixels were compressed with loss"),
    ("file", "", "file in the order of names, from 1"),
];

/// The table without rows.
pub fn empty() -> Table {
    let mut table = Table::new(&COLUMNS.map(|(name, ..)| name));
    for (column, (_, unit, definition)) in table.columns.iter_mut().zip(COLUMNS) {
        column.unit = (!unit.is_empty()).then(|| unit.to_owned());
        column.definition = Some(definition.into());
    }
    table
}

/// The table of slices in the order of position, with their places on the grid.
pub fn table(slices: &[Slice], k: &[f64], ij: &[[f64; 2]]) -> Table {
    let mut table = empty();
    // Digits beyond are of arithmetic.
    let tidy = |v: f64| (v * 1e6).round() / 1e6;
    for (n, s) in slices.iter().enumerate() {
        let ij = ij.get(n).copied().unwrap_or_default();
        let mut row: Vec<Cell> = vec![
            n.into(),
            k.get(n).map(|&k| tidy(k)).into(),
            uid(&s.sop_class),
            uid(&s.sop_instance),
            (s.frame + 1).into(),
            uid(&s.series),
            uid(&s.study),
            uid(&s.frame_of_reference),
        ];
        let numbers = [s.position, s.along_row, s.along_column].concat();
        row.extend(numbers.into_iter().chain(s.spacing).map(Cell::from));
        row.extend([s.columns.into(), s.rows.into(), s.thickness.into()]);
        row.extend(ij.map(|v| Cell::from(tidy(v))));
        row.extend([s.tilt.into(), s.kernel.as_deref().map(ToOwned::to_owned).into(), s.acquisition.into()]);
        row.extend([s.stored.slope.into(), s.stored.intercept.into(), s.lossy.into(), (s.file + 1).into()]);
        table.rows.push(row);
    }
    table
}

/// A UID, if it is one: digits and points, at most 64 (PS3.5, section 9).
fn uid(text: &str) -> Cell {
    let fine = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if fine { text.into() } else { Cell::Null }
}

/// What `inspect-ct` needs of such a table.
pub struct Known {
    pub places: Vec<Place>,
    pub tilt: Option<f64>,
    pub kernel: Option<String>,
}

/// Reads the table again.
///
/// # Errors
/// Which column is missing, or where a number is.
pub fn read(table: &Table) -> Result<Known> {
    let column = |name: &str| table.columns.iter().position(|c| c.name == name);
    let needed = |name: &str| {
        column(name).ok_or_else(|| {
            Error::bad_input(format!(
                "the table `slices` has no column `{name}`; connect `slices` of load-dicom"
            ))
        })
    };
    let number = |row: &[Cell], at: usize| match row.get(at) {
        Some(Cell::Num(v)) => Some(*v),
        Some(Cell::Int(v)) => Some(*v as f64),
        _ => None,
    };
    let names = |prefix: &str| ["x", "y", "z"].map(|axis| format!("{prefix}_lps_{axis}"));
    let vector = |prefix: &str| -> Result<[usize; 3]> {
        let [x, y, z] = names(prefix);
        Ok([needed(&x)?, needed(&y)?, needed(&z)?])
    };
    let (position, row, col) = (vector("position")?, vector("row")?, vector("column")?);
    let spacing = [needed("spacing_between_columns")?, needed("spacing_between_rows")?];
    let thickness = column("slice_thickness");
    let mut places = Vec::with_capacity(table.rows.len());
    for (n, cells) in table.rows.iter().enumerate() {
        let all = |at: [usize; 3]| -> Option<[f64; 3]> {
            Some([number(cells, at[0])?, number(cells, at[1])?, number(cells, at[2])?])
        };
        let place = || {
            Some(Place {
                position: all(position)?,
                along_row: all(row)?,
                along_column: all(col)?,
                spacing: [number(cells, spacing[0])?, number(cells, spacing[1])?],
                thickness: thickness.and_then(|at| number(cells, at)),
            })
        };
        places.push(
            place().ok_or_else(|| {
                Error::bad_input(format!("row {} of the table `slices` lacks numbers", n + 1))
            })?,
        );
    }
    let first = table.rows.first();
    let tilt = first.zip(column("gantry_tilt")).and_then(|(row, at)| number(row, at));
    let kernel = first.zip(column("convolution_kernel")).and_then(|(row, at)| match row.get(at) {
        Some(Cell::Text(text)) => Some(text.clone()),
        _ => None,
    });
    Ok(Known { places, tilt, kernel })
}
