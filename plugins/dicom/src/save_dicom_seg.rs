//! Writes a mask as a DICOM Segmentation that refers to the slices of its CT.

use crate::identity;
use crate::segmentation::{Code, Frame, Segment, Segmentation};
use crate::source_slices::Sources;
use ichor_image::parallel::map_ranges;
use ichor_sdk::prelude::*;

/// Writes a mask or labels as a DICOM Segmentation (SEG), on the planes of the slices that `load-dicom` read.
///
/// Each frame lies on the plane of a source image and names it, so that a viewer lays it over that image. The mask's
/// grid may be any (tilt corrected, resampled): a pixel takes the mask's nearest voxel at its own position in the
/// patient. Frames without a marked pixel are left out; when nothing at all is marked, the first slice is written,
/// empty, because an object without frames is none.
///
/// Labels become segments, numbered from 1 in the order of their values. Pixels are binary (one bit each), not
/// compressed; explicit VR, little endian.
///
/// Patient and study attributes are empty unless `identity` names a file of the series to copy them from. UIDs follow
/// from the content, and the date is a parameter, so that the same input makes the same bytes.
#[derive(Stage)]
#[stage(id = "save-dicom-seg", version = "1.0.0", bytes_per_voxel = 1.0)]
#[input(mask, kind = "mask|labels", doc = "what is marked")]
#[input(slices, kind = "table", doc = "the slices of the CT, from load-dicom")]
#[output(file, kind = "blob", doc = "the file: application/dicom (dcm)")]
pub struct SaveDicomSeg {
    /// A DICOM file of the series. Name, birth date, sex and numbers of the patient and the study's date and numbers
    /// are copied from it into the result; without it they are empty.
    #[param(input_file)]
    identity: Option<String>,
    /// What the segment is called; of labels, a number follows. At most 60 bytes.
    #[param(default = "haematoma")]
    label: String,
    /// What made the mask, at most 64 bytes.
    #[param(default = "Ichor pipeline")]
    algorithm: String,
    /// Category of what is marked: code, scheme and meaning.
    #[param(default = ["49755003", "SCT", "Morphologically Abnormal Structure"])]
    category: [String; 3],
    /// What is marked: code, scheme and meaning.
    #[param(default = ["50960005", "SCT", "Hemorrhage"])]
    property: [String; 3],
    /// Description of the new series, at most 64 bytes. It goes wherever the file goes: no names.
    #[param(default = "Segmentation (research use only)")]
    description: String,
    /// Number of the new series.
    #[param(default = 300, min = 1, max = 2147483647)]
    series_number: u32,
    /// Date of the result, YYYYMMDD.
    #[param(default = "19700101")]
    date: String,
    /// Time of the result, HHMMSS.
    #[param(default = "000000")]
    time: String,
}

impl Run for SaveDicomSeg {
    fn run(&self, run: &Context) -> Result<()> {
        self.check()?;
        let mask = run.input(Self::MASK)?;
        let sources = Sources::read(&run.input(Self::SLICES)?.table()?)?;
        let values = values(&mask);
        let values = if values.is_empty() { vec![1] } else { values };
        if values.len() > usize::from(u16::MAX) {
            return Err(Error::bad_input(format!("{} labels are more than segments can be", values.len())));
        }
        run.progress(0.1, "placing frames");
        let mut frames = Vec::new();
        let to_voxel = ToVoxel::new(mask.grid())?;
        let voxels = mask.voxels();
        let planes = map_ranges(run, sources.slices.len(), 1, &|range| {
            range.map(|n| plane(voxels, &to_voxel, &sources, n)).collect::<Vec<_>>()
        });
        let planes: Vec<Vec<u32>> = planes.into_iter().flatten().collect();
        run.check_cancelled()?;
        for (segment, &value) in values.iter().enumerate() {
            for (source, plane) in planes.iter().enumerate().filter(|(_, plane)| plane.contains(&value)) {
                frames.push(Frame { segment, source, pixels: plane.iter().map(|&v| v == value).collect() });
            }
        }
        if frames.is_empty() {
            run.info("nothing is marked on any slice: one empty frame is written");
            let pixels = vec![false; usize::from(sources.rows) * usize::from(sources.columns)];
            frames.push(Frame { segment: 0, source: 0, pixels });
        }
        let segments: Vec<Segment> = values.iter().map(|&value| self.segment(value, mask.kind())).collect();
        let segmentation = Segmentation {
            sources: &sources,
            segments: &segments,
            frames: &frames,
            series_number: self.series_number,
            description: &self.description,
            made: (&self.date, &self.time),
            version: env!("CARGO_PKG_VERSION"),
        };
        run.progress(0.8, "writing");
        let bytes = segmentation.file(|set| match &self.identity {
            None => {
                identity::withhold(set);
                Ok(())
            }
            Some(path) => {
                let bytes = std::fs::read(path)
                    .map_err(|e| Error::io(format!("cannot read `{path}`, given as `identity`: {e}")))?;
                identity::copy(set, &bytes, &sources.study)
                    .map_err(|fault| fault.of("the file of `identity`"))
            }
        })?;
        run.emit_blob(Self::FILE, "application/dicom", "dcm", bytes)
    }
}

