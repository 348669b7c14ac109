//! Generated from `wit/0.1`.

wasmtime::component::bindgen!({
    path: "../wit/0.1",
    world: "plugin",
    imports: { default: async },
    exports: { default: async },
});
