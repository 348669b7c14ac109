//! GET of an operation. It answers at the moment the operation ends, or after a bounded wait: so a client that polls
//! once a second, or once in thirty, learns of the end at once.

use std::time::Duration;

use hyper::StatusCode;
use uuid::Uuid;

use super::FrontDoor;
use super::error::ArmError;
use super::operation::{Operation, Status};
use super::own::Polled;
use super::request::{Reply, Request, operation_url};

/// The longest that a poll is held: well below the 60 s after which proxies and clients give up.
const HELD: Duration = Duration::from_secs(20);

pub(super) async fn poll(
    door: &FrontDoor,
    polled: Polled,
    subscription: &str,
    namespace: Option<&str>,
    id: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    request.only("GET")?;
    let not_found = || ArmError::operation_not_found(id);
    let uuid = Uuid::parse_str(id).map_err(|_| not_found())?;
    let is_asked_for = |operation: &Operation| {
        let found = operation.namespace().map(str::to_lowercase);
        operation.subscription().eq_ignore_ascii_case(subscription) && found == namespace.map(str::to_lowercase)
    };
    door.inventory().operation(&uuid).filter(|operation| is_asked_for(operation)).ok_or_else(not_found)?;
    let mut closing = door.closing.clone();
    let operation = tokio::select! {
        operation = door.inventory().ended(&uuid, HELD) => operation,
        _ = closing.wait_for(|closing| *closing) => door.inventory().operation(&uuid),
    };
    let operation = operation.ok_or_else(not_found)?;
    let version = request.api_version().unwrap_or_default();
    let running = operation.status == Status::InProgress;
    let (status, collection) = match polled {
        Polled::Status => (StatusCode::OK, "asyncOperations"),
        Polled::Result if running => (StatusCode::ACCEPTED, "operationresults"),
        Polled::Result => (StatusCode::OK, "operationresults"),
    };
    let reply = Reply::json(status, operation.body(collection));
    if !running {
        return Ok(reply);
    }
    let url = operation_url(request, version, &operation, collection);
    Ok(match operation.namespace() {
        Some(_) => reply.polled(url.clone(), url),
        None => reply.at(url),
    })
}
