//! One connection, from its first byte to its end.
//!
//! The first byte tells TLS from plain HTTP, and what comes after it HTTP/1.1 from HTTP/2. Until the first request has
//! arrived, everything together (silence, handshake, head) has one deadline, because the code that tells the versions
//! apart has none; from then on HTTP/1.1 has one for each head, and HTTP/2 pings.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use hyper::http::uri::Scheme;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tracing::Instrument;
use tracing::field::Empty;

use super::arrival::{Entrance, arrive};
use super::envelope::{Enveloped, Refused};
use super::headers::{Ids, response};
use super::payload::Payload;
use super::{Handler, Limits};
use crate::arm::{self, ArmError};
use crate::telemetry;

/// The type of TLS's first record, which is no first byte of any request (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;

/// What all connections of a server have in common.
pub(super) struct Speaker<H> {
    limits: Limits,
    tls: Option<TlsAcceptor>,
    http: auto::Builder<TokioExecutor>,
    handler: Arc<H>,
    closing: watch::Receiver<bool>,
}

impl<H: Handler> Speaker<H> {
    pub(super) fn new(
        limits: Limits,
        tls: Option<Arc<ServerConfig>>,
        handler: Arc<H>,
        closing: watch::Receiver<bool>,
    ) -> Speaker<H> {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_arrival)
            .max_headers(limits.headers)
            .max_buf_size(limits.head_bytes as usize)
            .writev(false);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.ping_after)
            .keep_alive_timeout(limits.ping_answer)
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(limits.head_bytes);
        Speaker { limits, tls: tls.map(TlsAcceptor::from), http, handler, closing }
    }

    /// To the end of the connection.
    pub(super) async fn speak(self: Arc<Self>, stream: TcpStream, watcher: Watcher) {
        let deadline = Instant::now() + self.limits.head_arrival;
        // Answers are small and whole; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let mut closing = self.closing.clone();
        let opened = tokio::select! {
            opened = tokio::time::timeout_at(deadline, self.open(stream)) => opened,
            // Nothing was asked yet, so there is nothing to wait for.
            _ = closing.wait_for(|closing| *closing) => return,
        };
        let ended = match opened {
            Ok(Ok(Opened::Nothing)) => Ok(()),
            Ok(Ok(Opened::Plain(stream, entrance))) => self.converse(stream, entrance, deadline, watcher).await,
            Ok(Ok(Opened::Tls(stream, entrance))) => self.converse(*stream, entrance, deadline, watcher).await,
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err("it was silent, or its handshake took too long".into()),
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    }

    async fn open(&self, stream: TcpStream) -> io::Result<Opened> {
        let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(Opened::Nothing);
        }
        match &self.tls {
            Some(acceptor) if first == [HANDSHAKE] => {
                let stream = acceptor.accept(stream).await?;
                Ok(Opened::Tls(Box::new(stream), Entrance { scheme: Scheme::HTTPS, local, peer }))
            }
            _ => Ok(Opened::Plain(stream, Entrance { scheme: Scheme::HTTP, local, peer })),
        }
    }

    async fn converse(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        entrance: Entrance,
        deadline: Instant,
        watcher: Watcher,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (begun, refused) = (Arc::new(Notify::new()), Refused::default());
        let io = Enveloped::new(TokioIo::new(stream), refused.clone(), self.limits);
        let service = service_fn(|request| {
            begun.notify_one();
            let (speaker, entrance, refused) = (self.clone(), entrance.clone(), refused.clone());
            async move { Ok::<_, Infallible>(speaker.serve_one(request, &entrance, &refused).await) }
        });
        let connection = watcher.watch(self.http.serve_connection(io, service));
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = &mut connection => return ended,
            () = begun.notified() => {}
            () = tokio::time::sleep_until(deadline) => return Err("its first request did not come".into()),
        }
        connection.await
    }

    async fn serve_one(&self, request: Request<Incoming>, entrance: &Entrance, refused: &Refused) -> Response<Payload> {
        let ids = Ids::of(request.method(), request.uri().path(), request.headers());
        let span = tracing::info_span!(
            "request",
            id = %ids,
            request_id = ids.own_beside_correlation().map(tracing::field::display),
            plugin = Empty,
            revision = Empty,
            resource = Empty,
            api_version = Empty,
            otel.kind = Empty,
            http.response.status_code = Empty,
        );
        telemetry::span::of_request(&span, request.headers());
        self.reply_to(request, entrance, refused, &ids).instrument(span).await
    }

    async fn reply_to(
        &self,
        request: Request<Incoming>,
        entrance: &Entrance,
        refused: &Refused,
        ids: &Ids,
    ) -> Response<Payload> {
        let (method, version) = (request.method().clone(), request.version());
        let admit = |head: &arm::Request| self.handler.admit(head, self.limits.body_bytes);
        let arrived = arrive(request, entrance, &self.limits, admit).await;
        // What is left of the body would be taken for the next request.
        let closes = arrived.is_err() && version < Version::HTTP_2;
        let reply = match arrived {
            Ok(request) => {
                let answer = tokio::time::timeout(self.limits.answer, self.handler.answer(request)).await;
                answer.unwrap_or_else(|_| ArmError::answer_too_late(self.limits.answer).into())
            }
            Err(error) => {
                tracing::debug!(code = error.code, "a request was refused on its way in: {}", error.message);
                self.handler.refused(&method, error.status);
                error.into()
            }
        };
        telemetry::span::answered(method.as_str(), reply.route, reply.status.as_u16());
        let mut response = response(reply, ids);
        if closes {
            refused.note();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if method == Method::HEAD {
            let length = response.body().bytes().map(|bytes| HeaderValue::from(bytes.len()));
            // A 204 has no length, not even 0 (RFC 9110, 8.6); what comes bit by bit has none that is known.
            if let Some(length) = length.filter(|_| response.status() != StatusCode::NO_CONTENT) {
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
            *response.body_mut() = Payload::whole("");
        }
        response
    }
}

/// A connection of which something is known.
enum Opened {
    /// Closed before it began.
    Nothing,
    Plain(TcpStream, Entrance),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>, Entrance),
}
