//! What a path below `/_floci/plugins` means. A segment is decoded once, and is a namespace or a digest or nothing: no
//! path leads out of the list of plugins.

use percent_encoding::percent_decode_str;

use crate::arm::ArmError;
use crate::plugin::LONGEST_NAMESPACE;

const ROOT: &str = "/_floci/plugins";
/// Digits that a revision is found by at least, and all there are.
const DIGITS: std::ops::RangeInclusive<usize> = 4..=64;

const NAMESPACES: &str = "a provider namespace such as Contoso.Widgets, in any casing";
const DIGESTS: &str =
    "a digest (64 hexadecimal digits, with or without 'sha256:' before them), or at least its first 4 digits";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    All,
    One { namespace: String },
    Swap { namespace: String },
    Rollback { namespace: String },
    Revision { namespace: String, digest: String },
}

impl Route {
    /// Whether a path is one of these at all; what else it is says [`Route::of`].
    pub(super) fn is_meant(path: &str) -> bool {
        path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub(super) fn of(path: &str) -> Result<Route, ArmError> {
        let unknown = || ArmError::unknown_admin_path(path);
        let rest = path.strip_prefix(ROOT).ok_or_else(unknown)?;
        if rest.is_empty() {
            return Ok(Route::All);
        }
        let segments = rest.strip_prefix('/').ok_or_else(unknown)?.split('/');
        let segments: Option<Vec<String>> = segments.map(decoded).collect();
        let segments = segments.ok_or_else(|| ArmError::malformed_path(path))?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [one] => Ok(Route::One { namespace: namespace(one)? }),
            [one, "swap"] => Ok(Route::Swap { namespace: namespace(one)? }),
            [one, "rollback"] => Ok(Route::Rollback { namespace: namespace(one)? }),
            [one, "revisions", which] => Ok(Route::Revision { namespace: namespace(one)?, digest: digest(which)? }),
            _ => Err(unknown()),
        }
    }

    pub(super) fn methods(&self) -> &'static str {
        match self {
            Route::All => "GET, HEAD, PUT",
            Route::One { .. } => "GET, HEAD, DELETE",
            Route::Swap { .. } | Route::Rollback { .. } => "POST",
            Route::Revision { .. } => "DELETE",
        }
    }
}

/// None if it is empty, not UTF-8, or holds what would be another segment.
fn decoded(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    let is_one = !text.is_empty() && !text.contains(['/', '\\']) && !text.contains(char::is_control);
    is_one.then(|| text.into_owned())
}

fn namespace(text: &str) -> Result<String, ArmError> {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric());
    match text.len() <= LONGEST_NAMESPACE && text.split('.').all(is_word) {
        true => Ok(text.to_owned()),
        false => Err(ArmError::invalid_administration("Namespace", text, NAMESPACES)),
    }
}

