//! The YAML of a pipeline as a tree with positions. The only file of Ichor that names the YAML library.
//!
//! YAML 1.2 in its strict reading: `no`, `on` and `017` are text, a key stands once, and there are limits on
//! size, depth and what aliases may expand to, so that no document costs more than milliseconds.

use crate::diagnostic::quote;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_yaml::options::DuplicateKeyPolicy;
use serde_yaml::{Error, budget, options};
use std::fmt;

/// Largest pipeline file that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;
/// Deepest nesting of lists and maps; a pipeline needs about six.
const MAX_DEPTH: usize = 32;
/// Most scalars, lists and maps after aliases are expanded.
const MAX_NODES: usize = 50_000;

/// Where something stands: the file, and line and column in characters, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Index in the list of files (or command-line arguments) that a pipeline is read from; 0 is its own.
    pub file: usize,
    /// Line, from 1; 0 when not in a file.
    pub line: usize,
    /// Column in characters, from 1; 0 when not in a file.
    pub column: usize,
}

impl Position {
    /// The place of what was not written in a file.
    pub const NONE: Position = Position { file: 0, line: 0, column: 0 };

    /// The first character of a file.
    #[must_use]
    pub fn start(file: usize) -> Position {
        Position { file, line: 1, column: 1 }
    }
}

/// A value and where it stands. What came through an alias stands where it was defined.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its first character.
    pub at: Position,
}

/// YAML as a tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Number(Number),
    /// Anything else that is not a list or a map.
    Text(String),
    /// A list.
    Seq(Vec<Spanned<Node>>),
    /// A map in the order written; keys are text and stand once.
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl Node {
    /// The same as JSON.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Node::Null => Value::Null,
            Node::Bool(v) => Value::Bool(*v),
            Node::Number(v) => Value::Number(v.clone()),
            Node::Text(v) => Value::String(v.clone()),
            Node::Seq(v) => v.iter().map(|n| n.value.to_json()).collect(),
            Node::Map(v) => v.iter().map(|(k, n)| (k.value.clone(), n.value.to_json())).collect(),
        }
    }

    /// What this is, for a message: "text `x`", "a list of 3".
    pub(crate) fn describe(&self) -> String {
        match self {
            Node::Null => "empty (null)".to_owned(),
            Node::Bool(v) => v.to_string(),
            Node::Number(v) => v.to_string(),
            Node::Text(v) => format!("the text {}", quote(v)),
            Node::Seq(v) => format!("a list of {}", v.len()),
            Node::Map(_) => "a map".to_owned(),
        }
    }
}

/// What is wrong with a YAML text.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: Position,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Reads one document, that of the file of this index. An empty one is [`Node::Null`].
pub(crate) fn read(file: usize, text: &str) -> Result<Spanned<Node>, Fault> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(Fault {
            at: Position::start(file),
            message: format!("the file has more than the {MAX_DOCUMENT_BYTES} bytes of a pipeline"),
            help: "a pipeline names its data files, it does not contain them".to_owned(),
        });
    }
    let options = options! {
        strict_booleans: true,
        duplicate_keys: DuplicateKeyPolicy::Error,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
        emit_comments: false,
        budget: budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_documents: 1,
            max_inclusion_depth: 0,
        },
    };
    let mut node = serde_yaml::from_str_with_options(text, options).map_err(|error| explain(file, &error))?;
    if file != 0 {
        place(&mut node, &|at| at.file = file);
    }
    Ok(node)
}

/// Reads the VALUE of `--set STAGE.PARAM=VALUE` as YAML in one line; `at` is the argument.
pub(crate) fn read_argument(at: Position, text: &str) -> Result<Spanned<Node>, Fault> {
    let mut node = read(at.file, text).map_err(|mut fault| {
        fault.at = at;
        if fault.help.is_empty() {
            fault.help = "put a value that has special characters in quotes".to_owned();
        }
        fault
    })?;
    place(&mut node, &|position| *position = at);
    Ok(node)
}

/// Changes the positions of a tree.
fn place(node: &mut Spanned<Node>, change: &dyn Fn(&mut Position)) {
    change(&mut node.at);
    match &mut node.value {
        Node::Seq(items) => items.iter_mut().for_each(|item| place(item, change)),
        Node::Map(entries) => {
            for (key, value) in entries {
                change(&mut key.at);
                place(value, change);
            }
        }
        _ => {}
    }
}

