//! What is computed on any working grid comes back on the grid of the file, with the file's own geometry bit by bit.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Value;
use ichor_tests::Case;
use ichor_tests::stage::{Affine, Bench, Grid};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

/// A file with an ellipsoid of 75 HU in its middle, and all that a header can say of where it is.
#[derive(Clone, Debug)]
struct Source {
    two: bool,
    big_endian: bool,
    shape: [i64; 3],
    /// 3, or more with dimensions of 1.
    rank: i64,
    /// mm.
    affine: [[f64; 4]; 3],
    codes: [i32; 2],
    /// xyzt_units.
    units: u8,
    /// Stands in pixdim where nothing reads it, and in the quaternion when its code is 0.
    junk: f64,
    /// Voxel sizes with a minus.
    negative: bool,
    /// Shifts the qform against the sform, mm.
    conflict: f64,
}

/// Of the fields of a header: position, bytes of a number.
type Field = (Range<usize>, usize);

/// dim, pixdim, xyzt_units, qform_code and sform_code, quatern, qoffset and srow.
fn fields(two: bool) -> [Field; 5] {
    if two {
        [(16..80, 8), (104..168, 8), (500..504, 4), (344..352, 4), (352..496, 8)]
    } else {
        [(40..56, 2), (76..108, 4), (123..124, 1), (252..256, 2), (256..328, 4)]
    }
}

/// What a header says of where voxels are, as little-endian bytes.
fn geometry(file: &[u8], big_endian: bool) -> Vec<Vec<u8>> {
    let two = [file[0], file[3]].contains(&28); // 540 = 2 * 256 + 28
    let take = |(range, size): Field| {
        let mut bytes = file[range].to_vec();
        if big_endian {
            bytes.chunks_mut(size).for_each(<[u8]>::reverse);
        }
        bytes
    };
    fields(two).into_iter().map(take).collect()
}

impl Source {
    fn mm_per_unit(&self) -> f64 {
        [1.0, 1000.0, 1.0, 0.001][usize::from(self.units & 7).min(3)]
    }

    /// Unit vectors, sizes and handedness of the axes: what a quaternion can say.
    fn rotation(&self) -> ([[f64; 3]; 3], [f64; 3], f64) {
        let a = Affine(self.affine);
        let size = a.spacing();
        let qfac = if a.determinant() < 0.0 { -1.0 } else { 1.0 };
        let turn = |c: usize| if c == 2 { qfac } else { 1.0 };
        (std::array::from_fn(|r| std::array::from_fn(|c| self.affine[r][c] / size[c] * turn(c))), size, qfac)
    }

    /// The file.
    fn bytes(&self) -> Vec<u8> {
        let (r, size, qfac) = self.rotation();
        let scale = 1.0 / self.mm_per_unit();
        // The quaternion of a rotation matrix, by its largest component (nifti1.h).
        let squares = [
            1.0 + r[0][0] + r[1][1] + r[2][2],
            1.0 + r[0][0] - r[1][1] - r[2][2],
            1.0 - r[0][0] + r[1][1] - r[2][2],
            1.0 - r[0][0] - r[1][1] + r[2][2],
        ];
        let largest = (0..4).max_by(|a, b| squares[*a].total_cmp(&squares[*b])).unwrap();
        let s = 2.0 * squares[largest].max(1e-12).sqrt();
        let (u, v, w) = (r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]);
        let (p, q, t) = (r[1][0] + r[0][1], r[0][2] + r[2][0], r[2][1] + r[1][2]);
        let abcd = [
            [s / 4.0, u / s, v / s, w / s],
            [u / s, s / 4.0, p / s, q / s],
            [v / s, p / s, s / 4.0, t / s],
            [w / s, q / s, t / s, s / 4.0],
        ][largest];
        let sign = abcd[0].signum();
        let quatern = if self.codes[0] > 0 { [1, 2, 3].map(|n| abcd[n] * sign) } else { [self.junk; 3] };
        let mut pixdim = [self.junk; 8];
        let minus = if self.negative { -scale } else { scale };
        pixdim[..4].copy_from_slice(&[qfac, size[0] * minus, size[1] * minus, size[2] * minus]);
        let offset: [f64; 3] = std::array::from_fn(|r| (self.affine[r][3] + self.conflict) * scale);
        let rows = self.affine.map(|row| row.map(|v| v * scale));

