//! Overlays: a second file that changes a pipeline for one site.

use super::read::{Entry, Fields, KEYS, Reader};
use crate::diagnostic::{nearest, quote};
use crate::yaml::{Node, Position, Spanned};

/// What an overlay may change by name, and the key without which an entry is no new one.
const SECTIONS: [(&str, &str, &str); 3] =
    [("inputs", "input", "kind"), ("stages", "stage", "use"), ("outputs", "output", "")];

impl Reader<'_> {
    /// Reads an overlay as far as that goes without its pipeline.
    pub(super) fn overlay(&mut self, file: &str) -> Option<Spanned<Node>> {
        let root = self.tree(file, None)?;
        let entries = self.map(&root, "an overlay")?;
        self.format(root.at.file, entries)?;
        let marked = Fields(entries).get("overlay");
        if marked.is_none_or(|mark| mark.value != Node::Bool(true)) {
            let at = marked.map_or(Position::start(root.at.file), |mark| mark.at);
            self.found.error(at, || {
                (
                    "this is not marked as an overlay",
                    "add `overlay: true` if it is meant to change a pipeline, else do not give it with --with",
                )
            });
            return None;
        }
        let keys: Vec<&str> =
            KEYS.iter().copied().filter(|k| !["name", "group"].contains(k)).chain(["overlay"]).collect();
        self.fields(&root, "an overlay", &keys)?;
        Some(root)
    }

    /// Changes `root`, a pipeline, as `layer` says.
    pub(super) fn lay_over(&mut self, root: &mut Spanned<Node>, layer: &Spanned<Node>) {
        let (Node::Map(base), Node::Map(changes)) = (&mut root.value, &layer.value) else { return };
        if let Some((key, seed)) = changes.iter().find(|(key, _)| key.value == "seed") {
            base.retain(|(k, _)| k.value != "seed");
            base.push((key.clone(), seed.clone()));
        }
        for (section, what, needed) in SECTIONS {
            let Some((key, node)) = changes.iter().find(|(key, _)| key.value == section) else { continue };
            let Some(changes) = self.map(node, &format!("`{section}`")) else { continue };
            let place = base.iter().position(|(k, _)| k.value == section).unwrap_or_else(|| {
                base.push((key.clone(), Spanned { value: Node::Map(Vec::new()), at: node.at }));
                base.len() - 1
            });
            let node = &mut base[place].1.value;
            if *node == Node::Null {
                *node = Node::Map(Vec::new());
            }
            let Node::Map(entries) = node else { continue };
            for (name, change) in changes {
                match name.value.split_once('/') {
                    Some((outer, inner)) if section == "stages" => {
                        self.within
                            .entry(outer.to_owned())
                            .or_default()
                            .push(stage_layer(name, inner, change));
                    }
                    _ => self.change(entries, (name, change), what, needed),
                }
            }
        }
    }

    /// Changes, adds or removes one input, stage or output.
    fn change(
        &mut self,
        entries: &mut Vec<Entry>,
        (name, change): (&Spanned<String>, &Spanned<Node>),
        what: &str,
        needed: &str,
    ) {
        let Some(place) = entries.iter().position(|(k, _)| k.value == name.value) else {
            let is_whole = match &change.value {
                Node::Map(fields) => Fields(fields).get(needed).is_some(),
                _ => needed.is_empty() && change.value != Node::Null,
            };
            if is_whole {
                entries.push((name.clone(), change.clone()));
                return;
            }
            self.found.error(name.at, || {
                let help = match nearest(&name.value, entries.iter().map(|(k, _)| k.value.as_str())) {
                    Some(near) => format!("did you mean {}?", quote(near)),
                    None if change.value == Node::Null => "there is nothing to remove".to_owned(),
                    None => format!("to add one, say its `{needed}`"),
                };
                (format!("the pipeline has no {what} {}", quote(&name.value)), help)
            });
            return;
        };
        if change.value == Node::Null {
            entries.remove(place);
            return;
        }
        let base = &mut entries[place].1;
        if let (Node::Map(old), Node::Map(new)) = (&mut base.value, &change.value)
            && what == "stage"
            && let Some(used) = Fields(new).get("use").and_then(used_id)
            && Fields(old).get("use").and_then(used_id) != Some(used)
        {
            // Parameters belong to the stage that was used before.
            old.retain(|(key, _)| key.value != "with");
            let (with, rest): (Vec<Entry>, Vec<Entry>) =
                new.iter().cloned().partition(|(k, _)| k.value == "with");
            old.extend(with);
            self.merge(base, &Spanned { value: Node::Map(rest), at: change.at });
            return;
        }
        self.merge(base, change);
    }

    /// Maps key by key; else the change replaces what there was.
    fn merge(&mut self, base: &mut Spanned<Node>, change: &Spanned<Node>) {
        let (Node::Map(entries), Node::Map(changes)) = (&mut base.value, &change.value) else {
            *base = change.clone();
            return;
        };
        for (key, value) in changes {
            match (entries.iter().position(|(k, _)| k.value == key.value), &value.value) {
                (Some(place), Node::Null) => {
                    entries.remove(place);
                }
                (Some(place), _) => self.merge(&mut entries[place].1, value),
                (None, Node::Null) => self.found.error(key.at, || {
                    (
                        format!("the pipeline does not say {} here", quote(&key.value)),
                        "remove the line: null removes what the pipeline says",
                    )
                }),
                (None, Node::Map(_)) => {
                    let mut fresh = Spanned { value: Node::Map(Vec::new()), at: value.at };
                    self.merge(&mut fresh, value);
                    entries.push((key.clone(), fresh));
                }
                (None, _) => entries.push((key.clone(), value.clone())),
            }
        }
    }
}

/// The id of what `use` names, without version.
fn used_id(node: &Spanned<Node>) -> Option<&str> {
    match &node.value {
        Node::Text(text) => text.split('@').next(),
        _ => None,
    }
}

/// An overlay of one stage, for a pipeline within.
fn stage_layer(name: &Spanned<String>, inner: &str, change: &Spanned<Node>) -> Spanned<Node> {
    let map = |key: &str, value: Spanned<Node>| {
        let key = Spanned { value: key.to_owned(), at: name.at };
        Spanned { value: Node::Map(vec![(key, value)]), at: name.at }
    };
    map("stages", map(inner, change.clone()))
}
