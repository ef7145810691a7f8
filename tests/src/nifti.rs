//! NIfTI files made byte by byte, also such as no program should write.

use std::io::Write;

/// A NIfTI-1 file of 4 x 3 x 2 voxels of int16, LPS, 0.5 x 0.5 x 5 mm, sform and qform alike: 352 bytes and 24
/// numbers from 0 on.
pub fn small() -> Vec<u8> {
    let mut file = vec![0u8; 352];
    put(&mut file, 0, &348i32.to_le_bytes());
    dims(&mut file, [3, 4, 3, 2, 1, 1, 1, 1]);
    put(&mut file, 70, &4i16.to_le_bytes());
    put(&mut file, 72, &16i16.to_le_bytes());
    floats(&mut file, 76, &[1.0, 0.5, 0.5, 5.0, 1.0, 1.0, 1.0, 1.0, 352.0, 1.0, 0.0]);
    put(&mut file, 123, &[2]);
    put(&mut file, 252, &[1, 0, 1, 0]);
    floats(&mut file, 256, &[0.0, 0.0, 1.0, 10.0, 20.0, -30.0]);
    floats(&mut file, 280, &[-0.5, 0.0, 0.0, 10.0, 0.0, -0.5, 0.0, 20.0, 0.0, 0.0, 5.0, -30.0]);
    put(&mut file, 344, b"n+1\0");
    file.extend((0..24i16).flat_map(i16::to_le_bytes));
    file
}

/// Overwrites bytes at a position.
pub fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Overwrites numbers at a position, little-endian.
pub fn floats(file: &mut [u8], at: usize, values: &[f32]) {
    values.iter().enumerate().for_each(|(n, v)| put(file, at + 4 * n, &v.to_le_bytes()));
}

/// Overwrites rank and dimensions.
pub fn dims(file: &mut [u8], dims: [i16; 8]) {
    dims.iter().enumerate().for_each(|(n, d)| put(file, 40 + 2 * n, &d.to_le_bytes()));
}

/// Files whose headers claim what cannot be: a name, the file, and a part of the sentence that refuses it.
pub fn absurd() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let with = |change: &dyn Fn(&mut [u8])| {
        let mut file = small();
        change(&mut file);
        file
    };
    let mut two = vec![0u8; 544];
    put(&mut two, 0, &540i32.to_le_bytes());
    put(&mut two, 4, b"n+2\0\r\n\x1a\n");
    put(&mut two, 12, &4i16.to_le_bytes());
    put(&mut two, 14, &16i16.to_le_bytes());
    put(&mut two, 16, &3i64.to_le_bytes());
    put(&mut two, 24, &10_000i64.to_le_bytes().repeat(3));
    put(&mut two, 168, &544i64.to_le_bytes());
    put(&mut two, 348, &1i32.to_le_bytes());
    for row in 0..3 {
        put(&mut two, 400 + 40 * row, &1f64.to_le_bytes());
    }
    let mut rank = two.clone();
    put(&mut rank, 16, &200i64.to_le_bytes());
    let mut negative = two.clone();
    put(&mut negative, 24, &(-5i64).to_le_bytes());
    let mut wrapping = two.clone();
    put(&mut wrapping, 24, &(i64::MAX / 2).to_le_bytes().repeat(3));
    let most = [7, 32767, 32767, 32767, 32767, 32767, 32767, 32767];
    vec![
        ("32767 to the power of 7 voxels", with(&|f| dims(f, most)), "it claims 32767 x 32767"),
        ("2.7e13 voxels", with(&|f| dims(f, [3, 30_000, 30_000, 30_000, 1, 1, 1, 1])), "it has 400"),
        ("1e12 voxels (NIfTI-2)", two, "it has 544"),
        ("more voxels than 64 bits count (NIfTI-2)", wrapping, "it claims 4611686018427387903"),
        ("a negative dimension", with(&|f| dims(f, [3, 4, -3, 2, 1, 1, 1, 1])), "are no dimensions"),
        ("a negative dimension (NIfTI-2)", negative, "are no dimensions"),
        ("a dimension of 0", with(&|f| dims(f, [3, 4, 0, 2, 1, 1, 1, 1])), "are no dimensions"),
        ("200 dimensions", with(&|f| put(f, 40, &200i16.to_le_bytes())), "200 dimensions"),
        ("200 dimensions (NIfTI-2)", rank, "200 dimensions"),
        ("voxels at byte NaN", with(&|f| floats(f, 108, &[f32::NAN])), "byte NaN"),
        ("voxels at byte infinity", with(&|f| floats(f, 108, &[f32::INFINITY])), "byte inf"),
        ("voxels at byte -352", with(&|f| floats(f, 108, &[-352.0])), "byte -352"),
        ("voxels at byte 3e38", with(&|f| floats(f, 108, &[3e38])), "vox_offset"),
        (
            "a voxel type that is none",
            with(&|f| put(f, 70, &(-9510i16).to_le_bytes())),
            "NIfTI voxel type -9510",
        ),
    ]
}

/// Files whose transforms make no grid, likewise.
pub fn misplaced() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let sform = |n: usize, value: f32| {
        let mut file = small();
        floats(&mut file, 280 + 4 * n, &[value]);
        file
    };
    let qform = |at: usize, value: f32| {
        let mut file = small();
        put(&mut file, 254, &[0, 0]); // no sform
        floats(&mut file, at, &[value]);
        file
    };
    let neither = |value: f32| {
        let mut file = small();
        put(&mut file, 252, &[0; 4]);
        floats(&mut file, 80, &[value]);
        file
    };
    vec![
        ("NaN in the sform", sform(5, f32::NAN), "NaN or infinite"),
        ("NaN in the sform's offset", sform(3, f32::NAN), "NaN or infinite"),
        ("infinity in the sform", sform(0, f32::NEG_INFINITY), "NaN or infinite"),
        ("an sform that is flat", sform(10, 0.0), "singular"),
        ("a qform that is no rotation", qform(256, 2.0), "no rotation"),
        ("NaN in the quaternion", qform(260, f32::NAN), "no rotation"),
        ("infinity in the qform's offset", qform(268, f32::INFINITY), "NaN or infinite"),
        ("voxels of 0 mm in the qform", qform(84, 0.0), "0.5 x 0 x 5 mm"),
        ("NaN as voxel size in the qform", qform(88, f32::NAN), "NaN or infinite"),
        ("voxels of 0 mm and no transform", neither(0.0), "0 x 0.5 x 5 mm"),
        ("NaN as voxel size and no transform", neither(f32::NAN), "NaN or infinite"),
    ]
}

/// One member of gzip, by another library than the one that writes results.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A gzip file of one member that decompresses to `head` and `megabytes` of zeros, and weighs a thousandth.
pub fn bomb(head: &[u8], megabytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    encoder.write_all(head).unwrap();
    (0..megabytes).for_each(|_| encoder.write_all(&[0; 1_000_000]).unwrap());
    encoder.finish().unwrap()
}