        let header = if self.two { 540 } else { 348 };
        let mut out = vec![0u8; header + 4];
        let mut put = |at: usize, little: &[u8]| {
            out[at..at + little.len()].copy_from_slice(little);
            if self.big_endian {
                out[at..at + little.len()].reverse();
            }
        };
        put(0, &(header as i32).to_le_bytes());
        let dims: [i64; 8] =
            std::array::from_fn(
                |n| if n == 0 { self.rank } else { self.shape.get(n - 1).copied().unwrap_or(1) },
            );
        let number =
            |v: f64| if self.two { v.to_le_bytes().to_vec() } else { (v as f32).to_le_bytes().to_vec() };
        let code =
            |c: i32| if self.two { c.to_le_bytes().to_vec() } else { (c as i16).to_le_bytes().to_vec() };
        let width = if self.two { 8 } else { 4 };
        let [dim, pix, unit, codes, place] = fields(self.two).map(|f| f.0.start);
        for (n, d) in dims.iter().enumerate() {
            if self.two {
                put(dim + 8 * n, &d.to_le_bytes());
            } else {
                put(dim + 2 * n, &(*d as i16).to_le_bytes());
            }
        }
        pixdim.iter().enumerate().for_each(|(n, v)| put(pix + width * n, &number(*v)));
        let all = quatern.iter().chain(&offset).chain(rows.as_flattened());
        all.enumerate().for_each(|(n, v)| put(place + width * n, &number(*v)));
        self.codes.iter().enumerate().for_each(|(n, c)| put(codes + width / 2 * n, &code(*c)));
        if self.two {
            put(unit, &i32::from(self.units).to_le_bytes());
            put(12, &4i16.to_le_bytes());
            put(14, &16i16.to_le_bytes());
            put(168, &544i64.to_le_bytes());
        } else {
            put(unit, &[self.units]);
            put(70, &4i16.to_le_bytes());
            put(72, &16i16.to_le_bytes());
            put(108, &352f32.to_le_bytes());
        }
        out[if self.two { 4..12 } else { 344..348 }].copy_from_slice(if self.two {
            b"n+2\0\r\n\x1a\n"
        } else {
            b"n+1\0"
        });
        let [nx, ny, nz] = self.shape;
        let middle = self.shape.map(|n| (n as f64 - 1.0) / 2.0);
        for k in 0..nz {
            for j in 0..ny {
                for i in 0..nx {
                    let place = [i as f64, j as f64, k as f64];
                    let away = |a: usize| ((place[a] - middle[a]) / (0.35 * self.shape[a] as f64)).powi(2);
                    let hu: i16 = if (0..3).map(away).sum::<f64>() < 1.0 { 75 } else { 10 };
                    out.extend(if self.big_endian { hu.to_be_bytes() } else { hu.to_le_bytes() });
                }
            }
        }
        out
    }
}

fn stage(bench: &Bench, id: &str, params: Json, inputs: &[(&str, &Arc<Value>)]) -> Arc<Value> {
    let out = bench.run(id, params.clone(), inputs);
    let out = out.unwrap_or_else(|e| panic!("{id} {params}: {e}"));
    Arc::clone(out.values().next().unwrap())
}

/// A grid to work on, of five kinds.
fn working(bench: &Bench, image: &Arc<Value>, kind: usize) -> Arc<Value> {
    let [x, y, z] = image.grid().unwrap().spacing();
    let run = |id, params, image: &Arc<Value>| stage(bench, id, params, &[("image", image)]);
    match kind {
        0 => run("reorient", json!({ "orientation": "RAS" }), image),
        1 => run("resample", json!({ "spacing": [x * 0.8, y * 0.8, z * 0.7] }), image),
        2 => run("resample", json!({ "spacing": [x, y, z * 1.5], "profile": "box" }), image),
        3 => {
            let turned = run("reorient", json!({ "orientation": "PIL" }), image);
            let fine = run(
                "resample",
                json!({ "spacing": [x.min(y).min(z), 0, 0], "interpolation": "cubic" }),
                &turned,
            );
            run("pad", json!({ "voxels": [3, 2, 1] }), &fine)
        }
        _ => {
            // Tilted against the file, around its middle.
            let grid = image.grid().unwrap();
            let middle = grid.affine.apply(grid.shape.map(|n| (n as f64 - 1.0) / 2.0));
            let (s, c) = 0.3f64.sin_cos();
            let step = grid.spacing().iter().fold(f64::INFINITY, |a, b| a.min(*b));
            let m = [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]].map(|row| row.map(|v| v * step));
            let size = grid.shape.iter().zip(grid.spacing()).map(|(n, s)| *n as f64 * s).fold(0.0, f64::max);
            let n = ((1.3 * size / step) as usize).min(60);
            let half = (n as f64 - 1.0) / 2.0;
            let affine = Affine(std::array::from_fn(|r| {
                [m[r][0], m[r][1], m[r][2], middle[r] - half * m[r].iter().sum::<f64>()]
            }));
            let reference = bench.mask(&Grid::new([n; 3], affine).unwrap(), |_| false);
            stage(bench, "resample", json!({}), &[("image", image), ("reference", &reference)])
        }
    }
}

