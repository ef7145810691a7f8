//! Measurements that move though the haematoma has not changed.

/// Name and what breaks it, a line each, as the examples `density` and `irregularity` of the tests found.
const FRAGILE: &str = include_str!("fragile.tsv");

/// What to add to the definition of a measurement: nothing, or what breaks it. A value breaks when its median change over
/// phantoms is above 10 %, a sign or a count when it differs in a tenth of them: from slices of 0.5 or 1 to 5 mm, by a
/// shift of half a voxel, or when noise doubles (docs/benchmarks/density.md, irregularity.md).
pub fn note(name: &str) -> String {
    let found = FRAGILE.lines().filter_map(|line| line.split_once('\t')).find(|(n, _)| *n == name);
    found.map_or(String::new(), |(_, what)| format!("; fragile in {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_there_once_and_causes_are_known() {
        let mut names = BTreeSet::new();
        for line in FRAGILE.lines() {
            let (name, what) = line.split_once('\t').unwrap();
            assert!(names.insert(name), "{name} twice");
            assert!(
                what.split(" and ").all(|w| ["slices of 5 mm", "a shift", "noise"].contains(&w)),
                "{name}: {what}"
            );
        }
        assert!(note("hu_sd").contains("noise") && note("volume").is_empty());
    }
}
