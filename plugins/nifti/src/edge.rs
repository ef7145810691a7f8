//! Real files, read as nibabel 5.4.2 reads them, and refused where they must be.

use crate::affine::Transform;
use crate::convert::{Failure, labels, volume};
use crate::decode::Stored;
use crate::files::{Choice, open};
use crate::memory::Memory;
use crate::testing::shared_data;
use ichor_image::Serial;
use ichor_sdk::prelude::*;

const RS: &str = "nifti-edge/nifti-rs/";
const UNIT: [[f64; 4]; 3] = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
const MINIMAL: [[f64; 4]; 3] = [[-3.0, 0.0, 0.0, 94.5], [0.0, 3.0, 0.0, -94.5], [0.0, 0.0, 3.0, -13.5]];
const MNI: [[f64; 4]; 3] = [[-2.0, 0.0, 0.0, 90.0], [0.0, 2.0, 0.0, -126.0], [0.0, 0.0, 2.0, -72.0]];

fn read(path: &str, number: Option<usize>) -> Result<(Grid, Memory, Vec<String>), String> {
    let choice =
        Choice { image: None, transform: Transform::Auto, volume: number, all: false, extensions: true };
    let mut image = open(path, choice).map_err(|e| e.to_string())?;
    let data = image.read(&Serial, &|_| Ok(()), &|_| ()).map_err(|e| e.to_string())?;
    let grid = Grid::new(image.header.shape, image.placement.affine).map_err(|e| e.to_string())?;
    let stored = Stored::new(&image.header, &data, image.volumes.start, 1);
    let mut memory = Memory::new(grid.len());
    match volume(&Serial, &stored, None, &mut memory) {
        Ok(_) => Ok((grid, memory, image.notes)),
        Err(Failure::File(fault)) => Err(fault.to_string()),
        Err(Failure::Host(error)) => Err(error.to_string()),
    }
}

