//! Letters as pen strokes, so that text of any size is smooth without a font file.

use crate::ink::{Ink, Point};

/// Strokes of a character. A point is two characters: x, then y as a hexadecimal digit. An x of 0 to 9 is a
/// point of the stroke; `a` to `j` (0 to 9) is the control point of a quadratic curve to the next point. A
/// space lifts the pen. Capitals reach from y = 0 to the base line at a, small letters from 4, descenders to d.
fn strokes(c: char) -> &'static str {
    match c {
        ' ' => "",
        '0' => "30g065ga3aaa05a030",
        '1' => "12303a",
        '2' => "03a030g063g60a6a",
        '3' => "02a030g062g535g568ga3aaa08",
        '4' => "5a500777",
        '5' => "601005b434g467ga3aaa08",
        '6' => "61f040a007aa3aga67g434a407",
        '7' => "00602a",
        '8' => "30g062g535a502a030 35g568ga3aaa08a535",
        '9' => "09ba2aga63g030a003a636g663",
        'A' => "0a408a 1777",
        'B' => "0a0030g062g53505 35h578ha3a0a",
        'C' => "82h040a005aa4aha88",
        'D' => "0030h075ha3a0a00",
        'E' => "60000a6a 0555",
        'F' => "60000a 0555",
        'G' => "82h040a005aa4aia8656",
        'H' => "000a 707a 0575",
        'I' | 'l' => "000a",
        'J' => "5057fa2aaa08",
        'K' => "000a 7007 347a",
        'L' => "000a6a",
        'M' => "0a0047808a",
        'N' => "0a007a70",
        'O' => "40i085ia4aaa05a040",
        'P' => "0a0030h073h63606",
        'Q' => "40i085ia4aaa05a040 578a",
        'R' => "0a0030h073h63606 367a",
        'S' => "72g040a002a545h578ha3aba08",
        'T' => "0080 404a",
        'U' => "0006aa3aga6660",
        'V' => "004a80",
        'W' => "002a426a80",
        'X' => "007a 700a",
        'Y' => "004580 454a",
        'Z' => "00700a7a",
        'a' => "34g467ga3aaa07a434 646a",
        'b' => "34g467ga3aaa07a434 000a",
        'c' => "65f434a407aa3afa69",
        'd' => "34g467ga3aaa07a434 606a",
        'e' => "0767g434a407aa3afa69",
        'f' => "40c0222a 0444",
        'g' => "34g467ga3aaa07a434 646agd3dbd0c",
        'h' => "000a 07a434f4575a",
        'i' => "040a 0101",
        'j' => "242bcd0d 2121",
        'k' => "000a 5408 265a",
        'm' => "040a 07a424e4474a 47e464i4878a",
        'n' => "040a 07a434f4575a",
        'o' => "34g467ga3aaa07a434",
        'p' => "34g467ga3aaa07a434 040d",
        'q' => "34g467ga3aaa07a434 646d",
        'r' => "040a 07a434",
        's' => "55e434a405a737f758fa2aaa09",
        't' => "2128ca4a 0444",
        'u' => "0407aa2afa57 545a",
        'v' => "043a64",
        'w' => "042a456a84",
        'x' => "045a 540a",
        'y' => "043a 642c",
        'z' => "04540a5a",
        '.' => "0a0a",
        ',' => "1a0c",
        ':' => "0505 0a0a",
        ';' => "1515 1a0c",
        '!' => "0007 0a0a",
        '?' => "02a030g062g53637 3a3a",
        '\'' | '\u{2019}' => "0003",
        '"' => "0003 2023",
        '-' => "0646",
        '\u{2013}' => "0666",
        '_' => "0b6b",
        '+' => "0666 3339",
        '=' => "0464 0868",
        '/' => "500b",
        '\\' => "005b",
        '|' => "000c",
        '(' => "30a63c",
        ')' => "00d60c",
        '[' => "20000c2c",
        ']' => "00202c0c",
        '<' => "530659",
        '>' => "035609",
        '*' => "3137 0266 0662",
        '#' => "302a 605a 1383 0777",
        '%' => "20e042e424a402a020 66i688ia6aea48e666 801a",
        '&' => "7a13a030f052f425a608aa3aga76",
        '°' => "10c021c212a201a010",
        '·' => "0606",
        '×' => "0549 4509",
        'µ' | '\u{3bc}' => "040d 07aa2afa57 545a",
        _ => "00606a0a00", // a box
    }
}

const HEIGHT: f64 = 10.0; // of a capital, in units of the strokes
const NARROW: f64 = 0.86; // width of a unit to its height
const GAP: f64 = 2.8; // between characters
const SPACE: f64 = 2.6;
const CURVE: usize = 5; // lines a curve

