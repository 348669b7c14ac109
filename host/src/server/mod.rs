//! HTTP: connections in, requests to the front door, answers out; and a graceful end.
//!
//! Bounds: a request's body ([`LARGEST_BODY`]) and the time it may take to arrive ([`ARRIVAL`]), the time a connection's
//! headers may take ([`HEADERS`]). A request that changes something runs in a task of its own, so a client that goes
//! away does not stop it halfway.

mod headers;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderMap};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::Instrument;

use crate::admin::Admin;
use crate::arm::{self, ArmError, FrontDoor, Reply};
use crate::identity::Identity;
use headers::{Ids, response};

/// Bytes. ARM's own limit.
const LARGEST_BODY: usize = 4 << 20;
/// For a body to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);
/// For a request's headers to arrive, on a new or an idle connection.
const HEADERS: Duration = Duration::from_secs(60);
/// How long requests under way may take once the gateway is told to end.
const GRACE: Duration = Duration::from_secs(10);
/// After a failed accept (out of file descriptors, say), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

impl Server {
    pub async fn bind(address: SocketAddr) -> io::Result<Server> {
        Ok(Server { listener: TcpListener::bind(address).await? })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Until `closing` is true; then accepts nothing more, and waits for what is under way.
    pub async fn serve(
        self,
        door: Arc<FrontDoor>,
        admin: Arc<Admin>,
        identity: Arc<Identity>,
        mut closing: watch::Receiver<bool>,
    ) {
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADERS);
        let connections = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = closing.wait_for(|closing| *closing) => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Answers are small and whole; waiting to fill a packet would only delay them.
            let _ = stream.set_nodelay(true);
            let (door, admin, identity) = (door.clone(), admin.clone(), identity.clone());
            let service = service_fn(move |request| serve_one(door.clone(), admin.clone(), identity.clone(), request));
            let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection broke");
                }
            });
        }
        drop(self.listener);
        if tokio::time::timeout(GRACE, connections.shutdown()).await.is_err() {
            tracing::warn!("some requests did not end within {} s and were cut off", GRACE.as_secs());
        }
    }
}

async fn serve_one(
    door: Arc<FrontDoor>,
    admin: Arc<Admin>,
    identity: Arc<Identity>,
    request: Request<Incoming>,
) -> Result<Response<http_body_util::Full<Bytes>>, std::convert::Infallible> {
    let ids = Ids::of(request.headers());
    let span = tracing::info_span!("request", id = %ids);
    let reply = answer(door, admin, &identity, request).instrument(span).await;
    Ok(response(reply, &ids))
}

async fn answer(door: Arc<FrontDoor>, admin: Arc<Admin>, identity: &Identity, request: Request<Incoming>) -> Reply {
    if let Some(reply) = admin.answer(request.method(), request.uri().path()) {
        return reply;
    }
    let request = match read(request).await {
        Ok(request) => request,
        Err(error) => return error.into(),
    };
    if let Some(reply) = identity.answer(&request).await {
        return reply;
    }
    match identity.check(&request).await {
        Ok(()) => carry_out(door, request).await,
        Err(error) => error.into(),
    }
}

/// What only reads may be dropped with its connection; anything else runs to its end.
async fn carry_out(door: Arc<FrontDoor>, request: arm::Request) -> Reply {
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

async fn read(request: Request<Incoming>) -> Result<arm::Request, ArmError> {
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(ARRIVAL, Limited::new(body, LARGEST_BODY).collect()).await;
    let body = match body {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(ArmError::too_large(LARGEST_BODY)),
        Ok(Err(error)) => return Err(ArmError::unreadable_body(error)),
        Err(_) => return Err(ArmError::unreadable_body(format!("it did not arrive within {} s", ARRIVAL.as_secs()))),
    };
    let base = base(&head.headers, head.uri.authority().map(|authority| authority.as_str()));
    Ok(arm::Request::new(head.method, head.uri.path(), head.uri.query(), head.headers, base, body))
}

/// What the client calls this gateway, so that the URLs it is given lead back here.
fn base(headers: &HeaderMap, authority: Option<&str>) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or(authority).unwrap_or("localhost");
    format!("http://{host}")
}
