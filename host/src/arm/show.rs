//! GET and lists. A stored document is shown as it is, without a call of the plugin, unless the manifest asks for
//! `present`.

use floci_az_contract::Purpose;
use hyper::StatusCode;
use serde_json::Value;

use super::error::ArmError;
use super::id::{ResourceId, Scope};
use super::page::{self, Page};
use super::record::Record;
use super::request::{Reply, Request};
use super::route::Served;
use super::{FrontDoor, write};
use crate::imports::{Imports, Phase};
use crate::plugin::contract::View;

pub(super) async fn get(door: &FrontDoor, served: &Served, id: &ResourceId, version: &str) -> Result<Reply, ArmError> {
    let record = door.inventory().get(&id.key()).ok_or_else(|| ArmError::resource_not_found(id))?;
    Ok(Reply::json(StatusCode::OK, one(door, served, &record, Purpose::Get, version).await?))
}

pub(super) fn exists(door: &FrontDoor, id: &ResourceId) -> Result<Reply, ArmError> {
    let found = door.inventory().get(&id.key());
    found.map(|_| Reply::empty(StatusCode::NO_CONTENT)).ok_or_else(|| ArmError::resource_not_found(id))
}

/// Everything of a type in a subscription or group, by id.
pub(super) async fn list(
    door: &FrontDoor,
    served: &Served,
    scope: &Scope,
    version: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    request.only("GET")?;
    let kind = format!("{}/{}", served.plugin.namespace(), served.kind.name);
    let inside = door.inventory().inside(scope);
    let of_type: Vec<&Record> =
        inside.iter().map(AsRef::as_ref).filter(|record| record.id.full_type().eq_ignore_ascii_case(&kind)).collect();
    let (page, next) = Page::of(request)?.cut(of_type.into_iter().map(|record| (record.id.key().to_string(), record)));
    let values = many(door, served, &page, Purpose::List, version).await?;
    Ok(page::reply(request, values, next))
}

/// A resource as a client sees it.
pub(super) async fn one(
    door: &FrontDoor,
    served: &Served,
    record: &Record,
    purpose: Purpose,
    version: &str,
) -> Result<Value, ArmError> {
    Ok(many(door, served, &[record], purpose, version).await?.pop().unwrap_or_default())
}

async fn many(
    door: &FrontDoor,
    served: &Served,
    records: &[&Record],
    purpose: Purpose,
    version: &str,
) -> Result<Vec<Value>, ArmError> {
    if records.is_empty() || !served.kind.present_on.contains(&purpose) {
        return Ok(records.iter().map(|record| record.body()).collect());
    }
    let view = |record: &&Record| View {
        purpose: purpose.as_str().to_owned(),
        api_version: version.to_owned(),
        resource: record.to_contract(),
    };
    let views: Vec<View> = records.iter().map(view).collect();
    let subject = records.first().map(|record| record.id.to_string()).unwrap_or_default();
    let imports = Imports::lend(&door.lender, &served.plugin, &served.revision, Phase::Pure, subject);
    let documents = served.revision.present(imports, &views).await?;
    if documents.len() != records.len() {
        let found = format!(
            "the plugin {} presented {} documents for {} resources",
            served.revision.label(),
            documents.len(),
            records.len()
        );
        return Err(ArmError::plugin_failed(&found));
    }
    records.iter().zip(documents).map(|(record, text)| Ok(record.body_with(write::document(served, &text)?))).collect()
}
