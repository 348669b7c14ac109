//! `${files}`, `${data}`, `${address}` and `${port.<name>}`: what a spec leaves to the runtime.
//!
//! One pass, no nesting: what a placeholder stands for is not looked at again. `$` without `{` is an ordinary
//! character; there is no escape for `${`, because the contract has none.

use std::collections::BTreeMap;

/// What the placeholders stand for on one runtime.
#[derive(Debug)]
pub struct Places {
    /// Folder of the spec's files.
    pub files: String,
    /// Folder whose contents outlive the program.
    pub data: String,
    /// Where the program should listen.
    pub address: &'static str,
    /// The port to listen on, by its name in the spec.
    pub ports: BTreeMap<String, u16>,
}

impl Places {
    /// `text` with every placeholder replaced, or which one is wrong and what there is.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else {
                return Err(format!("a placeholder is not closed with `}}`. {}", self.known()));
            };
            filled.push_str(before);
            filled.push_str(
                &self.value(name).ok_or_else(|| format!("${{{name}}} is not a placeholder. {}", self.known()))?,
            );
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&self, name: &str) -> Option<String> {
        match name {
            "files" => Some(self.files.clone()),
            "data" => Some(self.data.clone()),
            "address" => Some(self.address.to_owned()),
            _ => self.ports.get(name.strip_prefix("port.")?).map(u16::to_string),
        }
    }

    fn known(&self) -> String {
        let ports: String = self.ports.keys().map(|name| format!(", ${{port.{name}}}")).collect();
        format!("There are ${{files}}, ${{data}}, ${{address}}{ports}")
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let places = Places {
            files: "/floci/files".to_owned(),
            data: "/floci/data".to_owned(),
            address: "0.0.0.0",
            ports: BTreeMap::from([("redis".to_owned(), 6379), ("bus".to_owned(), 16379)]),
        };
        expected.assert_eq(&places.fill(text).unwrap_or_else(|error| format!("error: {error}")));
    }

    #[test]
    fn placeholders_are_filled_in_and_unknown_ones_refused() {
        check("", expect![[""]]);
        check("$HOME costs 5$ {files}", expect![["$HOME costs 5$ {files}"]]);
        check("${files}/redis.conf", expect![["/floci/files/redis.conf"]]);
        check(
            "dir ${data}\nbind ${address}\nport ${port.redis}",
            expect![[r#"
            dir /floci/data
            bind 0.0.0.0
            port 6379"#]],
        );
        check("${port.redis}${port.bus}", expect![["637916379"]]);
        check(
            "${home}",
            expect![[
                "error: ${home} is not a placeholder. There are ${files}, ${data}, ${address}, ${port.bus}, ${port.redis}"
            ]],
        );
        check(
            "${port.tls}",
            expect![[
                "error: ${port.tls} is not a placeholder. There are ${files}, ${data}, ${address}, ${port.bus}, ${port.redis}"
            ]],
        );
        check(
            "${files",
            expect![[
                "error: a placeholder is not closed with `}`. There are ${files}, ${data}, ${address}, ${port.bus}, ${port.redis}"
            ]],
        );
        check(
            "${${files}}",
            expect![[
                "error: ${${files} is not a placeholder. There are ${files}, ${data}, ${address}, ${port.bus}, ${port.redis}"
            ]],
        );
    }
}
