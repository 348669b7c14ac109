//! The text of `floci-az.yml` as a flat list: a dotted key, its line, what stands there.
//!
//! `a: {b: 1}` and `a.b: 1` are the same. Values keep the spelling they have in the file: `1.10` stays `1.10`, because
//! only a setting's declaration knows whether it is a number. Of YAML, what a settings file has no use for is refused
//! with a text instead of half obeyed: several documents, aliases, keys that are not text.
//!
//! The parser is driven event by event, and so neither it nor this file recurses: a file nested a hundred thousand
//! levels deep costs no stack. Keys are bounded, and with them what a value costs.

use std::fmt;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

/// Several times the longest dotted key there is. Each value carries its key, so this bounds what a file can cost.
const MAX_KEY_BYTES: usize = 256;

/// One value of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// From the file's root on: `floci-az.storage.mode`.
    pub key: String,
    /// Where the key stands, counted from 1.
    pub line: usize,
    pub found: Found,
}

/// What stands behind a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Text(String),
    Nothing,
    List,
    Mapping,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Text(text) => write!(f, "{text:?}"),
            Found::Nothing => f.write_str("empty"),
            Found::List => f.write_str("a list"),
            Found::Mapping => f.write_str("a mapping"),
        }
    }
}

/// Why the text is not a settings file. Line and column are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    pub line: usize,
    pub column: usize,
    pub reason: String,
}

impl Malformed {
    fn at(mark: Marker, reason: impl Into<String>) -> Malformed {
        Malformed { line: mark.line(), column: mark.col() + 1, reason: reason.into() }
    }
}

impl From<ScanError> for Malformed {
    fn from(error: ScanError) -> Malformed {
        Malformed::at(*error.marker(), error.info())
    }
}

/// Every value of the file in its order, also those whose key was there before.
pub(super) fn flatten(text: &str) -> Result<Vec<Line>, Malformed> {
    let mut parser = Parser::new_from_str(text);
    let mut reader = Reader::default();
    while let Some(event) = parser.next_event() {
        let (event, span) = event?;
        reader.event(event, span.start)?;
    }
    Ok(reader.lines)
}

#[derive(Debug, Default)]
struct Reader {
    lines: Vec<Line>,
    /// The mappings that have begun and not ended, outermost first.
    open: Vec<Open>,
    /// A list is told by its key and not looked into: how many lists and mappings have begun since.
    inside_list: usize,
    documents: usize,
}

