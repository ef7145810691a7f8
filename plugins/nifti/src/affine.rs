//! Where voxels are: from the header's three ways to say it to an affine in mm, and back.

use crate::fault::Fault;
use crate::fields::Fields;
use crate::header::Header;
use ichor_sdk::prelude::*;
use nifti::NiftiHeader;

/// Which of the header's transforms places the voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Transform {
    /// The first that there is: sform, qform, voxel sizes.
    Auto,
    /// The matrix `srow_x`, `srow_y`, `srow_z`.
    Sform,
    /// The quaternion, the offset and the voxel sizes.
    Qform,
    /// Voxel sizes alone.
    Pixdim,
}

/// A place, and what it comes from.
#[derive(Debug)]
pub struct Placement {
    pub affine: Affine,
    /// NIFTI_XFORM code of the transform; 0 for voxel sizes.
    pub code: i32,
    pub notes: Vec<String>,
}

/// A distance between what two transforms say that is worth a word, mm. A quaternion of float32 alone may be
/// wrong by half of it.
const CONFLICT_MM: f64 = 0.25;
/// The largest distance from the sform at which a qform is still written, mm.
const QFORM_MM: f64 = 0.05;

/// Places a header's voxels. Without an sform or qform they are put as nibabel puts them: the first axis to
/// the left, the second to anterior, the third to superior, the middle of the volume at 0.
pub fn place(header: &Header, transform: Transform) -> Result<Placement, Fault> {
    let f = &header.fields;
    let mut notes = Vec::new();
    let mm = unit(f, &mut notes);
    let sizes = [1, 2, 3].map(|n| f.pixdim[n]);
    let (code, name, affine) = match transform {
        Transform::Auto if f.sform_code > 0 => (f.sform_code, "sform", f.srow),
        Transform::Auto if f.qform_code > 0 => (f.qform_code, "qform", qform(f)?),
        Transform::Auto | Transform::Pixdim => {
            notes.push(
                "its header has neither an sform nor a qform, or was told to be ignored: LEFT AND RIGHT ARE A \
                 GUESS (the first axis is taken to run to the left), and the position is unknown"
                    .into(),
            );
            (0, "voxel size", middle(header.shape, sizes))
        }
        Transform::Sform if f.sform_code > 0 => (f.sform_code, "sform", f.srow),
        Transform::Qform if f.qform_code > 0 => (f.qform_code, "qform", qform(f)?),
        Transform::Sform | Transform::Qform => {
            let (asked, other) =
                if transform == Transform::Sform { ("sform", "qform") } else { ("qform", "sform") };
            return Err(Fault::parameter(format!(
                "has no {asked} (its code is 0); use `transform: {other}` or `auto`"
            )));
        }
    };
    if transform == Transform::Auto && f.sform_code > 0 && f.qform_code > 0 {
        notes.extend(conflict(header, mm));
    }
    let affine = Affine(affine.map(|row| row.map(|v| v * mm)));
    if let Err(e) = affine.check() {
        let s = affine.spacing().map(|s| (s * 1e6).round() / 1e6);
        return Err(Fault::io(format!(
            "has a damaged {name}: {e} (voxels of {} x {} x {} mm); correct the header, or choose another with \
             `transform`",
            s[0], s[1], s[2]
        )));
    }
    Ok(Placement { affine, code, notes })
}

/// The header's unit of length in mm.
fn unit(f: &Fields, notes: &mut Vec<String>) -> f64 {
    let header = NiftiHeader { xyzt_units: f.xyzt_units, ..Default::default() };
    match header.xyzt_to_space() {
        Ok(nifti::Unit::Meter) => 1000.0,
        Ok(nifti::Unit::Micron) => 0.001,
        Ok(nifti::Unit::Mm | nifti::Unit::Unknown) => 1.0,
        _ => {
            notes.push("its header gives no known unit of length; mm are assumed".into());
            1.0
        }
    }
}

/// A note when sform and qform put a corner at different places.
fn conflict(header: &Header, mm: f64) -> Option<String> {
    let f = &header.fields;
    let both = qform(f).ok().map(|q| distance(header.shape, &Affine(q), &Affine(f.srow)) * mm);
    match both {
        Some(d) if d <= CONFLICT_MM => None,
        Some(d) if d.is_finite() => Some(format!(
            "its sform (code {}) and qform (code {}) place voxels up to {d:.2} mm apart; the sform is used",
            f.sform_code, f.qform_code
        )),
        _ => Some("its qform is damaged; the sform is used".into()),
    }
}

