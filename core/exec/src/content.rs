//! What a value is, as one number: equal contents have equal ids, on every machine and whatever the threads.

use ichor_host::{Described, Host, Value};
use ichor_image::parallel::map_ranges;
use std::borrow::Cow;
use std::ops::Range;

/// Bytes that are hashed at a time; part of the definition of an id.
const BLOCK: usize = 4 << 20;

/// The id of a value: BLAKE3 of its description, then of the BLAKE3 of each 4 MiB of its bytes.
pub(crate) fn content_id(host: &Host, value: &Value) -> String {
    identity(host, &value.described(), value.bytes().len(), &|range| value.part(range))
}

/// The id of a value with this description and these bytes.
pub(crate) fn id_of(host: &Host, described: &Described, bytes: &[u8]) -> String {
    identity(host, described, bytes.len(), &|range| Cow::Borrowed(&bytes[range]))
}

fn identity<'a>(
    host: &Host,
    described: &Described,
    len: usize,
    part: &(dyn Fn(Range<usize>) -> Cow<'a, [u8]> + Sync),
) -> String {
    let hash = |range: Range<usize>| *blake3::hash(&part(range)).as_bytes();
    let blocks = map_ranges(&host.parallel(), len, BLOCK, &hash);
    let mut whole = blake3::Hasher::new();
    whole.update(&serde_json::to_vec(described).unwrap_or_default());
    for block in &blocks {
        whole.update(block);
    }
    whole.finalize().to_hex().to_string()
}
