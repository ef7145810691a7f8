//! ITK's text form of transforms (`.tfm`, `.txt`), which ITK, SimpleITK, ANTs, 3D Slicer and elastix read or write.
//!
//! World coordinates in such a file are LPS+, in memory RAS+. Written are `AffineTransform`, `BSplineTransform` and
//! `CompositeTransform` of doubles; read are these and the other linear ones. The forms of their parameters are
//! those of ITK 5's sources (`itkMatrixOffsetTransformBase`, `itkEuler3DTransform`, `itkVersorRigid3DTransform`,
//! `itkSimilarity3DTransform`, `itkBSplineTransform`, `itkTxtTransformIO`).

use crate::spline::Spline;
use crate::transform::{Part, Transform};
use ichor_image::{Affine, Grid};
use ichor_sdk::{Error, Result};
use std::fmt::Write;

/// Media type and extension of the file.
pub const MEDIA_TYPE: &str = "text/x-itk-transform";
/// Extension of the file.
pub const EXTENSION: &str = "tfm";

/// Control points of a lattice that is read at most: 1.6 GB of text.
const MOST_POINTS: usize = 1 << 25;

/// The text of a transform.
pub fn write(transform: &Transform) -> String {
    let mut out = String::from("#Insight Transform File V1.0\n#Transform 0\n");
    let one = |out: &mut String, part: &Part| match part {
        Part::Linear(map) => linear(out, map),
        Part::Spline(spline) => lattice(out, spline),
    };
    match transform.parts() {
        [] => linear(&mut out, &crate::transform::IDENTITY),
        [part] => one(&mut out, part),
        parts => {
            out.push_str("Transform: CompositeTransform_double_3_3\n");
            for (n, part) in parts.iter().enumerate() {
                // Writing to a String cannot fail.
                let _ = writeln!(out, "#Transform {}", n + 1);
                one(&mut out, part);
            }
        }
    }
    out
}

fn linear(out: &mut String, map: &Affine) {
    let m = flip(map).0;
    let matrix = m.iter().flat_map(|row| &row[..3]);
    entry(out, "AffineTransform_double_3_3", matrix.chain(m.iter().map(|row| &row[3])).copied(), [0.0; 3]);
}

fn lattice(out: &mut String, spline: &Spline) {
    let grid = spline.lattice();
    let (m, spacing) = (grid.affine.0, grid.spacing());
    let sign = [-1.0, -1.0, 1.0];
    let fixed = grid
        .shape
        .iter()
        .map(|&n| n as f64)
        .chain((0..3).map(|r| sign[r] * m[r][3]))
        .chain(spacing)
        .chain((0..9).map(|n| sign[n / 3] * m[n / 3][n % 3] / spacing[n % 3]));
    let n = grid.len();
    // Each f32 has a shortest text of its own; as f64 it would have twice the digits.
    let coefficients = spline.coefficients().iter().enumerate().map(|(at, &c)| {
        let c = if at < 2 * n { 0.0 - c } else { c };
        Short(c)
    });
    entry(out, "BSplineTransform_double_3_3", coefficients, fixed);
}

/// A number as short as it can be to come back as the same f32.
struct Short(f32);

trait Number {
    fn text(self, out: &mut String);
}

impl Number for Short {
    fn text(self, out: &mut String) {
        let _ = if self.0 == 0.0 { write!(out, " 0") } else { write!(out, " {:?}", self.0) };
    }
}

impl Number for f64 {
    fn text(self, out: &mut String) {
        let _ = if self == 0.0 { write!(out, " 0") } else { write!(out, " {self:?}") };
    }
}

fn entry<P: Number, F: Number>(
    out: &mut String,
    name: &str,
    parameters: impl IntoIterator<Item = P>,
    fixed: impl IntoIterator<Item = F>,
) {
    let _ = write!(out, "Transform: {name}\nParameters:");
    parameters.into_iter().for_each(|p| p.text(out));
    out.push_str("\nFixedParameters:");
    fixed.into_iter().for_each(|p| p.text(out));
    out.push('\n');
}

/// The same map with x and y of both worlds pointing the other way.
fn flip(map: &Affine) -> Affine {
    let mut m = map.0;
    for (r, row) in m.iter_mut().enumerate() {
        for (c, cell) in row.iter_mut().enumerate() {
            if (r < 2) != (c < 2) {
                *cell = 0.0 - *cell;
            }
        }
    }
    Affine(m)
}

