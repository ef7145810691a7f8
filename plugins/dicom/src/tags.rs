//! The attributes that are read; every other one is passed over and never interpreted.
//!
//! Nothing here names a patient, a person, a date or an institution.

/// Group in the upper half, element in the lower.
pub type Tag = u32;

pub const TRANSFER_SYNTAX: Tag = 0x0002_0010;
pub const IMAGE_TYPE: Tag = 0x0008_0008;
pub const SOP_CLASS: Tag = 0x0008_0016;
pub const SOP_INSTANCE: Tag = 0x0008_0018;
pub const MODALITY: Tag = 0x0008_0060;
pub const FRAME_TYPE: Tag = 0x0008_9007;
pub const SLICE_THICKNESS: Tag = 0x0018_0050;
pub const TILT: Tag = 0x0018_1120;
pub const KERNEL: Tag = 0x0018_1210;
pub const RECONSTRUCTION: Tag = 0x0018_9314;
pub const CT_FRAME_TYPE: Tag = 0x0018_9329;
pub const STUDY: Tag = 0x0020_000d;
pub const SERIES: Tag = 0x0020_000e;
pub const SERIES_NUMBER: Tag = 0x0020_0011;
pub const ACQUISITION: Tag = 0x0020_0012;
pub const POSITION: Tag = 0x0020_0032;
pub const ORIENTATION: Tag = 0x0020_0037;
pub const FRAME_OF_REFERENCE: Tag = 0x0020_0052;
pub const PLANE_POSITION: Tag = 0x0020_9113;
pub const PLANE_ORIENTATION: Tag = 0x0020_9116;
pub const SAMPLES_PER_PIXEL: Tag = 0x0028_0002;
pub const FRAMES: Tag = 0x0028_0008;
pub const ROWS: Tag = 0x0028_0010;
pub const COLUMNS: Tag = 0x0028_0011;
pub const PIXEL_SPACING: Tag = 0x0028_0030;
pub const BITS_ALLOCATED: Tag = 0x0028_0100;
pub const BITS_STORED: Tag = 0x0028_0101;
pub const HIGH_BIT: Tag = 0x0028_0102;
pub const SIGNED: Tag = 0x0028_0103;
pub const PADDING: Tag = 0x0028_0120;
pub const PADDING_LIMIT: Tag = 0x0028_0121;
pub const INTERCEPT: Tag = 0x0028_1052;
pub const SLOPE: Tag = 0x0028_1053;
pub const RESCALE_TYPE: Tag = 0x0028_1054;
pub const MODALITY_LUT: Tag = 0x0028_3000;
pub const PIXEL_MEASURES: Tag = 0x0028_9110;
pub const VALUE_TRANSFORMATION: Tag = 0x0028_9145;
pub const SHARED_GROUPS: Tag = 0x5200_9229;
pub const FRAME_GROUPS: Tag = 0x5200_9230;
pub const OFFSETS: Tag = 0x7fe0_0001;
pub const PIXELS: Tag = 0x7fe0_0010;

pub const ITEM: Tag = 0xfffe_e000;
pub const ITEM_END: Tag = 0xfffe_e00d;
pub const SEQUENCE_END: Tag = 0xfffe_e0dd;

/// What is kept of a data set.
pub const WANTED: &[Tag] = &[
    IMAGE_TYPE,
    SOP_CLASS,
    SOP_INSTANCE,
    MODALITY,
    FRAME_TYPE,
    SLICE_THICKNESS,
    TILT,
    KERNEL,
    RECONSTRUCTION,
    CT_FRAME_TYPE,
    STUDY,
    SERIES,
    SERIES_NUMBER,
    ACQUISITION,
    POSITION,
    ORIENTATION,
    FRAME_OF_REFERENCE,
    PLANE_POSITION,
    PLANE_ORIENTATION,
    SAMPLES_PER_PIXEL,
    FRAMES,
    ROWS,
    COLUMNS,
    PIXEL_SPACING,
    BITS_ALLOCATED,
    BITS_STORED,
    HIGH_BIT,
    SIGNED,
    PADDING,
    PADDING_LIMIT,
    INTERCEPT,
    SLOPE,
    RESCALE_TYPE,
    MODALITY_LUT,
    PIXEL_MEASURES,
    VALUE_TRANSFORMATION,
    SHARED_GROUPS,
    FRAME_GROUPS,
    OFFSETS,
    PIXELS,
];
