//! Components that no compiler makes: the contract's functions, written by hand in WebAssembly's text form.

use serde_json::json;

/// Where in memory the manifest is, and what `validate` returns.
const MANIFEST: usize = 1024;
const ACCEPTED: usize = 512;

/// A plugin of its own namespace, whose functions do nothing but what is written here.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    /// `Contoso.<name>` is its namespace, `<name>` its service.
    pub name: &'a str,
    /// Fields of the module beside the usual ones.
    pub fields: &'a str,
    /// Instructions before `describe` returns the manifest.
    pub describe: &'a str,
    /// Instructions before `validate` accepts an empty document.
    pub validate: &'a str,
    /// Instructions of `present`, which leave the address of a list.
    pub present: &'a str,
}

impl Default for Raw<'_> {
    fn default() -> Self {
        Raw { name: "Raw", fields: "", describe: "", validate: "", present: "unreachable" }
    }
}

impl Raw<'_> {
    pub fn component(&self) -> Vec<u8> {
        component(&self.module())
    }

    /// The core module, as text.
    pub fn module(&self) -> String {
        let Raw { name, fields, describe, validate, present } = self;
        let kind = json!({ "name": "things", "apiVersions": ["2024-11-01"], "schemaVersion": 1, "deadlineSeconds": 60,
            "presentOn": ["get"], "example": { "location": "westus" } });
        let manifest = json!({ "namespace": format!("Contoso.{name}"), "service": name.to_lowercase(),
            "version": "1.0.0", "types": [kind] })
        .to_string();
        let document = "{}";
        let after = MANIFEST + manifest.len();
        // ok(accepted { state: { document, private: none }, work: settled })
        let accepted = [0, after, document.len(), 0, 0, 0].map(word).concat();
        format!(
            r#"(module
              (memory (export "memory") 2)
              (global $next (mut i32) (i32.const 65536))
              (data (i32.const 0) "{described}")
              (data (i32.const {ACCEPTED}) "{accepted}")
              (data (i32.const {MANIFEST}) "{text}{document}")
              {fields}
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
                (global.get $next)
                (global.set $next (i32.add (global.get $next) (local.get 3))))
              (func (export "floci:provider/provider@0.1.0#describe") (result i32) {describe} (i32.const 0))
              (func (export "floci:provider/provider@0.1.0#validate") (param i32) (result i32)
                {validate} (i32.const {ACCEPTED}))
              (func (export "floci:provider/provider@0.1.0#reconcile") (param i32) (result i32) unreachable)
              (func (export "floci:provider/provider@0.1.0#finalize") (param i32) (result i32) unreachable)
              (func (export "floci:provider/provider@0.1.0#invoke") (param i32) (result i32) unreachable)
              (func (export "floci:provider/provider@0.1.0#present") (param i32 i32) (result i32) {present})
              (func (export "floci:provider/provider@0.1.0#upgrade") (param i32) (result i32) unreachable))"#,
            described = [MANIFEST, manifest.len()].map(word).concat(),
            text = manifest.replace('"', "\\22"),
            document = document,
        )
    }
}

/// A component of the contract's world, of a core module in text form: `(module ...)`.
pub fn component(module: &str) -> Vec<u8> {
    let fields = module.trim().strip_prefix("(module").and_then(|rest| rest.strip_suffix(')')).expect("a module");
    let text = include_str!("raw.wat").replace("@@core@@", fields);
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{module}"))
}

/// Four bytes, in text form.
fn word(number: usize) -> String {
    u32::try_from(number).unwrap().to_le_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect()
}
