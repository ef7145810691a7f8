//! The attributes of a data set or an item that are wanted, as numbers and words.

use crate::element::{Coding, Element, Reader};
use crate::fault::Outcome;
use crate::tags::{PIXELS, Tag, WANTED};

/// Elements by tag.
#[derive(Clone, Debug, Default)]
pub struct Values<'a>(Vec<Element<'a>>);

impl<'a> Values<'a> {
    /// Reads up to the pixel data, which are the last that is wanted.
    pub fn read(bytes: &'a [u8], coding: Coding) -> Outcome<Self> {
        let mut reader = Reader::new(bytes, coding);
        let mut found = Vec::new();
        while let Some(element) = reader.next()? {
            if WANTED.contains(&element.tag) {
                found.push(element);
            }
            if element.tag == PIXELS {
                break;
            }
        }
        Ok(Self(found))
    }

    /// The element.
    pub fn get(&self, tag: Tag) -> Option<&Element<'a>> {
        self.0.iter().find(|e| e.tag == tag)
    }

    /// Text without the blanks and zeros around it; `None` when it is empty or not ASCII.
    pub fn text(&self, tag: Tag) -> Option<&'a str> {
        let text = std::str::from_utf8(self.get(tag)?.value).ok()?;
        let text = text.trim_matches(|c: char| c == ' ' || c == '\0');
        (!text.is_empty() && text.is_ascii()).then_some(text)
    }

    /// So many decimal numbers, all of them finite.
    pub fn decimals<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        let mut out = [0.0; N];
        let mut parts = self.text(tag)?.split('\\');
        for value in &mut out {
            *value = parts.next()?.trim().parse().ok().filter(|v: &f64| v.is_finite())?;
        }
        parts.next().is_none().then_some(out)
    }

    /// One decimal number.
    pub fn decimal(&self, tag: Tag) -> Option<f64> {
        self.decimals::<1>(tag).map(|[v]| v)
    }

    /// A whole number written as text.
    pub fn whole(&self, tag: Tag) -> Option<i64> {
        self.text(tag)?.trim().parse().ok()
    }

    /// A binary number of 16 bits.
    pub fn u16(&self, tag: Tag) -> Option<u16> {
        let element = self.get(tag)?;
        element.value.get(..2).map(|two| element.coding.u16(two))
    }

    /// What the items of a sequence hold.
    pub fn items(&self, tag: Tag) -> Outcome<Vec<Values<'a>>> {
        let Some(element) = self.get(tag) else { return Ok(Vec::new()) };
        element.items()?.into_iter().map(|item| Values::read(item, element.coding)).collect()
    }

    /// What the first item of a sequence holds; nothing when there is none.
    pub fn item(&self, tag: Tag) -> Outcome<Values<'a>> {
        Ok(self.items(tag)?.into_iter().next().unwrap_or_default())
    }
}
