//! A panic ends a call as a trap, which says nothing. This says it first, in the gateway's log.

use std::panic::{PanicHookInfo, set_hook};
use std::sync::Once;

use super::bindings::floci::provider::log::{Level, write};

/// Installs the hook, on the first call of an instance.
pub(super) fn report_panics() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| set_hook(Box::new(report)));
}

fn report(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("without a message");
    let place = panic.location().map(|location| format!(" at {location}")).unwrap_or_default();
    write(Level::Error, &format!("panicked{place}: {message}"));
}
