//! Pixel data, compressed or not, to the words that are stored.

use crate::fault::{Fault, Outcome};
use crate::file::{Compression, DataSet};
use crate::slice::Slice;
use crate::tags;
use crate::values::Values;
use crate::{jpeg, jpeg2000, jpegls, rle};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How much larger than its compressed form a frame may claim to be, and what it may be in any case, bytes.
const RATIO: usize = 1024;
const SMALL: usize = 1 << 20;

/// The frames of a file.
pub struct Frames<'a> {
    compression: Compression,
    big: bool,
    frames: usize,
    data: Data<'a>,
}

enum Data<'a> {
    Plain(&'a [u8]),
    /// The pieces of each frame.
    Pieces(Vec<Vec<&'a [u8]>>),
}

impl<'a> Frames<'a> {
    /// Finds the pixel data of an image of so many frames.
    pub fn find(set: &DataSet, values: &Values<'a>, frames: usize) -> Outcome<Self> {
        let element =
            values.get(tags::PIXELS).ok_or_else(|| Fault::new("is cut off: it has no pixel data"))?;
        let data = match (set.compression, element.undefined) {
            (Compression::None, false) => Data::Plain(element.value),
            (Compression::None, true) => {
                return Err(Fault::new("has compressed pixels and a transfer syntax that says otherwise"));
            }
            (_, false) => return Err(Fault::new("has a compressed transfer syntax and pixels that are not")),
            (_, true) => Data::Pieces(pieces(values, &element.items()?, frames)?),
        };
        Ok(Self { compression: set.compression, big: set.coding.big, frames, data })
    }

    /// The words of one frame.
    pub fn words(&self, slice: &Slice) -> Outcome<Vec<u16>> {
        let bytes = (slice.stored.allocated / 8) as usize;
        let size = slice.len() * bytes;
        match &self.data {
            Data::Plain(all) => {
                let wanted = size.saturating_mul(self.frames);
                // One byte makes an odd length even; a row more is seen.
                if all.len() < wanted || all.len() > wanted + slice.columns.max(2) * bytes {
                    return Err(Fault::new(format!(
                        "has {} bytes of pixels where {} x {} x {} pixels need {wanted}",
                        all.len(),
                        slice.columns,
                        slice.rows,
                        self.frames
                    )));
                }
                let frame =
                    all.get(slice.frame * size..).and_then(|rest| rest.get(..size)).unwrap_or_default();
                if bytes == 1 && self.big {
                    return Err(Fault::new(
                        "has pixels of 8 bits in big-endian order, which are not read here",
                    ));
                }
                Ok(words(frame, bytes, self.big))
            }
            Data::Pieces(frames) => {
                let pieces = frames.get(slice.frame).map(Vec::as_slice).unwrap_or_default();
                let packed = match pieces {
                    [one] => Cow::Borrowed(*one),
                    many => Cow::Owned(many.concat()),
                };
                if size > SMALL.max(packed.len().saturating_mul(RATIO)) {
                    return Err(Fault::new(format!(
                        "claims {size} bytes of pixels compressed to {}; no CT is",
                        packed.len()
                    )));
                }
                // A decoder of somebody else's that panics has met a damaged file.
                let run = || self.decode(&packed, slice);
                let out = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
                    std::mem::forget(payload);
                    Err(Fault::new("has damaged compressed pixels"))
                })?;
                if out.len() != slice.len() {
                    return Err(Fault::new("has compressed pixels of another size than its header says"));
                }
                Ok(out)
            }
        }
    }

    fn decode(&self, packed: &[u8], slice: &Slice) -> Outcome<Vec<u16>> {
        match self.compression {
            Compression::Rle => rle::decode(packed, slice.len(), slice.stored.allocated),
            Compression::JpegLossless => jpeg::decode(packed, slice.columns, slice.rows),
            Compression::JpegLs => jpegls::decode(packed, slice.columns, slice.rows),
            Compression::Jpeg2000 => jpeg2000::decode(packed, slice.columns, slice.rows),
            Compression::None => Ok(Vec::new()),
        }
    }
}

fn words(bytes: &[u8], size: usize, big: bool) -> Vec<u16> {
    if size == 1 {
        return bytes.iter().map(|&b| b.into()).collect();
    }
    let make = if big { u16::from_be_bytes } else { u16::from_le_bytes };
    bytes.as_chunks::<2>().0.iter().map(|&two| make(two)).collect()
}

/// The pieces of each frame (PS3.5, A.4): one each, all for one, or as the offset table says.
fn pieces<'a>(values: &Values, items: &[&'a [u8]], frames: usize) -> Outcome<Vec<Vec<&'a [u8]>>> {
    let Some((table, pieces)) = items.split_first() else {
        return Err(Fault::new("has no compressed pixels"));
    };
    if pieces.len() == frames {
        return Ok(pieces.iter().map(|&piece| vec![piece]).collect());
    }
    if frames == 1 && !pieces.is_empty() {
        return Ok(vec![pieces.to_vec()]);
    }
    let wide = values.get(tags::OFFSETS).map(|e| e.value).unwrap_or_default();
    let starts: Vec<u64> = if wide.len() == 8 * frames {
        wide.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect()
    } else {
        table.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b).into()).collect()
    };
    let unclear =
        || Fault::new(format!("has {} pieces of compressed pixels for {frames} frames", pieces.len()));
    if starts.len() != frames || starts.first() != Some(&0) {
        return Err(unclear());
    }
    let mut out: Vec<Vec<&[u8]>> = Vec::with_capacity(frames);
    let mut at = 0u64;
    for &piece in pieces {
        if starts.get(out.len()) == Some(&at) {
            out.push(Vec::new());
        }
        out.last_mut().ok_or_else(unclear)?.push(piece);
        at += 8 + piece.len() as u64;
    }
    if out.len() == frames { Ok(out) } else { Err(unclear()) }
}
