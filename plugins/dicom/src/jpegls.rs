//! JPEG-LS (ITU-T T.87), lossless and near-lossless, one component.
//!
//! Written here because the well-kept library (CharLS) is C++ and needs CMake to build. Names are the
//! standard's; letters and digits in brackets are its sections.

use crate::fault::{Fault, Outcome};

/// Lengths of runs, as powers of 2 [A.2.1].
const J: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Contexts of gradients, and two of interrupted runs.
const CONTEXTS: usize = 365;

/// The words of an image of this size.
pub fn decode(packed: &[u8], columns: usize, rows: usize) -> Outcome<Vec<u16>> {
    let head = Head::read(packed).ok_or_else(|| Fault::new("has damaged JPEG-LS-compressed pixels"))?;
    if head.size != (columns, rows) {
        return Err(Fault::new("has JPEG-LS-compressed pixels of another size than its header says"));
    }
    Decoder::new(&head).image(columns, rows)
}

struct Head<'a> {
    size: (usize, usize),
    near: i32,
    max: i32,
    /// T1, T2, T3.
    thresholds: [i32; 3],
    reset: i32,
    data: &'a [u8],
}

impl<'a> Head<'a> {
    /// Markers and their segments [C.2]. `None` is damage, or an image of several components.
    fn read(packed: &'a [u8]) -> Option<Self> {
        let mut rest = packed.strip_prefix(&[0xff, 0xd8])?;
        let (mut frame, mut preset) = (None, None);
        loop {
            let &[0xff, marker, a, b, ..] = rest else { return None };
            if marker == 0xff {
                rest = &rest[1..];
                continue;
            }
            let length = usize::from(u16::from_be_bytes([a, b]));
            let segment = rest.get(4..2 + length)?;
            rest = rest.get(2 + length..)?;
            let number = |at: usize| Some(u16::from_be_bytes([*segment.get(at)?, *segment.get(at + 1)?]));
            match marker {
                0xf7 => {
                    let bits = *segment.first()?;
                    if !(2..=16).contains(&bits) || *segment.get(5)? != 1 {
                        return None;
                    }
                    frame = Some((bits, (number(3)?.into(), number(1)?.into())));
                }
                0xf8 if segment.first() == Some(&1) => {
                    let values = [number(1)?, number(3)?, number(5)?, number(7)?, number(9)?];
                    preset = Some(values.map(i32::from));
                }
                0xda => {
                    // One component, its table 0, NEAR, not interleaved, no point transform.
                    let &[1, _, 0, near, 0, 0] = segment else { return None };
                    let (bits, size) = frame?;
                    return Self::with(bits, size, near.into(), preset, rest);
                }
                // Mapping tables and restart intervals: nobody's CT has them.
                0xf8 | 0xdd => return None,
                _ => {}
            }
        }
    }

    fn with(
        bits: u8,
        size: (usize, usize),
        near: i32,
        preset: Option<[i32; 5]>,
        data: &'a [u8],
    ) -> Option<Self> {
        let [max, t1, t2, t3, reset] = preset.unwrap_or_default();
        let most = (1 << bits) - 1;
        let max = if max == 0 { most } else { max };
        let reset = if reset == 0 { 64 } else { reset };
        let usual = thresholds(max, near);
        let pick = |given: i32, usual: i32| if given == 0 { usual } else { given };
        let t = [pick(t1, usual[0]), pick(t2, usual[1]), pick(t3, usual[2])];
        let sound = max <= most
            && near <= 255.min(max / 2)
            && near < t[0]
            && t[0] <= t[1]
            && t[1] <= t[2]
            && t[2] <= max
            && reset >= 3;
        sound.then_some(Self { size, near, max, thresholds: t, reset, data })
    }
}

/// Default thresholds [C.2.4.1.1.1].
fn thresholds(max: i32, near: i32) -> [i32; 3] {
    let clamp = |i: i32, j: i32| if i > max || i < j { j } else { i };
    let basic = if max >= 128 {
        let factor = (max.min(4095) + 128) / 256;
        [factor + 2, 4 * factor + 3, 17 * factor + 4]
    } else {
        let factor = 256 / (max + 1);
        [(3 / factor).max(2), (7 / factor).max(3), (21 / factor).max(4)]
    };
    let t1 = clamp(basic[0] + 3 * near, near + 1);
    let t2 = clamp(basic[1] + 5 * near, t1);
    [t1, t2, clamp(basic[2] + 7 * near, t2)]
}