/// The largest distance between what two affines make of the corner voxels.
fn distance(shape: [usize; 3], a: &Affine, b: &Affine) -> f64 {
    let corner =
        |c: usize| std::array::from_fn(|n| if c >> n & 1 == 1 { shape[n] as f64 - 1.0 } else { 0.0 });
    let apart = |v: [f64; 3]| {
        let (p, q) = (a.apply(v), b.apply(v));
        (0..3).map(|n| (p[n] - q[n]).powi(2)).sum::<f64>().sqrt()
    };
    // NaN must not get lost, as it would in f64::max.
    (0..8).map(|c| apart(corner(c))).fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most })
}

/// The affine without a place: nibabel's `get_base_affine` for NIfTI.
fn middle(shape: [usize; 3], sizes: [f64; 3]) -> [[f64; 4]; 3] {
    std::array::from_fn(|row| {
        let step = sizes[row].abs() * if row == 0 { -1.0 } else { 1.0 };
        let mut out = [0.0; 4];
        out[row] = step;
        out[3] = -step * (shape[row] as f64 - 1.0) / 2.0;
        out
    })
}

/// The affine of the quaternion (nifti1.h, METHOD 2): a rotation, voxel sizes, and a third axis turned round
/// when `qfac` is negative.
fn qform(f: &Fields) -> Result<[[f64; 4]; 3], Fault> {
    let [b, c, d] = f.quatern;
    let square = b * b + c * c + d * d;
    // A unit quaternion's vector part, give or take what writers round away.
    if square.is_nan() || square > 1.0 + 1e-3 {
        return Err(Fault::io(format!(
            "has a damaged qform: its quaternion ({b}, {c}, {d}) is no rotation; correct the header, or choose \
             another with `transform`"
        )));
    }
    // Near half a turn, what rounding leaves of `a` is noise that would turn the image by up to 0.03 degrees:
    // nibabel's threshold.
    let rounding = 3.0 * if f.two { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let a = if 1.0 - square < rounding { 0.0 } else { (1.0 - square).sqrt() };
    let norm = (a * a + square).sqrt();
    let [a, b, c, d] = [a, b, c, d].map(|v| v / norm);
    let r = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    let qfac = if f.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let step = [f.pixdim[1].abs(), f.pixdim[2].abs(), f.pixdim[3].abs() * qfac];
    Ok(std::array::from_fn(|row| {
        [r[row][0] * step[0], r[row][1] * step[1], r[row][2] * step[2], f.qoffset[row]]
    }))
}

/// Writes a grid into the fields: voxel sizes and sform always, the qform when it can say the same. Returns
/// whether it can: a quaternion knows no shear.
pub fn put(f: &mut Fields, grid: &Grid, code: i32) -> bool {
    let m = grid.affine.0;
    let spacing = grid.spacing();
    let mut r: [[f64; 3]; 3] = std::array::from_fn(|row| std::array::from_fn(|c| m[row][c] / spacing[c]));
    let qfac = if grid.affine.determinant() < 0.0 { -1.0 } else { 1.0 };
    r.iter_mut().for_each(|row| row[2] *= qfac);
    f.pixdim[..4].copy_from_slice(&[qfac, spacing[0], spacing[1], spacing[2]]);
    (f.sform_code, f.srow) = (code, m);
    (f.quatern, f.qoffset) = (quaternion(&r), m.map(|row| row[3]));
    if !f.two {
        f.quatern = f.quatern.map(|v| f64::from(v as f32)); // as it will be read
    }
    let same = qform(f).is_ok_and(|q| distance(grid.shape, &Affine(q), &grid.affine) <= QFORM_MM);
    if same {
        f.qform_code = code;
    } else {
        (f.qform_code, f.quatern, f.qoffset) = (0, [0.0; 3], [0.0; 3]);
    }
    same
}

/// b, c, d of the unit quaternion of a rotation, with a >= 0 (nifti1.h, nifti_mat44_to_quatern).
fn quaternion(r: &[[f64; 3]; 3]) -> [f64; 3] {
    // The largest of the four squares, times 4: dividing by its root loses no digits.
    let [x, y, z] = [r[0][0], r[1][1], r[2][2]];
    let squares = [1.0 + x + y + z, 1.0 + x - y - z, 1.0 - x + y - z, 1.0 - x - y + z];
    let largest = (0..4).fold(0, |best, n| if squares[n] > squares[best] { n } else { best });
    let s = 2.0 * squares[largest].max(0.0).sqrt();
    let (u, v, w) = (r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]);
    let (p, q, t) = (r[1][0] + r[0][1], r[0][2] + r[2][0], r[2][1] + r[1][2]);
    let [a, b, c, d] = match largest {
        0 => [s / 4.0, u / s, v / s, w / s],
        1 => [u / s, s / 4.0, p / s, q / s],
        2 => [v / s, p / s, s / 4.0, t / s],
        _ => [w / s, q / s, t / s, s / 4.0],
    };
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    [b * sign, c * sign, d * sign]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_fields;

    fn placed(change: impl FnOnce(&mut Fields), transform: Transform) -> Result<Placement, String> {
        let mut fields = sample_fields(false);
        change(&mut fields);
        place(&Header::check(fields).unwrap(), transform).map_err(|f| f.to_string())
    }

    fn close(a: &Affine, b: [[f64; 4]; 3], tolerance: f64) {
        for (x, y) in a.0.iter().flatten().zip(b.iter().flatten()) {
            assert!((x - y).abs() <= tolerance, "{a:?} is not {b:?}");
        }
    }

    const LPS: [[f64; 4]; 3] = [[-0.5, 0.0, 0.0, 10.0], [0.0, -0.5, 0.0, 20.0], [0.0, 0.0, 5.0, -30.0]];

    #[test]
    fn the_sform_comes_before_the_qform_before_voxel_sizes() {
        let p = placed(|f| f.srow[0][3] = 11.0, Transform::Auto).unwrap();
        assert_eq!((p.affine.0[0][3], p.code), (11.0, 1));
        assert!(p.notes[0].contains("1.00 mm apart"), "{:?}", p.notes);
        let p = placed(|f| f.sform_code = 0, Transform::Auto).unwrap();
        close(&p.affine, LPS, 1e-12);
        assert!(p.notes.is_empty());
        let p = placed(|f| (f.sform_code, f.qform_code) = (0, -1), Transform::Auto).unwrap();
        close(&p.affine, [[-0.5, 0.0, 0.0, 0.75], [0.0, 0.5, 0.0, -0.5], [0.0, 0.0, 5.0, -2.5]], 0.0);
        assert_eq!(p.code, 0);
        assert!(p.notes[0].contains("LEFT AND RIGHT ARE A GUESS"));
    }

    #[test]
    fn a_transform_can_be_chosen() {
        let p = placed(|f| f.srow[0][3] = 11.0, Transform::Qform).unwrap();
        close(&p.affine, LPS, 1e-12);
        assert!(p.notes.is_empty());
        let refused = placed(|f| f.sform_code = 0, Transform::Sform).unwrap_err();
        assert!(refused.contains("has no sform"), "{refused}");
        assert_eq!(placed(|_| (), Transform::Pixdim).unwrap().code, 0);
    }

    #[test]
    fn lengths_are_converted_to_mm() {
        close(&placed(|f| f.xyzt_units = 0, Transform::Auto).unwrap().affine, LPS, 0.0);
        let metres = LPS.map(|row| row.map(|v| v * 1000.0));
        close(&placed(|f| f.xyzt_units = 1, Transform::Auto).unwrap().affine, metres, 0.0);
        let micrometres = LPS.map(|row| row.map(|v| v * 0.001));
        close(&placed(|f| f.xyzt_units = 3 | 8, Transform::Auto).unwrap().affine, micrometres, 0.0);
        assert!(placed(|f| f.xyzt_units = 7, Transform::Auto).unwrap().notes[0].contains("unit of length"));
    }

    #[test]
    fn damaged_transforms_are_refused() {
        let refused = |change: fn(&mut Fields), transform| placed(change, transform).unwrap_err();
        assert!(refused(|f| f.srow[2] = [0.0; 4], Transform::Auto).contains("singular"));
        assert!(refused(|f| f.srow[1][1] = f64::NAN, Transform::Auto).contains("NaN"));
        assert!(refused(|f| f.pixdim[3] = 0.0, Transform::Qform).contains("0.5 x 0.5 x 0 mm"));
        assert!(refused(|f| f.pixdim[2] = f64::NAN, Transform::Pixdim).contains("NaN"));
        assert!(refused(|f| f.quatern = [1.0, 1.0, 0.0], Transform::Qform).contains("no rotation"));
        assert!(refused(|f| f.quatern[0] = f64::NAN, Transform::Qform).contains("no rotation"));
        let note = placed(|f| f.quatern[0] = f64::NAN, Transform::Auto).unwrap().notes;
        assert!(note[0].contains("qform is damaged"));
    }

    /// nibabel 5.4.2: `Nifti1Image(zeros((5, 6, 7)), affine)`, `set_qform(affine)`, then its quaternion fields.
    #[test]
    fn quaternions_are_those_of_nibabel() {
        let (s, c) = (0.6, 0.8);
        let oblique = [[-0.4, 0.0, 0.0, 1.0], [0.0, -0.4 * c, -3.0 * s, 2.0], [0.0, -0.4 * s, 3.0 * c, 3.0]];
        for (affine, qfac, wanted) in [
            (LPS, 1.0, [0.0, 0.0, 1.0]),
            ([[0.5, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]], 1.0, [0.0; 3]),
            ([[-0.5, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]], -1.0, [0.0, 1.0, 0.0]),
            (oblique, 1.0, [0.0, -0.316_227_764, 0.948_683_321]),
            ([[0.0, 0.0, 2.0, 9.0], [-1.0, 0.0, 0.0, 8.0], [0.0, -1.0, 0.0, 7.0]], 1.0, [-0.5, 0.5, -0.5]),
        ] {
            let grid = Grid::new([5, 6, 7], Affine(affine)).unwrap();
            let mut f = sample_fields(false);
            assert!(put(&mut f, &grid, 2));
            assert_eq!((f.pixdim[0], f.qform_code, f.sform_code), (qfac, 2, 2));
            for (x, y) in f.quatern.iter().zip(wanted) {
                assert!((x - y).abs() < 1e-7, "{:?} is not {wanted:?}", f.quatern); // nibabel keeps float32
            }
            close(&Affine(qform(&f).unwrap()), affine, 1e-6);
        }
    }

    #[test]
    fn every_rotation_survives_the_quaternion() {
        // All 24 turns of a cube by permutations and signs, and their mirror images.
        for p in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for signs in 0..8 {
                let mut m = [[0.0; 4]; 3];
                for c in 0..3 {
                    m[p[c]][c] = [0.7, 1.1, 2.5][c] * if signs >> c & 1 == 1 { -1.0 } else { 1.0 };
                }
                let mut f = sample_fields(false);
                assert!(put(&mut f, &Grid::new([9, 9, 9], Affine(m)).unwrap(), 1));
                close(&Affine(qform(&f).unwrap()), m, 1e-6);
            }
        }
    }

    /// The quaternion of the head-ge-regular test file: b² + c² + d² is 1 - 1e-7 in float32. nibabel 5.4.2 gets
    /// the sform's matrix to 4e-7.
    #[test]
    fn rounding_does_not_turn_the_image() {
        let (s, c) = (18.5f64.to_radians().sin(), 18.5f64.to_radians().cos());
        let m =
            [[-0.488, 0.0, 0.0, 125.0], [0.0, -0.488 * c, -4.0 * s, 169.0], [0.0, -0.488 * s, 4.0 * c, 21.0]];
        let mut f = sample_fields(false);
        assert!(put(&mut f, &Grid::new([512, 611, 37], Affine(m)).unwrap(), 1));
        f.quatern = f.quatern.map(|v| v * (1.0 - 5e-8));
        close(&Affine(qform(&f).unwrap()), m, 1e-6);
    }

    #[test]
    fn shear_has_no_qform() {
        let tilted = Affine([[-0.5, 0.0, 0.0, 0.0], [0.0, -0.5, -1.6, 0.0], [0.0, 0.0, 4.8, 0.0]]);
        let mut f = sample_fields(false);
        assert!(!put(&mut f, &Grid::new([512, 512, 30], tilted).unwrap(), 1));
        assert_eq!((f.qform_code, f.sform_code, f.srow), (0, 1, tilted.0));
    }
}
