//! Walks through the elements of a data set (DICOM PS3.5, section 7) in memory.
//!
//! Nothing is allocated and no length is believed: a value is a part of the bytes that are there, and sequences
//! may be nested [`DEEPEST`] times.

use crate::fault::{Fault, Outcome};
use crate::tags::{self, Tag};

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coding {
    /// Elements state their type (VR).
    pub explicit: bool,
    /// Most significant byte first.
    pub big: bool,
}

/// Coding of the file's meta information, and the commonest one.
pub const EXPLICIT_LITTLE: Coding = Coding { explicit: true, big: false };
/// Coding of sequences of unknown type.
const IMPLICIT_LITTLE: Coding = Coding { explicit: false, big: false };

/// Sequences inside sequences; enhanced CT has 3.
const DEEPEST: usize = 24;
/// A length that is not stated: the value ends with a delimiter.
const UNDEFINED: u32 = u32::MAX;

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    pub tag: Tag,
    /// The bytes of the value; of a sequence, its items without the delimiter.
    pub value: &'a [u8],
    /// Whether the length was not stated: a sequence, or encapsulated pixel data.
    pub undefined: bool,
    pub coding: Coding,
}

/// A place in a data set.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    coding: Coding,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// At the beginning.
    pub fn new(bytes: &'a [u8], coding: Coding) -> Self {
        Self { bytes, at: 0, coding, depth: 0 }
    }

    /// What comes next.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, n: usize) -> Outcome<&'a [u8]> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| {
            Fault::new("is cut off: an element states more bytes than there are; copy it again")
        })?;
        let out = &self.bytes[self.at..end];
        self.at = end;
        Ok(out)
    }

    fn u16(&mut self) -> Outcome<u16> {
        Ok(self.coding.u16(self.take(2)?))
    }

    fn u32(&mut self) -> Outcome<u32> {
        Ok(self.coding.u32(self.take(4)?))
    }

    fn tag(&mut self) -> Outcome<Tag> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    /// The group of the next element.
    pub fn group(&self) -> Option<u16> {
        self.rest().get(..2).map(|b| self.coding.u16(b))
    }

    /// The next element; at the end, or at a delimiter's tag, `None`.
    pub fn next(&mut self) -> Outcome<Option<Element<'a>>> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let tag = self.tag()?;
        if matches!(tag, tags::ITEM | tags::ITEM_END | tags::SEQUENCE_END) {
            self.u32()?;
            return Ok(None);
        }
        let (vr, length) = self.length()?;
        let coding = if vr == *b"UN" { IMPLICIT_LITTLE } else { self.coding };
        if length != UNDEFINED {
            let value = self.take(length as usize)?;
            return Ok(Some(Element { tag, value, undefined: false, coding }));
        }
        let from = self.at;
        // A sequence of unknown type is in implicit VR (PS3.5, 6.2.2).
        let mut inside = Self { bytes: self.bytes, at: from, coding, depth: self.depth + 1 };
        if tag == tags::PIXELS {
            inside.skip_fragments()?
        } else {
            inside.skip_items()?
        }
        self.at = inside.at;
        let value = self.bytes.get(from..self.at.saturating_sub(8)).unwrap_or_default();
        Ok(Some(Element { tag, value, undefined: true, coding }))
    }

    /// Type and length of an element whose tag has been read.
    fn length(&mut self) -> Outcome<([u8; 2], u32)> {
        if !self.coding.explicit {
            return Ok((*b"  ", self.u32()?));
        }
        let &[a, b] = self.take(2)? else { return Ok((*b"  ", 0)) };
        let long = matches!(
            &[a, b],
            b"OB"
                | b"OD"
                | b"OF"
                | b"OL"
                | b"OV"
                | b"OW"
                | b"SQ"
                | b"SV"
                | b"UC"
                | b"UN"
                | b"UR"
                | b"UT"
                | b"UV"
        );
        if long {
            self.take(2)?;
            return Ok(([a, b], self.u32()?));
        }
        if !(a.is_ascii_uppercase() && b.is_ascii_uppercase()) {
            return Err(Fault::new("is damaged: an element has a type that does not exist"));
        }
        Ok(([a, b], self.u16()?.into()))
    }

    /// To behind the delimiter of a sequence without length.
    fn skip_items(&mut self) -> Outcome<()> {
        if self.depth > DEEPEST {
            return Err(Fault::new(format!("has sequences nested more than {DEEPEST} deep")));
        }
        while self.item()?.is_some() {}
        Ok(())
    }

    /// The next item of a sequence; `None` at its end.
    fn item(&mut self) -> Outcome<Option<&'a [u8]>> {
        match (self.tag()?, self.u32()?) {
            (tags::SEQUENCE_END, _) => Ok(None),
            (tags::ITEM, UNDEFINED) => {
                let from = self.at;
                while self.next()?.is_some() {}
                let end = self.at.saturating_sub(8);
                let closed = self.bytes.get(end..self.at).map(|b| Reader::new(b, self.coding).tag());
                match closed {
                    Some(Ok(tags::ITEM_END)) => Ok(Some(self.bytes.get(from..end).unwrap_or_default())),
                    _ => Err(Fault::new("is cut off or damaged: an item of a sequence has no end")),
                }
            }
            (tags::ITEM, length) => self.take(length as usize).map(Some),
            _ => Err(Fault::new("is damaged: a sequence holds something that is no item")),
        }
    }

    /// To behind the delimiter of encapsulated pixel data.
    fn skip_fragments(&mut self) -> Outcome<()> {
        loop {
            match (self.tag()?, self.u32()?) {
                (tags::SEQUENCE_END, _) => return Ok(()),
                (tags::ITEM, length) if length != UNDEFINED => self.take(length as usize)?,
                _ => return Err(Fault::new("is damaged: its compressed pixel data hold no fragments")),
            };
        }
    }
}

