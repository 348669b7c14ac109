//! Builds the plugins that are part of the gateway's binary, as ordinary `wasm32-wasip2` components, with a cargo of
//! their own and a target folder of their own (the outer cargo holds the lock of the other one).

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// (package, file, the variable that `src/plugin/bundled.rs` reads)
const BUNDLED: &[(&str, &str, &str)] = &[("floci-az-redis", "floci_az_redis.wasm", "BUNDLED_REDIS_COMPONENT")];
const TARGET: &str = "wasm32-wasip2";

fn main() {
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| fail(&format!("cargo did not set {name}")));
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")).join("..");
    for watched in ["plugins", "sdk", "wit", "Cargo.lock", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", root.join(watched).display());
    }
    let target = PathBuf::from(variable("OUT_DIR")).join("plugins");
    for (package, file, exported) in BUNDLED {
        let mut cargo = Command::new(variable("CARGO"));
        cargo
            .current_dir(&root)
            .args(["build", "--release", "--locked", "--target", TARGET, "--package", package, "--target-dir"])
            .arg(&target);
        // Flags and wrappers that are meant for the gateway, not for a component.
        for name in
            ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO_BUILD_TARGET"]
        {
            cargo.env_remove(name);
        }
        // A component is compiled once more by the engine, and is part of the binary: small, and without what only a
        // native debugger reads.
        for (setting, value) in
            [("DEBUG", "false"), ("STRIP", "true"), ("INCREMENTAL", "false"), ("CODEGEN_UNITS", "1"), ("LTO", "true")]
        {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
        }
        match cargo.status() {
            Ok(status) if status.success() => {}
            Ok(_) => fail(&format!(
                "the plugin {package} could not be built for {TARGET}; if the target is missing: rustup target add {TARGET}"
            )),
            Err(error) => fail(&format!("cargo could not be started: {error}")),
        }
        let component = target.join(TARGET).join("release").join(file);
        println!("cargo:rustc-env={exported}={}", component.display());
    }
}

fn fail(reason: &str) -> ! {
    println!("cargo:warning={reason}");
    exit(1)
}
