//! The administration over revisions that are none: who may ask, what is answered, and what the commands make of it.

mod answers;
mod commands;
mod fake;
mod safety;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::{HeaderMap, Method};

use super::{AdminToken, PluginAdmin};
use crate::arm::{ArmError, Reply, Request};
use crate::browser::Guard;
use crate::server::Handler;
use fake::{Fake, Registry};

const BASE: &str = "http://localhost:4577";

/// As the gateway has it: the guard before the administration.
#[derive(Debug)]
struct Front {
    guard: Guard,
    admin: PluginAdmin,
    fake: Arc<Fake>,
}

impl Front {
    fn new(token: AdminToken) -> Front {
        let fake = Arc::new(Fake::default());
        let guard = Guard::new("127.0.0.1".parse().unwrap(), None, &[]);
        Front { guard, admin: PluginAdmin { revisions: fake.clone(), components: Arc::new(Registry), token }, fake }
    }
}

impl Handler for Front {
    fn admit(&self, head: &Request, usual: usize) -> Result<usize, ArmError> {
        self.guard.check(head)?;
        self.admin.admit(head, usual).unwrap_or(Ok(usual))
    }

    async fn answer(&self, request: Request) -> Reply {
        if let Err(error) = self.guard.check(&request) {
            return error.into();
        }
        let unknown = || ArmError::unknown_path(&request.path).into();
        self.admin.answer(&request).await.unwrap_or_else(unknown)
    }
}

fn request(peer: &str, method: Method, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse::<hyper::header::HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    let request = Request::new(method, path, query, headers, BASE.to_owned(), Bytes::from(body.to_owned()));
    request.of_peer(peer.parse::<IpAddr>().unwrap())
}
