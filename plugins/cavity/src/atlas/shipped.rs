//! The set that comes with the plugin: made of phantoms by `pipelines/build-atlas.yaml`.

/// The file.
pub const FILE: &[u8] = include_bytes!("../../atlas/phantoms.ichoratlas");
/// What errors call it.
pub const NAME: &str = "the atlas set in the plugin";