/// Reads, works elsewhere, comes back and writes: the header of the mask says what that of the file says.
fn round_trip(bench: &Bench, case: &Case, source: &Source, kind: usize) {
    let file = source.bytes();
    let path = case.write("source.nii", &file);
    let image = stage(bench, "load-nifti", json!({ "source": path, "unit": "HU" }), &[]);
    std::fs::remove_file(&path).unwrap(); // writing over a file waits for the disk
    let wanted = geometry(&file, source.big_endian);
    let ct = working(bench, &image, kind);
    let cavity = bench.mask(&ct.grid().unwrap(), |_| true);
    let plain = json!({ "lower": 42.0, "smoothing_mm": 0.0, "margin_mm": 0.0, "opening_mm": 0.0 });
    let mask = stage(bench, "segment-threshold", plain, &[("ct", &ct), ("cavity", &cavity)]);
    let back = stage(bench, "resample", json!({}), &[("image", &mask), ("reference", &image)]);
    let compression = json!({ "compression": 0 });
    let by_metadata = stage(bench, "save-nifti", compression.clone(), &[("image", &back)]);
    let by_reference = stage(bench, "save-nifti", compression, &[("image", &back), ("reference", &image)]);
    for saved in [&by_metadata, &by_reference] {
        let got = geometry(saved.bytes(), false);
        for (n, name) in ["dim", "pixdim", "xyzt_units", "codes", "quatern, qoffset, srow"].iter().enumerate()
        {
            assert_eq!(got[n], wanted[n], "{name} of working grid {kind} and {source:?}");
        }
        assert_eq!(saved.bytes()[..4], if source.two { 540i32 } else { 348 }.to_le_bytes());
    }
    // And the ellipsoid is where it was.
    let truth: Vec<bool> = file[if source.two { 544 } else { 352 }..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|b| if source.big_endian { i16::from_be_bytes(*b) } else { i16::from_le_bytes(*b) } == 75)
        .collect();
    let both = truth.iter().zip(back.bytes()).filter(|(t, m)| **t && **m == 1).count();
    let sum = truth.iter().filter(|t| **t).count() + back.bytes().iter().filter(|m| **m == 1).count();
    let dice = 2.0 * both as f64 / sum as f64;
    assert!(dice > 0.6, "Dice {dice} of working grid {kind} and {source:?}");
}

/// The axes in one of 48 orders and directions, turned by `angle` and sheared.
fn affine(orientation: usize, size: [f64; 3], angle: f64, shear: f64, origin: [f64; 3]) -> [[f64; 4]; 3] {
    let order = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][orientation / 8];
    let mut m = [[0.0; 3]; 3];
    for c in 0..3 {
        m[order[c]][c] = size[c] * if orientation >> c & 1 == 1 { -1.0 } else { 1.0 };
    }
    // Shear in the world, then a turn about x and one about z.
    m[1] = std::array::from_fn(|c| m[1][c] + shear * m[2][c]);
    let (s, c) = angle.sin_cos();
    let turn = |m: [[f64; 3]; 3], p: usize, q: usize| {
        let mut out = m;
        for col in 0..3 {
            out[p][col] = c * m[p][col] - s * m[q][col];
            out[q][col] = s * m[p][col] + c * m[q][col];
        }
        out
    };
    let m = turn(turn(m, 1, 2), 0, 1);
    std::array::from_fn(|r| [m[r][0], m[r][1], m[r][2], origin[r]])
}