/// File, volume, shape, type here; then from nibabel: the sum of `get_fdata().ravel(order="F")`, the sum of the
/// same times `arange(size) % 97`, and the affine.
type Known = (&'static str, Option<usize>, [usize; 3], DType, f64, f64, [[f64; 4]; 3]);

#[test]
fn files_read_as_nibabel_reads_them() {
    let example = [
        [-2.0, 6.714715653593746e-19, 9.081024511081715e-18, 117.8551025390625],
        [-6.714715653593746e-19, 1.9737114906311035, -0.35552823543548584, -35.72294235229492],
        [8.25548088896093e-18, 0.3232076168060303, 2.171081781387329, -7.248798370361328],
    ];
    let head = [
        [-0.4882811903953552, 0.0, 0.0, 125.0],
        [0.0, -0.46304863691329956, -1.2692188024520874, 169.26036071777344],
        [0.0, -0.15493391454219818, 3.793294906616211, 21.133724212646484],
    ];
    let anatomical = [[-2.0, 0.0, 0.0, 32.0], [0.0, 2.0, 0.0, -40.0], [0.0, 0.0, 2.0, -16.0]];
    let standard = [[1.0, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]];
    let zstat = [[-4.0, 0.0, 0.0, 0.0], [0.0, 4.0, 0.0, 0.0], [0.0, 0.0, 6.0, 0.0]];
    let brain = [[1.0, 0.0, 0.0, -90.0], [0.0, 1.0, 0.0, -125.0], [0.0, 0.0, 1.0, -71.0]];
    let (i16, f32) = (DType::I16, DType::F32);
    let small = |name, dtype| (name, None, [3, 3, 3], dtype, 351.0, 5049.0, UNIT);
    let minimal = |name| (name, None, [64, 64, 10], i16, 1_290_240.0, 61_921_411.0, MINIMAL);
    let known: [Known; 25] = [
        ("../nibabel/anatomical.nii", None, [33, 41, 25], i16, 284_166_082.0, 13_624_685_406.0, anatomical),
        ("../nibabel/example_nifti2.nii.gz", Some(1), [32, 20, 12], i16, 3_465_054.0, 165_666_873.0, example),
        ("../nibabel/standard.nii.gz", None, [4, 5, 7], i16, 7650.0, 301_920.0, standard),
        ("avg152T1_LR_nifti.nii.gz", None, [91, 109, 91], i16, 74_825_382.0, 3_591_556_487.0, MNI),
        ("f32.nii.gz", None, [11, 11, 11], f32, 166.00000071525574, 7296.100033633411, UNIT),
        ("zstat1.nii.gz", None, [64, 64, 21], f32, 11648.372022011292, 557841.3163663795, zstat),
        ("minimal_extended_hdr.nii", None, [8, 8, 1], f32, 0.0, 0.0, UNIT),
        small("float32.nii", f32),
        small("float64.nii", f32),
        small("int8.nii", i16),
        small("int16.nii", i16),
        small("int32.nii", i16),
        small("int64.nii", i16),
        small("uint8.nii", i16),
        small("uint16.nii", i16),
        small("uint32.nii", i16),
        small("uint64.nii", i16),
        minimal("minimal.hdr"),
        minimal("minimal.hdr.gz"),
        minimal("minimal.img"),
        minimal("minimal.nii"),
        minimal("minimal.nii.gz"),
        (
            "../../template-with-skull/clinical_scct.nii",
            None,
            [91, 109, 91],
            f32,
            1306290335.4676437,
            62702911093.50515,
            MNI,
        ),
        (
            "../../template-brain-hu/ichseg_scct_unsmooth_SS_0.01.nii.gz",
            None,
            [181, 217, 181],
            f32,
            57391635.60601807,
            2754623567.5493164,
            brain,
        ),
        (
            "../../head-ge-regular.nii.gz",
            None,
            [512, 611, 37],
            i16,
            -7_382_681_395.0,
            -354_372_157_566.0,
            head,
        ),
    ];
    for (name, number, shape, dtype, sum, weighted, affine) in known {
        let Some(path) = shared_data(&format!("{RS}{name}")) else { continue };
        let (grid, memory, notes) = read(path.to_str().unwrap(), number).unwrap();
        assert_eq!((grid.shape, memory.dtype()), (shape, dtype), "{name}");
        for (a, b) in grid.affine.0.iter().flatten().zip(affine.iter().flatten()) {
            assert!((a - b).abs() < 1e-6, "{name}: {:?}", grid.affine);
        }
        let (mut s, mut w) = (0.0, 0.0);
        for (n, v) in memory.numbers().into_iter().enumerate() {
            s += v;
            w += v * (n % 97) as f64;
        }
        // Integers are exact; f32 rounds scaled values, and sums are made in another order.
        let near = |a: f64, b: f64| (a - b).abs() <= if dtype == DType::I16 { 0.0 } else { 1e-7 * b.abs() };
        assert!(near(s, sum) && near(w, weighted), "{name}: {s} {w}");
        assert_eq!(
            notes.iter().any(|n| n.contains("A GUESS")),
            name.contains("minimal."),
            "{name}: {notes:?}"
        );
    }
}

#[test]
fn files_that_cannot_be_read_are_refused_with_a_reason() {
    for (name, why) in [
        ("3D.nii", "holds colours"),
        ("4D.nii", "holds colours"),
        ("complex32.nii", "holds complex numbers"),
        ("complex64.nii", "holds complex numbers"),
        ("crash-08123ef33416bd6f0c5fa63d44b681b8581d62a0", "is no NIfTI file"),
        ("crash-1.nii", "is no NIfTI file"),
        ("crash-98aa054390f8d3f932f190dc22ef62c6ff2d6619", "is no NIfTI file"),
        ("crash-d03c6346fe83a026738f6b8cd2a9335a3f8cb158", "is no NIfTI file"),
        ("crash-ed7d46344d7efb3b9f0c374d66d2e02f66cc447d.nii", "is no NIfTI file"),
        ("avg152T1_LR_nifti.hdr.gz", "no `"),
        ("../nibabel/analyze.hdr", "ANALYZE 7.5"),
        ("../nibabel/nifti1.hdr", "nifti1.img` beside it"),
        ("../nibabel/nifti2.hdr", "nifti2.img` beside it"),
        ("../nibabel/decimal_rescale.dcm", "is no NIfTI file"),
        ("../nibabel/example_nifti2.nii.gz", "holds 2 volumes"),
    ] {
        let Some(path) = shared_data(&format!("{RS}{name}")) else { continue };
        let refused = read(path.to_str().unwrap(), None).err().unwrap();
        assert!(refused.contains(why), "{name}: {refused}");
        assert!(!refused.contains('\n') && refused.len() < 300, "{name}: {refused}");
    }
}

#[test]
fn a_float_mask_of_a_template_is_labels_of_one_byte() {
    let name = "template-brain-hu/ichseg_scct_unsmooth_SS_0.01_Mask.nii.gz";
    let Some(path) = shared_data(name) else { return };
    let choice =
        Choice { image: None, transform: Transform::Auto, volume: None, all: false, extensions: false };
    let mut image = open(path.to_str().unwrap(), choice).unwrap();
    let data = image.read(&Serial, &|_| Ok(()), &|_| ()).unwrap();
    let stored = Stored::new(&image.header, &data, 0, 1);
    let mut memory = Memory::new(image.header.voxels());
    assert!(labels(&Serial, &stored, &mut memory).is_ok());
    // 1920 mL of 1 mm³, as nibabel counts.
    assert_eq!((memory.dtype(), memory.numbers().iter().sum::<f64>()), (DType::U8, 1_920_096.0));
}
