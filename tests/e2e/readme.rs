//! The README, as a reader pastes it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::gateway::{Gateway, Runtime};

on_each_runtime! {
    the_quickstart_works_as_printed,
}

/// The `sh` blocks below a heading.
fn blocks(heading: &str) -> Vec<String> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let section = readme.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("\n```").next().unwrap().to_owned());
    blocks.collect()
}

fn the_quickstart_works_as_printed(runtime: Runtime) {
    crate::clients::interpreter();
    let gateway = Gateway::start(runtime);
    let blocks = blocks("Quickstart");
    assert!(blocks.len() >= 5, "{blocks:#?}");
    // Only the port differs: the usual one may be taken on this machine.
    let script = blocks.join("\n").replace("localhost:4577", &format!("localhost:{}", gateway.port));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).current_dir(root).output().unwrap();
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}{errors}");
    assert_eq!(printed.matches("b'hello'").count(), 2, "before and after the rotation:\n{printed}{errors}");
    assert!(printed.contains("\"provisioningState\": \"Succeeded\""), "{printed}{errors}");
    assert_eq!(gateway.leftovers(), Vec::<String>::new());
}
