//! `/_floci/plugins`: what plugins there are, and how they are changed while the gateway runs.
//!
//! Everything but reading needs a right ([`AdminToken`]), which is looked at before a body is read; pages of other
//! origins are refused before this ([`crate::browser::Guard`]). A change that has begun goes on when its client has gone.

mod package;
mod real;
mod route;
mod seam;

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::token::AdminToken;
use crate::arm::{ArmError, Reply, Request};
use crate::rollout::{Origin, Outcome};
use package::{Brought, Wish};
use route::Route;
pub use seam::{Components, Doing, Revisions};

/// Bytes of a component. A large one in Rust has 5 MiB, one with an interpreter in it 30.
const LARGEST: usize = 64 << 20;

/// The administration of plugins.
#[derive(Debug)]
pub struct PluginAdmin {
    pub revisions: Arc<dyn Revisions>,
    pub components: Arc<dyn Components>,
    pub token: AdminToken,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    to: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptionalTarget {
    to: Option<String>,
}

impl PluginAdmin {
    /// How large a body may be whose head alone has arrived; none for what is not asked here.
    pub fn admit(&self, head: &Request, usual: usize) -> Option<Result<usize, ArmError>> {
        Route::is_meant(&head.path).then(|| {
            let route = self.allowed(head)?;
            let is_large = route == Route::All && head.method == Method::PUT && package::is_component(head);
            Ok(if is_large { LARGEST } else { usual })
        })
    }

    /// None for what is not asked here.
    pub async fn answer(&self, request: &Request) -> Option<Reply> {
        if !Route::is_meant(&request.path) {
            return None;
        }
        let reply = match self.allowed(request) {
            Ok(route) => self.reply_to(request, route).await,
            Err(error) => Err(error),
        };
        Some(reply.unwrap_or_else(Reply::from))
    }

    /// What is asked for, if whoever asks may ask for it.
    fn allowed(&self, request: &Request) -> Result<Route, ArmError> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            self.token.check(request)?;
        }
        let route = Route::of(&request.path)?;
        request.only(route.methods())?;
        Ok(route)
    }

    async fn reply_to(&self, request: &Request, route: Route) -> Result<Reply, ArmError> {
        let revisions = self.revisions.clone();
        let outcome = match (route, &request.method) {
            (Route::All, &Method::PUT) => self.put(request).await?,
            (Route::All, _) => {
                return Ok(Reply::json(StatusCode::OK, json!({ "value": shown(&revisions.list())? })));
            }
            (Route::One { namespace }, &Method::DELETE) => {
                whole(revisions.remove(namespace)).await?;
                return Ok(Reply::empty(StatusCode::NO_CONTENT));
            }
            (Route::One { namespace }, _) => {
                let all = revisions.list();
                let known = || all.iter().map(|plugin| plugin.namespace.clone()).collect::<Vec<_>>();
                let found = all.iter().find(|plugin| plugin.namespace.eq_ignore_ascii_case(&namespace));
                let found = found.ok_or_else(|| ArmError::unknown_plugin(&namespace, &known()))?;
                return Ok(Reply::json(StatusCode::OK, shown(found)?));
            }
            (Route::Swap { namespace }, _) => {
                let Target { to } = body(request, "{\"to\": \"digest of a revision\"}")?;
                whole(revisions.swap(namespace, route::digest(&to)?)).await?
            }
            (Route::Rollback { namespace }, _) => {
                let OptionalTarget { to } = match request.body.is_empty() {
                    true => OptionalTarget::default(),
                    false => body(request, "{\"to\": \"digest of a revision\"}, {} or no body")?,
                };
                let to = to.map(|to| route::digest(&to)).transpose()?;
                whole(revisions.rollback(namespace, to)).await?
            }
            (Route::Revision { namespace, digest }, _) => whole(revisions.forget(namespace, digest)).await?,
        };
        Ok(Reply::json(StatusCode::OK, shown(&outcome)?))
    }

    async fn put(&self, request: &Request) -> Result<Outcome, ArmError> {
        let wish = package::wish(request)?;
        let (revisions, components, brought) =
            (self.revisions.clone(), self.components.clone(), package::brought(request)?);
        whole(async move {
            let (origin, package) = match brought {
                Brought::Here { bytes, signature, pin } => {
                    (Origin::Upload, components.sent(bytes, signature, pin).await)
                }
                Brought::Image { reference, pin } => {
                    (Origin::Image(reference.clone()), components.pull(reference, pin).await)
                }
            };
            match wish {
                Wish::Check => revisions.check(package?).await,
                Wish::Install(then) => {
                    let package = package.inspect_err(|error| revisions.refused(&origin, error))?;
                    revisions.install(package, then).await
                }
            }
        })
        .await
    }
}

/// To its end, also when nobody waits for it any more.
async fn whole<T: Send + 'static>(
    doing: impl Future<Output = Result<T, ArmError>> + Send + 'static,
) -> Result<T, ArmError> {
    tokio::spawn(doing).await.unwrap_or_else(|error| Err(ArmError::internal(error)))
}

fn shown(view: &impl Serialize) -> Result<Value, ArmError> {
    serde_json::to_value(view).map_err(ArmError::internal)
}

fn body<T: for<'de> Deserialize<'de>>(request: &Request, supported: &str) -> Result<T, ArmError> {
    let object = request.object()?;
    serde_json::from_value(object.into())
        .map_err(|error| ArmError::invalid_administration("Body", &error.to_string(), supported))
}
