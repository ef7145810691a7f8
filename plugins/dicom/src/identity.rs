//! The attributes of patient and study that a result takes over from its source, when the user asks for it.

use crate::dataset::DataSet;
use crate::element::Reader;
use crate::fault::{Fault, Outcome};
use crate::file;
use crate::tags::{STUDY, Tag};

/// Tag, type: attributes that a segmentation must have, empty or not (PS3.3, C.7.1.1 and C.7.2.1), and the
/// character set that they are written in.
const ATTRIBUTES: [(Tag, &[u8; 2]); 10] = [
    (0x0008_0005, b"CS"),
    (0x0008_0020, b"DA"),
    (0x0008_0030, b"TM"),
    (0x0008_0050, b"SH"),
    (0x0008_0090, b"PN"),
    (0x0010_0010, b"PN"),
    (0x0010_0020, b"LO"),
    (0x0010_0030, b"DA"),
    (0x0010_0040, b"CS"),
    (0x0020_0010, b"SH"),
];
/// The character set is there only when it is stated.
const CHARACTER_SET: Tag = 0x0008_0005;

/// Puts them in, empty: nobody is named.
pub fn withhold(set: &mut DataSet) {
    for (tag, vr) in ATTRIBUTES.iter().filter(|(tag, _)| *tag != CHARACTER_SET) {
        set.text(*tag, vr, "");
    }
}

/// Puts them in as a file of the same study has them.
///
/// # Errors
/// It is no DICOM file, damaged, or of another study.
pub fn copy(set: &mut DataSet, bytes: &[u8], study: &str) -> Outcome<()> {
    withhold(set);
    let source = file::DataSet::open(bytes)?;
    let mut reader = Reader::new(&source.bytes, source.coding);
    let mut is_same = false;
    while let Some(element) = reader.next()? {
        if element.tag == STUDY {
            let uid = std::str::from_utf8(element.value).unwrap_or_default();
            is_same = uid.trim_matches(['\0', ' ']) == study;
        }
        if let Some((tag, vr)) = ATTRIBUTES.iter().find(|(tag, _)| *tag == element.tag) {
            set.bytes(*tag, vr, element.value.to_vec());
        }
        if element.tag > STUDY {
            break;
        }
    }
    if is_same { Ok(()) } else { Err(Fault::new("is of another study than the slices")) }
}
