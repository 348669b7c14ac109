//! POSTs to a cache (`listKeys`, `regenerateKey`, `forceReboot`, `flush`, `export`, `import`) and to the provider
//! (`checkNameAvailability`).

mod data;
mod keys;
mod reboot;

use floci_az_sdk::prelude::*;

use crate::name;
use crate::private::Private;
use crate::requests;

pub fn invoke(call: &ActionCall, host: &dyn Host) -> Result<Answer, Rejection> {
    if call.action == "checkNameAvailability" {
        return name::check_availability(&call.body, host);
    }
    let resource = call.resource()?;
    match call.action.as_str() {
        "listKeys" => Ok(Answer::ok(Private::of(&resource.state)?.keys.to_json())),
        "regenerateKey" => keys::regenerate(resource, keys::key_type(&call.body)?, host),
        "forceReboot" => reboot::reboot(resource, &call.body, host),
        "flush" => data::flush(resource, host),
        "export" => data::export(resource, &call.body, host),
        "import" => data::import(resource, &call.body, host),
        "listUpgradeNotifications" => requests::upgrade_notifications(&call.body),
        other => Err(Rejection::bad_request(
            "ActionNotSupported",
            format!("'{other}' is not an action of {}", resource.resource_type),
        )),
    }
}
