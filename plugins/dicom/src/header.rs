//! What a file is, and where its slices lie.

use crate::fault::{Fault, Outcome};
use crate::file::{DataSet, is_ct_class, number};
use crate::slice::{Padding, Slice, Stored, cross, dot};
use crate::tags::{self, Tag};
use crate::values::Values;

/// The most rows and columns; CT has 512, seldom 2048.
const LARGEST: usize = 8192;

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Slices(Vec<Slice>),
    /// Something that is no part of a CT volume.
    Aside {
        what: Aside,
        series: String,
    },
}

/// Why a file is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aside {
    NotDicom,
    /// Another modality than CT.
    Modality([u8; 16]),
    /// No pixels: a report, a dose record, a presentation state.
    NoImage,
    /// A localiser (scout, topogram).
    Localiser,
    /// A picture in colour.
    Colour,
    /// An image without position: a secondary capture.
    NoPosition,
    /// A CT image that lacks its position.
    Lost,
}

impl Aside {
    /// What so many files are, for a note.
    pub fn describe(self) -> String {
        match self {
            Self::NotDicom => "no DICOM".into(),
            Self::Modality(name) => {
                let name = String::from_utf8_lossy(&name);
                format!("of modality {}", name.trim_end_matches('\0'))
            }
            Self::NoImage => "without pixels (reports and the like)".into(),
            Self::Localiser => "localisers".into(),
            Self::Colour => "in colour".into(),
            Self::NoPosition => "without a position (secondary captures)".into(),
            Self::Lost => "CT images without position, orientation or pixel spacing".into(),
        }
    }
}

/// Reads everything but the pixels. `file` becomes the number of its slices' file.
pub fn read(bytes: &[u8], file: usize) -> Outcome<Content> {
    let set = DataSet::open(bytes)?;
    let values = Values::read(&set.bytes, set.coding)?;
    describe(&values, &set, file)
}

fn describe(values: &Values, set: &DataSet, file: usize) -> Outcome<Content> {
    let text = |tag| values.text(tag).unwrap_or_default().to_owned();
    let (sop_class, series) = (text(tags::SOP_CLASS), text(tags::SERIES));
    let aside = |what| Ok(Content::Aside { what, series: series.clone() });
    let is_ct = is_ct_class(&sop_class);
    let modality = values.text(tags::MODALITY).unwrap_or(if is_ct { "CT" } else { "" });
    if modality != "CT" {
        return aside(modality_of(modality));
    }
    if values.get(tags::PIXELS).is_none() {
        if is_ct {
            return Err(Fault::new("is cut off: it has no pixel data"));
        }
        return aside(Aside::NoImage);
    }
    if values.u16(tags::SAMPLES_PER_PIXEL).unwrap_or(1) != 1 {
        return aside(Aside::Colour);
    }
    let frames = frames(values)?;
    let (columns, rows) = size(values)?;
    let own = values.items(tags::FRAME_GROUPS)?;
    let shared = values.item(tags::SHARED_GROUPS)?;
    if own.is_empty() && frames > 1 {
        if is_ct {
            return Err(Fault::new(format!("has {frames} frames and no positions of theirs")));
        }
        return aside(Aside::NoPosition);
    }
    if !own.is_empty() && own.len() != frames {
        return Err(Fault::new(format!("has {frames} frames and descriptions of {}", own.len())));
    }
    let mut slices = Vec::with_capacity(frames);
    for frame in 0..frames {
        let groups = Groups { values, shared: &shared, own: own.get(frame) };
        if groups.is_localiser()? {
            return aside(Aside::Localiser);
        }
        let Some(place) = groups.place()? else {
            return aside(if is_ct { Aside::Lost } else { Aside::NoPosition });
        };
        let (stored, rescaled) = groups.stored()?;
        let reconstruction = groups.group(tags::RECONSTRUCTION, tags::KERNEL)?;
        slices.push(Slice {
            file,
            frame,
            sop_class: sop_class.clone(),
            sop_instance: text(tags::SOP_INSTANCE),
            study: text(tags::STUDY),
            series: series.clone(),
            frame_of_reference: text(tags::FRAME_OF_REFERENCE),
            series_number: values.whole(tags::SERIES_NUMBER).unwrap_or(0),
            acquisition: values.whole(tags::ACQUISITION),
            position: place.position,
            along_row: place.along_row,
            along_column: place.along_column,
            spacing: place.spacing,
            columns,
            rows,
            thickness: groups
                .group(tags::PIXEL_MEASURES, tags::SLICE_THICKNESS)?
                .decimal(tags::SLICE_THICKNESS)
                .filter(|&t| t > 0.0),
            tilt: values.decimal(tags::TILT),
            kernel: reconstruction.text(tags::KERNEL).and_then(kernel),
            stored,
            rescaled,
            not_hu: groups
                .group(tags::VALUE_TRANSFORMATION, tags::RESCALE_TYPE)?
                .text(tags::RESCALE_TYPE)
                .is_some_and(|ty| ty != "HU"),
            lossy: set.lossy,
        });
    }
    Ok(Content::Slices(slices))
}

