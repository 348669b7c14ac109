//! When a change is answered: at once, with an operation to ask for, or, of a type that has no long-running operations,
//! when it is done. Whoever waits holds no lock.

use std::time::Duration;

use floci_az_contract::{Answers, Purpose};
use hyper::StatusCode;
use serde_json::Value;

use super::error::ArmError;
use super::id::ResourceId;
use super::operation::{Operation, Status};
use super::record::Record;
use super::request::{Reply, Request, operation_url, url};
use super::route::Served;
use super::{FrontDoor, show};

/// The longest that an answer waits for its operation: half of what the server gives an answer.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest that a PATCH waits before it is answered with an operation. Many have ended by then, and Terraform's SDK
/// asks for an operation no sooner than after 10 s.
const BRIEFLY: Duration = Duration::from_millis(300);

/// A change that was stored.
pub(super) struct Stored {
    pub record: Record,
    /// As it was shown when it was stored.
    pub body: Value,
    /// None if nothing remains to be done.
    pub operation: Option<Operation>,
}

/// The answer to a PUT or a PATCH.
pub(super) async fn of_change(
    door: &FrontDoor,
    served: &Served,
    stored: Stored,
    (status, purpose): (StatusCode, Purpose),
    version: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    let Stored { record, body, operation } = stored;
    let Some(operation) = operation else { return Ok(Reply::json(status, body)) };
    let now = async || {
        // Deleted meanwhile, it is shown as it was.
        let now = door.inventory().get(&record.id.key());
        show::one(door, served, now.as_deref().unwrap_or(&record), purpose, version).await
    };
    if served.kind.answers == Answers::WhenDone {
        until_done(door, &operation, &record.id).await?;
        return Ok(Reply::json(status, now().await?));
    }
    if purpose == Purpose::Patch && ended(door, &operation, BRIEFLY).await == Some(Status::Succeeded) {
        return Ok(Reply::json(status, now().await?));
    }
    let poll = operation_url(request, version, &operation, "asyncOperations");
    let result = match purpose {
        // A PUT ends at the resource itself, as Azure's does.
        Purpose::Put => url(request, &record.id.to_string(), version),
        Purpose::Patch | Purpose::Get | Purpose::List => poll.clone(),
    };
    Ok(Reply::json(status, body).polled(poll, result))
}

/// The answer to a DELETE of what is there.
pub(super) async fn of_deletion(
    door: &FrontDoor,
    served: &Served,
    id: &ResourceId,
    operation: &Operation,
    version: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    match served.kind.answers {
        Answers::AtOnce => {
            let url = operation_url(request, version, operation, "operationresults");
            Ok(Reply::empty(StatusCode::ACCEPTED).polled(url.clone(), url))
        }
        Answers::WhenDone => {
            until_done(door, operation, id).await?;
            Ok(Reply::empty(StatusCode::OK))
        }
    }
}

async fn until_done(door: &FrontDoor, operation: &Operation, id: &ResourceId) -> Result<(), ArmError> {
    match ended(door, operation, LONGEST).await {
        Some(Status::Succeeded) => Ok(()),
        Some(Status::Failed { code, message }) => Err(ArmError::operation_failed(&code, &message)),
        Some(Status::InProgress) | None => Err(ArmError::not_done_in_time(id, LONGEST)),
    }
}

/// How the operation ended; none if it has not within the limit, or when the gateway ends.
async fn ended(door: &FrontDoor, operation: &Operation, limit: Duration) -> Option<Status> {
    let mut closing = door.closing.clone();
    let operation = tokio::select! {
        operation = door.inventory().ended(&operation.id, limit) => operation,
        _ = closing.wait_for(|closing| *closing) => door.inventory().operation(&operation.id),
    };
    operation.map(|operation| operation.status.clone()).filter(|status| *status != Status::InProgress)
}
