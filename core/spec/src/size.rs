//! Sizes of memory and disk as people write them.

/// Bytes of `2GiB`, `500MB`, `1.5G`, `4096`.
///
/// # Errors
/// One sentence, when it is no such size.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(format!("`{text}` is no size; write 500MiB or 2GiB")),
    };
    match number.parse::<f64>() {
        Ok(number) if number * factor < 9e18 => Ok((number * factor) as u64),
        _ => Err(format!("`{text}` is no size; write 500MiB or 2GiB")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_read() {
        for (text, bytes) in
            [("4096", 4096), ("2GiB", 2 << 30), ("1.5k", 1536), ("500 MB", 500_000_000), ("0", 0)]
        {
            assert_eq!(super::parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "2 apples", "-1", "1e300", "99999999999TiB", "1.2.3"] {
            assert!(super::parse(text).is_err(), "{text}");
        }
    }
}
