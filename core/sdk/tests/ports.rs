//! What `#[input(...)]` and `#[output(...)]` become in the manifest.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_sdk::Declared;
use ichor_sdk::json::{Value, json};
use ichor_sdk::prelude::*;

/// Takes voxels of a certain form.
#[derive(Stage)]
#[stage(id = "picky", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", dtype = "i16 | f32", spacing = [[0.3, 0.6], [0.3, 0.6], 5], orientation = "LPS", regular)]
#[input(atlas, kind = "mask", optional)]
#[output(mask, kind = "mask", grid = "ct", dtype = "u8", doc = "A mask")]
struct Picky;

impl Run for Picky {
    fn run(&self, _: &Context) -> Result<()> {
        Ok(())
    }
}

#[test]
fn rules_of_voxels_are_in_the_manifest() {
    let manifest: Value = Picky::MANIFEST.parse().unwrap();
    assert_eq!(
        manifest["inputs"],
        json!([
            {"name": "ct", "kind": ["volume"], "unit": ["HU"], "dtype": ["i16", "f32"],
             "spacing": [[0.3, 0.6], [0.3, 0.6], [5.0, 5.0]], "orientation": "LPS", "regular": true},
            {"name": "atlas", "kind": ["mask"], "optional": true},
        ])
    );
    assert_eq!(
        manifest["outputs"],
        json!([{"name": "mask", "kind": ["mask"], "grid": "ct", "dtype": ["u8"], "doc": "A mask"}])
    );
}