#[derive(Debug)]
struct Open {
    /// The dotted key that leads here, and its line.
    key: String,
    line: usize,
    /// How many lines there were before this mapping.
    before: usize,
    /// The key that waits for its value, and its line.
    pending: Option<(String, usize)>,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, mark: Marker) -> Result<(), Malformed> {
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) if self.inside_list > 0 => self.inside_list += 1,
            Event::SequenceEnd | Event::MappingEnd if self.inside_list > 0 => self.inside_list -= 1,
            _ if self.inside_list > 0 => {}

            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::SequenceEnd => {}
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Malformed::at(mark, "a second document begins here, and settings are one document"));
                }
            }
            Event::Alias(_) => {
                return Err(Malformed::at(mark, "an alias stands here, which is not supported: write out the value"));
            }
            Event::MappingEnd => self.close(),
            Event::SequenceStart(..) => {
                self.node(Found::List, mark)?;
                self.inside_list = 1;
            }
            Event::MappingStart(..) => self.node(Found::Mapping, mark)?,
            Event::Scalar(text, style, ..) => {
                let found = match (style, text.as_ref()) {
                    (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => Found::Nothing,
                    _ => Found::Text(text.into_owned()),
                };
                self.node(found, mark)?;
            }
        }
        Ok(())
    }

    /// A node begins: the document itself, a key, or the value of the key before it.
    fn node(&mut self, found: Found, mark: Marker) -> Result<(), Malformed> {
        let before = self.lines.len();
        let Some(mapping) = self.open.last_mut() else {
            match found {
                Found::Mapping => self.open.push(Open { key: String::new(), line: mark.line(), before, pending: None }),
                Found::Nothing => {}
                Found::Text(_) | Found::List => {
                    return Err(Malformed::at(mark, format!("{found} stands here in place of the key floci-az")));
                }
            }
            return Ok(());
        };
        match (mapping.pending.take(), found) {
            (None, Found::Text(name)) => {
                let key = if mapping.key.is_empty() { name } else { format!("{}.{name}", mapping.key) };
                if key.len() > MAX_KEY_BYTES {
                    return Err(Malformed::at(mark, format!("this key is longer than {MAX_KEY_BYTES} bytes")));
                }
                mapping.pending = Some((key, mark.line()));
            }
            (None, found) => return Err(Malformed::at(mark, format!("{found} stands here in place of a key"))),
            (Some((key, line)), Found::Mapping) => self.open.push(Open { key, line, before, pending: None }),
            (Some((key, line)), found) => self.lines.push(Line { key, line, found }),
        }
        Ok(())
    }

    /// A mapping ends. An empty one is a value of its own, but for that of the whole file.
    fn close(&mut self) {
        if let Some(Open { key, line, before, .. }) = self.open.pop()
            && before == self.lines.len()
            && !self.open.is_empty()
        {
            self.lines.push(Line { key, line, found: Found::Mapping });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn check(text: &str, expected: Expect) {
        let lines = match flatten(text) {
            Ok(lines) => lines.iter().map(|line| format!("{}: {} is {}", line.line, line.key, line.found)).collect(),
            Err(Malformed { line, column, reason }) => vec![format!("{line}:{column}: {reason}")],
        };
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn nested_and_dotted_keys_are_the_same() {
        check(
            "a:\n  b:\n    c: 1\n  d: 2\n",
            expect![[r#"
            3: a.b.c is "1"
            4: a.d is "2""#]],
        );
        check(
            "a.b.c: 1\na: {d: 2}\n",
            expect![[r#"
            1: a.b.c is "1"
            2: a.d is "2""#]],
        );
        check(
            "a:\n  b.c: 1\n  d: 2\n",
            expect![[r#"
            2: a.b.c is "1"
            3: a.d is "2""#]],
        );
    }

    #[test]
    fn values_keep_their_spelling() {
        check(
            "a: 1.10\nb: 0x10\nc: TRUE\nd: \"x: #y\"\ne: 'null'\nf: ~\ng:\nh: \"\"\ni: 1_000 # one\nj: |\n  two\n  lines\n",
            expect![[r#"
                1: a is "1.10"
                2: b is "0x10"
                3: c is "TRUE"
                4: d is "x: #y"
                5: e is "null"
                6: f is empty
                7: g is empty
                8: h is ""
                9: i is "1_000"
                10: j is "two\nlines\n""#]],
        );
    }

    #[test]
    fn what_is_no_scalar_is_told_by_its_key() {
        check(
            "a: [1, {b: [2]}]\nc: {}\nd:\n- x: 1\n- y\ne: 3\n",
            expect![[r#"
            1: a is a list
            2: c is a mapping
            3: d is a list
            6: e is "3""#]],
        );
    }

    #[test]
    fn a_file_without_settings_is_empty() {
        for text in ["", "\n", "# port: 1\n", "---\n", "~", "{}", "\u{feff}", "%YAML 1.2\n---\n...\n"] {
            assert_eq!(flatten(text), Ok(Vec::new()), "{text:?}");
        }
        check("\u{feff}a: 1\n", expect![[r#"1: a is "1""#]]);
    }

    #[test]
    fn what_is_no_settings_file_is_told_with_its_place() {
        check("a: 1\n  b: 2\n", expect!["2:4: mapping values are not allowed in this context"]);
        check("a:\n\tb: 2\n", expect!["2:2: tabs disallowed within this context (block indentation)"]);
        check("a: \"open\n", expect!["1:4: while scanning a quoted scalar, found unexpected end of stream"]);
        check("a: {b: 1\n", expect!["2:1: while parsing a flow mapping, did not find expected ',' or '}'"]);
        check("a: b: c\n", expect!["1:5: mapping values are not allowed in this context"]);
        check("just words\n", expect![[r#"1:1: "just words" stands here in place of the key floci-az"#]]);
        check("- a\n", expect!["1:1: a list stands here in place of the key floci-az"]);
        check("[a]: 1\n", expect!["1:1: a list stands here in place of a key"]);
        check("? {a: 1}\n: 2\n", expect!["1:3: a mapping stands here in place of a key"]);
        check("~: 1\n", expect!["1:1: empty stands here in place of a key"]);
        check("a: &x 1\nb: *x\n", expect!["2:4: an alias stands here, which is not supported: write out the value"]);
        check("b: *x\n", expect!["1:4: while parsing node, found unknown anchor"]);
        check(&format!("{}: 1\n", "a.".repeat(200)), expect!["1:1: this key is longer than 256 bytes"]);
        check("a: 1\n---\nb: 1\n", expect!["2:1: a second document begins here, and settings are one document"]);
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "- ".repeat(300_000);
        assert!(flatten(&format!("a:\n  {deep}")).is_ok());
        assert!(flatten(&"{a: ".repeat(300_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*|[-a: \\n\\t#&*!|>'\"%@`{}\\[\\],?~.]*") {
            let _ = flatten(&text);
        }

        #[test]
        fn lines_are_those_of_the_text(text in "[-a: \\n#'\"{}\\[\\],?~.]*") {
            if let Ok(lines) = flatten(&text) {
                let last = text.lines().count();
                prop_assert!(lines.iter().all(|line| (1..=last).contains(&line.line)));
            }
        }
    }
}
