//! Which door a request goes to: what the gateway says of itself, the login, or ARM's front door.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use crate::admin::{Admin, PluginAdmin};
use crate::arm::{ArmError, FrontDoor, Reply, Request};
use crate::browser::Guard;
use crate::identity::Identity;
use crate::server::Handler;
use crate::telemetry::{Route, Telemetry};

/// The gateway's handler.
#[derive(Debug)]
pub struct Doors {
    pub guard: Guard,
    pub admin: Arc<Admin>,
    pub plugins: PluginAdmin,
    pub identity: Arc<Identity>,
    pub door: Arc<FrontDoor>,
    pub telemetry: Arc<Telemetry>,
}

impl Handler for Doors {
    fn admit(&self, head: &Request, usual: usize) -> Result<usize, ArmError> {
        self.guard.check(head)?;
        self.plugins.admit(head, usual).unwrap_or(Ok(usual))
    }

    async fn answer(&self, request: Request) -> Reply {
        let asked = self.telemetry.request(request.method.as_str());
        let reply = self.let_in(request).await;
        asked.end(reply.route, reply.status.as_u16());
        reply
    }

    fn refused(&self, method: &Method, status: StatusCode) {
        self.telemetry.request(method.as_str()).end(Route::Unknown, status.as_u16());
    }
}

impl Doors {
    async fn let_in(&self, request: Request) -> Reply {
        if let Err(error) = self.guard.check(&request) {
            return error.into();
        }
        if let Some(reply) = self.admin.answer(&request) {
            return reply.on(Route::Gateway);
        }
        if let Some(reply) = self.plugins.answer(&request).await {
            return reply.on(Route::Gateway);
        }
        if let Some(reply) = self.identity.answer(&request).await {
            return reply.on(Route::Login);
        }
        match self.identity.check(&request).await {
            Ok(()) => self.door.answer(request).await,
            Err(error) => error.into(),
        }
    }
}
