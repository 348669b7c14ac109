//! GET and lists. A stored document is shown as it is, without a call of the plugin, unless the manifest asks for
//! `present`.

use std::borrow::Cow;
use std::sync::Arc;

use floci_az_contract::Purpose;
use hyper::StatusCode;
use serde_json::Value;

use super::error::ArmError;
use super::id::{ResourceId, Scope};
use super::page::{self, Page};
use super::record::Record;
use super::request::{Reply, Request};
use super::route::Served;
use super::{FrontDoor, child, write};
use crate::imports::{Imports, Phase};
use crate::plugin::contract::View;

pub(super) async fn get(door: &FrontDoor, served: &Served, id: &ResourceId, version: &str) -> Result<Reply, ArmError> {
    let body = match find(door, served, id)? {
        Found::Stored(record) => one(door, served, &record, Purpose::Get, version).await?,
        Found::BuiltIn(body) => body,
    };
    Ok(Reply::json(StatusCode::OK, body))
}

pub(super) fn exists(door: &FrontDoor, served: &Served, id: &ResourceId) -> Result<Reply, ArmError> {
    find(door, served, id).map(|_| Reply::empty(StatusCode::NO_CONTENT))
}

/// What there is to show under an id.
enum Found {
    Stored(Arc<Record>),
    BuiltIn(Value),
}

fn find(door: &FrontDoor, served: &Served, id: &ResourceId) -> Result<Found, ArmError> {
    if let Some(child) = served.kind.built_in(id.name()) {
        let parent = id.parent().and_then(|parent| door.inventory().get(&parent));
        let parent = parent.ok_or_else(|| ArmError::parent_not_found(id))?;
        return Ok(Found::BuiltIn(child::body(&served.kind, &parent, child)));
    }
    door.inventory().get(&id.key()).map(Found::Stored).ok_or_else(|| ArmError::resource_not_found(id))
}

/// Resources that one call presents: a page may have more of them than one answer of a plugin has room for.
pub const PRESENTED_AT_ONCE: usize = 50;

/// Everything of a type in a subscription or group or, of a child type, below a parent: what is built in first, then by
/// id.
pub(super) async fn list(
    door: &FrontDoor,
    served: &Served,
    scope: &Scope,
    parent: Option<&ResourceId>,
    version: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    request.only("GET")?;
    let page = Page::of(request)?;
    let (built_in, stored) = match parent {
        Some(parent) => {
            let Some(record) = door.inventory().get(&parent.key()) else {
                return Err(ArmError::no_parent_to_list(&served.kind.name, parent));
            };
            let last = served.kind.name.rsplit('/').next().unwrap_or_default();
            let built_in = served.kind.built_in.iter().map(|child| child::body(&served.kind, &record, child)).collect();
            (built_in, door.inventory().children(&parent.key(), last))
        }
        None => {
            let kind = format!("{}/{}", served.plugin.namespace(), served.kind.name);
            let mut inside = door.inventory().inside(scope);
            inside.retain(|record| record.id.full_type().eq_ignore_ascii_case(&kind));
            (Vec::new(), inside)
        }
    };
    // A key that is before those of all resources, which begin with a slash.
    let built_in = built_in.into_iter().enumerate().map(|(n, body)| (format!(" {n:05}"), Found::BuiltIn(body)));
    let stored = stored.into_iter().map(|record| (record.id.key().to_string(), Found::Stored(record)));
    let (found, next) = page.cut(built_in.chain(stored));
    let (mut values, mut records) = (Vec::new(), Vec::new());
    for one in found {
        match one {
            Found::BuiltIn(body) => values.push(body),
            Found::Stored(record) => records.push(record),
        }
    }
    let records: Vec<&Record> = records.iter().map(AsRef::as_ref).collect();
    values.extend(many(door, served, &records, Purpose::List, version).await?);
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
    let mut fitting = Vec::with_capacity(records.len());
    for record in records {
        fitting.push(served.fit(record).await?);
    }
    let records = fitting;
    if records.is_empty() || !served.kind.is_presented(purpose, version) {
        return Ok(records.iter().map(|record| record.body(&served.kind)).collect());
    }
    let view = |record: &Cow<'_, Record>| View {
        purpose: purpose.as_str().to_owned(),
        api_version: version.to_owned(),
        resource: record.to_contract(),
    };
    let mut documents = Vec::with_capacity(records.len());
    for some in records.chunks(PRESENTED_AT_ONCE) {
        let views: Vec<View> = some.iter().map(view).collect();
        let subject = some.first().map(|record| record.id.to_string()).unwrap_or_default();
        let imports = Imports::lend(&door.lender, &served.plugin, served.revision.shared(), Phase::Pure, subject);
        let presented = served.revision.present(imports, &views).await?;
        if presented.len() != views.len() {
            let label = served.revision.label();
            let (found, asked) = (presented.len(), views.len());
            let text = format!("the plugin {label} presented {found} documents for {asked} resources");
            return Err(ArmError::plugin_answer_invalid(&text));
        }
        documents.extend(presented);
    }
    let shown = |(record, text): (&Cow<'_, Record>, String)| {
        let document = write::document(served, &text)?;
        Ok(record.body_with(&served.kind, document))
    };
    records.iter().zip(documents).map(shown).collect()
}
