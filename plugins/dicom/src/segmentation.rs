//! A DICOM Segmentation object (PS3.3, A.51): one bit a pixel, on the planes of the source images.

use crate::dataset::DataSet;
use crate::source_slices::{Source, Sources};
use crate::tags::Tag;
use sha2::{Digest, Sha256};

/// SOP class of segmentations.
pub const CLASS: &str = "1.2.840.10008.5.1.4.1.1.66.4";
/// UIDs out of 128 bits (PS3.5, annex B.2); that of this program, chosen at random once.
const ROOT: &str = "2.25";
pub const IMPLEMENTATION: &str = "2.25.193866102364471059217835120674835912347";

/// A code of a terminology (PS3.3, 8.8).
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    pub value: String,
    pub scheme: String,
    pub meaning: String,
}

/// What is marked.
pub struct Segment {
    pub label: String,
    pub category: Code,
    pub kind: Code,
    pub algorithm: String,
}

/// One frame: a segment on a source image.
pub struct Frame {
    /// From 0.
    pub segment: usize,
    /// Index in the sources.
    pub source: usize,
    /// Pixel for pixel, row by row.
    pub pixels: Vec<bool>,
}

/// Everything that is written.
pub struct Segmentation<'a> {
    pub sources: &'a Sources,
    pub segments: &'a [Segment],
    pub frames: &'a [Frame],
    pub series_number: u32,
    pub description: &'a str,
    /// `YYYYMMDD` and `HHMMSS`.
    pub made: (&'a str, &'a str),
    pub version: &'a str,
}

/// A UID that follows from what it names.
fn uid(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let number = hash.finalize().iter().take(16).fold(0u128, |n, &byte| n << 8 | u128::from(byte));
    format!("{ROOT}.{number}")
}

fn code(set: &mut DataSet, tag: Tag, code: &Code) {
    set.item(tag, |item| {
        item.text(0x0008_0100, b"SH", &code.value).text(0x0008_0102, b"SH", &code.scheme).text(
            0x0008_0104,
            b"LO",
            &code.meaning,
        );
    });
}

fn dcm(value: &str, meaning: &str) -> Code {
    Code { value: value.into(), scheme: "DCM".into(), meaning: meaning.into() }
}