/// The library's error in our words where its own would not help a user.
fn explain(file: usize, error: &Error) -> Fault {
    let at = Position { file, ..error.location().map_or(Position::start(file), |l| position(&l)) };
    let mut error = error;
    // What went wrong while an alias was expanded, in an expanded alias, and so on.
    while let Error::AliasError { error: inner, .. } | Error::WithSnippet { error: inner, .. } = error {
        error = inner;
    }
    let full = error.to_string();
    // The library ends its messages with the place, which stands in front of ours already.
    let message = full.split(" at line ").next().unwrap_or(&full);
    let (message, help) = match error {
        Error::DuplicateMappingKey { key, .. } => (
            format!("the key {} stands here a second time", quote(key.as_deref().unwrap_or("?"))),
            "keep one of the two or rename one",
        ),
        Error::Budget { .. } if message.contains("Documents") => (
            "a second document begins here".to_owned(),
            "a pipeline file holds one document, remove the `---`",
        ),
        Error::Budget { .. } if message.contains("Depth") => too_deep(),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (
            format!("the document is too large once aliases are expanded (more than {MAX_NODES} values)"),
            "use fewer aliases (`*name`)",
        ),
        Error::UnknownAnchor { .. } => (
            "an alias (`*name`) stands here, but nothing before it is marked `&name`".to_owned(),
            "put text that begins with `*` in quotes",
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            ("an alias refers to what contains it".to_owned(), "write the value out")
        }
        Error::NullIntoString { .. } => ("a key is empty".to_owned(), "write a name before the colon"),
        Error::NonFiniteFloat { .. } => {
            ("infinity and NaN are not values of a parameter".to_owned(), "give a finite number")
        }
        _ if message.contains("recursion limit") => too_deep(),
        _ if message.contains("tabs disallowed") => {
            ("a tab stands in the indentation".to_owned(), "indent with spaces")
        }
        _ => (format!("this is not YAML: {message}"), "check brackets, quotes, colons and indentation"),
    };
    Fault { at, message, help: help.to_owned() }
}

fn too_deep() -> (String, &'static str) {
    (format!("lists and maps are nested more than {MAX_DEPTH} deep"), "a pipeline needs six levels")
}

