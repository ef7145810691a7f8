//! Any bytes as a file: there is a volume or a sentence, never a panic, and memory stays in proportion. For `fuzz/` and
//! for tests.

use crate::file::DataSet;
use crate::header::{self, Content};
use crate::layout::{Irregular, Tilt, lay_out};
use crate::pixel::Hu;
use crate::place::Stack;
use crate::resample::resample;
use crate::series::{choose, group, sort};
use crate::slice::Slice;
use crate::{jpeg, jpeg2000, jpegls, read, rle};
use ichor_image::Serial;

/// Voxels of the largest volume that is made here.
const MOST: usize = 1 << 20;

/// Everything that is done with one file. The first byte chooses: the bytes behind it are a file, or compressed
/// pixels of 24 x 16.
pub fn any(input: &[u8]) {
    let Some((&how, bytes)) = input.split_first() else { return };
    _ = match how % 8 {
        0 => rle::decode(bytes, 24 * 16, 16),
        1 => jpeg::decode(bytes, 24, 16),
        2 => jpegls::decode(bytes, 24, 16),
        3 => jpeg2000::decode(bytes, 24, 16),
        _ => return file(bytes, if how & 8 == 0 { Tilt::Correct } else { Tilt::Keep }),
    };
}

/// Reads a file's slices, puts them in order and in place, and makes a volume of them if it is small.
fn file(bytes: &[u8], tilt: Tilt) {
    let Ok(Content::Slices(slices)) = header::read(bytes, 0) else { return };
    let inflated = DataSet::open(bytes).map_or(0, |set| set.bytes.len());
    assert!(slices.len() <= 1 + inflated / 8, "{} slices of {inflated} bytes", slices.len());
    let Ok(mut slices) = choose(group(slices), None) else { return };
    sort(&mut slices);
    slices.truncate(64);
    let all: Vec<&Slice> = slices.iter().collect();
    let Ok(pixels) = read::frames_of(bytes, &all, &Serial) else { return };
    let places: Vec<_> = slices.iter().map(Slice::place).collect();
    let Some(stack) = Stack::measure(&places) else { return };
    let size = slices.first().map_or([1, 1], |s| [s.columns, s.rows]);
    let Ok(layout) = lay_out(&stack, size, tilt, Irregular::Resample) else { return };
    if layout.grid.len() <= MOST {
        let pixels: Vec<Hu> = pixels.into_iter().map(|p| p.hu).collect();
        resample(&Serial, &pixels, size[0], &layout, &mut vec![0f32; layout.grid.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::random::at;

    #[test]
    fn seeds_are_sound_and_what_is_left_of_them_is_no_bug() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/load");
        let mut seeds: Vec<Vec<u8>> =
            std::fs::read_dir(folder).unwrap().map(|e| std::fs::read(e.unwrap().path()).unwrap()).collect();
        seeds.sort_unstable();
        assert!(seeds.len() >= 10);
        let files = seeds.iter().filter(|s| s[0] % 8 > 3);
        for seed in files {
            let Ok(Content::Slices(slices)) = header::read(&seed[1..], 0) else { panic!("no slices") };
            assert_eq!(slices.len(), 4);
        }
        for round in 0..4000u64 {
            let random = |n: u64, below: usize| (at(round, n) % below as u64) as usize;
            let mut seed = seeds[random(0, seeds.len())].clone();
            for n in 0..1 + random(1, 3) as u64 {
                let place = 1 + random(10 * n + 2, seed.len() - 1);
                match random(10 * n + 3, 4) {
                    0 => seed[place] = random(10 * n + 4, 256) as u8,
                    1 => seed[place] ^= 1 << random(10 * n + 4, 8),
                    2 => seed.truncate(place + 1),
                    _ => seed[place..].iter_mut().take(4).for_each(|b| *b = 0xff),
                }
            }
            any(&seed);
        }
    }
}
