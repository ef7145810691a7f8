//! The images that a segmentation refers to, from the table that `load-dicom` made.

use crate::place::Place;
use crate::slice_table;
use ichor_sdk::prelude::*;

/// An image, or a frame of one.
#[derive(Clone, Debug)]
pub struct Source {
    pub sop_class: String,
    pub sop_instance: String,
    /// From 1.
    pub frame: u32,
    pub place: Place,
    pub lossy: bool,
}

/// All of a series.
#[derive(Clone, Debug)]
pub struct Sources {
    pub slices: Vec<Source>,
    pub rows: u16,
    pub columns: u16,
    pub study: String,
    pub series: String,
    pub frame_of_reference: String,
}

impl Sources {
    /// Reads the table.
    ///
    /// # Errors
    /// A column or a value is missing, or the slices do not share series, size, orientation and spacing.
    pub fn read(table: &Table) -> Result<Self> {
        let places = slice_table::read(table)?.places;
        let column = |name: &str| {
            table.columns.iter().position(|c| c.name == name).ok_or_else(|| {
                Error::bad_input(format!(
                    "the table `slices` has no column `{name}`; connect `slices` of load-dicom"
                ))
            })
        };
        let text = |row: &[Cell], at: usize, name: &str| match row.get(at) {
            Some(Cell::Text(text)) if is_uid(text) => Ok(text.clone()),
            _ => Err(Error::bad_input(format!("the table `slices` has a row without `{name}`"))),
        };
        let number = |row: &[Cell], at: usize| match row.get(at) {
            Some(Cell::Int(v)) => Some(*v),
            Some(Cell::Num(v)) if v.fract() == 0.0 => Some(*v as i64),
            _ => None,
        };
        let uids = ["sop_class_uid", "sop_instance_uid", "study_instance_uid", "series_instance_uid"];
        let [class, instance, study, series] = uids;
        let at = [column(class)?, column(instance)?, column(study)?, column(series)?];
        let (reference, frame) = (column("frame_of_reference_uid")?, column("frame")?);
        let (rows, columns) = (column("rows")?, column("columns")?);
        let lossy = column("lossy").ok();
        let first = table.rows.first().ok_or_else(|| Error::bad_input("the table `slices` has no rows"))?;
        let size = |row: &[Cell], at| number(row, at).and_then(|n| u16::try_from(n).ok()).filter(|&n| n > 0);
        let wrong = || Error::bad_input("the table `slices` has a row without `rows` or `columns`");
        let mut out = Self {
            slices: Vec::with_capacity(places.len()),
            rows: size(first, rows).ok_or_else(wrong)?,
            columns: size(first, columns).ok_or_else(wrong)?,
            study: text(first, at[2], study)?,
            series: text(first, at[3], series)?,
            frame_of_reference: text(first, reference, "frame_of_reference_uid")?,
        };
        let kin = places.first().copied();
        for (row, place) in table.rows.iter().zip(places) {
            let same = kin.is_some_and(|k| {
                let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
                near(&k.along_row, &place.along_row)
                    && near(&k.along_column, &place.along_column)
                    && near(&k.spacing, &place.spacing)
            });
            let same = same
                && size(row, rows) == Some(out.rows)
                && size(row, columns) == Some(out.columns)
                && text(row, at[3], series)? == out.series;
            if !same {
                return Err(Error::bad_input(
                    "the slices of the table do not share series, size, orientation and spacing, as those of one \
                     segmentation must",
                ));
            }
            out.slices.push(Source {
                sop_class: text(row, at[0], class)?,
                sop_instance: text(row, at[1], instance)?,
                frame: number(row, frame).and_then(|n| u32::try_from(n).ok()).unwrap_or(1).max(1),
                place,
                lossy: lossy.is_some_and(|at| matches!(row.get(at), Some(Cell::Bool(true)))),
            });
        }
        Ok(out)
    }
}

/// Digits and points, at most 64 (PS3.5, section 9).
fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}
