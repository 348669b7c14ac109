//! Which door a request goes to: what the gateway says of itself, the login, or ARM's front door.

use std::sync::Arc;

use crate::admin::{Admin, PluginAdmin};
use crate::arm::{ArmError, FrontDoor, Reply, Request};
use crate::browser::Guard;
use crate::identity::Identity;
use crate::server::Handler;

/// The gateway's handler.
#[derive(Debug)]
pub struct Doors {
    pub guard: Guard,
    pub admin: Arc<Admin>,
    pub plugins: PluginAdmin,
    pub identity: Arc<Identity>,
    pub door: Arc<FrontDoor>,
}

impl Handler for Doors {
    fn admit(&self, head: &Request, usual: usize) -> Result<usize, ArmError> {
        self.guard.check(head)?;
        self.plugins.admit(head, usual).unwrap_or(Ok(usual))
    }

    async fn answer(&self, request: Request) -> Reply {
        if let Err(error) = self.guard.check(&request) {
            return error.into();
        }
        if let Some(reply) = self.admin.answer(&request.method, &request.path) {
            return reply;
        }
        if let Some(reply) = self.plugins.answer(&request).await {
            return reply;
        }
        if let Some(reply) = self.identity.answer(&request).await {
            return reply;
        }
        match self.identity.check(&request).await {
            Ok(()) => self.door.answer(request).await,
            Err(error) => error.into(),
        }
    }
}
