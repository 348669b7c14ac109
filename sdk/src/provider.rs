//! The one trait that a plugin implements, and the macro that exports it.
//!
//! Functions have no `self`: a plugin is a set of functions of the resource it is given. Whatever they return is stored
//! by the gateway in one atomic step. Only [`Provider::manifest`] has to be written; the defaults make a provider whose
//! resources are documents and nothing else.

use serde_json::Value;

use crate::{Accepted, ActionCall, Answer, Change, Host, Manifest, Rejection, Resource, State, Step, View};

/// A resource provider.
pub trait Provider {
    /// What the plugin says of itself. No host here: it is asked before anything is lent to it.
    ///
    /// An empty `version` is filled in with that of the plugin's crate.
    fn manifest() -> Manifest;

    /// Rules, defaults and immutability of properties, for a PUT or a PATCH that is already merged.
    ///
    /// Without side effects: workloads, ports and RESP answer `NotGranted` here. By default the document is stored as
    /// it came.
    fn validate(change: Change, host: &dyn Host) -> Result<Accepted, Rejection> {
        let _ = host;
        Ok(Accepted::settled(change.desired.state))
    }

    /// One step towards the desired state: look at what is there, do what is missing, and say what comes next.
    ///
    /// Called at creation, after every change that asked for it, after a restart of the gateway, and when a workload
    /// ended; so it must be idempotent. By default there is nothing to do.
    fn reconcile(resource: Resource, host: &dyn Host) -> Step {
        let _ = host;
        Step::done(resource.state)
    }

    /// One step towards gone. Idempotent, and called again after a failure. By default there is nothing to do.
    fn finalize(resource: Resource, host: &dyn Host) -> Step {
        let _ = host;
        Step::done(resource.state)
    }

    /// A POST to an action of the manifest. By default all are refused, which suits a manifest without actions.
    fn invoke(call: ActionCall, host: &dyn Host) -> Result<Answer, Rejection> {
        let _ = host;
        let message = format!("the action '{}' is declared in the manifest but not implemented", call.action);
        Err(Rejection::bad_request("ActionNotSupported", message))
    }

    /// The document to show in place of the stored one. Called only for the purposes that the manifest names in
    /// `presentOn`; by default it is the stored one.
    fn present(view: View, host: &dyn Host) -> Value {
        let _ = host;
        view.resource.state.document
    }

    /// State in this version's schema, from state in the schema `from_schema`; `Err` says why that cannot be. By default the
    /// state is the same.
    fn upgrade(resource: Resource, from_schema: u32) -> Result<State, String> {
        let _ = from_schema;
        Ok(resource.state)
    }

    /// The reverse of [`Provider::upgrade`], for a rollback: state in an older schema. `Err` says what that schema cannot
    /// hold, and the rollback is refused with it. By default there is no way back for what was changed.
    fn downgrade(resource: Resource, to_schema: u32) -> Result<State, String> {
        let _ = resource;
        Err(format!("this version of the plugin has no way back to schema {to_schema}"))
    }
}

/// Exports a [`Provider`] from the component. Once in a crate; natively it only checks the type.
#[macro_export]
macro_rules! provider {
    ($provider:ty) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            struct Exported;

            #[cfg(target_arch = "wasm32")]
            impl $crate::wasm::Exported for Exported {
                type Provider = $provider;
                const VERSION: &'static str = ::core::env!("CARGO_PKG_VERSION");
            }

            #[cfg(target_arch = "wasm32")]
    $crate::wasm::bindings::export!(Exported with_types_in $crate::wasm::bindings);

            #[cfg(not(target_arch = "wasm32"))]
            const fn implements_provider<P: $crate::Provider>() {}
            #[cfg(not(target_arch = "wasm32"))]
            implements_provider::<$provider>();
        };
    };
}
