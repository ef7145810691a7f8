//! DICOM files made for tests, by another library than the one that reads them.

pub mod scan;

use dicom_core::value::{PixelFragmentSequence, Value};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::mem::InMemElement;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_transfer_syntax_registry::entries;
use std::io::Write;

pub use dicom_core::{PrimitiveValue as Primitive, Tag as DicomTag, VR as Vr};
pub use dicom_dictionary_std::tags as tag;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Implicit VR, little endian.
    Implicit,
    /// Explicit VR, little endian.
    Explicit,
    /// Explicit VR, big endian.
    BigEndian,
    /// Explicit VR, deflated.
    Deflated,
    /// RLE Lossless.
    Rle,
}

/// A CT image that is being made.
#[derive(Clone)]
pub struct Image {
    /// Its attributes.
    pub object: InMemDicomObject,
    size: [u16; 2],
    /// Words of all frames, as stored.
    pub words: Vec<u16>,
}

impl Image {
    /// An axial slice of signed 16-bit pixels in HU, `number` being its instance and `position` (LPS, mm) its first pixel.
    pub fn slice(number: u32, [columns, rows]: [u16; 2], position: [f64; 3], pixels: &[i16]) -> Self {
        let mut image = Self {
            object: InMemDicomObject::new_empty(),
            size: [columns, rows],
            words: pixels.iter().map(|&v| v as u16).collect(),
        };
        for (tag, vr, text) in [
            (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL".to_owned()),
            (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE.to_owned()),
            (tags::SOP_INSTANCE_UID, VR::UI, format!("1.2.826.0.1.7.{number}")),
            (tags::MODALITY, VR::CS, "CT".to_owned()),
            (tags::SLICE_THICKNESS, VR::DS, "5".to_owned()),
            (tags::CONVOLUTION_KERNEL, VR::SH, "H31s".to_owned()),
            (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.826.0.1.5".to_owned()),
            (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.826.0.1.6".to_owned()),
            (tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.826.0.1.8".to_owned()),
            (tags::SERIES_NUMBER, VR::IS, "2".to_owned()),
            (tags::INSTANCE_NUMBER, VR::IS, number.to_string()),
            (tags::IMAGE_POSITION_PATIENT, VR::DS, decimals(&position)),
            (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, decimals(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
            (tags::PIXEL_SPACING, VR::DS, "1\\1".to_owned()),
            (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2".to_owned()),
            (tags::RESCALE_INTERCEPT, VR::DS, "0".to_owned()),
            (tags::RESCALE_SLOPE, VR::DS, "1".to_owned()),
        ] {
            image.text(tag, vr, &text);
        }
        for (tag, n) in [
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::ROWS, rows),
            (tags::COLUMNS, columns),
            (tags::BITS_ALLOCATED, 16),
            (tags::BITS_STORED, 16),
            (tags::HIGH_BIT, 15),
            (tags::PIXEL_REPRESENTATION, 1),
        ] {
            image.number(tag, n);
        }
        image
    }

    /// Sets an attribute to text.
    pub fn text(&mut self, tag: Tag, vr: VR, text: &str) -> &mut Self {
        self.object.put(DataElement::new(tag, vr, PrimitiveValue::from(text)));
        self
    }

    /// Sets an attribute to decimal numbers.
    pub fn decimals(&mut self, tag: Tag, numbers: &[f64]) -> &mut Self {
        self.text(tag, VR::DS, &decimals(numbers))
    }

    /// Sets an attribute to a number of 16 bits.
    pub fn number(&mut self, tag: Tag, number: u16) -> &mut Self {
        self.object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(number)));
        self
    }

    /// Sets a sequence of items.
    pub fn sequence(&mut self, tag: Tag, items: Vec<InMemDicomObject>) -> &mut Self {
        self.object.put(sequence(tag, items));
        self
    }

    /// Takes an attribute away.
    pub fn without(&mut self, tag: Tag) -> &mut Self {
        self.object.remove_element(tag);
        self
    }

    /// The file.
    pub fn file(&self, syntax: Syntax) -> Vec<u8> {
        let mut object = self.object.clone();
        let value: Value<InMemDicomObject, Vec<u8>> = match syntax {
            Syntax::Rle => {
                let frame = usize::from(self.size[0]) * usize::from(self.size[1]);
                let frames: Vec<Vec<u8>> = self.words.chunks(frame).map(rle).collect();
                PixelFragmentSequence::new(Vec::<u32>::new(), frames).into()
            }
            _ => PrimitiveValue::U16(self.words.iter().copied().collect()).into(),
        };
        let vr = if syntax == Syntax::Rle { VR::OB } else { VR::OW };
        object.put(InMemElement::new(tags::PIXEL_DATA, vr, value));
        file(&object, syntax)
    }

    /// A file whose pixels are compressed elsewhere, one fragment a frame.
    pub fn encapsulated(&self, transfer_syntax: &str, frames: Vec<Vec<u8>>) -> Vec<u8> {
        let mut object = self.object.clone();
        let value: Value<InMemDicomObject, Vec<u8>> =
            PixelFragmentSequence::new(Vec::<u32>::new(), frames).into();
        object.put(InMemElement::new(tags::PIXEL_DATA, VR::OB, value));
        with_meta(&object, transfer_syntax, &data_set(&object, Syntax::Explicit))
    }
}

/// A file of any data set.
pub fn file(object: &InMemDicomObject, syntax: Syntax) -> Vec<u8> {
    let uid = match syntax {
        Syntax::Implicit => uids::IMPLICIT_VR_LITTLE_ENDIAN,
        Syntax::Explicit => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        Syntax::BigEndian => "1.2.840.10008.1.2.2",
        Syntax::Deflated => uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        Syntax::Rle => uids::RLE_LOSSLESS,
    };
    with_meta(object, uid, &data_set(object, syntax))
}

fn data_set(object: &InMemDicomObject, syntax: Syntax) -> Vec<u8> {
    let mut out = Vec::new();
    let entry = match syntax {
        Syntax::Implicit => entries::IMPLICIT_VR_LITTLE_ENDIAN.erased(),
        Syntax::BigEndian => entries::EXPLICIT_VR_BIG_ENDIAN.erased(),
        _ => entries::EXPLICIT_VR_LITTLE_ENDIAN.erased(),
    };
    object.write_dataset_with_ts(&mut out, &entry).unwrap();
    if syntax == Syntax::Deflated {
        let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
        deflated.write_all(&out).unwrap();
        return deflated.finish().unwrap();
    }
    out
}

fn with_meta(object: &InMemDicomObject, transfer_syntax: &str, data_set: &[u8]) -> Vec<u8> {
    let text = |tag| object.get(tag).map_or(String::new(), |e| e.to_str().unwrap().into_owned());
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(transfer_syntax)
        .media_storage_sop_class_uid(text(tags::SOP_CLASS_UID))
        .media_storage_sop_instance_uid(text(tags::SOP_INSTANCE_UID))
        .build()
        .unwrap();
    let mut out = vec![0; 128];
    out.extend(b"DICM");
    meta.write(&mut out).unwrap();
    out.extend(data_set);
    out
}

/// A sequence element.
pub fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> InMemElement {
    DataElement::new(tag, VR::SQ, dicom_core::value::DataSetSequence::from(items))
}

/// An item of decimal numbers.
pub fn item(values: &[(Tag, &[f64])]) -> InMemDicomObject {
    let of = |&(tag, numbers): &(Tag, &[f64])| {
        InMemElement::new(tag, VR::DS, PrimitiveValue::from(decimals(numbers)))
    };
    InMemDicomObject::from_element_iter(values.iter().map(of))
}

/// Numbers as DICOM writes them: at most 16 characters each.
pub fn decimals(numbers: &[f64]) -> String {
    let one = |v: &f64| {
        let mut text = format!("{v}");
        for digits in (0..14).rev() {
            if text.len() <= 16 {
                break;
            }
            text = format!("{v:.digits$}");
        }
        text
    };
    numbers.iter().map(one).collect::<Vec<_>>().join("\\")
}

/// A frame in RLE: a segment of high bytes, one of low bytes (PS3.5, annex G).
fn rle(words: &[u16]) -> Vec<u8> {
    let pack = |bytes: Vec<u8>| {
        let mut out = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let same = bytes[at..].iter().take(128).take_while(|&&b| b == bytes[at]).count();
            if same > 1 {
                out.extend([(257 - same) as u8, bytes[at]]);
                at += same;
            } else {
                let rest = &bytes[at..];
                let n = (1..rest.len().min(128))
                    .find(|&n| rest[n - 1] == rest[n])
                    .map_or(rest.len().min(128), |n| n.max(2) - 1);
                out.push((n - 1) as u8);
                out.extend(&rest[..n]);
                at += n;
            }
        }
        if out.len() % 2 == 1 {
            out.push(128);
        }
        out
    };
    let high = pack(words.iter().map(|w| (w >> 8) as u8).collect());
    let low = pack(words.iter().map(|&w| w as u8).collect());
    let mut out: Vec<u8> = [2u32, 64, 64 + high.len() as u32].iter().flat_map(|n| n.to_le_bytes()).collect();
    out.resize(64, 0);
    out.extend(high);
    out.extend(low);
    out
}
