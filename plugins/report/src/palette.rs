//! Colours, told apart by people with any common kind of colour blindness.

/// Red, green and blue, 0 to 255.
pub type Rgb = [u8; 3];

/// The palette of Okabe and Ito (Color Universal Design, 2008) without black, those first that stand out
/// best on grey.
pub const OVERLAYS: [Rgb; 7] = [
    [0xE6, 0x9F, 0x00], // orange
    [0x56, 0xB4, 0xE9], // sky blue
    [0xF0, 0xE4, 0x42], // yellow
    [0x00, 0x9E, 0x73], // bluish green
    [0xCC, 0x79, 0xA7], // reddish purple
    [0xD5, 0x5E, 0x00], // vermilion
    [0x00, 0x72, 0xB2], // blue
];

/// Behind everything.
pub const BLACK: Rgb = [0, 0, 0];
/// Between the tiles.
pub const LINE: Rgb = [44, 44, 48];
/// What is read first.
pub const TEXT: Rgb = [236, 236, 236];
/// What is read second.
pub const FAINT: Rgb = [158, 158, 164];