/// Reads a transform.
///
/// # Errors
/// What in the text is no transform, or none that is known.
pub fn read(bytes: &[u8]) -> Result<Transform> {
    let bad = |what: String| Error::bad_input(format!("input `transform`: {what}"));
    let text = std::str::from_utf8(bytes).map_err(|_| {
        bad("not text; give an ITK transform in its text form (.tfm), not .h5 or .mat".to_owned())
    })?;
    let entries = entries(text).map_err(bad)?;
    let [first, others @ ..] = &entries[..] else {
        return Err(bad("no transform in it".to_owned()));
    };
    let parts = if first.base == "CompositeTransform" { others } else { &entries[..] };
    if parts.len() > 1 && first.base != "CompositeTransform" {
        let count = parts.len();
        return Err(bad(format!("{count} transforms that no CompositeTransform joins; write them as one")));
    }
    let parts = parts.iter().map(Entry::part).collect::<Result<Vec<_>, _>>().map_err(bad)?;
    Ok(Transform::new(parts))
}

struct Entry<'a> {
    name: &'a str,
    base: &'a str,
    parameters: Option<Vec<f64>>,
    fixed: Option<Vec<f64>>,
}

/// The transforms of a file as they are written.
fn entries(text: &str) -> Result<Vec<Entry<'_>>, String> {
    if !text.trim_start().starts_with("#Insight Transform File") {
        return Err(
            "not an ITK transform in text form: it begins with no `#Insight Transform File V1.0`".into()
        );
    }
    let mut out: Vec<Entry> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, rest) = line.split_once(':').ok_or_else(|| format!("line {}: no `:` in it", n + 1))?;
        let rest = rest.trim();
        let last = out.last_mut();
        match (key.trim(), last) {
            ("Transform", _) => {
                let (base, precision) = rest.split_once('_').unwrap_or((rest, ""));
                if !matches!(precision, "double_3_3" | "float_3_3") {
                    return Err(format!(
                        "line {}: `{rest}` is no map of three dimensions that Ichor knows{}",
                        n + 1,
                        if base.starts_with("BSpline") { " (cubic B-splines alone)" } else { "" }
                    ));
                }
                out.push(Entry { name: rest, base, parameters: None, fixed: None });
            }
            ("Parameters", Some(entry)) => entry.parameters = Some(numbers(rest, n + 1)?),
            ("FixedParameters", Some(entry)) => entry.fixed = Some(numbers(rest, n + 1)?),
            (key, _) => return Err(format!("line {}: `{}` is not expected here", n + 1, cut(key))),
        }
    }
    Ok(out)
}

fn numbers(text: &str, line: usize) -> Result<Vec<f64>, String> {
    let number = |word: &str| {
        let value = word.parse::<f64>().ok().filter(|v| v.is_finite() && v.abs() < 1e30);
        value.ok_or_else(|| format!("line {line}: `{}` is no number", cut(word)))
    };
    text.split_ascii_whitespace().map(number).collect()
}

fn cut(word: &str) -> String {
    word.chars().take(40).collect()
}