fn position(location: &serde_yaml::Location) -> Position {
    Position {
        file: 0,
        line: usize::try_from(location.line()).unwrap_or(usize::MAX),
        column: usize::try_from(location.column()).unwrap_or(usize::MAX),
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_yaml::Spanned::<T>::deserialize(deserializer)?;
        Ok(Spanned { at: position(&spanned.defined), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Node, E> {
        Ok(Node::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Node, E> {
        Ok(Node::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Node, E> {
        Ok(Node::Number(v.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Node, E> {
        Number::from_f64(v).map(Node::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_u128<E: serde::de::Error>(self, v: u128) -> Result<Node, E> {
        self.visit_f64(v as f64)
    }

    fn visit_i128<E: serde::de::Error>(self, v: i128) -> Result<Node, E> {
        self.visit_f64(v as f64)
    }

    fn visit_str<E>(self, v: &str) -> Result<Node, E> {
        Ok(Node::Text(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Node, E> {
        Ok(Node::Text(v))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::Seq(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut list: Vec<(Spanned<String>, Spanned<Node>)> = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            list.push(entry);
        }
        if list.len() > MAX_NODES {
            return Err(A::Error::custom("too many keys"));
        }
        Ok(Node::Map(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        let Fault { at, message, help } = read(0, text).unwrap_err();
        format!("{}:{}: {message}; {help}", at.line, at.column)
    }

    fn values(text: &str) -> Value {
        read(0, text).unwrap().value.to_json()
    }

    #[test]
    fn plain_scalars_follow_yaml_1_2() {
        assert_eq!(
            values(
                "{a: no, b: on, c: 017, d: 1_000, e: ~, f: '5', g: -3, h: true, i: 1e3, j: 2024-01-02, \
                    k: 18446744073709551615, l: 99999999999999999999999, m: -99999999999999999999999}"
            ),
            serde_json::json!({"a": "no", "b": "on", "c": "017", "d": "1_000", "e": null, "f": "5", "g": -3,
                               "h": true, "i": 1000.0, "j": "2024-01-02", "k": u64::MAX, "l": 1e23, "m": -1e23})
        );
        assert_eq!(values("\u{feff}a: 1\r\nb: x\r\n"), serde_json::json!({"a": 1, "b": "x"}));
        assert_eq!(values(""), Value::Null);
        assert_eq!(values("# only a comment\n"), Value::Null);
    }

    #[test]
    fn positions_are_those_of_the_tokens_in_characters() {
        let Node::Map(entries) = read(0, "é: ü\nlist: [ö, b]\nd: &d {x: 1}\ne: *d\n").unwrap().value
        else {
            panic!("not a map")
        };
        let at = |line, column| Position { file: 0, line, column };
        assert_eq!((entries[0].0.at, entries[0].1.at), (at(1, 1), at(1, 4)));
        let Node::Seq(list) = &entries[1].1.value else { panic!("not a list") };
        assert_eq!(list[1].at, at(2, 11));
        // Through an alias: where it was defined.
        let Node::Map(aliased) = &entries[3].1.value else { panic!("not a map") };
        assert_eq!((entries[3].0.at, aliased[0].0.at, aliased[0].1.at), (at(4, 1), at(3, 8), at(3, 11)));
    }

    #[test]
    fn merge_keys_are_applied() {
        assert_eq!(
            values("base: &b {x: 1, y: 2}\nuser: {<<: *b, y: 3}")["user"],
            serde_json::json!({"y": 3, "x": 1})
        );
    }

    #[test]
    fn broken_yaml_says_where_and_what_to_do() {
        for (text, expected) in [
            ("a: 1\nb: 2\na: 3\n", "3:1: the key `a` stands here a second time; keep one"),
            ("a:\n  x: 1\n  x: 2\n", "3:3: the key `x` stands here a second time"),
            ("a:\n\tb: 1\n", "2:2: a tab stands in the indentation; indent with spaces"),
            ("{]}", "1:1: this is not YAML: mismatched bracket '{' closed by ']'; check brackets"),
            ("a: [1, 2\nb: 3\n", "2:2: this is not YAML: illegal placement of ':' indicator"),
            ("a: b: c\n", "1:5: this is not YAML: mapping values are not allowed"),
            ("a: *x\n", "1:4: an alias (`*name`) stands here, but nothing before it"),
            ("a: &a [*a]\n", "1:8: an alias refers to what contains it"),
            ("a: 1\n---\nb: 2\n", "2:1: a second document begins here"),
            ("a: !include /etc/passwd\n", "1:13: this is not YAML: unsupported tag `!include`"),
            ("~: 1\n", "1:1: a key is empty"),
            ("a: .nan\n", "1:4: infinity and NaN are not values"),
            ("a: \0\n", "1:4: this is not YAML: unexpected character"),
        ] {
            assert!(line(text).starts_with(expected), "{text:?}: {}", line(text));
        }
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..10 {
            let aliases = vec![format!("*a{}", i - 1); 10].join(",");
            bomb += &format!("a{i}: &a{i} [{aliases}]\n");
        }
        assert!(line(&bomb).starts_with("5:22: the document is too large once aliases"), "{}", line(&bomb));
        for (open, place) in [("[", "1:33"), ("{a: ", "1:129"), ("- ", "1:65"), ("? ", "1:65")] {
            let error = line(&open.repeat(100_000));
            assert!(
                error.starts_with(&format!("{place}: lists and maps are nested more than 32 deep")),
                "{error}"
            );
        }
        let stairs: String = (0..1000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert!(line(&stairs).starts_with("33:33: lists and maps are nested"), "{}", line(&stairs));
        let wide: String = (0..60_000).map(|n| format!("k{n}: 1\n")).collect();
        assert!(line(&wide).contains("too large"), "{}", line(&wide));
        let long = "# ".to_owned() + &"x".repeat(MAX_DOCUMENT_BYTES);
        assert!(line(&long).starts_with("1:1: the file has more than the 1048576 bytes of a pipeline"));
    }

    #[test]
    fn an_argument_has_its_own_place() {
        let argument = Position { file: 3, line: 0, column: 0 };
        let node = read_argument(argument, "[1, 2]").unwrap();
        assert_eq!((node.value.to_json(), node.at), (serde_json::json!([1, 2]), argument));
        let fault = read_argument(argument, "[").unwrap_err();
        assert!(fault.message.starts_with("this is not YAML") && fault.at == argument, "{fault:?}");
    }
}
