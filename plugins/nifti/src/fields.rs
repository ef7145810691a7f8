//! The fields of a header, of either version.

/// What Ichor uses of a header, as it stands in the file: nothing is checked yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields {
    /// NIfTI-2, not NIfTI-1.
    pub two: bool,
    /// Most significant byte first.
    pub big_endian: bool,
    /// Voxels are in a file of their own.
    pub pair: bool,
    pub dim: [i64; 8],
    pub datatype: i16,
    pub bitpix: i16,
    pub pixdim: [f64; 8],
    pub vox_offset: f64,
    pub slope: f64,
    pub inter: f64,
    pub xyzt_units: u8,
    pub qform_code: i32,
    pub sform_code: i32,
    pub quatern: [f64; 3],
    pub qoffset: [f64; 3],
    pub srow: [[f64; 4]; 3],
    pub intent_code: i32,
    /// Free text: written, never read, because it may name a patient.
    pub descrip: [u8; 80],
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            two: false,
            big_endian: false,
            pair: false,
            dim: [1; 8],
            datatype: 0,
            bitpix: 0,
            pixdim: [1.0; 8],
            vox_offset: 0.0,
            slope: 1.0,
            inter: 0.0,
            xyzt_units: 0,
            qform_code: 0,
            sform_code: 0,
            quatern: [0.0; 3],
            qoffset: [0.0; 3],
            srow: [[0.0; 4]; 3],
            intent_code: 0,
            descrip: [0; 80],
        }
    }
}

impl Fields {
    /// The header as bytes, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.two { crate::nifti2::to_bytes(self).to_vec() } else { crate::nifti1::to_bytes(self).to_vec() }
    }
}