impl Entry<'_> {
    fn part(&self) -> Result<Part, String> {
        let p = self.parameters.as_deref().unwrap_or_default();
        let fixed = self.fixed.as_deref().unwrap_or_default();
        let many = |n: usize, least: usize| {
            if p.len() == n && fixed.len() >= least {
                return Ok(());
            }
            let (found, about) = (p.len(), fixed.len());
            Err(format!(
                "`{}` needs {n} parameters and {least} fixed ones, and has {found} and {about}",
                self.name
            ))
        };
        let map = match self.base {
            "IdentityTransform" => crate::transform::IDENTITY,
            "TranslationTransform" => {
                many(3, 0)?;
                Affine([[1.0, 0.0, 0.0, p[0]], [0.0, 1.0, 0.0, p[1]], [0.0, 0.0, 1.0, p[2]]])
            }
            "AffineTransform" | "MatrixOffsetTransformBase" => {
                many(12, 3)?;
                centred([[p[0], p[1], p[2]], [p[3], p[4], p[5]], [p[6], p[7], p[8]]], &p[9..], fixed)
            }
            "Euler3DTransform" => {
                many(6, 3)?;
                let [x, y, z] = [0, 1, 2].map(|a| about(a, p[a]));
                let zyx = fixed.get(3).is_some_and(|&flag| flag != 0.0);
                let matrix = if zyx { times(z, times(y, x)) } else { times(z, times(x, y)) };
                centred(matrix, &p[3..], fixed)
            }
            "VersorRigid3DTransform" => {
                many(6, 3)?;
                centred(versor(&p[..3])?, &p[3..], fixed)
            }
            "Similarity3DTransform" => {
                many(7, 3)?;
                let matrix = versor(&p[..3])?.map(|row| row.map(|m| m * p[6]));
                centred(matrix, &p[3..6], fixed)
            }
            "BSplineTransform" => return Ok(Part::Spline(self.spline(p, fixed)?)),
            "CompositeTransform" => return Err("a composite transform within another; join them".into()),
            _ => {
                return Err(format!(
                    "`{}` is a kind of transform that Ichor does not apply; it knows affine, rigid, similarity, \
                     translation and cubic B-spline ones, and composites of them",
                    cut(self.name)
                ));
            }
        };
        map.check().map_err(|e| format!("`{}`: its matrix has no inverse ({e})", self.name))?;
        Ok(Part::Linear(flip(&map)))
    }

    fn spline(&self, p: &[f64], fixed: &[f64]) -> Result<Spline, String> {
        if fixed.len() != 18 {
            return Err(format!("`{}` needs 18 fixed parameters and has {}", self.name, fixed.len()));
        }
        let size = |v: f64| (v.fract() == 0.0 && (4.0..1e6).contains(&v)).then_some(v as usize);
        let wrong = || format!("`{}`: {:?} is no size of a lattice", self.name, &fixed[..3]);
        let shape = [size(fixed[0]), size(fixed[1]), size(fixed[2])];
        let [Some(x), Some(y), Some(z)] = shape else { return Err(wrong()) };
        let points = x.checked_mul(y).and_then(|n| n.checked_mul(z)).filter(|&n| n <= MOST_POINTS);
        let points = points.ok_or_else(wrong)?;
        if p.len() != 3 * points {
            return Err(format!(
                "`{}` needs {} parameters for {x} x {y} x {z} control points and has {}",
                self.name,
                3 * points,
                p.len()
            ));
        }
        let sign = [-1.0, -1.0, 1.0];
        let cell = |r: usize, c: usize| match c {
            3 => sign[r] * fixed[3 + r],
            _ => sign[r] * fixed[9 + 3 * r + c] * fixed[6 + c],
        };
        let affine = Affine([0, 1, 2].map(|r| [cell(r, 0), cell(r, 1), cell(r, 2), cell(r, 3)]));
        let grid = Grid::new([x, y, z], affine).map_err(|e| format!("`{}`: its lattice: {e}", self.name))?;
        let coefficients =
            p.iter().enumerate().map(|(n, &c)| (if n < 2 * points { 0.0 - c } else { c }) as f32).collect();
        Spline::new(grid, coefficients).map_err(|e| format!("`{}`: its lattice: {e}", self.name))
    }
}

/// M (x - c) + c + t.
fn centred(m: [[f64; 3]; 3], t: &[f64], c: &[f64]) -> Affine {
    let offset = |r: usize| t[r] + c[r] - (0..3).map(|k| m[r][k] * c[k]).sum::<f64>();
    Affine([0, 1, 2].map(|r| [m[r][0], m[r][1], m[r][2], offset(r)]))
}

fn times(a: [[f64; 3]; 3], b: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    a.map(|row| [0, 1, 2].map(|c| (0..3).map(|k| row[k] * b[k][c]).sum()))
}

/// Rotation about an axis by an angle in radians.
fn about(axis: usize, angle: f64) -> [[f64; 3]; 3] {
    let (s, c) = angle.sin_cos();
    let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
    let mut m = [[0.0; 3]; 3];
    m[axis][axis] = 1.0;
    (m[a][a], m[a][b], m[b][a], m[b][b]) = (c, -s, s, c);
    m
}