/// Where an attribute may stand: in the frame's own groups, in those shared by all, in the data set.
struct Groups<'v, 'a> {
    values: &'v Values<'a>,
    shared: &'v Values<'a>,
    own: Option<&'v Values<'a>>,
}

struct Place {
    position: [f64; 3],
    along_row: [f64; 3],
    along_column: [f64; 3],
    spacing: [f64; 2],
}

impl<'a> Groups<'_, 'a> {
    /// The group that holds an attribute.
    fn group(&self, sequence: Tag, tag: Tag) -> Outcome<Values<'a>> {
        for groups in self.own.into_iter().chain([self.shared]) {
            let group = groups.item(sequence)?;
            if group.get(tag).is_some() {
                return Ok(group);
            }
        }
        Ok(self.values.clone())
    }

    fn is_localiser(&self) -> Outcome<bool> {
        let of = |values: &Values, tag| {
            values.text(tag).is_some_and(|text| text.split('\\').any(|word| word.trim() == "LOCALIZER"))
        };
        let frame = self.group(tags::CT_FRAME_TYPE, tags::FRAME_TYPE)?;
        Ok(of(self.values, tags::IMAGE_TYPE) || of(&frame, tags::FRAME_TYPE))
    }

    fn place(&self) -> Outcome<Option<Place>> {
        let position = self.group(tags::PLANE_POSITION, tags::POSITION)?;
        let orientation = self.group(tags::PLANE_ORIENTATION, tags::ORIENTATION)?;
        let measures = self.group(tags::PIXEL_MEASURES, tags::PIXEL_SPACING)?;
        let here = |values: &Values, tag| values.text(tag).is_some();
        if !(here(&position, tags::POSITION)
            && here(&orientation, tags::ORIENTATION)
            && here(&measures, tags::PIXEL_SPACING))
        {
            return Ok(None);
        }
        let wrong = |tag, what: &str| Fault::new(format!("has a damaged {what} {}", number(tag)));
        let position = position
            .decimals(tags::POSITION)
            .filter(|p: &[f64; 3]| p.iter().all(|v| v.abs() < 1e5))
            .ok_or_else(|| wrong(tags::POSITION, "position"))?;
        // Between rows, that is along a column, comes first.
        let spacing = measures
            .decimals(tags::PIXEL_SPACING)
            .map(|[between_rows, between_columns]| [between_columns, between_rows])
            .filter(|s| s.iter().all(|v| (0.01..=100.0).contains(v)))
            .ok_or_else(|| wrong(tags::PIXEL_SPACING, "pixel spacing"))?;
        let [a, b, c, d, e, f] =
            orientation.decimals(tags::ORIENTATION).ok_or_else(|| wrong(tags::ORIENTATION, "orientation"))?;
        let (along_row, along_column) =
            square([a, b, c], [d, e, f]).ok_or_else(|| wrong(tags::ORIENTATION, "orientation"))?;
        Ok(Some(Place { position, along_row, along_column, spacing }))
    }

    fn stored(&self) -> Outcome<(Stored, bool)> {
        let v = self.values;
        if v.get(tags::MODALITY_LUT).is_some_and(|e| !e.value.is_empty()) {
            return Err(Fault::new("turns pixels into HU by a table (Modality LUT), which is not read here"));
        }
        let allocated = v.u16(tags::BITS_ALLOCATED).unwrap_or(16).into();
        let bits = v.u16(tags::BITS_STORED).map_or(allocated, u32::from);
        let high = v.u16(tags::HIGH_BIT).map_or(bits.wrapping_sub(1), u32::from);
        if ![8, 16].contains(&allocated)
            || !(1..=allocated).contains(&bits)
            || high >= allocated
            || high + 1 < bits
        {
            return Err(Fault::new(format!(
                "has pixels of {bits} bits, the highest {high}, in {allocated}; 8 or 16 are read here"
            )));
        }
        let signed = v.u16(tags::SIGNED).unwrap_or(0) != 0;
        let scale = self.group(tags::VALUE_TRANSFORMATION, tags::SLOPE)?;
        let number_of = |tag, otherwise| match scale.text(tag) {
            None => Ok(otherwise),
            Some(_) => {
                let value = scale.decimal(tag).filter(|v| v.abs() < 1e6);
                value.ok_or_else(|| Fault::new(format!("has a damaged rescale {}", number(tag))))
            }
        };
        let (slope, intercept) = (number_of(tags::SLOPE, 1.0)?, number_of(tags::INTERCEPT, 0.0)?);
        if slope == 0.0 {
            return Err(Fault::new("has a rescale slope of 0"));
        }
        let rescaled = scale.text(tags::SLOPE).is_some() && scale.text(tags::INTERCEPT).is_some();
        let mut stored =
            Stored { allocated, bits, shift: high + 1 - bits, signed, padding: None, slope, intercept };
        stored.padding = v.u16(tags::PADDING).map(|one| {
            let other = v.u16(tags::PADDING_LIMIT).unwrap_or(one);
            let [one, other] = [one, other].map(|v| if signed { i32::from(v as i16) } else { v.into() });
            let (low, high) = (one.min(other), one.max(other));
            let most = 1 << (bits - u32::from(signed));
            let least = if signed { -most } else { 0 };
            Padding { low, high, in_all_bits: low < least || high >= most }
        });
        Ok((stored, rescaled))
    }
}

