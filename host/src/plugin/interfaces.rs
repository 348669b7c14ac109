//! What a component asks for and offers, by name, read before anything of it is compiled; and the version of the
//! contract that it was built with.

use std::ops::RangeInclusive;

use semver::Version;
use wasmparser::{Encoding, Parser, Payload};

/// The package of the contract.
const PACKAGE: &str = "floci:provider/";
/// What every plugin exports.
const PROVIDER: &str = "floci:provider/provider@";

/// The versions of the contract that this gateway serves: plugins built with any of them run.
pub const SERVED: RangeInclusive<Version> = Version::new(0, 1, 0)..=Version::new(0, 1, 1);

/// The outside of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interfaces {
    /// `floci:provider/workloads@0.1.0`.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    /// Of the contract.
    pub contract: Version,
}

/// Why bytes are no component that this gateway could run. Text for the end of "the plugin ... cannot be loaded: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error(
        "it is no WebAssembly: {found}. A plugin is a WebAssembly component, as `cargo build --release --target wasm32-wasip2` makes it"
    )]
    NotWasm { found: String },
    #[error(
        "it is code that an engine has compiled already, which is never taken from outside. Give the component that it was compiled from"
    )]
    Compiled,
    #[error(
        "it is a core WebAssembly module, and a plugin is a component. Build it with `cargo build --release --target wasm32-wasip2`, or make a component of it with `wasm-tools component new`"
    )]
    CoreModule,
    #[error("it is damaged: {reason}. Build it anew, or fetch it once more")]
    Damaged { reason: String },
    #[error(
        "it does not export '{PROVIDER}{}', which is what a plugin is called by. It exports: {exports}. Use `floci_az_sdk::provider!`, or export the world 'plugin' of the contract",
        SERVED.end()
    )]
    NoProvider { exports: String },
    #[error(
        "it was built with version {found} of the contract, which is older than what this gateway serves ({} to {}). Build it with the floci-az-sdk of this gateway's version",
        SERVED.start(), SERVED.end()
    )]
    Older { found: Version },
    #[error(
        "it was built with version {found} of the contract, which is newer than what this gateway serves ({} to {}). Use a newer gateway, or build it with an older floci-az-sdk",
        SERVED.start(), SERVED.end()
    )]
    Newer { found: Version },
}

impl Unreadable {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Unreadable::NotWasm { .. } => "NotWebAssembly",
            Unreadable::Compiled => "AlreadyCompiled",
            Unreadable::CoreModule => "CoreModule",
            Unreadable::Damaged { .. } => "ComponentDamaged",
            Unreadable::NoProvider { .. } => "ExportMissing",
            Unreadable::Older { .. } => "ContractTooOld",
            Unreadable::Newer { .. } => "ContractTooNew",
        }
    }
}

impl Interfaces {
    pub fn read(bytes: &[u8]) -> Result<Interfaces, Unreadable> {
        check_magic(bytes)?;
        let damaged = |error: wasmparser::BinaryReaderError| Unreadable::Damaged { reason: error.to_string() };
        let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0_u32);
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(damaged)? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(Unreadable::CoreModule);
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        imports.push(import.map_err(damaged)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        exports.push(export.map_err(damaged)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        let contract = contract(&imports, &exports)?;
        Ok(Interfaces { imports, exports, contract })
    }
}

fn check_magic(bytes: &[u8]) -> Result<(), Unreadable> {
    if bytes.starts_with(b"\0asm") {
        return Ok(());
    }
    if bytes.starts_with(b"\x7fELF") {
        return Err(Unreadable::Compiled);
    }
    let found = match bytes {
        [] => "there is nothing in it".to_owned(),
        _ => {
            let beginning: Vec<u8> = bytes.iter().take(8).copied().collect();
            format!("it begins with '{}'", beginning.escape_ascii())
        }
    };
    Err(Unreadable::NotWasm { found })
}

/// The newest version of the contract that a name is of. What it is called by has to be there.
fn contract(imports: &[String], exports: &[String]) -> Result<Version, Unreadable> {
    let version = |name: &String| name.split_once('@')?.1.parse::<Version>().ok();
    let Some(provider) = exports.iter().find(|name| name.starts_with(PROVIDER)) else {
        let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return Err(Unreadable::NoProvider { exports });
    };
    let provider = version(provider).unwrap_or_else(|| Version::new(0, 0, 0));
    if provider < *SERVED.start() {
        return Err(Unreadable::Older { found: provider });
    }
    let ours = imports.iter().chain(exports).filter(|name| name.starts_with(PACKAGE));
    match ours.filter_map(version).max().unwrap_or(provider) {
        found if found > *SERVED.end() => Err(Unreadable::Newer { found }),
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(bytes: &[u8], expected: Expect) {
        match Interfaces::read(bytes) {
            Ok(interfaces) => expected.assert_eq(&format!("{interfaces:?}")),
            Err(error) => expected.assert_eq(&error.to_string()),
        }
    }

    #[test]
    fn what_is_no_component_says_what_it_is() {
        check(
            b"",
            expect![
                "it is no WebAssembly: there is nothing in it. A plugin is a WebAssembly component, as `cargo build --release --target wasm32-wasip2` makes it"
            ],
        );
        check(
            b"#!/bin/sh\n",
            expect![[
                r##"it is no WebAssembly: it begins with '#!/bin/s'. A plugin is a WebAssembly component, as `cargo build --release --target wasm32-wasip2` makes it"##
            ]],
        );
        check(
            b"\x7fELF\x02\x01",
            expect![
                "it is code that an engine has compiled already, which is never taken from outside. Give the component that it was compiled from"
            ],
        );
        check(
            b"\0asm\x01\0\0\0",
            expect![
                "it is a core WebAssembly module, and a plugin is a component. Build it with `cargo build --release --target wasm32-wasip2`, or make a component of it with `wasm-tools component new`"
            ],
        );
        check(
            b"\0asm\x0d\0\x01\0",
            expect![
                "it does not export 'floci:provider/provider@0.1.1', which is what a plugin is called by. It exports: nothing. Use `floci_az_sdk::provider!`, or export the world 'plugin' of the contract"
            ],
        );
        check(
            b"\0asm\x0d\0\x01\0\x07",
            expect!["it is damaged: unexpected end-of-file (at offset 0x9). Build it anew, or fetch it once more"],
        );
    }

    #[test]
    fn a_version_that_is_not_served_is_older_or_newer() {
        let with = |version: &str| {
            let names = [format!("floci:provider/log@{version}")];
            contract(&names, &[format!("floci:provider/provider@{version}")]).map_err(|error| error.to_string())
        };
        assert_eq!(with("0.1.0"), Ok(Version::new(0, 1, 0)));
        expect!["it was built with version 0.0.9 of the contract, which is older than what this gateway serves (0.1.0 to 0.1.1). Build it with the floci-az-sdk of this gateway's version"].assert_eq(&with("0.0.9").unwrap_err());
        expect!["it was built with version 0.2.0 of the contract, which is newer than what this gateway serves (0.1.0 to 0.1.1). Use a newer gateway, or build it with an older floci-az-sdk"].assert_eq(&with("0.2.0").unwrap_err());
    }
}
