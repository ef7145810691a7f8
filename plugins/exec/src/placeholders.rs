//! `{images[0]}`, `{output}` and the like in a command line.

use ichor_sdk::prelude::*;

/// What can stand in braces.
pub struct Values {
    /// Names of lists.
    pub lists: Vec<(&'static str, Vec<String>)>,
    /// Names of single values; `None` is one that was not given.
    pub singles: Vec<(&'static str, Option<String>)>,
}

impl Values {
    /// The words of a command line: a list that is a word of its own becomes a word each.
    pub fn expand(&self, words: &[String]) -> Result<Vec<String>> {
        let mut out = Vec::new();
        for word in words {
            let whole = hole(word).filter(|h| h.len == word.len() && h.index.is_none());
            match whole.and_then(|h| self.list(h.name)) {
                Some(list) => out.extend_from_slice(list),
                None => out.push(self.fill(word)?),
            }
        }
        Ok(out)
    }

    /// One text with its placeholders replaced.
    ///
    /// Braces around anything but one lowercase word are left alone, and `{{word}}` is `{word}` itself, so
    /// that lines of a shell or of awk can stand there.
    pub fn fill(&self, text: &str) -> Result<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let literal = hole(&rest[1..]).filter(|h| rest[1 + h.len..].starts_with('}'));
            if let Some(h) = literal {
                out.push_str(&rest[1..=h.len]);
                rest = &rest[h.len + 2..];
            } else if let Some(h) = hole(rest) {
                out.push_str(self.value(&h, text)?);
                rest = &rest[h.len..];
            } else {
                out.push('{');
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn list(&self, name: &str) -> Option<&[String]> {
        self.lists.iter().find(|(n, _)| *n == name).map(|(_, list)| &list[..])
    }

    fn value(&self, hole: &Hole, text: &str) -> Result<&str> {
        let name = hole.name;
        if let Some(list) = self.list(name) {
            let Some(index) = hole.index else {
                return Err(Error::bad_params(format!(
                    "`{{{name}}}` in `{text}` is a list and must be a word of its own; or write `{{{name}[0]}}`"
                )));
            };
            return list.get(index).map(String::as_str).ok_or_else(|| {
                let n = list.len();
                Error::bad_params(format!(
                    "there is no `{{{name}[{index}]}}` for `{text}`: {name} has {n}, counted from 0"
                ))
            });
        }
        match self.singles.iter().find(|(n, _)| *n == name && hole.index.is_none()) {
            Some((_, Some(value))) => Ok(value),
            Some((_, None)) => {
                Err(Error::bad_params(format!("`{text}` needs the parameter `{name}`, which is not given")))
            }
            None => {
                let lists = self.lists.iter().flat_map(|(n, _)| [format!("{{{n}}}"), format!("{{{n}[0]}}")]);
                let singles = self.singles.iter().map(|(n, _)| format!("{{{n}}}"));
                let known = lists.chain(singles).collect::<Vec<_>>().join(", ");
                Err(Error::bad_params(format!(
                    "`{text}` has braces around a word that stands for nothing; there are {known}, and `{{{{{name}}}}}` is \
                     `{{{name}}}` itself"
                )))
            }
        }
    }
}

/// A placeholder: its name, its index and its length with the braces.
struct Hole<'a> {
    name: &'a str,
    index: Option<usize>,
    len: usize,
}

/// The placeholder at the start of `text`.
fn hole(text: &str) -> Option<Hole<'_>> {
    let inner = text.strip_prefix('{')?;
    let inner = &inner[..inner.find('}')?];
    let (name, index) = match inner.split_once('[') {
        Some((name, index)) => (name, Some(index.strip_suffix(']')?)),
        None => (inner, None),
    };
    let digits = |index: &str| !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit());
    let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()) && index.is_none_or(digits);
    let index = index.map(|index| index.parse().unwrap_or(usize::MAX));
    fits.then_some(Hole { name, index, len: inner.len() + 2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(words: &[&str]) -> Result<Vec<String>, String> {
        let text = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
        let values = Values {
            lists: vec![("images", text(&["a.nii", "b.nii"])), ("tables", Vec::new())],
            singles: vec![("output", Some("o.nii".into())), ("script", None)],
        };
        values.expand(&text(words)).map_err(|e| e.message().to_owned())
    }

    #[test]
    fn words_are_replaced_and_lists_spread() {
        let words =
            expand(&["-i", "{images}", "{tables}", "--out={output},{images[1]}", "é{output}"]).unwrap();
        assert_eq!(words, ["-i", "a.nii", "b.nii", "--out=o.nii,b.nii", "éo.nii"]);
    }

    #[test]
    fn braces_of_other_languages_are_left_alone() {
        for same in
            ["awk '{ print }' ${HOME} {} {a b} {0} {", "{\"a\": {\"b\": 1}}", "a{1,2}", "{x[]}", "{x[a]}"]
        {
            assert_eq!(expand(&[same]).unwrap(), [same]);
        }
        assert_eq!(expand(&["{{output}} {{print}} {{output}"]).unwrap(), ["{output} {print} {o.nii"]);
    }

    #[test]
    fn what_stands_for_nothing_is_refused() {
        assert!(
            expand(&["{ouput}"])
                .unwrap_err()
                .starts_with("`{ouput}` has braces around a word that stands for")
        );
        assert!(expand(&["{images[2]}"]).unwrap_err().contains("images has 2, counted from 0"));
        assert!(expand(&["{images[99999999999999999999]}"]).unwrap_err().contains("images has 2"));
        assert!(expand(&["x={images}"]).unwrap_err().contains("must be a word of its own"));
        assert!(expand(&["{script}"]).unwrap_err().contains("needs the parameter `script`"));
        assert!(expand(&["{output[0]}"]).is_err());
    }
}