impl Coding {
    /// A number of two bytes; 0 for any other length.
    pub fn u16(self, bytes: &[u8]) -> u16 {
        let Ok(two) = bytes.try_into() else { return 0 };
        if self.big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }
    }

    /// A number of four bytes; 0 for any other length.
    pub fn u32(self, bytes: &[u8]) -> u32 {
        let Ok(four) = bytes.try_into() else { return 0 };
        if self.big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    }
}

impl<'a> Element<'a> {
    /// The items of a sequence, or the fragments of encapsulated pixel data.
    pub fn items(&self) -> Outcome<Vec<&'a [u8]>> {
        let mut out = Vec::new();
        let mut reader = Reader { bytes: self.value, at: 0, coding: self.coding, depth: 1 };
        while reader.at < self.value.len() {
            match reader.item()? {
                Some(item) => out.push(item),
                None => break,
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn le(tag: Tag, length: u32) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(((tag >> 16) as u16).to_le_bytes());
        out.extend((tag as u16).to_le_bytes());
        out.extend(length.to_le_bytes());
        out
    }

    #[test]
    fn nested_sequences_without_lengths_are_passed() {
        // SQ { item { SQ { item { element } } } } and an element behind it, implicit.
        let mut bytes = le(tags::PIXEL_MEASURES, UNDEFINED);
        bytes.extend(le(tags::ITEM, UNDEFINED));
        bytes.extend(le(tags::PLANE_POSITION, UNDEFINED));
        bytes.extend(le(tags::ITEM, UNDEFINED));
        bytes.extend(le(tags::ROWS, 2));
        bytes.extend([7, 0]);
        for _ in 0..2 {
            bytes.extend(le(tags::ITEM_END, 0));
            bytes.extend(le(tags::SEQUENCE_END, 0));
        }
        bytes.extend(le(tags::COLUMNS, 2));
        bytes.extend([9, 0]);
        let mut reader = Reader::new(&bytes, IMPLICIT_LITTLE);
        let outer = reader.next().unwrap().unwrap();
        assert!(outer.undefined);
        let columns = reader.next().unwrap().unwrap();
        assert_eq!((columns.tag, columns.value), (tags::COLUMNS, &[9u8, 0][..]));
        assert_eq!(reader.next().unwrap(), None);
        let item = outer.items().unwrap()[0];
        let inner = Reader::new(item, outer.coding).next().unwrap().unwrap();
        let rows = Reader::new(inner.items().unwrap()[0], inner.coding).next().unwrap().unwrap();
        assert_eq!((rows.tag, rows.value), (tags::ROWS, &[7u8, 0][..]));
    }

    #[test]
    fn lengths_and_depths_beyond_reason_are_refused() {
        let long = le(tags::ROWS, 0xffff_fff0);
        assert!(Reader::new(&long, IMPLICIT_LITTLE).next().unwrap_err().text().contains("cut off"));
        let mut deep = Vec::new();
        for _ in 0..100_000 {
            deep.extend(le(tags::PIXEL_MEASURES, UNDEFINED));
            deep.extend(le(tags::ITEM, UNDEFINED));
        }
        assert!(Reader::new(&deep, IMPLICIT_LITTLE).next().unwrap_err().text().contains("nested"));
        let odd = [0x28, 0, 0x10, 0, b'u', b's', 2, 0, 1, 0];
        assert!(Reader::new(&odd, EXPLICIT_LITTLE).next().unwrap_err().text().contains("type"));
    }
}