#[test]
fn all_48_orientations_come_back() {
    let (bench, case) = (Bench::new(1), Case::new());
    let mut cases = 0;
    for orientation in 0..48 {
        // Straight, oblique, sheared, only a sform, only a qform, none, both and different, micrometres.
        for variant in 0..8 {
            let (angle, shear) = [(0.0, 0.0), (0.3, 0.0), (0.2, 0.35)][variant.min(2)];
            let codes = [[1, 1], [1, 1], [0, 1], [0, 4], [1, 0], [0, 0], [3, 2], [2, 2]][variant];
            let angle = if variant == 5 { 0.0 } else { angle };
            let size = [[1.0, 1.25, 1.5], [0.5, 0.5, 2.0]][orientation % 2];
            let source = Source {
                two: (orientation + variant) % 3 == 0,
                big_endian: (orientation / 2 + variant) % 4 == 0,
                shape: [17, 14, 12],
                rank: [3, 3, 4, 3, 5][(orientation + variant) % 5],
                affine: affine(
                    orientation,
                    size,
                    angle,
                    if codes[0] > 0 { 0.0 } else { shear },
                    [-21.3, 14.75, 8.5],
                ),
                codes,
                units: [2, 2, 10, 0, 2, 2, 2, 3][variant],
                junk: [0.0, 1.0, f64::NAN, -7.5][orientation % 4],
                negative: codes[0] == 0 && orientation % 3 == 1,
                conflict: if variant == 6 { 4.0 } else { 0.0 },
            };
            round_trip(&bench, &case, &source, (orientation + variant) % 5);
            cases += 1;
        }
    }
    assert_eq!(cases, 384);
}

#[test]
fn any_grid_comes_back() {
    let (bench, case) = (Bench::new(1), Case::new());
    let strategy = (
        (any::<bool>(), any::<bool>(), [8i64..24, 8i64..24, 8i64..20], 3i64..8),
        (0usize..48, [0.3f64..2.0, 0.3f64..2.0, 0.3f64..4.0], -1.5f64..1.5, -0.5f64..0.5),
        [-300.0f64..300.0, -300.0f64..300.0, -300.0f64..300.0],
        (0i32..5, 1i32..5, prop_oneof![Just(0u8), Just(1), Just(2), Just(3), Just(10)]),
        (
            prop_oneof![Just(0.0), Just(f64::NAN), Just(f64::INFINITY), -1e6f64..1e6],
            any::<bool>(),
            -9.0f64..9.0,
        ),
        0usize..5,
    );
    let count = Cell::new(0);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(600) });
    let result = runner.run(
        &strategy,
        |((two, big_endian, shape, rank), (o, size, angle, shear), origin, codes, odd, kind)| {
            // A quaternion knows no shear; a file with one is read by its sform.
            let (qform, sform, units) = codes;
            let (junk, negative, conflict) = odd;
            let is_square = shear.abs() < 0.1;
            let source = Source {
                two,
                big_endian,
                shape,
                rank,
                affine: affine(o, size, angle, if is_square { 0.0 } else { shear }, origin),
                codes: [qform, if is_square && qform > 0 && sform == 1 { 0 } else { sform }],
                units,
                junk,
                negative,
                conflict: if is_square && qform > 0 && sform == 1 { 0.0 } else { conflict },
            };
            count.set(count.get() + 1);
            round_trip(&bench, &case, &source, kind);
            Ok(())
        },
    );
    result.unwrap_or_else(|e| panic!("{e}"));
    assert!(count.get() >= 600);
}

#[test]
fn what_lies_elsewhere_is_not_written_as_the_source() {
    let (bench, case) = (Bench::new(1), Case::new());
    let source = Source {
        two: false,
        big_endian: false,
        shape: [17, 14, 12],
        rank: 3,
        affine: affine(3, [1.0, 1.25, 1.5], 0.3, 0.0, [1.0, 2.0, 3.0]),
        codes: [1, 3],
        units: 2,
        junk: 0.0,
        negative: false,
        conflict: 0.0,
    };
    let path = case.write("source.nii", source.bytes());
    let image = stage(&bench, "load-nifti", json!({ "source": path, "unit": "HU" }), &[]);
    let other = stage(&bench, "resample", json!({ "spacing": [2, 2, 2] }), &[("image", &image)]);
    let refused =
        bench.run("save-nifti", json!({}), &[("image", &other), ("reference", &image)]).unwrap_err();
    assert!(refused.to_string().contains("must have the grid of input `image`"), "{refused}");
    // By itself it is written as what it is, in the same space.
    let saved = stage(&bench, "save-nifti", json!({}), &[("image", &other)]);
    let back =
        stage(&bench, "load-nifti", json!({ "source": case.write("other.nii.gz", saved.bytes()) }), &[]);
    assert!(back.grid().unwrap().same_as(&other.grid().unwrap()));
    assert_eq!(back.meta()["grid"]["nifti"]["xform"], 3);
    // Metadata of another grid that came along by mistake are not believed.
    let wrong = Value::clone(&other).with_meta(image.meta().clone());
    let again = stage(&bench, "save-nifti", json!({}), &[("image", &Arc::new(wrong))]);
    assert!(again.bytes() == saved.bytes());
}
