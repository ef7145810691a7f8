//! Files for tests.

use crate::fields::Fields;
use std::path::{Path, PathBuf};

/// 4 x 3 x 2 voxels of int16, LPS, 0.5 x 0.5 x 5 mm.
pub fn sample_fields(two: bool) -> Fields {
    Fields {
        two,
        dim: [3, 4, 3, 2, 1, 1, 1, 1],
        datatype: 4,
        bitpix: 16,
        pixdim: [1.0, 0.5, 0.5, 5.0, 1.0, 1.0, 1.0, 1.0],
        vox_offset: if two { 544.0 } else { 352.0 },
        xyzt_units: 2,
        sform_code: 1,
        qform_code: 1,
        quatern: [0.0, 0.0, 1.0],
        qoffset: [10.0, 20.0, -30.0],
        srow: [[-0.5, 0.0, 0.0, 10.0], [0.0, -0.5, 0.0, 20.0], [0.0, 0.0, 5.0, -30.0]],
        descrip: *b"a patient's name                                                                ",
        ..Fields::default()
    }
}

/// A file of `fields` and the voxels 0, 1, 2, ... as int16.
pub fn sample_file(fields: &Fields) -> Vec<u8> {
    let mut bytes = fields.to_bytes();
    bytes.resize(fields.vox_offset as usize, 0);
    bytes.extend((0..24i16).flat_map(i16::to_le_bytes));
    bytes
}

/// Plain gzip, by another library than the one that writes results.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes a file into a folder.
pub fn write(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> String {
    let path = dir.path().join(name);
    // Overwriting in place makes ext4 wait for the disk.
    _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A file of the test data beside the checkout, or `None`, said plainly, when it is not there.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    #[allow(clippy::print_stderr, reason = "a test that does not run says so")]
    {
        eprintln!("not run: {} is not there", path.display());
    }
    None
}
