//! Extensions: what other programs put between the header and the voxels.

use ichor_sdk::json::Value;

/// One extension.
#[derive(Clone, Debug, PartialEq)]
pub struct Extension {
    /// A code registered with the NIfTI group.
    pub code: i32,
    pub data: Vec<u8>,
}

/// Bytes of all extensions of a file together that are kept.
pub const MOST: usize = 1 << 16;

/// Reads them from the bytes after the header, up to the voxels. What does not hold together ends the list;
/// the second value says whether that happened.
pub fn parse(mut bytes: &[u8], big_endian: bool) -> (Vec<Extension>, bool) {
    let mut out = Vec::new();
    let int = |b: &[u8; 4]| if big_endian { i32::from_be_bytes(*b) } else { i32::from_le_bytes(*b) };
    let Some((extender, rest)) = bytes.split_first_chunk::<4>() else { return (out, false) };
    if extender[0] == 0 {
        return (out, false);
    }
    bytes = rest;
    while let Some((size, rest)) = bytes.split_first_chunk::<4>() {
        let size = int(size);
        // Zeros up to the voxels are padding.
        if size == 0 {
            return (out, false);
        }
        let (Some((code, _)), Some(size)) = (rest.split_first_chunk(), usize::try_from(size).ok()) else {
            return (out, true);
        };
        let Some(data) = bytes.get(8..size).filter(|_| size % 16 == 0) else { return (out, true) };
        out.push(Extension { code: int(code), data: data.to_vec() });
        bytes = &bytes[size..];
    }
    (out, false)
}

/// The bytes after the header: four that say whether there are any, and the extensions. With a header of 348
/// or 540 bytes before them, their end is a multiple of 16.
pub fn to_bytes(extensions: &[Extension]) -> Vec<u8> {
    let mut out = vec![u8::from(!extensions.is_empty()), 0, 0, 0];
    for Extension { code, data } in extensions {
        let size = (8 + data.len()).next_multiple_of(16);
        out.extend((size as i32).to_le_bytes());
        out.extend(code.to_le_bytes());
        out.extend(data);
        out.resize(out.len() + size - 8 - data.len(), 0);
    }
    out
}

/// As metadata: `[{ "code": 6, "hex": "..." }]`.
pub fn to_json(extensions: &[Extension]) -> Value {
    let digits = |data: &[u8]| data.iter().map(|b| format!("{b:02x}")).collect::<String>();
    extensions.iter().map(|e| ichor_sdk::json::json!({ "code": e.code, "hex": digits(&e.data) })).collect()
}

/// From metadata; what is no extension, or too long, is left out.
pub fn from_json(list: &Value) -> Vec<Extension> {
    let read = |e: &Value| {
        let code = i32::try_from(e.get("code")?.as_i64()?).ok()?;
        let data = crate::native::bytes(e.get("hex")?)?;
        (data.len() <= MOST).then_some(Extension { code, data })
    };
    list.as_array().into_iter().flatten().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_survive_bytes_and_metadata() {
        let all = [Extension { code: 6, data: vec![7; 24] }, Extension { code: 4, data: vec![1; 8] }];
        let bytes = to_bytes(&all);
        assert_eq!((348 + bytes.len()) % 16, 0);
        assert_eq!(parse(&bytes, false), (all.to_vec(), false));
        assert_eq!(from_json(&to_json(&all)), all);
        assert_eq!(to_bytes(&[]), [0; 4]);
        assert_eq!(parse(&[0; 4], false), (vec![], false));
        assert_eq!(parse(&[], false), (vec![], false));
    }

    #[test]
    fn short_data_is_padded() {
        let (back, damaged) = parse(&to_bytes(&[Extension { code: 6, data: b"abc".to_vec() }]), false);
        assert_eq!((back[0].data.as_slice(), damaged), (&b"abc\0\0\0\0\0"[..], false));
    }

    #[test]
    fn damaged_extensions_end_the_list() {
        for size in [-16, 8, 24, 1 << 30, i32::MAX] {
            let mut bytes = vec![1, 0, 0, 0];
            bytes.extend(i32::to_be_bytes(size));
            bytes.extend([0; 12]);
            assert_eq!(parse(&bytes, true), (vec![], true), "{size}");
        }
        let bad: Value = ichor_sdk::json::json!([{ "code": 1, "hex": "0" }, { "code": 1, "hex": "zz" }, 7]);
        assert_eq!(from_json(&bad), []);
    }
}
