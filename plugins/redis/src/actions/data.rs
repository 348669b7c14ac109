//! `flush`, `export` and `import`: each stores a job, and the next `reconcile` begins with it.

use floci_az_sdk::prelude::*;

use crate::jobs::Job;
use crate::member::{Members, invalid};
use crate::private::{Private, Server};
use crate::settings::{Backing, Settings};

pub fn flush(resource: &Resource, host: &dyn Host) -> Result<Answer, Rejection> {
    begin(resource, Job::Flush, host)
}

pub fn export(resource: &Resource, body: &Value, host: &dyn Host) -> Result<Answer, Rejection> {
    let missing = || invalid("container", "An export needs 'prefix' and 'container'.");
    let body = Members::of(body, "")?.ok_or_else(missing)?;
    let prefix = body.text("prefix")?.ok_or_else(|| body.invalid("prefix", "It is needed."))?;
    let container = body.text("container")?.ok_or_else(missing)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if prefix.is_empty() || prefix.len() > 128 || prefix.starts_with('.') || !prefix.chars().all(plain) {
        let why =
            "It has to be 1 to 128 letters, digits, hyphens, underscores and dots, and begin with none of the last.";
        return Err(body.invalid("prefix", why));
    }
    check_format(&body)?;
    check_tier(resource)?;
    begin(resource, Job::export(container, prefix), host)
}

pub fn import(resource: &Resource, body: &Value, host: &dyn Host) -> Result<Answer, Rejection> {
    let missing = || invalid("files", "An import needs 'files': the URL of at least one.");
    let body = Members::of(body, "")?.ok_or_else(missing)?;
    let files = body.list("files")?;
    if files.is_empty() {
        return Err(missing());
    }
    check_format(&body)?;
    check_tier(resource)?;
    begin(resource, Job::import(files), host)
}

fn check_format(body: &Members<'_>) -> Result<(), Rejection> {
    match body.text("format")? {
        Some(format) if !format.eq_ignore_ascii_case("rdb") => Err(body.invalid("format", "It has to be RDB.")),
        Some(_) | None => Ok(()),
    }
}

fn check_tier(resource: &Resource) -> Result<(), Rejection> {
    match resource.state.document.pointer("/properties/sku/name").and_then(Value::as_str) {
        Some("Premium") => Ok(()),
        other => {
            let message = format!("Export and import need a Premium cache; this one is {}.", other.unwrap_or("none"));
            Err(Rejection::bad_request("BadRequest", message))
        }
    }
}

fn begin(resource: &Resource, job: Job, host: &dyn Host) -> Result<Answer, Rejection> {
    let mut private = Private::of(&resource.state)?;
    // Nothing is behind a mocked cache: nothing has to be done.
    let mocked = Settings::read(host)?.backing == Backing::Nothing && private.server == Server::Absent;
    if !mocked {
        private.job = Some(job);
    }
    let mut state = resource.state.clone();
    state.set_private(&private)?;
    Ok(Answer::accepted().storing(state).then(Work::Reconcile))
}
