//! Generated from `wit/0.1.1`.

wit_bindgen::generate!({
    path: "../wit/0.1.1",
    world: "complete-plugin",
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "floci_az_sdk::wasm::bindings",
});
