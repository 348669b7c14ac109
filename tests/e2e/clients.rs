//! Clients of other languages, and what people paste.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a script of `tests/clients` with a Python that has the packages of `tests/clients/requirements.txt`.
pub fn python(script: &str, arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients");
    let output = Command::new(interpreter()).arg(folder.join(script)).args(arguments).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script} failed:\n{stdout}{stderr}");
}

/// The one that `make test` has prepared.
pub fn interpreter() -> PathBuf {
    let prepared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    assert!(prepared.exists(), "{} is missing: run the tests by `make test`, which makes it", prepared.display());
    prepared
}