/// How many frames an image claims to have.
pub fn frames(values: &Values) -> Outcome<usize> {
    match values.text(tags::FRAMES) {
        None => Ok(1),
        Some(_) => values
            .whole(tags::FRAMES)
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| (1..=1 << 20).contains(n))
            .ok_or_else(|| Fault::new(format!("has a damaged number of frames {}", number(tags::FRAMES)))),
    }
}

fn size(values: &Values) -> Outcome<(usize, usize)> {
    let of = |tag, what: &str| {
        let n = values.u16(tag).map_or(0, usize::from);
        let fine = (1..=LARGEST).contains(&n);
        fine.then_some(n).ok_or_else(|| Fault::new(format!("has {n} {what}; 1 to {LARGEST} are read here")))
    };
    Ok((of(tags::COLUMNS, "columns")?, of(tags::ROWS, "rows")?))
}

/// Two directions made exactly square and of length 1; `None` when they are far from it.
fn square(row: [f64; 3], column: [f64; 3]) -> Option<([f64; 3], [f64; 3])> {
    let unit = |v: [f64; 3]| {
        let length = dot(v, v).sqrt();
        ((length - 1.0).abs() < 0.01).then(|| v.map(|x| x / length))
    };
    let (row, column) = (unit(row)?, unit(column)?);
    if dot(row, column).abs() > 0.01 {
        return None;
    }
    let normal = cross(row, column);
    let length = dot(normal, normal).sqrt();
    let normal = normal.map(|x| x / length);
    Some((row, cross(normal, row)))
}

/// A modality's code, if it is one.
fn modality_of(text: &str) -> Aside {
    let mut name = [0; 16];
    if text.is_empty() || text.len() > 16 || !text.bytes().all(|b| b.is_ascii_uppercase()) {
        return Aside::NoImage;
    }
    name[..text.len()].copy_from_slice(text.as_bytes());
    Aside::Modality(name)
}

/// A kernel's name, if it looks like one: short, and of the characters that vendors use.
fn kernel(text: &str) -> Option<String> {
    let first = text.split('\\').next()?.trim();
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'_' | b'/' | b'.' | b' ');
    ((1..=16).contains(&first.len()) && first.bytes().all(fine)).then(|| first.to_owned())
}
