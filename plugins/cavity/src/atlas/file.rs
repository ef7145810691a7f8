//! The file of an atlas set.
//!
//! `ICHORATL`, then a u32 with the version and a u32 with the length of the manifest in bytes (little-endian), the
//! manifest (JSON in UTF-8), the packed volumes one after another as the manifest lists their lengths (the mean, then
//! of each atlas the distances and the image), and at the end the SHA-256 of everything before.

use super::{Atlas, AtlasSet, MOST, pack::pack, pack::unpack};
use ichor_image::{Affine, Grid};
use ichor_sdk::json::{Map, Value, json};
use ichor_sdk::{Error, Result};
use sha2::{Digest, Sha256};

/// Media type and extension.
pub const MEDIA_TYPE: &str = "application/x-ichor-atlas";
/// Of a file's name.
pub const EXTENSION: &str = "ichoratlas";

const MAGIC: &[u8; 8] = b"ICHORATL";
const VERSION: u32 = 1;
/// Bytes before the manifest and after the volumes.
const HEAD: usize = 16;
const SUM: usize = 32;
/// More is no manifest, and no grid of a head.
const MANIFEST_MOST: usize = 4 << 20;
const VOXELS_MOST: usize = 1 << 26;

fn grid_json(grid: &Grid) -> Value {
    json!({ "shape": grid.shape, "affine": grid.affine.0 })
}

/// The file's bytes.
///
/// # Errors
/// There is no memory for it.
pub fn write(set: &AtlasSet) -> Result<Vec<u8>> {
    let mut volumes = vec![pack(set.mean.iter().copied(), set.grid.shape[0])?];
    let mut atlases = Vec::new();
    for atlas in &set.atlases {
        let distance = pack(atlas.distance.iter().map(|d| d.cast_unsigned()), set.grid.shape[0])?;
        let image = pack(atlas.image.iter().copied(), set.image_grid.shape[0])?;
        let mut entry = atlas.about.clone();
        entry.insert("distance_bytes".into(), distance.len().into());
        entry.insert("image_bytes".into(), image.len().into());
        atlases.push(Value::from(entry));
        volumes.extend([distance, image]);
    }
    let mut manifest = set.about.clone();
    manifest.insert("grid".into(), grid_json(&set.grid));
    manifest.insert("image_grid".into(), grid_json(&set.image_grid));
    manifest.insert("mean_bytes".into(), volumes[0].len().into());
    manifest.insert("atlases".into(), atlases.into());
    let text = Value::from(manifest).to_string();
    let length = u32::try_from(text.len()).map_err(|_| Error::internal("a manifest of 4 GB"))?;
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(text.as_bytes());
    volumes.iter().for_each(|v| out.extend(v));
    let sum = Sha256::digest(&out);
    out.extend(sum);
    Ok(out)
}

/// Reads a file's bytes; `name` is what errors call it.
///
/// # Errors
/// It is no atlas set, cut short, changed since it was made, or made by a later version.
pub fn read(bytes: &[u8], name: &str) -> Result<AtlasSet> {
    let bad = |what: &str| Error::bad_input(format!("{name} {what}"));
    if bytes.len() < MAGIC.len() || &bytes[..MAGIC.len()] != MAGIC {
        return Err(bad("is no atlas set: make one with `build-atlas`"));
    }
    if bytes.len() < HEAD + SUM {
        return Err(bad("is cut short: copy it again"));
    }
    let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if number(8) != VERSION {
        return Err(bad(&format!(
            "is an atlas set of version {}, and this program reads version {VERSION}",
            number(8)
        )));
    }
    let length = number(12) as usize;
    let (body, sum) = bytes.split_at(bytes.len() - SUM);
    if length > MANIFEST_MOST || HEAD + length > body.len() {
        return Err(bad("is damaged or cut short: its manifest does not fit"));
    }
    if Sha256::digest(body)[..] != *sum {
        return Err(bad(
            "is damaged or cut short: its SHA-256 is not the one at its end; copy or make it again",
        ));
    }
    let parse = || -> Result<AtlasSet, String> {
        let text = std::str::from_utf8(&body[HEAD..HEAD + length]).map_err(|e| e.to_string())?;
        let Value::Object(manifest) = text.parse::<Value>().map_err(|e| e.to_string())? else {
            return Err("it is no object".into());
        };
        decode(manifest, &body[HEAD + length..])
    };
    parse().map_err(|why| bad(&format!("has a manifest that makes no sense: {why}")))
}

fn decode(mut manifest: Map<String, Value>, volumes: &[u8]) -> Result<AtlasSet, String> {
    let grid = grid_of(&manifest, "grid")?;
    let image_grid = grid_of(&manifest, "image_grid")?;
    let mut at = 0;
    let mut next = |entry: &Map<String, Value>, key: &str, grid: &Grid| -> Result<Vec<u8>, String> {
        let bytes = entry.get(key).and_then(Value::as_u64).ok_or_else(|| format!("`{key}` is no count"))?;
        let end = usize::try_from(bytes).ok().and_then(|n| n.checked_add(at)).filter(|&e| e <= volumes.len());
        let end = end.ok_or_else(|| format!("`{key}` goes beyond the end of the file"))?;
        let (length, row) = (grid.len(), grid.shape[0]);
        let out = unpack(&volumes[at..end], length, row);
        at = end;
        out.ok_or_else(|| format!("the volume of `{key}` does not unpack to {length} voxels"))
    };
    let mean = next(&manifest, "mean_bytes", &grid)?;
    let entries = match manifest.remove("atlases") {
        Some(Value::Array(entries)) if (1..=MOST).contains(&entries.len()) => entries,
        _ => return Err(format!("`atlases` is no list of 1 to {MOST}")),
    };
    let mut atlases = Vec::with_capacity(entries.len());
    for entry in entries {
        let Value::Object(mut about) = entry else { return Err("an atlas is no object".into()) };
        let distance = next(&about, "distance_bytes", &grid)?;
        let image = next(&about, "image_bytes", &image_grid)?;
        about.remove("distance_bytes");
        about.remove("image_bytes");
        let distance = distance.into_iter().map(u8::cast_signed).collect();
        atlases.push(Atlas { about, distance, image });
    }
    if at != volumes.len() {
        return Err(format!("{} bytes belong to nothing", volumes.len() - at));
    }
    for key in ["grid", "image_grid", "mean_bytes"] {
        manifest.remove(key);
    }
    Ok(AtlasSet { about: manifest, grid, mean, image_grid, atlases })
}

