//! Where a file comes from or goes to: a URL, checked. `Display` shows it without its query, which may be a permission.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::TransferError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `http://` or `https://`, whole.
    Web(Url),
    /// A file below the folder that the operator allows; every part of `path` is a plain name.
    Below { folder: PathBuf, path: Vec<String> },
}

/// Whole, with what may be a permission; not to be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    pub fn secret(&self) -> &str {
        &self.0
    }

    fn without_query(&self) -> &str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.without_query())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Web(url) => f.write_str(url.without_query()),
            Place::Below { folder, path } => write!(f, "file://{}/{}", folder.display(), path.join("/")),
        }
    }
}

impl Place {
    pub fn parse(url: &str, folder: Option<&Path>) -> Result<Place, TransferError> {
        let shown = url.split(['?', '#']).next().unwrap_or_default();
        let refused = |why: String| Err(TransferError::Refused(format!("the URL '{shown}' is refused: {why}")));
        let Some((scheme, rest)) = shown.split_once("://") else {
            return refused("it has to begin with https://, http:// or file:///".to_owned());
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if url.contains('#') {
            return refused("a fragment ('#') does not belong into it".to_owned());
        }
        match scheme.to_ascii_lowercase().as_str() {
            "https" | "http" if authority.contains('@') => Err(TransferError::Refused(
                // Not shown, as it may be in a log.
                "a URL is refused: a user and a password do not belong into it".to_owned(),
            )),
            "https" | "http" if rest.starts_with('/') || rest.is_empty() => refused("it names no host".to_owned()),
            "https" | "http" => Ok(Place::Web(Url(url.to_owned()))),
            "file" => match folder {
                None => refused(
                    "the gateway allows no files of this machine. Set transfers.folder \
                     (FLOCI_AZ_TRANSFERS_FOLDER) to a folder to allow those in it"
                        .to_owned(),
                ),
                Some(folder) => match below(rest, folder) {
                    Some(path) => Ok(Place::Below { folder: folder.to_owned(), path }),
                    None => refused(format!(
                        "files have to be below the folder {} (transfers.folder): file://{0}/...",
                        folder.display()
                    )),
                },
            },
            other => refused(format!("'{other}' is not supported; https, http and file are")),
        }
    }
}

/// The names below `folder`. None if it is not below, or has a name that is none.
fn below(path: &str, folder: &Path) -> Option<Vec<String>> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    // Not by `Path`, which passes over `.` and empty names: a client that writes those has made a mistake.
    let rest = path.strip_prefix(folder.to_str()?.trim_end_matches('/'))?.strip_prefix('/')?;
    let names: Vec<String> = rest.split('/').map(str::to_owned).collect();
    let plain = |name: &String| !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && !name.contains('\0');
    names.iter().all(plain).then_some(names)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(url: &str, folder: Option<&str>, expected: Expect) {
        let place = Place::parse(url, folder.map(Path::new));
        expected.assert_eq(&place.map_or_else(|error| error.to_string(), |place| format!("{place} {place:?}")));
    }

    #[test]
    fn a_url_is_a_place_of_the_web_or_below_the_folder_and_its_query_is_not_shown() {
        check(
            "https://a.blob.core.windows.net/c/b.rdb?sv=1&sig=secret",
            None,
            expect![["https://a.blob.core.windows.net/c/b.rdb Web(https://a.blob.core.windows.net/c/b.rdb)"]],
        );
        check("https://h/a@b", None, expect!["https://h/a@b Web(https://h/a@b)"]);
        check("HTTP://localhost:1/b", None, expect!["HTTP://localhost:1/b Web(HTTP://localhost:1/b)"]);
        check(
            "file:///backups/a/b%20c.rdb?sig=secret",
            Some("/backups"),
            expect![[r#"file:///backups/a/b c.rdb Below { folder: "/backups", path: ["a", "b c.rdb"] }"#]],
        );
        for url in [
            "file:///etc/passwd",
            "file:///backups",
            "file:///backups/",
            "file:///backups/../etc/passwd",
            "file:///backups/%2e%2e/etc/passwd",
            "file:///backups/a//b",
            "file:///backups/./a",
            "file:///backups/.hidden",
            "file:///backupsx/a",
            "file://host/backups/a",
            "file:///backups/a%00b",
            "file:///backups/%ff",
        ] {
            let refused = Place::parse(url, Some(Path::new("/backups"))).unwrap_err().to_string();
            let expected = format!(
                "the URL '{url}' is refused: files have to be below the folder /backups (transfers.folder): file:///backups/..."
            );
            assert_eq!(refused, expected);
        }
        check(
            "file:///backups/a",
            None,
            expect![
                "the URL 'file:///backups/a' is refused: the gateway allows no files of this machine. Set transfers.folder (FLOCI_AZ_TRANSFERS_FOLDER) to a folder to allow those in it"
            ],
        );
        check(
            "ftp://a/b?sig=x",
            None,
            expect!["the URL 'ftp://a/b' is refused: 'ftp' is not supported; https, http and file are"],
        );
        check("b.rdb", None, expect!["the URL 'b.rdb' is refused: it has to begin with https://, http:// or file:///"]);
        check("https:///b", None, expect!["the URL 'https:///b' is refused: it names no host"]);
        check("https://u:p@h/b", None, expect!["a URL is refused: a user and a password do not belong into it"]);
    }
}