impl Segmentation<'_> {
    /// The bytes of the file; `identify` puts patient and study in.
    pub fn file<E>(&self, identify: impl FnOnce(&mut DataSet) -> Result<(), E>) -> Result<Vec<u8>, E> {
        let bits = self.bits();
        let sources: String =
            self.sources.slices.iter().map(|s| format!("{}#{} ", s.sop_instance, s.frame)).collect();
        let segments: String =
            self.segments.iter().map(|s| format!("{}\n{}\n", s.label, s.algorithm)).collect();
        let places: String = self.frames.iter().map(|f| format!("{}:{} ", f.segment, f.source)).collect();
        let parts = [
            sources.as_bytes(),
            segments.as_bytes(),
            places.as_bytes(),
            self.description.as_bytes(),
            self.made.0.as_bytes(),
            self.made.1.as_bytes(),
            &bits,
        ];
        let named = |what: &str| uid(&[&[what.as_bytes()], &parts[..]].concat());
        let (instance, series, dimensions) = (named("instance"), named("series"), named("dimensions"));
        let mut set = DataSet::default();
        identify(&mut set)?;
        self.general(&mut set, &instance, &series);
        self.image(&mut set, bits);
        self.segments(&mut set);
        self.functional_groups(&mut set, &dimensions);
        self.references(&mut set);
        Ok(set.file(CLASS, &instance, IMPLEMENTATION))
    }

    /// Pixels of all frames, one bit each, the first in the lowest bit; frames follow each other without gap
    /// (PS3.5, 8.1.1).
    fn bits(&self) -> Vec<u8> {
        let n: usize = self.frames.iter().map(|f| f.pixels.len()).sum();
        let mut out = vec![0u8; n.div_ceil(8)];
        for (at, _) in self.frames.iter().flat_map(|f| &f.pixels).enumerate().filter(|(_, on)| **on) {
            out[at / 8] |= 1 << (at % 8);
        }
        out
    }

    /// Series, equipment, SOP common, frame of reference.
    fn general(&self, set: &mut DataSet, instance: &str, series: &str) {
        let (date, time) = self.made;
        set.text(0x0008_0016, b"UI", CLASS)
            .text(0x0008_0018, b"UI", instance)
            .text(0x0008_0060, b"CS", "SEG")
            .text(0x0008_0070, b"LO", "Ichor")
            .text(0x0008_1090, b"LO", "Ichor")
            .text(0x0018_1000, b"LO", "none")
            .text(0x0018_1020, b"LO", self.version)
            .text(0x0020_000D, b"UI", &self.sources.study)
            .text(0x0020_000E, b"UI", series)
            .text(0x0020_0011, b"IS", self.series_number.to_string())
            .text(0x0020_0013, b"IS", "1")
            .text(0x0020_0052, b"UI", &self.sources.frame_of_reference)
            .text(0x0020_1040, b"LO", "")
            .text(0x0008_0023, b"DA", date)
            .text(0x0008_0033, b"TM", time)
            .text(0x0008_103E, b"LO", self.description);
    }

    fn image(&self, set: &mut DataSet, bits: Vec<u8>) {
        let lossy = if self.sources.slices.iter().any(|s| s.lossy) { "01" } else { "00" };
        set.text(0x0008_0008, b"CS", "DERIVED\\PRIMARY")
            .us(0x0028_0002, &[1])
            .text(0x0028_0004, b"CS", "MONOCHROME2")
            .text(0x0028_0008, b"IS", self.frames.len().to_string())
            .us(0x0028_0010, &[self.sources.rows])
            .us(0x0028_0011, &[self.sources.columns])
            .us(0x0028_0100, &[1])
            .us(0x0028_0101, &[1])
            .us(0x0028_0102, &[0])
            .us(0x0028_0103, &[0])
            .text(0x0028_2110, b"CS", lossy)
            .text(0x0062_0001, b"CS", "BINARY")
            .text(0x0062_0013, b"CS", "NO")
            .text(0x0070_0080, b"CS", "SEGMENTATION")
            .text(0x0070_0081, b"LO", self.description)
            .text(0x0070_0084, b"PN", "")
            .bytes(0x7FE0_0010, b"OB", bits);
        if lossy == "01" {
            // Of an unknown ratio and method nothing is claimed.
            set.text(0x0028_2112, b"DS", "").text(0x0028_2114, b"CS", "");
        }
    }

    fn segments(&self, set: &mut DataSet) {
        let item = |(n, segment): (usize, &Segment)| {
            let mut item = DataSet::default();
            item.us(0x0062_0004, &[n as u16 + 1])
                .text(0x0062_0005, b"LO", &segment.label)
                .text(0x0062_0008, b"CS", "AUTOMATIC")
                .text(0x0062_0009, b"LO", &segment.algorithm);
            code(&mut item, 0x0062_0003, &segment.category);
            code(&mut item, 0x0062_000F, &segment.kind);
            item
        };
        set.items(0x0062_0002, self.segments.iter().enumerate().map(item).collect());
    }

    /// What frames share, what each has of its own, and in which order they stand (PS3.3, C.7.6.16, C.7.6.17).
    fn functional_groups(&self, set: &mut DataSet, organization: &str) {
        const SEGMENTS: Tag = 0x0062_000A;
        const SEGMENT: Tag = 0x0062_000B;
        const PLANE: Tag = 0x0020_9113;
        const POSITION: Tag = 0x0020_0032;
        set.item(0x0020_9221, |item| {
            item.text(0x0020_9164, b"UI", organization);
        });
        let index = |tag: Tag, group: Tag, label: &str| {
            let mut item = DataSet::default();
            item.text(0x0020_9164, b"UI", organization)
                .pointer(0x0020_9165, tag)
                .pointer(0x0020_9167, group)
                .text(0x0020_9421, b"LO", label);
            item
        };
        set.items(
            0x0020_9222,
            vec![index(SEGMENT, SEGMENTS, "Segment Number"), index(POSITION, PLANE, "Position")],
        );
        let Some(first) = self.sources.slices.first().map(|s| s.place) else { return };
        let directions = [first.along_row, first.along_column].concat();
        set.item(0x5200_9229, |shared| {
            shared.item(0x0020_9116, |item| {
                item.decimals(0x0020_0037, &directions);
            });
            shared.item(0x0028_9110, |item| {
                item.decimals(0x0018_0050, &[first.thickness.unwrap_or(self.distance())])
                    .decimals(0x0018_0088, &[self.distance()])
                    // Rows first (PS3.3, 10.7.1.3).
                    .decimals(0x0028_0030, &[first.spacing[1], first.spacing[0]]);
            });
        });
        let frame = |f: &Frame| {
            let source = &self.sources.slices[f.source];
            let mut item = DataSet::default();
            item.item(0x0008_9124, |derived| self.derivation(derived, source))
                .item(0x0020_9111, |content| {
                    content.ul(0x0020_9157, &[f.segment as u32 + 1, f.source as u32 + 1]);
                })
                .item(PLANE, |plane| {
                    plane.decimals(POSITION, &source.place.position);
                })
                .item(SEGMENTS, |segment| {
                    segment.us(SEGMENT, &[f.segment as u16 + 1]);
                });
            item
        };
        set.items(0x5200_9230, self.frames.iter().map(frame).collect());
    }

    /// The image that a frame was made from.
    fn derivation(&self, set: &mut DataSet, source: &Source) {
        set.item(0x0008_2112, |image| {
            image.text(0x0008_1150, b"UI", &source.sop_class).text(0x0008_1155, b"UI", &source.sop_instance);
            if self.sources.slices.iter().filter(|s| s.sop_instance == source.sop_instance).nth(1).is_some() {
                image.text(0x0008_1160, b"IS", source.frame.to_string());
            }
            code(image, 0x0040_A170, &dcm("121322", "Source image for image processing operation"));
            image.text(0x0028_135A, b"CS", "YES");
        });
        code(set, 0x0008_9215, &dcm("113076", "Segmentation"));
    }

    /// Every image that is referred to (PS3.3, C.12.2).
    fn references(&self, set: &mut DataSet) {
        let mut seen = std::collections::BTreeSet::new();
        let distinct = self.sources.slices.iter().filter(|s| seen.insert(s.sop_instance.as_str()));
        let instance = |source: &Source| {
            let mut item = DataSet::default();
            item.text(0x0008_1150, b"UI", &source.sop_class).text(0x0008_1155, b"UI", &source.sop_instance);
            item
        };
        let instances: Vec<DataSet> = distinct.map(instance).collect();
        set.item(0x0008_1115, |series| {
            series.text(0x0020_000E, b"UI", &self.sources.series).items(0x0008_114A, instances);
        });
    }

    /// Median distance of neighbouring slices along their normal, mm.
    fn distance(&self) -> f64 {
        let places: Vec<_> = self.sources.slices.iter().map(|s| s.place).collect();
        crate::place::Stack::measure(&places)
            .map_or_else(|| places.first().and_then(|p| p.thickness).unwrap_or(1.0), |stack| stack.median)
    }
}