/// Thickness of the pen for capitals of this height in pixels.
pub fn pen(size: f64) -> f64 {
    (0.13 * size).max(1.0)
}

/// Width of a text in pixels when capitals are `size` pixels high.
pub fn width(text: &str, size: f64) -> f64 {
    let mut x = 0.0;
    for c in text.chars() {
        x += advance(c);
    }
    (x - GAP).max(0.0) * NARROW * size / HEIGHT
}

fn advance(c: char) -> f64 {
    let widest = points(strokes(c)).fold(0.0, |x: f64, p| p.map_or(x, |(at, _)| x.max(at[0])));
    (if c == ' ' { SPACE } else { widest }) + GAP
}

/// Writes a text with its capitals' top left at `at`.
pub fn write(ink: &mut Ink, text: &str, at: Point, size: f64, thickness: f64) {
    let unit = size / HEIGHT;
    let mut x = at[0];
    for c in text.chars() {
        let place = |p: Point| [x + p[0] * NARROW * unit, at[1] + p[1] * unit];
        let (mut pen, mut bend) = (None, None);
        for point in points(strokes(c)) {
            match (point, pen) {
                (None, _) => (pen, bend) = (None, None),
                (Some((p, true)), _) => bend = Some(p),
                (Some((p, false)), None) => pen = Some(p),
                (Some((p, false)), Some(from)) => {
                    curve(from, bend.take(), p, |a, b| ink.line(place(a), place(b), thickness));
                    pen = Some(p);
                }
            }
        }
        x += advance(c) * NARROW * unit;
    }
}

/// The points of a description, `true` for control points; `None` lifts the pen.
fn points(text: &'static str) -> impl Iterator<Item = Option<(Point, bool)>> {
    text.split(' ').flat_map(|stroke| {
        let points = stroke.as_bytes().chunks_exact(2).map(|p| {
            let bend = p[0].is_ascii_alphabetic();
            let x = p[0].wrapping_sub(if bend { b'a' } else { b'0' });
            let y = char::from(p[1]).to_digit(16).unwrap_or(0);
            Some(([f64::from(x), f64::from(y)], bend))
        });
        points.chain([None])
    })
}

fn curve(from: Point, bend: Option<Point>, to: Point, mut line: impl FnMut(Point, Point)) {
    let Some(bend) = bend else { return line(from, to) };
    let mut last = from;
    for n in 1..=CURVE {
        let t = n as f64 / CURVE as f64;
        let (a, b, c) = ((1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t);
        let next = [a * from[0] + b * bend[0] + c * to[0], a * from[1] + b * bend[1] + c * to[1]];
        line(last, next);
        last = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stroke_is_well_formed() {
        for c in (' '..='~').chain("°·×µ–’ä".chars()) {
            for stroke in strokes(c).split(' ') {
                assert!(stroke.len() % 2 == 0 && (c == ' ' || stroke.len() >= 4), "{c}");
                for p in stroke.as_bytes().chunks_exact(2) {
                    assert!(p[0].is_ascii_digit() || (b'a'..=b'j').contains(&p[0]), "{c}");
                    assert!(p[1].is_ascii_digit() || (b'a'..=b'd').contains(&p[1]), "{c}");
                }
                let ends = stroke.as_bytes();
                assert!(
                    c == ' ' || (ends[0].is_ascii_digit() && ends[ends.len() - 2].is_ascii_digit()),
                    "{c}"
                );
            }
        }
    }

    #[test]
    fn a_letter_covers_the_pixels_of_its_shape() {
        let mut ink = Ink::new(20, 24);
        write(&mut ink, "L", [2.5, 2.5], 20.0, 1.0);
        let mut at = Vec::new();
        ink.take(|n, c| at.push((n % 20, n / 20, c)));
        assert!((2..=22).all(|y| at.contains(&(2, y, 1.0))), "the stem: 20 pixels down");
        assert!((2..=12).all(|x| at.contains(&(x, 22, 1.0))), "the foot: 6 units of 2 x 0.86 pixels");
        assert!(at.iter().all(|&(x, y, c)| c < 0.5 || x == 2 || y == 22));
    }

    #[test]
    fn width_grows_with_text_and_size() {
        assert_eq!(width("", 10.0), 0.0);
        assert!((width("H", 10.0) - 7.0 * NARROW).abs() < 1e-12);
        assert!((width("HH", 20.0) - 2.0 * (14.0 + GAP) * NARROW).abs() < 1e-12);
    }
}
