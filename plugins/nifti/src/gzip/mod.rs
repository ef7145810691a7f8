//! gzip (RFC 1952), in parallel where it can be.
//!
//! What is written is one member that every program reads. Its deflate stream is made of chunks that were
//! compressed apart and end on a byte; an extra field of the header lists their lengths, and so a reader that
//! knows it decompresses them at the same time.

mod blocks;
mod deflate;
mod frame;
pub mod read;
pub mod write;

/// The first two bytes of every gzip file.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];