struct Decoder<'a> {
    bits: Bits<'a>,
    near: i32,
    max: i32,
    t: [i32; 3],
    reset: i32,
    /// RANGE and the bits that it needs [A.2.1].
    range: i32,
    qbpp: u32,
    limit: u32,
    a: [i32; CONTEXTS + 2],
    n: [i32; CONTEXTS + 2],
    b: [i32; CONTEXTS],
    c: [i32; CONTEXTS],
    /// Negative errors of interrupted runs.
    nn: [i32; 2],
    run: usize,
}

impl<'a> Decoder<'a> {
    fn new(head: &Head<'a>) -> Self {
        let range = (head.max + 2 * head.near) / (2 * head.near + 1) + 1;
        let log = |n: i32| (n - 1).max(1).ilog2() + 1;
        let bpp = log(head.max + 1).max(2);
        Self {
            bits: Bits { rest: head.data, held: 0, count: 0, stuffed: false },
            near: head.near,
            max: head.max,
            t: head.thresholds,
            reset: head.reset,
            range,
            qbpp: log(range),
            limit: 2 * (bpp + bpp.max(8)),
            a: [((range + 32) / 64).max(2); CONTEXTS + 2],
            n: [1; CONTEXTS + 2],
            b: [0; CONTEXTS],
            c: [0; CONTEXTS],
            nn: [0; 2],
            run: 0,
        }
    }

    fn image(&mut self, columns: usize, rows: usize) -> Outcome<Vec<u16>> {
        let mut out = Vec::with_capacity(columns * rows);
        // A pixel more on either side stands for what lies beyond the image [A.2.1].
        let (mut above, mut line) = (vec![0i32; columns + 2], vec![0i32; columns + 2]);
        for _ in 0..rows {
            above[columns + 1] = above[columns];
            line[0] = above[1];
            self.line(&above, &mut line)
                .ok_or_else(|| Fault::new("has JPEG-LS-compressed pixels that are cut off or damaged"))?;
            out.extend(line[1..=columns].iter().map(|&v| v as u16));
            std::mem::swap(&mut above, &mut line);
        }
        Ok(out)
    }

    fn line(&mut self, above: &[i32], line: &mut [i32]) -> Option<()> {
        let end = line.len() - 1;
        let mut x = 1;
        while x < end {
            let [ra, rb, rc, rd] = [line[x - 1], above[x], above[x - 1], above[x + 1]];
            let q = [rd - rb, rb - rc, rc - ra].map(|d| self.quantised(d));
            let context = 81 * q[0] + 9 * q[1] + q[2];
            if context == 0 {
                x = self.run(above, line, x)?;
            } else {
                line[x] = self.regular(context, ra, rb, rc)?;
                x += 1;
            }
        }
        Some(())
    }

    fn quantised(&self, d: i32) -> i32 {
        let [t1, t2, t3] = self.t;
        let size = d.abs();
        let level = if size <= self.near {
            0
        } else if size < t1 {
            1
        } else if size < t2 {
            2
        } else if size < t3 {
            3
        } else {
            4
        };
        level * d.signum()
    }

    /// A pixel from its neighbours and an error [A.4 to A.6].
    fn regular(&mut self, context: i32, ra: i32, rb: i32, rc: i32) -> Option<i32> {
        let sign = context.signum();
        let q = context.unsigned_abs() as usize;
        let predicted = if rc >= ra.max(rb) {
            ra.min(rb)
        } else if rc <= ra.min(rb) {
            ra.max(rb)
        } else {
            ra + rb - rc
        };
        let predicted = (predicted + sign * self.c[q]).clamp(0, self.max);
        let k = golomb(self.n[q], self.a[q]);
        let coded = self.bits.golomb(k, self.limit, self.qbpp)?;
        let error = if self.near == 0 && k == 0 && 2 * self.b[q] <= -self.n[q] {
            if coded & 1 == 1 { coded >> 1 } else { -(coded >> 1) - 1 }
        } else if coded & 1 == 0 {
            coded >> 1
        } else {
            -(coded >> 1) - 1
        };
        self.learn(q, error);
        Some(self.pixel(predicted, sign * error))
    }

    /// Updates a context's sums and its bias [A.6].
    fn learn(&mut self, q: usize, error: i32) {
        let (a, b, c, n) = (&mut self.a[q], &mut self.b[q], &mut self.c[q], &mut self.n[q]);
        *b += error * (2 * self.near + 1);
        *a = a.saturating_add(error.abs());
        if *n == self.reset {
            *a >>= 1;
            *b >>= 1;
            *n >>= 1;
        }
        *n += 1;
        if *b <= -*n {
            *b = (*b + *n).max(1 - *n);
            *c = (*c - 1).max(-128);
        } else if *b > 0 {
            *b = (*b - *n).min(0);
            *c = (*c + 1).min(127);
        }
    }

