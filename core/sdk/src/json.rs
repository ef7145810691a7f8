//! JSON, joined from constants while the plugin compiles.

pub use serde_json::{Map, Value, json};

/// Length of the joined text.
pub const fn joined_len(parts: &[&str]) -> usize {
    let (mut n, mut i) = (0, 0);
    while i < parts.len() {
        n += parts[i].len();
        i += 1;
    }
    n
}

/// The joined text's bytes; `N` is [`joined_len`] of the same parts.
pub const fn joined<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut out = [0; N];
    let (mut at, mut i) = (0, 0);
    while i < parts.len() {
        let bytes = parts[i].as_bytes();
        let mut k = 0;
        while k < bytes.len() {
            out[at] = bytes[k];
            at += 1;
            k += 1;
        }
        i += 1;
    }
    out
}

/// Joins constant strings into one constant `&'static str`.
#[macro_export]
macro_rules! join {
    ($($part:expr),* $(,)?) => {{
        const PARTS: &[&str] = &[$($part),*];
        const BYTES: [u8; $crate::json::joined_len(PARTS)] = $crate::json::joined(PARTS);
        match ::core::str::from_utf8(&BYTES) {
            ::core::result::Result::Ok(text) => text,
            ::core::result::Result::Err(_) => ::core::unreachable!(),
        }
    }};
}
