//! Damaged files: whatever their bytes are, there is a value or a sentence, and memory stays in proportion to
//! the file.

use crate::affine::Transform;
use crate::extension::{self, Extension};
use crate::fields::Fields;
use crate::files::Choice;
use crate::fuzz::read as try_read;
use crate::testing::{gzip, sample_fields, write};
use ichor_image::Random;

const TYPES: [(i16, i16); 12] = [
    (2, 8),
    (256, 8),
    (4, 16),
    (512, 16),
    (8, 32),
    (768, 32),
    (1024, 64),
    (1280, 64),
    (16, 32),
    (64, 64),
    (32, 64),
    (128, 24),
];

/// A valid file of random voxels, little-endian.
fn seed(random: &mut Random, n: usize) -> Vec<u8> {
    let (datatype, bitpix) = TYPES[n % TYPES.len()];
    let two = n / TYPES.len() % 2 == 1;
    let extensions: &[Extension] =
        if n.is_multiple_of(3) { &[Extension { code: 6, data: vec![65; 24] }] } else { &[] };
    let after = extension::to_bytes(extensions);
    let header = if two { 540 } else { 348 };
    let fields = Fields { datatype, bitpix, vox_offset: (header + after.len()) as f64, ..sample_fields(two) };
    let mut out = fields.to_bytes();
    out.extend(after);
    out.extend((0..24 * bitpix / 8).map(|_| (random.uniform() * 256.0) as u8));
    out
}

/// Turns the header round to the other byte order, so that both are met: sizes of fields by position.
fn swap(file: &mut [u8]) {
    let two = file[0] == 28; // 540 = 2 * 256 + 28
    let fields: &[(std::ops::Range<usize>, usize)] = if two {
        &[(0..4, 4), (12..16, 2), (16..240, 8), (344..352, 4), (352..496, 8), (496..508, 4)]
    } else {
        &[(0..4, 4), (40..56, 2), (56..68, 4), (68..76, 2), (76..120, 4), (252..256, 2), (256..328, 4)]
    };
    for (range, size) in fields {
        file[range.clone()].chunks_mut(*size).for_each(<[u8]>::reverse);
    }
}

/// Changes a few places: any byte, or a number of the header to one that is likely to hurt.
fn mutate(random: &mut Random, file: &mut Vec<u8>) {
    let mut below = |n: usize| ((random.uniform() * n as f64) as usize).min(n - 1);
    for _ in 0..=below(4) {
        let at = below(file.len().min(560));
        match below(8) {
            0 => file.truncate(below(file.len()) + 1),
            1 => file[at] ^= 1 << below(8),
            2 => file.extend(vec![below(3) as u8; below(200)]),
            3 | 4 => {
                let floats = [f32::NAN, f32::INFINITY, -1.0, 0.0, 1e30, 352.5, 1e-30];
                let at = at.next_multiple_of(4);
                if let Some(place) = file.get_mut(at..at + 4) {
                    place.copy_from_slice(&floats[below(7)].to_le_bytes());
                }
            }
            5 | 6 => {
                let at = 40 + below(100);
                if let Some(place) = file.get_mut(at..at + 2) {
                    place.copy_from_slice(&[0x7fffi16, -1, 0, 1, 7, 200, 4][below(7)].to_le_bytes());
                }
            }
            _ => {
                if let Some(place) = file.get_mut(at..at + 1) {
                    place[0] = below(256) as u8;
                }
            }
        }
    }
}

#[test]
fn damaged_files_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(2026);
    let (mut read, mut refused) = (0, 0);
    for n in 0..12_000 {
        let mut file = seed(&mut random, n);
        if n % 5 == 0 {
            swap(&mut file);
        }
        // The first of each kind are sound, so that the rest is known to begin as files that read.
        let sound = n < 60;
        match n % 4 {
            0 | 1 if !sound => mutate(&mut random, &mut file),
            2 => {
                if !sound {
                    mutate(&mut random, &mut file);
                }
                file = gzip(&file);
            }
            3 => {
                file = gzip(&file);
                if !sound {
                    mutate(&mut random, &mut file);
                }
            }
            _ => {}
        }
        let path = write(&dir, "x", &file);
        let choice = Choice {
            image: None,
            transform: [Transform::Auto, Transform::Sform, Transform::Qform, Transform::Pixdim][n / 7 % 4],
            volume: [None, Some(0)][n / 2 % 2],
            all: n % 3 == 0,
            extensions: n % 3 != 1,
        };
        match try_read(&path, choice) {
            Ok(()) => read += 1,
            Err(e) => {
                let colours = [32, 128].contains(&TYPES[n % TYPES.len()].0);
                assert!(!sound || colours, "a sound file is refused: {e}");
                let text = e.to_string();
                assert!(text.starts_with(&format!("`{path}` ")) && !text.contains('\n'), "{text}");
                refused += 1;
            }
        }
    }
    assert!(read > 1000 && refused > 3000, "{read} read, {refused} refused");
}
