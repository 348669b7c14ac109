//! What this component pretends to be, in its data section. Tests write another script into the built bytes, so one
//! build gives any number of revisions.
//!
//! The place is [`PLACE`] bytes: [`MARK`], then JSON, then spaces.

use std::hint::black_box;

use serde::Deserialize;

/// Bytes that a script has room in, its mark included.
pub const PLACE: usize = 4096;
/// Before the script. Once in the component.
pub const MARK: &str = "@@floci-az-fixture@@";

static SCRIPT: [u8; PLACE] = {
    let (mark, json) = (MARK.as_bytes(), b"{}");
    let mut place = [b' '; PLACE];
    let (mark_part, rest) = place.split_at_mut(mark.len());
    mark_part.copy_from_slice(mark);
    rest.split_at_mut(json.len()).0.copy_from_slice(json);
    place
};

/// Every member has a default; a member that is not here is a mistake of the test.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    pub namespace: String,
    pub service: String,
    /// Shown in `properties.madeBy`, `readyBy` and `shownBy`.
    pub version: String,
    /// Of all types. From 2 on, `properties.color` is stored as `colour`.
    pub schema: u32,
    /// A name with a `/` is a child type.
    pub types: Vec<String>,
    /// Newest first.
    pub api_versions: Vec<String>,
    /// `ok`, `trap`, `loop` or `garbage`.
    pub describe: String,
    /// `ok`, `trap`, `loop` or `fail-on:<name of a resource>`.
    pub upgrade: String,
    /// `ok` or `refuse`.
    pub downgrade: String,
    /// Whether it has a say in what is shown.
    pub present: bool,
    /// Nothing but another digest.
    pub stamp: String,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            namespace: "Contoso.Widgets".to_owned(),
            service: "widgets".to_owned(),
            version: "1.0.0".to_owned(),
            schema: 1,
            types: vec!["widgets".to_owned()],
            api_versions: vec!["2026-01-01".to_owned()],
            describe: "ok".to_owned(),
            upgrade: "ok".to_owned(),
            downgrade: "ok".to_owned(),
            present: false,
            stamp: String::new(),
        }
    }
}

impl Script {
    /// The one in this component.
    #[expect(
        clippy::expect_used,
        reason = "a test that writes nonsense has to hear of it: the plugin cannot be loaded"
    )]
    pub fn read() -> Script {
        // Not known when it is compiled: it is rewritten afterwards.
        let place: &[u8; PLACE] = black_box(&SCRIPT);
        let json = place.get(MARK.len()..).unwrap_or_default();
        serde_json::from_slice(json).expect("a script of the fixture")
    }
}
