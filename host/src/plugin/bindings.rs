//! Generated from `wit/0.1.1`, with which every plugin of 0.1 runs: a version only adds to the one before.

wasmtime::component::bindgen!({
    path: "../wit/0.1.1",
    world: "plugin",
    imports: { default: async },
    exports: { default: async },
});

/// What a plugin may export besides.
pub mod reversible {
    wasmtime::component::bindgen!({
        path: "../wit/0.1.1",
        world: "reversible",
        exports: { default: async },
        with: { "floci:provider/types": super::floci::provider::types },
    });
}
