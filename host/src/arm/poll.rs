//! GET of an operation. It answers at the moment the operation ends, or after a bounded wait: so a client that polls
//! once a second, or once in thirty, learns of the end at once.

use std::time::Duration;

use hyper::StatusCode;
use uuid::Uuid;

use super::error::ArmError;
use super::operation::Status;
use super::request::{Reply, Request, operation_url};
use super::route::Polled;
use super::{FrontDoor, version};

/// The longest that a poll is held: well below the 60 s after which proxies and clients give up.
const HELD: Duration = Duration::from_secs(20);

pub(super) async fn poll(door: &FrontDoor, polled: Polled, id: &str, request: &Request) -> Result<Reply, ArmError> {
    version::of_arm(request.api_version(), door.strictness)?;
    let not_found = || ArmError::operation_not_found(id);
    let uuid = Uuid::parse_str(id).map_err(|_| not_found())?;
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
    let reply = Reply::json(status, operation.body());
    if !running {
        return Ok(reply);
    }
    let url = operation_url(request, version, &operation, collection);
    Ok(reply.polled(url.clone(), url))
}
