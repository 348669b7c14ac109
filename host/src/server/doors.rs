//! Which door a request goes to: what the gateway says of itself, the login, or ARM's front door.

use std::sync::Arc;

use hyper::Method;
use tracing::Instrument;

use super::Handler;
use crate::admin::Admin;
use crate::arm::{ArmError, FrontDoor, Reply, Request};
use crate::identity::Identity;

/// The gateway's handler.
#[derive(Debug)]
pub struct Doors {
    pub admin: Arc<Admin>,
    pub identity: Arc<Identity>,
    pub door: Arc<FrontDoor>,
}

impl Handler for Doors {
    async fn answer(&self, request: Request) -> Reply {
        if let Some(reply) = self.admin.answer(&request.method, &request.path) {
            return reply;
        }
        if let Some(reply) = self.identity.answer(&request).await {
            return reply;
        }
        match self.identity.check(&request).await {
            Ok(()) => carry_out(self.door.clone(), request).await,
            Err(error) => error.into(),
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