/// Rotation of a unit quaternion whose vector part is given and whose scalar part is not negative.
fn versor(v: &[f64]) -> Result<[[f64; 3]; 3], String> {
    let [x, y, z] = [v[0], v[1], v[2]];
    let square = x * x + y * y + z * z;
    if square > 1.0 + 1e-9 {
        return Err(format!("{v:?} is the vector part of no versor: its length is above 1"));
    }
    let w = (1.0 - square).max(0.0).sqrt();
    Ok([
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spline::tests::wavy;

    fn file(name: &str, parameters: &str, fixed: &str) -> String {
        format!(
            "#Insight Transform File V1.0\n#Transform 0\nTransform: {name}\nParameters: {parameters}\n\
             FixedParameters: {fixed}\n"
        )
    }

    /// Where LPS (10, 20, 30) goes, in LPS.
    fn moved(text: &str) -> [f64; 3] {
        let [x, y, z] = read(text.as_bytes()).unwrap().apply([-10.0, -20.0, 30.0]);
        [-x, -y, z]
    }

    fn near(a: [f64; 3], b: [f64; 3]) {
        assert!((0..3).all(|n| (a[n] - b[n]).abs() < 1e-9), "{a:?} for {b:?}");
    }

    #[test]
    fn what_is_written_comes_back_the_same() {
        let turn = Affine([[0.9, -0.3, 0.1, 12.3456789], [0.3, 1.0 / 3.0, 0.0, -1e-7], [0.0, 0.2, 1.1, 0.0]]);
        for parts in [
            vec![Part::Linear(turn)],
            vec![Part::Spline(wavy(5.0, 1))],
            vec![Part::Linear(turn), Part::Spline(wavy(5.0, 2)), Part::Linear(turn)],
        ] {
            let transform = Transform::new(parts);
            let text = write(&transform);
            let back = read(text.as_bytes()).unwrap();
            for p in [[0.0; 3], [30.0, -20.0, 10.0], [-15.0, 40.0, -35.0]] {
                let (a, b) = (transform.apply(p), back.apply(p));
                assert!((0..3).all(|n| (a[n] - b[n]).abs() < 1e-9), "{a:?} {b:?}");
            }
            // Of a lattice's affine, directions and spacing go into the file, hence rounding once.
            assert_eq!(write(&read(write(&back).as_bytes()).unwrap()), write(&back));
        }
        assert_eq!(read(write(&Transform::default()).as_bytes()).unwrap().linear().unwrap().0[0][0], 1.0);
    }

    #[test]
    fn linear_kinds_do_what_simpleitk_does() {
        // SimpleITK 2.5.7: files it wrote, and its TransformPoint((10, 20, 30)).
        let euler = file("Euler3DTransform_double_3_3", "0.1 0.2 0.3 4 5 6", "1 2 3 0");
        near(moved(&euler), [13.98629006985519, 25.94875612636285, 35.347509029205185]);
        let similar = file("Similarity3DTransform_double_3_3", "0 0 0.14943813247359922 1 2 3 1.1", "4 5 6");
        near(moved(&similar), [6.429137418316897, 24.71348543453734, 35.4]);
        let versor = file("VersorRigid3DTransform_double_3_3", "0.19866933079506122 0 0 1 2 3", "4 5 6");
        near(moved(&versor), [11.0, 11.469874694635667, 36.946738990699]);
        near(moved(&file("TranslationTransform_double_3_3", "1 2 3", "")), [11.0, 22.0, 33.0]);
        near(moved(&file("IdentityTransform_double_3_3", "", "")), [10.0, 20.0, 30.0]);
        let affine = file("MatrixOffsetTransformBase_float_3_3", "2 0 0 0 1 0 0 0 1 1 1 1", "5 0 0");
        near(moved(&affine), [16.0, 21.0, 31.0]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_a_sentence() {
        let said = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert!(said("hello").contains("begins with no `#Insight Transform File V1.0`"));
        assert!(read(&[0xff, 0x00, 0x10]).unwrap_err().to_string().contains("not .h5"));
        let field = file("DisplacementFieldTransform_double_3_3", "1 2", "1");
        assert!(
            said(&field).contains("`DisplacementFieldTransform_double_3_3` is a kind"),
            "{}",
            said(&field)
        );
        assert!(said(&file("AffineTransform_double_2_2", "1", "1")).contains("three dimensions"));
        assert!(said(&file("BSplineTransform_double_3_3_2", "1", "1")).contains("cubic"));
        assert!(said(&file("AffineTransform_double_3_3", "1 2 3", "0 0 0")).contains("12 parameters"));
        let zeros = "0 0 0 0 0 0 0 0 0 1 2 3";
        assert!(said(&file("AffineTransform_double_3_3", zeros, "0 0 0")).contains("no inverse"));
        assert!(said(&file("AffineTransform_double_3_3", "1 two", "0 0 0")).contains("line 4: `two`"));
        let two = format!("{0}{0}", file("TranslationTransform_double_3_3", "1 2 3", ""));
        assert!(said(&two).contains("2 transforms that no CompositeTransform joins"), "{}", said(&two));
        let huge = "1e5 1e5 1e5 0 0 0 1 1 1 1 0 0 0 1 0 0 0 1";
        assert!(said(&file("BSplineTransform_double_3_3", "1", huge)).contains("no size of a lattice"));
    }
}
