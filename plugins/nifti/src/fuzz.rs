//! Any bytes as a file: there is a value or a sentence, never a panic, and memory stays in proportion. For
//! `fuzz/` and for the mutations of the tests.

use crate::affine::Transform;
use crate::convert::{labels, mask, probs, volume};
use crate::decode::Stored;
use crate::fields::Fields;
use crate::files::{Choice, Opened, open};
use crate::gzip::write::{Effort, compress};
use crate::memory::Memory;
use crate::native::{self, Native};
use ichor_image::Serial;
use ichor_sdk::prelude::*;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Reads the file at `path` as every kind.
///
/// # Errors
/// The sentence that a person would get.
///
/// # Panics
/// A file is accepted that it should not be: it cannot hold what its header claims, or its grid is impossible.
pub fn read(path: &str, choice: Choice) -> Result<()> {
    let mut image = open(path, choice)?;
    let data = image.read(&Serial, &|_| Ok(()), &|_| ())?;
    let h = &image.header;
    let bytes = std::fs::metadata(path).map_or(0, |meta| meta.len());
    assert!(h.end() <= 1032 * bytes, "{} from {bytes} bytes", h.words());
    assert!(Grid::new(h.shape, image.placement.affine).is_ok(), "an impossible grid");
    comes_back(&image);
    let stored = Stored::new(h, &data, image.volumes.start, image.volumes.len());
    let mut memory = Memory::new(h.voxels() * image.volumes.len());
    _ = volume(&Serial, &stored, None, &mut memory).is_ok();
    _ = labels(&Serial, &stored, &mut memory).is_ok();
    _ = mask(&Serial, &stored, true, &mut memory).is_ok();
    _ = probs(&Serial, &stored, &mut memory).is_ok();
    Ok(())
}

/// What the header says of where voxels are survives metadata and another header.
fn comes_back(image: &Opened) {
    let (h, native) = (&image.header, &image.native);
    assert_eq!(Native::from_json(&native.to_json()).as_ref(), Some(native));
    let [x, y, z] = h.shape.map(|n| n as i64);
    let start = native::size(native.is_two()) as f64;
    let fields = Fields { two: native.is_two(), dim: [3, x, y, z, 1, 1, 1, 1], ..Fields::default() };
    let mut head = Fields { datatype: 4, bitpix: 16, vox_offset: start, ..fields }.to_bytes();
    native.write(&mut head, 1);
    let grid = Grid { shape: h.shape, affine: image.placement.affine };
    assert!(native.is_in(&head, &grid), "{head:?}");
}

/// Writes `input` to `file`, which lies at `path`, and reads it. The first byte chooses what of the file is
/// wanted and whether the rest is taken as it is, compressed first, or compressed and then damaged where its
/// own bytes say: a fuzzer hits upon no checksum by itself.
pub fn any(file: &File, path: &str, input: &[u8]) {
    let Some((&how, rest)) = input.split_first() else { return };
    let choice = Choice {
        image: None,
        transform: [Transform::Auto, Transform::Sform, Transform::Qform, Transform::Pixdim]
            [usize::from(how >> 2 & 3)],
        volume: (how & 16 != 0).then_some(0),
        all: how & 32 != 0,
        extensions: how & 64 != 0,
    };
    let bytes = match how & 3 {
        0 | 1 => rest.to_vec(),
        2 => packed(rest, how),
        _ => {
            let (patches, rest) = rest.split_at(rest.len().min(9));
            let mut out = packed(rest, how);
            for patch in patches.as_chunks::<3>().0 {
                let at = usize::from(u16::from_le_bytes([patch[0], patch[1]])) % out.len();
                out[at] ^= patch[2];
            }
            out
        }
    };
    if file.set_len(0).and_then(|()| file.write_all_at(&bytes, 0)).is_err() {
        return;
    }
    if let Err(error) = read(path, choice) {
        let text = error.to_string();
        assert!(text.starts_with(&format!("`{path}` ")) && !text.contains('\n'), "{text}");
    }
}

fn packed(bytes: &[u8], how: u8) -> Vec<u8> {
    let piece = |range: std::ops::Range<usize>| Ok(bytes[range].into());
    let effort = Effort { level: 1 + u32::from(how >> 7), is_16_bit: true };
    let mut out = Blob::new();
    let made = compress(&Serial, effort, bytes.len(), &piece, &|_| Ok(()), &mut out);
    made.and_then(|()| Ok(out.read(0..out.len())?.to_vec())).unwrap_or_default()
}