impl SaveDicomSeg {
    fn check(&self) -> Result<()> {
        let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(&self.date, 8) {
            return Err(Error::bad_params(format!("`date` is `{}`; write YYYYMMDD", self.date)));
        }
        if !digits(&self.time, 6) {
            return Err(Error::bad_params(format!("`time` is `{}`; write HHMMSS", self.time)));
        }
        // Without a character set, text is ASCII; `\` parts values.
        let plain = |text: &str, n: usize| {
            !text.trim().is_empty()
                && text.len() <= n
                && text.bytes().all(|b| b.is_ascii() && !b.is_ascii_control() && b != b'\\')
        };
        let mut texts = vec![("label", &self.label, 60), ("algorithm", &self.algorithm, 64)];
        texts.push(("description", &self.description, 64));
        for (name, [value, scheme, meaning]) in [("category", &self.category), ("property", &self.property)] {
            texts.extend([(name, value, 16), (name, scheme, 16), (name, meaning, 64)]);
        }
        match texts.into_iter().find(|(_, text, n)| !plain(text, *n)) {
            Some((name, text, n)) => Err(Error::bad_params(format!(
                "`{name}` has the text `{text}`; it must be 1 to {n} plain ASCII characters without \\"
            ))),
            None => Ok(()),
        }
    }

    fn segment(&self, value: u32, kind: Kind) -> Segment {
        let code = |[value, scheme, meaning]: &[String; 3]| Code {
            value: value.clone(),
            scheme: scheme.clone(),
            meaning: meaning.clone(),
        };
        Segment {
            label: if kind == Kind::Labels { format!("{} {value}", self.label) } else { self.label.clone() },
            category: code(&self.category),
            kind: code(&self.property),
            algorithm: self.algorithm.clone(),
        }
    }
}

/// What is marked, each value once, rising.
fn values(mask: &Input) -> Vec<u32> {
    let mut seen = std::collections::BTreeSet::new();
    match mask.voxels() {
        Voxels::U8(v) => seen.extend(v.iter().map(|&v| u32::from(v))),
        Voxels::U16(v) => seen.extend(v.iter().map(|&v| u32::from(v))),
        Voxels::U32(v) => seen.extend(v.iter().copied()),
        _ => {}
    }
    seen.into_iter().filter(|&v| v != 0).collect()
}

/// From a point in the patient (LPS, mm) to a voxel.
struct ToVoxel {
    inverse: Affine,
    shape: [usize; 3],
}

impl ToVoxel {
    fn new(grid: &Grid) -> Result<Self> {
        let inverse = grid.affine.inverse().map_err(|e| Error::bad_input(format!("input `mask`: {e}")))?;
        Ok(Self { inverse, shape: grid.shape })
    }

    /// The index of the nearest voxel, if the point is in the field of view.
    fn index(&self, lps: [f64; 3]) -> Option<usize> {
        let v = self.inverse.apply([-lps[0], -lps[1], lps[2]]);
        let mut at = [0; 3];
        for axis in 0..3 {
            // What lies half way goes one way, whatever the last bit says.
            let nearest = (v[axis] - 1e-6).round();
            if !(0.0..self.shape[axis] as f64).contains(&nearest) {
                return None;
            }
            at[axis] = nearest as usize;
        }
        Some((at[2] * self.shape[1] + at[1]) * self.shape[0] + at[0])
    }
}

/// The mask on the plane of a slice, row by row.
fn plane(mask: Voxels, to_voxel: &ToVoxel, sources: &Sources, n: usize) -> Vec<u32> {
    let place = sources.slices[n].place;
    let mut out = Vec::with_capacity(usize::from(sources.rows) * usize::from(sources.columns));
    for row in 0..sources.rows {
        for column in 0..sources.columns {
            let (u, v) = (f64::from(column) * place.spacing[0], f64::from(row) * place.spacing[1]);
            let at: [f64; 3] = std::array::from_fn(|a| {
                place.position[a] + u * place.along_row[a] + v * place.along_column[a]
            });
            let value = to_voxel.index(at).map_or(0, |n| match mask {
                Voxels::U8(v) => v.get(n).copied().map_or(0, u32::from),
                Voxels::U16(v) => v.get(n).copied().map_or(0, u32::from),
                Voxels::U32(v) => v.get(n).copied().unwrap_or(0),
                _ => 0,
            });
            out.push(value);
        }
    }
    out
}