/// A digest or its beginning.
pub(super) fn digest(text: &str) -> Result<String, ArmError> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    match DIGITS.contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit()) {
        true => Ok(digits.to_ascii_lowercase()),
        false => Err(ArmError::invalid_administration("Digest", text, DIGESTS)),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_means_one_thing_or_nothing() {
        let told = |path: &str| match Route::of(path) {
            Ok(route) => format!("{path} -> {route:?}\n"),
            Err(error) => format!("{path} -> {} {}\n", error.status.as_u16(), error.message),
        };
        let table: String = [
            "/_floci/plugins",
            "/_floci/plugins/",
            "/_floci/plugins//",
            "/_floci/plugins/Contoso.Widgets",
            "/_floci/plugins/CONTOSO%2ewidgets",
            "/_floci/plugins/Contoso.Widgets/",
            "/_floci/plugins/Contoso.Widgets/swap",
            "/_floci/plugins/Contoso.Widgets/Swap",
            "/_floci/plugins/Contoso.Widgets/rollback",
            "/_floci/plugins/Contoso.Widgets/rollback/x",
            "/_floci/plugins/Contoso.Widgets/revisions",
            "/_floci/plugins/Contoso.Widgets/revisions/ABCD",
            "/_floci/plugins/Contoso.Widgets/revisions/sha256%3Aabcd",
            "/_floci/plugins/Contoso.Widgets/revisions/abc",
            "/_floci/plugins/Contoso.Widgets/revisions/..",
            "/_floci/plugins/Contoso.Widgets/revisions/wxyz",
            "/_floci/plugins/..",
            "/_floci/plugins/%2e%2e",
            "/_floci/plugins/%2e%2e/swap",
            "/_floci/plugins/..%2f..%2fetc",
            "/_floci/plugins/..%5c",
            "/_floci/plugins/a%00b",
            "/_floci/plugins/a%ffb",
            "/_floci/plugins/a..b",
            "/_floci/plugins/a%252fb",
            "/_floci/plugins/*",
            "/_floci/pluginsx",
            "/_floci/plugin%73",
        ]
        .into_iter()
        .map(told)
        .collect();
        expect![[r#"
            /_floci/plugins -> All
            /_floci/plugins/ -> 400 The path '/_floci/plugins/' is malformed: a segment is empty or not valid percent-encoded UTF-8, or holds a '/' or a control character.
            /_floci/plugins// -> 400 The path '/_floci/plugins//' is malformed: a segment is empty or not valid percent-encoded UTF-8, or holds a '/' or a control character.
            /_floci/plugins/Contoso.Widgets -> One { namespace: "Contoso.Widgets" }
            /_floci/plugins/CONTOSO%2ewidgets -> One { namespace: "CONTOSO.widgets" }
            /_floci/plugins/Contoso.Widgets/ -> 400 The path '/_floci/plugins/Contoso.Widgets/' is malformed: a segment is empty or not valid percent-encoded UTF-8, or holds a '/' or a control character.
            /_floci/plugins/Contoso.Widgets/swap -> Swap { namespace: "Contoso.Widgets" }
            /_floci/plugins/Contoso.Widgets/Swap -> 404 No such path: '/_floci/plugins/Contoso.Widgets/Swap'. Plugins are at /_floci/plugins, /_floci/plugins/{namespace}, /_floci/plugins/{namespace}/swap, /_floci/plugins/{namespace}/rollback and /_floci/plugins/{namespace}/revisions/{digest}.
            /_floci/plugins/Contoso.Widgets/rollback -> Rollback { namespace: "Contoso.Widgets" }
            /_floci/plugins/Contoso.Widgets/rollback/x -> 404 No such path: '/_floci/plugins/Contoso.Widgets/rollback/x'. Plugins are at /_floci/plugins, /_floci/plugins/{namespace}, /_floci/plugins/{namespace}/swap, /_floci/plugins/{namespace}/rollback and /_floci/plugins/{namespace}/revisions/{digest}.
            /_floci/plugins/Contoso.Widgets/revisions -> 404 No such path: '/_floci/plugins/Contoso.Widgets/revisions'. Plugins are at /_floci/plugins, /_floci/plugins/{namespace}, /_floci/plugins/{namespace}/swap, /_floci/plugins/{namespace}/rollback and /_floci/plugins/{namespace}/revisions/{digest}.
            /_floci/plugins/Contoso.Widgets/revisions/ABCD -> Revision { namespace: "Contoso.Widgets", digest: "abcd" }
            /_floci/plugins/Contoso.Widgets/revisions/sha256%3Aabcd -> Revision { namespace: "Contoso.Widgets", digest: "abcd" }
            /_floci/plugins/Contoso.Widgets/revisions/abc -> 400 Digest 'abc' is invalid. Supported: a digest (64 hexadecimal digits, with or without 'sha256:' before them), or at least its first 4 digits.
            /_floci/plugins/Contoso.Widgets/revisions/.. -> 400 Digest '..' is invalid. Supported: a digest (64 hexadecimal digits, with or without 'sha256:' before them), or at least its first 4 digits.
            /_floci/plugins/Contoso.Widgets/revisions/wxyz -> 400 Digest 'wxyz' is invalid. Supported: a digest (64 hexadecimal digits, with or without 'sha256:' before them), or at least its first 4 digits.
            /_floci/plugins/.. -> 400 Namespace '..' is invalid. Supported: a provider namespace such as Contoso.Widgets, in any casing.
            /_floci/plugins/%2e%2e -> 400 Namespace '..' is invalid. Supported: a provider namespace such as Contoso.Widgets, in any casing.
            /_floci/plugins/%2e%2e/swap -> 400 Namespace '..' is invalid. Supported: a provider namespace such as Contoso.Widgets, in any casing.
            /_floci/plugins/..%2f..%2fetc -> 400 The path '/_floci/plugins/..%2f..%2fetc' is malformed: a segment is empty or not valid percent-encoded UTF-8, or holds a '/' or a control character.
            /_floci/plugins/..%5c -> 400 The path '/_floci/plugins/..%5c' is malformed: a segment is empty or not valid percent-encoded UTF-8, or holds a '/' or a control character.
            /_floci/plugins/a%00b -> 400 The path '/_floci/plugins/a%00b' is malformed: a segment is empty or not valid percent-encoded UTF-8, or holds a '/' or a control character.
            /_floci/plugins/a%ffb -> 400 The path '/_floci/plugins/a%ffb' is malformed: a segment is empty or not valid percent-encoded UTF-8, or holds a '/' or a control character.
            /_floci/plugins/a..b -> 400 Namespace 'a..b' is invalid. Supported: a provider namespace such as Contoso.Widgets, in any casing.
            /_floci/plugins/a%252fb -> 400 Namespace 'a%2fb' is invalid. Supported: a provider namespace such as Contoso.Widgets, in any casing.
            /_floci/plugins/* -> 400 Namespace '*' is invalid. Supported: a provider namespace such as Contoso.Widgets, in any casing.
            /_floci/pluginsx -> 404 No such path: '/_floci/pluginsx'. Plugins are at /_floci/plugins, /_floci/plugins/{namespace}, /_floci/plugins/{namespace}/swap, /_floci/plugins/{namespace}/rollback and /_floci/plugins/{namespace}/revisions/{digest}.
            /_floci/plugin%73 -> 404 No such path: '/_floci/plugin%73'. Plugins are at /_floci/plugins, /_floci/plugins/{namespace}, /_floci/plugins/{namespace}/swap, /_floci/plugins/{namespace}/rollback and /_floci/plugins/{namespace}/revisions/{digest}.
        "#]].assert_eq(&table);
    }

    proptest! {
        #[test]
        fn nothing_but_words_and_digits_gets_through(rest in "\\PC{0,60}") {
            let path = format!("{ROOT}/{rest}");
            let named = match Route::of(&path) {
                Ok(Route::One { namespace } | Route::Swap { namespace } | Route::Rollback { namespace }) => namespace,
                Ok(Route::Revision { namespace, digest }) => namespace + &digest,
                Ok(Route::All) => panic!("{path} is the list"),
                Err(error) => {
                    prop_assert!(error.status.is_client_error());
                    return Ok(());
                }
            };
            prop_assert!(named.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') && !named.contains(".."));
        }
    }
}
