//! `flush`, `export` and `import`: each stores a job, and the next `reconcile` begins with it.

use floci_az_sdk::prelude::*;

use crate::cache::Cache;
use crate::jobs::Job;
use crate::private::{Private, Server};
use crate::requests;
use crate::settings::{Backing, Settings};

pub fn flush(resource: &Resource, host: &dyn Host) -> Result<Answer, Rejection> {
    begin(resource, Job::Flush, host)
}

pub fn export(resource: &Resource, body: &Value, host: &dyn Host) -> Result<Answer, Rejection> {
    let cache = Cache::read(&resource.state.document, None)?;
    begin(resource, Job::export(requests::export(body, &cache)?), host)
}

pub fn import(resource: &Resource, body: &Value, host: &dyn Host) -> Result<Answer, Rejection> {
    let cache = Cache::read(&resource.state.document, None)?;
    begin(resource, Job::import(requests::import(body, &cache)?), host)
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
    Ok(Answer::accepted().storing(state))
}
