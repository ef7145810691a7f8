//! From stored numbers to HU.

use crate::slice::Stored;

/// What stands where nothing was measured: air.
pub const AIR: i16 = -1024;
/// Padding that would be this many HU or more is believed to be tissue with a wrong header.
const TISSUE: f64 = -500.0;

/// A slice in HU.
#[derive(Clone, Debug, PartialEq)]
pub enum Hu {
    /// Every pixel is a whole number that fits.
    Whole(Vec<i16>),
    Decimal(Vec<f32>),
}

/// A slice in HU, and what was found on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    pub hu: Hu,
    /// Pixels that are padding and became [`AIR`].
    pub padded: usize,
    /// Pixels that the header calls padding and that were left, because their value is that of tissue.
    pub doubtful: usize,
}

/// Applies mask, sign, padding, slope and intercept (PS3.3, C.11.1.1.2 and C.7.5.1.1.2).
pub fn to_hu(words: &[u16], stored: &Stored) -> Pixels {
    let top = 32 - stored.bits;
    let value = |word: u16| {
        let up = u32::from(word) >> stored.shift << top;
        if stored.signed { (up as i32) >> top } else { (up >> top) as i32 }
    };
    let all = |word: u16| match (stored.signed, stored.allocated) {
        (true, 8) => i32::from(word as i8),
        (true, _) => i32::from(word as i16),
        (false, _) => i32::from(word),
    };
    let scaled = |v: i32| f64::from(v) * stored.slope + stored.intercept;
    let is_padding = |word: u16| {
        stored.padding.is_some_and(|p| {
            let v = if p.in_all_bits { all(word) } else { value(word) };
            (p.low..=p.high).contains(&v)
        })
    };
    let found = match stored.padding {
        Some(_) => words.iter().filter(|&&word| is_padding(word)).count(),
        None => 0,
    };
    // Padding beyond the bits that count is never tissue.
    let believed = stored.padding.is_none_or(|p| p.in_all_bits || scaled(p.low).max(scaled(p.high)) < TISSUE);
    let replace = believed && found > 0;
    let (padded, doubtful) = if believed { (found, 0) } else { (0, found) };

    let whole = |v: f64| v.fract() == 0.0 && v.abs() <= 16384.0;
    if whole(stored.slope) && whole(stored.intercept) {
        let (slope, intercept) = (stored.slope as i32, stored.intercept as i32);
        let mut fits = true;
        let hu = words
            .iter()
            .map(|&word| {
                if replace && is_padding(word) {
                    return AIR;
                }
                let v = value(word) * slope + intercept;
                fits &= v == i32::from(v as i16);
                v as i16
            })
            .collect();
        if fits {
            return Pixels { hu: Hu::Whole(hu), padded, doubtful };
        }
    }
    let hu = words
        .iter()
        .map(|&word| if replace && is_padding(word) { AIR.into() } else { scaled(value(word)) as f32 })
        .collect();
    Pixels { hu: Hu::Decimal(hu), padded, doubtful }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slice::Padding;

    const PLAIN: Stored = Stored {
        allocated: 16,
        bits: 12,
        shift: 0,
        signed: false,
        padding: None,
        slope: 1.0,
        intercept: -1024.0,
    };

    #[test]
    fn bits_that_do_not_count_are_masked() {
        let hu = |words: &[u16], stored: &Stored| to_hu(words, stored).hu;
        assert_eq!(hu(&[0, 0xf400, 4095], &PLAIN), Hu::Whole(vec![-1024, 0, 3071]));
        let signed = Stored { signed: true, intercept: 0.0, ..PLAIN };
        assert_eq!(hu(&[0x0fff, 0xf7ff, 0x0800], &signed), Hu::Whole(vec![-1, 2047, -2048]));
        let high = Stored { shift: 4, ..PLAIN };
        assert_eq!(hu(&[0x4007], &high), Hu::Whole(vec![0]));
        let all = Stored { bits: 16, signed: true, intercept: 0.0, ..PLAIN };
        assert_eq!(hu(&[0x8000, 0x7fff], &all), Hu::Whole(vec![-32768, 32767]));
    }

    #[test]
    fn decimal_scales_and_what_does_not_fit_become_float() {
        let half = Stored { slope: 0.5, ..PLAIN };
        assert_eq!(to_hu(&[1], &half).hu, Hu::Decimal(vec![-1023.5]));
        let wide = Stored { bits: 16, slope: 2.0, ..PLAIN };
        assert_eq!(to_hu(&[40_000], &wide).hu, Hu::Decimal(vec![78_976.0]));
    }

    #[test]
    fn padding_becomes_air_unless_it_would_be_tissue() {
        let pad = |low, high, in_all_bits| Some(Padding { low, high, in_all_bits });
        let range = Stored { padding: pad(0, 3, false), intercept: -2000.0, ..PLAIN };
        let out = to_hu(&[0, 3, 4, 2030], &range);
        assert_eq!((out.hu, out.padded), (Hu::Whole(vec![-1024, -1024, -1996, 30]), 2));
        let tissue = Stored { padding: pad(1054, 1054, false), ..PLAIN };
        let out = to_hu(&[1054], &tissue);
        assert_eq!((out.hu, out.padded, out.doubtful), (Hu::Whole(vec![30]), 0, 1));
        // -2000 in 12 bits: masked, it would be bone.
        let beyond = Stored { padding: pad(63_536, 63_536, true), ..PLAIN };
        let out = to_hu(&[63_536, 1054], &beyond);
        assert_eq!((out.hu, out.padded), (Hu::Whole(vec![-1024, 30]), 1));
    }
}