fn grid_of(manifest: &Map<String, Value>, key: &str) -> Result<Grid, String> {
    let wrong = || format!("`{key}` has no shape and affine");
    let value = manifest.get(key).ok_or_else(wrong)?;
    let list = |v: &Value, n: usize| v.as_array().filter(|a| a.len() == n).cloned();
    let shape = list(&value["shape"], 3).ok_or_else(wrong)?;
    let rows = list(&value["affine"], 3).ok_or_else(wrong)?;
    let mut affine = [[0.0; 4]; 3];
    for (to, row) in affine.iter_mut().zip(&rows) {
        let row = list(row, 4).ok_or_else(wrong)?;
        for (to, v) in to.iter_mut().zip(&row) {
            *to = v.as_f64().ok_or_else(wrong)?;
        }
    }
    let size = |a: usize| shape[a].as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(wrong);
    let grid =
        Grid::new([size(0)?, size(1)?, size(2)?], Affine(affine)).map_err(|e| format!("`{key}`: {e}"))?;
    if grid.len() > VOXELS_MOST || grid.shape.iter().any(|&n| n < 8) {
        return Err(format!("`{key}` has {grid}"));
    }
    Ok(grid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> AtlasSet {
        let grid = Grid::new([12, 10, 9], Affine::from_spacing([2.0; 3], [-11.0, -9.0, -8.0])).unwrap();
        let image_grid = Grid::new([8, 8, 8], Affine::from_spacing([4.0; 3], [-14.0; 3])).unwrap();
        let atlas = |n: usize| {
            let Value::Object(about) = json!({ "name": format!("head {n}") }) else { unreachable!() };
            Atlas {
                about,
                distance: (0..grid.len()).map(|v| ((v + n) % 200) as u8 as i8).collect(),
                image: (0..512).map(|v| (v / (n + 1)) as u8).collect(),
            }
        };
        let Value::Object(about) = json!({ "name": "two", "licence": "none" }) else { unreachable!() };
        AtlasSet {
            about,
            grid,
            mean: (0..grid.len()).map(|v| v as u8).collect(),
            image_grid,
            atlases: vec![atlas(0), atlas(1)],
        }
    }

    /// The file with another manifest and a sum that fits.
    fn with(change: impl Fn(&mut Value)) -> Vec<u8> {
        let bytes = write(&set()).unwrap();
        let length = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
        let text = std::str::from_utf8(&bytes[16..16 + length]).unwrap();
        let mut manifest: Value = text.parse().unwrap();
        change(&mut manifest);
        let text = manifest.to_string();
        let mut out = bytes[..12].to_vec();
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
        out.extend(&bytes[16 + length..bytes.len() - 32]);
        let sum = Sha256::digest(&out);
        out.extend(sum);
        out
    }

    fn why(bytes: &[u8]) -> String {
        read(bytes, "the file").unwrap_err().message().to_owned()
    }

    #[test]
    fn a_set_comes_back() {
        assert_eq!(read(&write(&set()).unwrap(), "it").unwrap(), set());
        assert_eq!(read(&with(|_| ()), "it").unwrap(), set());
    }

    #[test]
    fn damage_is_told() {
        let whole = write(&set()).unwrap();
        assert!(why(b"").contains("is no atlas set"));
        assert!(
            why(b"PK\x03\x04 some other file of this size, that is long enough").contains("no atlas set")
        );
        for cut in 8..whole.len() {
            assert!(why(&whole[..cut]).contains("cut short"), "{cut}: {}", why(&whole[..cut]));
        }
        for at in (16..whole.len()).step_by(7) {
            let mut one = whole.clone();
            one[at] ^= 1;
            assert!(why(&one).contains("damaged"), "{at}: {}", why(&one));
        }
        let mut later = whole;
        later[8] = 9;
        assert!(why(&later).contains("version 9"));
    }

    #[test]
    fn sizes_are_checked_before_memory_is_asked_for() {
        let told = |change: &dyn Fn(&mut Value), what: &str| {
            let text = why(&with(change));
            assert!(text.contains(what), "{text} for {what}");
        };
        told(&|m| m["grid"]["shape"] = json!([2000, 2000, 2000]), "`grid` has");
        told(&|m| m["grid"]["shape"] = json!([1u64 << 40, 1u64 << 40, 9]), "`grid`");
        told(&|m| m["grid"]["shape"] = json!([12, 10, 10]), "does not unpack to 1200 voxels");
        told(&|m| m["grid"]["affine"][0][0] = json!(0.0), "`grid`");
        told(&|m| m["mean_bytes"] = json!(u64::MAX), "beyond the end");
        told(&|m| m["mean_bytes"] = json!("many"), "is no count");
        told(&|m| m["atlases"] = json!([]), "no list of 1 to 64");
        told(&|m| m["atlases"][1]["image_bytes"] = json!(3), "does not unpack");
        told(
            &|m| {
                m["atlases"].as_array_mut().unwrap().pop();
            },
            "belong to nothing",
        );
    }
}
