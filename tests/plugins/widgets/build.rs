//! Link arguments of the component.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        // Bytes of the shadow stack, as of the bundled plugin: JSON recurses, and its depth is bounded.
        println!("cargo:rustc-cdylib-link-arg=-zstack-size=65536");
    }
}
