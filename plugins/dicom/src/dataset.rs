//! A data set to be written: explicit VR, little endian, elements in the order of their tags (DICOM PS3.5, section 7).

use crate::tags::Tag;
use std::collections::BTreeMap;

/// Attributes by their tags.
#[derive(Clone, Debug, Default)]
pub struct DataSet(BTreeMap<Tag, Value>);

#[derive(Clone, Debug)]
enum Value {
    /// Type and bytes, of even length.
    Plain([u8; 2], Vec<u8>),
    Items(Vec<DataSet>),
}

/// Types whose length has four bytes (PS3.5, 7.1.2).
const LONG: [[u8; 2]; 3] = [*b"OB", *b"OW", *b"SQ"];
const ITEM: Tag = 0xFFFE_E000;
/// First bytes of every file: a preamble, then a mark (PS3.10, section 7.1).
const PREAMBLE: usize = 128;
/// Explicit VR little endian.
const TRANSFER_SYNTAX: &str = "1.2.840.10008.1.2.1";

impl DataSet {
    /// Text, or several values of it; UIDs are padded by NUL, everything else by a blank.
    pub fn text(&mut self, tag: Tag, vr: &[u8; 2], value: impl AsRef<str>) -> &mut Self {
        let mut bytes = value.as_ref().as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == b"UI" { 0 } else { b' ' });
        }
        self.0.insert(tag, Value::Plain(*vr, bytes));
        self
    }

    /// Decimal strings: at most 16 characters each (PS3.5, 6.2).
    pub fn decimals(&mut self, tag: Tag, values: &[f64]) -> &mut Self {
        let list: Vec<String> = values.iter().map(|&v| decimal(v)).collect();
        self.text(tag, b"DS", list.join("\\"))
    }

    /// 16-bit numbers.
    pub fn us(&mut self, tag: Tag, values: &[u16]) -> &mut Self {
        self.bytes(tag, b"US", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// 32-bit numbers.
    pub fn ul(&mut self, tag: Tag, values: &[u32]) -> &mut Self {
        self.bytes(tag, b"UL", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// The tag of another attribute.
    pub fn pointer(&mut self, tag: Tag, to: Tag) -> &mut Self {
        self.bytes(tag, b"AT", [(to >> 16) as u16, to as u16].iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// Any bytes; an odd length is made even by a zero.
    pub fn bytes(&mut self, tag: Tag, vr: &[u8; 2], mut bytes: Vec<u8>) -> &mut Self {
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        self.0.insert(tag, Value::Plain(*vr, bytes));
        self
    }

    /// A sequence.
    pub fn items(&mut self, tag: Tag, items: Vec<DataSet>) -> &mut Self {
        self.0.insert(tag, Value::Items(items));
        self
    }

    /// A sequence of one item.
    pub fn item(&mut self, tag: Tag, fill: impl FnOnce(&mut DataSet)) -> &mut Self {
        let mut item = DataSet::default();
        fill(&mut item);
        self.items(tag, vec![item])
    }

    /// The bytes of the data set.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (&tag, value) in &self.0 {
            match value {
                Value::Plain(vr, bytes) => element(&mut out, tag, *vr, bytes),
                Value::Items(items) => {
                    let mut inside = Vec::new();
                    for item in items {
                        let bytes = item.encode();
                        put_tag(&mut inside, ITEM);
                        inside.extend((bytes.len() as u32).to_le_bytes());
                        inside.extend(bytes);
                    }
                    element(&mut out, tag, *b"SQ", &inside);
                }
            }
        }
        out
    }

    /// A whole file: preamble, meta information (PS3.10, 7.1), data set.
    pub fn file(&self, class: &str, instance: &str, implementation: &str) -> Vec<u8> {
        let mut meta = DataSet::default();
        meta.bytes(0x0002_0001, b"OB", vec![0, 1])
            .text(0x0002_0002, b"UI", class)
            .text(0x0002_0003, b"UI", instance)
            .text(0x0002_0010, b"UI", TRANSFER_SYNTAX)
            .text(0x0002_0012, b"UI", implementation)
            .text(0x0002_0013, b"SH", "ICHOR");
        let meta = meta.encode();
        let mut out = vec![0; PREAMBLE];
        out.extend(b"DICM");
        element(&mut out, 0x0002_0000, *b"UL", &(meta.len() as u32).to_le_bytes());
        out.extend(meta);
        out.extend(self.encode());
        out
    }
}

fn put_tag(out: &mut Vec<u8>, tag: Tag) {
    out.extend(((tag >> 16) as u16).to_le_bytes());
    out.extend((tag as u16).to_le_bytes());
}

fn element(out: &mut Vec<u8>, tag: Tag, vr: [u8; 2], bytes: &[u8]) {
    put_tag(out, tag);
    out.extend(vr);
    if LONG.contains(&vr) {
        out.extend([0, 0]);
        out.extend((bytes.len() as u32).to_le_bytes());
    } else {
        out.extend((bytes.len() as u16).to_le_bytes());
    }
    out.extend(bytes);
}

/// A number in at most 16 characters, as precise as these allow.
fn decimal(value: f64) -> String {
    let plain = format!("{value}");
    if plain.len() <= 16 {
        return plain;
    }
    let fits = |text: &String| text.len() <= 16;
    let fixed = (0..=14).rev().map(|digits| format!("{value:.digits$}")).find(fits);
    let power = || (0..=10).rev().map(|digits| format!("{value:.digits$e}")).find(fits).unwrap_or_default();
    match fixed {
        Some(text) if value.abs() >= 1e-4 => text,
        _ => power(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_as_many_digits_as_fit() {
        assert_eq!(decimal(0.488281), "0.488281");
        assert_eq!(decimal(-124.756_000_1), "-124.7560001");
        assert_eq!(decimal(std::f64::consts::PI), "3.14159265358979");
        assert_eq!(decimal(-std::f64::consts::PI * 100.0), "-314.15926535898");
        assert_eq!(decimal(1.234_567_890_123_456e-17), "1.2345678901e-17");
        for value in [1.0 / 3.0, -1.0 / 3e3, 123_456_789.123_456_78, -2.5e-11, 1e300 / 7.0] {
            let text = decimal(value);
            assert!(text.len() <= 16, "{text}");
            assert!((text.parse::<f64>().unwrap() / value - 1.0).abs() < 1e-8, "{text} for {value}");
        }
    }

    #[test]
    fn elements_are_written_as_the_standard_says() {
        let mut set = DataSet::default();
        set.us(0x0028_0010, &[512]).text(0x0008_0018, b"UI", "1.2.3").item(0x0008_1115, |item| {
            item.text(0x0020_000E, b"UI", "1.2");
        });
        let bytes = set.encode();
        // Rising tags; UIDs padded by NUL; a sequence with its length, an item with its own.
        assert_eq!(&bytes[..14], b"\x08\x00\x18\x00UI\x06\x001.2.3\0");
        assert_eq!(&bytes[14..26], b"\x08\x00\x15\x11SQ\0\0\x14\0\0\0");
        assert_eq!(&bytes[26..34], b"\xfe\xff\x00\xe0\x0c\0\0\0");
        assert_eq!(&bytes[34..46], b"\x20\x00\x0e\x00UI\x04\x001.2\0");
        assert_eq!(&bytes[46..], b"\x28\x00\x10\x00US\x02\x00\x00\x02");
        let file = set.file("1.2", "1.2.3", "1.2.4");
        assert_eq!(&file[PREAMBLE..PREAMBLE + 12], b"DICM\x02\x00\x00\x00UL\x04\x00");
        assert!(file.ends_with(&bytes));
    }
}
