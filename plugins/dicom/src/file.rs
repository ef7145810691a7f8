//! A DICOM file: its preamble, its transfer syntax and its data set (DICOM PS3.10).

use crate::element::{Coding, EXPLICIT_LITTLE, Reader};
use crate::fault::{Fault, Outcome};
use crate::tags::{self, Tag};
use flate2::bufread::DeflateDecoder;
use std::borrow::Cow;
use std::io::Read;

/// Bytes before the mark that makes a file a DICOM file.
const PREAMBLE: usize = 128;
/// Bytes that tell whether a file is DICOM.
pub const HEAD: usize = PREAMBLE + 4;
/// How much larger a deflated data set may become, and what it may become in any case.
const INFLATION: u64 = 64;
const INFLATED: u64 = 16 << 20;

/// How pixels are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Rle,
    JpegLossless,
    JpegLs,
    Jpeg2000,
}

/// Whether these first [`HEAD`] bytes are a DICOM file's.
pub fn is_dicom(head: &[u8]) -> bool {
    head.get(PREAMBLE..HEAD) == Some(b"DICM")
}

/// The data set of a file, inflated where it is deflated.
pub struct DataSet<'a> {
    pub bytes: Cow<'a, [u8]>,
    pub coding: Coding,
    pub compression: Compression,
    /// Whether the compression changes pixels.
    pub lossy: bool,
}

impl<'a> DataSet<'a> {
    /// Reads the meta information and finds the data set.
    pub fn open(file: &'a [u8]) -> Outcome<Self> {
        if !is_dicom(file) {
            return Err(Fault::new("is no DICOM file"));
        }
        let mut meta = Reader::new(file.get(HEAD..).unwrap_or_default(), EXPLICIT_LITTLE);
        let mut syntax = None;
        while meta.group() == Some(2) {
            let Some(element) = meta.next()? else { break };
            if element.tag == tags::TRANSFER_SYNTAX {
                let text = std::str::from_utf8(element.value).unwrap_or_default();
                syntax = Some(text.trim_matches(|c: char| c == ' ' || c == '\0'));
            }
        }
        let syntax = syntax.ok_or_else(|| Fault::new("does not state its transfer syntax"))?;
        let (coding, compression, lossy, deflated) = known(syntax)?;
        let rest = meta.rest();
        let bytes = if deflated { Cow::Owned(inflate(rest)?) } else { Cow::Borrowed(rest) };
        Ok(Self { bytes, coding, compression, lossy })
    }
}

/// Transfer syntaxes (PS3.5, annex A; PS3.6, table A-1).
fn known(syntax: &str) -> Outcome<(Coding, Compression, bool, bool)> {
    let plain = |explicit, big| Ok((Coding { explicit, big }, Compression::None, false, false));
    let packed = |compression, lossy| Ok((EXPLICIT_LITTLE, compression, lossy, false));
    match syntax.strip_prefix("1.2.840.10008.1.2") {
        Some("") => plain(false, false),
        Some(".1") => plain(true, false),
        Some(".2") => plain(true, true),
        Some(".1.99") => Ok((EXPLICIT_LITTLE, Compression::None, false, true)),
        Some(".5") => packed(Compression::Rle, false),
        Some(".4.57" | ".4.70") => packed(Compression::JpegLossless, false),
        Some(".4.80") => packed(Compression::JpegLs, false),
        Some(".4.81") => packed(Compression::JpegLs, true),
        Some(".4.90") => packed(Compression::Jpeg2000, false),
        Some(".4.91") => packed(Compression::Jpeg2000, true),
        _ => Err(Fault::new(format!(
            "has a transfer syntax that is not read here{}; decompress it, e.g. with `dcmdjpeg` or `gdcmconv --raw`",
            named(syntax)
        ))),
    }
}

/// The UID in brackets, when it is one of the standard's and so says nothing about anybody.
fn named(syntax: &str) -> String {
    let fine = syntax.starts_with("1.2.840.10008.")
        && syntax.len() < 32
        && syntax.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if fine { format!(" ({syntax})") } else { String::new() }
}

fn inflate(bytes: &[u8]) -> Outcome<Vec<u8>> {
    let most = INFLATION * bytes.len() as u64 + INFLATED;
    let mut out = Vec::new();
    DeflateDecoder::new(bytes)
        .take(most + 1)
        .read_to_end(&mut out)
        .map_err(|_| Fault::new("is damaged: its deflated data set cannot be read"))?;
    if out.len() as u64 > most {
        return Err(Fault::new(format!("is deflated more than {INFLATION} times; no CT is")));
    }
    Ok(out)
}

/// Whether a SOP class is one of the three of CT images (PS3.4, table B.5-1).
pub fn is_ct_class(class: &str) -> bool {
    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    class.strip_prefix(CT).is_some_and(|rest| matches!(rest, "" | ".1" | ".2"))
}

/// An attribute's number, for messages: `(0028,0010)`.
pub fn number(tag: Tag) -> String {
    format!("({:04x},{:04x})", tag >> 16, tag & 0xffff)
}
