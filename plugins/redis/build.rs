//! Link arguments of the component.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        // Bytes of the shadow stack. The default is 1 MiB, which every instance would have to be given; nothing here
        // recurses but JSON, whose depth serde_json bounds at 128.
        println!("cargo:rustc-cdylib-link-arg=-zstack-size=65536");
    }
}