    /// Prediction and error to a pixel [A.4.4, A.4.5].
    fn pixel(&self, predicted: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut v = predicted + error * step;
        if v < -self.near {
            v += self.range * step;
        } else if v > self.max + self.near {
            v -= self.range * step;
        }
        v.clamp(0, self.max)
    }

    /// A run of one value and the pixel that ends it [A.7]; where the next pixel is.
    fn run(&mut self, above: &[i32], line: &mut [i32], from: usize) -> Option<usize> {
        let end = line.len() - 1;
        let value = line[from - 1];
        let mut x = from;
        while self.bits.bit()? == 1 {
            let whole = 1 << J[self.run];
            let n = whole.min(end - x);
            line[x..x + n].fill(value);
            x += n;
            if n == whole {
                self.run = (self.run + 1).min(31);
            }
            if x == end {
                return Some(x);
            }
        }
        let n = self.bits.bits(J[self.run])? as usize;
        if n >= end - x {
            return None;
        }
        line[x..x + n].fill(value);
        x += n;
        line[x] = self.interruption(value, above[x])?;
        self.run = self.run.saturating_sub(1);
        Some(x + 1)
    }

    fn interruption(&mut self, ra: i32, rb: i32) -> Option<i32> {
        let like = (ra - rb).abs() <= self.near;
        let ty = usize::from(like);
        let q = CONTEXTS + ty;
        let more = if like { self.n[q] >> 1 } else { 0 };
        let k = golomb(self.n[q], self.a[q].saturating_add(more));
        let limit = self.limit - J[self.run] - 1;
        let coded = self.bits.golomb(k, limit, self.qbpp)?;
        let temp = coded + ty as i32;
        let odd = temp & 1 == 1;
        let size = (temp + 1) >> 1;
        let error = if (k != 0 || 2 * self.nn[ty] >= self.n[q]) == odd { -size } else { size };
        self.nn[ty] += i32::from(error < 0);
        self.a[q] = self.a[q].saturating_add((coded + 1 - ty as i32) >> 1);
        if self.n[q] == self.reset {
            self.a[q] >>= 1;
            self.n[q] >>= 1;
            self.nn[ty] >>= 1;
        }
        self.n[q] += 1;
        let sign = if !like && ra > rb { -1 } else { 1 };
        Some(self.pixel(if like { ra } else { rb }, sign * error))
    }
}

/// The parameter of the Golomb code [A.5.1].
fn golomb(n: i32, a: i32) -> u32 {
    (0..16).find(|&k| i64::from(n) << k >= i64::from(a)).unwrap_or(16)
}

struct Bits<'a> {
    rest: &'a [u8],
    held: u32,
    count: u32,
    /// The last byte was FF: a zero bit follows that is no data [A.1].
    stuffed: bool,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        if self.count == 0 {
            let (&byte, rest) = self.rest.split_first()?;
            if self.stuffed && byte & 0x80 != 0 {
                return None; // a marker: the end
            }
            self.rest = rest;
            self.count = if self.stuffed { 7 } else { 8 };
            self.held = byte.into();
            self.stuffed = byte == 0xff;
        }
        self.count -= 1;
        Some(self.held >> self.count & 1)
    }

    fn bits(&mut self, n: u32) -> Option<u32> {
        (0..n).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// A number in the limited Golomb code [A.5.3].
    fn golomb(&mut self, k: u32, limit: u32, qbpp: u32) -> Option<i32> {
        let longest = limit.checked_sub(qbpp + 1)?;
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > longest {
                return None;
            }
        }
        let value = if zeros < longest { zeros << k | self.bits(k)? } else { self.bits(qbpp)? + 1 };
        Some(value as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::*;

    #[test]
    fn another_programs_pictures_are_decoded() {
        assert_eq!(decode(&bytes(JPEG_LS), COLUMNS, ROWS).unwrap(), picture());
        assert_eq!(decode(&bytes(JPEG_LS_16), COLUMNS, ROWS).unwrap(), shifted());
        let near = decode(&bytes(JPEG_LS_NEAR_2), COLUMNS, ROWS).unwrap();
        assert!(near.iter().zip(picture()).all(|(a, b)| a.abs_diff(b) <= 2));
        // As pyjpegls 1.5.1 decodes it.
        assert_eq!(near.iter().map(|&v| u32::from(v)).sum::<u32>(), 494_135);
    }

    #[test]
    fn damage_is_refused() {
        let packed = bytes(JPEG_LS);
        assert!(decode(&packed, COLUMNS, ROWS + 1).is_err());
        for n in 0..packed.len() - 8 {
            assert!(decode(&packed[..n], COLUMNS, ROWS).is_err(), "{n} bytes");
        }
        for n in 0..packed.len() {
            let mut other = packed.clone();
            other[n] ^= 0x55;
            _ = decode(&other, COLUMNS, ROWS);
        }
    }
}
