//! What decides a stage's outputs, part by part: the parts make the cache key, and name what changed.

use ichor_host::PluginFile;
use ichor_spec::PlannedStage;
use serde_json::Value;

/// Parts in a fixed order, each a name and a value.
pub type Parts = Vec<(String, String)>;

/// The parts of a stage's key: contract, stage, plugin, seed, parameters (a file by its content), inputs.
///
/// `files` are the SHA-256 sums of the files that its parameters name, `inputs` the content ids of what is
/// connected to each input.
pub(crate) fn parts(
    stage: &PlannedStage,
    (plugin, plugin_sha256): (&PluginFile, &str),
    seed: u64,
    files: &[(String, String)],
    inputs: &[Vec<String>],
) -> Parts {
    let contract = format!("{}.{}", ichor_abi::ICHOR_ABI_MAJOR, ichor_abi::ICHOR_ABI_MINOR);
    let mut parts = vec![
        ("contract".to_owned(), contract),
        ("stage".to_owned(), format!("{} {}", stage.stage.id, stage.stage.version)),
        (
            "plugin".to_owned(),
            format!("{} {} sha256:{plugin_sha256}", plugin.manifest.name, plugin.manifest.version),
        ),
        ("seed".to_owned(), seed.to_string()),
    ];
    let mut names: Vec<(&String, &Value)> = stage.params.as_object().into_iter().flatten().collect();
    names.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in names {
        let sums: Vec<&str> =
            files.iter().filter(|(file, _)| file == name).map(|(_, sum)| sum.as_str()).collect();
        if sums.is_empty() {
            parts.push((format!("parameter {name}"), canonical(value)));
        } else {
            // The same file under another folder is the same input; its own name may matter to a stage.
            let paths = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            let file = |path: &Value| {
                path.as_str().and_then(|p| p.rsplit('/').next()).unwrap_or_default().to_owned()
            };
            let named: Vec<String> =
                paths.iter().zip(sums).map(|(path, sum)| format!("{} sha256:{sum}", file(path))).collect();
            parts.push((format!("file {name}"), named.join(" ")));
        }
    }
    for (port, ids) in stage.stage.inputs.iter().zip(inputs) {
        parts.push((format!("input {}", port.name), ids.join(" ")));
    }
    parts
}

/// The key that the parts make.
pub(crate) fn key(parts: &Parts) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(b"ichor stage 1");
    for (name, value) in parts {
        for text in [name, value] {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
    }
    hash.finalize().to_hex().to_string()
}

/// JSON with sorted keys and no spaces; `1.0` and `1` stay what they are.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            let entries: Vec<String> = entries
                .iter()
                .map(|(k, v)| format!("{}:{}", Value::from(k.as_str()), canonical(v)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// The first part that differs, in words; `None` when all are equal.
#[must_use]
pub fn difference(before: &Parts, now: &Parts) -> Option<String> {
    let value = |parts: &Parts, name: &str| parts.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    for (name, new) in now {
        match value(before, name) {
            Some(old) if old == *new => {}
            Some(old) => return Some(format!("{name}: {} -> {}", short(&old), short(new))),
            None => return Some(format!("{name}: new, {}", short(new))),
        }
    }
    let gone = before.iter().find(|(name, _)| value(now, name).is_none());
    gone.map(|(name, old)| format!("{name}: no longer there, was {}", short(old)))
}

/// Sums are cut: their beginning tells them apart.
fn short(text: &str) -> String {
    let word = |word: &str| {
        let sum = word.rsplit(':').next().unwrap_or_default();
        let is_sum = sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit());
        if is_sum { format!("{}…", &word[..word.len() - 52]) } else { word.to_owned() }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parts(list: &[(&str, &str)]) -> Parts {
        list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn keys_depend_on_every_part_and_its_borders() {
        let keys: std::collections::BTreeSet<String> = [
            parts(&[("a", "b")]),
            parts(&[("ab", "")]),
            parts(&[("", "ab")]),
            parts(&[("a", "b"), ("c", "")]),
            parts(&[("a", "b"), ("", "c")]),
        ]
        .iter()
        .map(key)
        .collect();
        assert_eq!(keys.len(), 5);
        assert_eq!(
            canonical(&json!({"b": [1, 2.5, null], "a": {"d": "x", "c": true}})),
            r#"{"a":{"c":true,"d":"x"},"b":[1,2.5,null]}"#
        );
    }

    #[test]
    fn the_first_difference_is_named() {
        let old = parts(&[("stage", "s 1.0.0"), ("parameter min", "0.1"), ("parameter old", "1")]);
        let sum = "0123456789abcdef".repeat(4);
        let new =
            parts(&[("stage", "s 1.0.0"), ("parameter min", "0.2"), ("file x", &format!("x sha256:{sum}"))]);
        assert_eq!(difference(&old, &new).unwrap(), "parameter min: 0.1 -> 0.2");
        assert_eq!(
            difference(&old[..1].to_vec(), &new[2..].to_vec()).unwrap(),
            "file x: new, x sha256:0123456789ab…"
        );
        assert_eq!(difference(&old, &old[..2].to_vec()).unwrap(), "parameter old: no longer there, was 1");
        assert_eq!(difference(&old, &old), None);
    }
}
