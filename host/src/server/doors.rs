//! Which door a request goes to: what the gateway says of itself, or ARM's front door.

use std::sync::Arc;

use hyper::Method;
use tracing::Instrument;

use super::Handler;
use crate::admin::Admin;
use crate::arm::{ArmError, FrontDoor, Reply, Request};

/// The gateway's handler.
#[derive(Debug)]
pub struct Doors {
    pub admin: Arc<Admin>,
    pub door: Arc<FrontDoor>,
}

impl Handler for Doors {
    async fn answer(&self, request: Request) -> Reply {
        match self.admin.answer(&request.method, &request.path) {
            Some(reply) => reply,
            None => carry_out(self.door.clone(), request).await,
        }
    }
}

/// What only reads may be dropped with its connection; anything else runs to its end.
async fn carry_out(door: Arc<FrontDoor>, request: Request) -> Reply {
    if matches!(request.method, Method::GET | Method::HEAD) {
        return door.answer(request).await;
    }
    if *door.closing.borrow() {
        return ArmError::shutting_down().into();
    }
    let writing = door.writes.clone().read_owned().await;
    let work = async move {
        let reply = door.answer(request).await;
        drop(writing);
        reply
    };
    let task = tokio::spawn(work.instrument(tracing::Span::current()));
    task.await.unwrap_or_else(|error| ArmError::internal(error).into())
}
