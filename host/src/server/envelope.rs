//! hyper's own refusals, put into ARM's envelope on their way out.
//!
//! What cannot be read as a request of HTTP/1 never reaches a service: hyper answers it by itself with a bare status,
//! and closes the connection. Such an answer is the last thing that it writes, and alone among all answers its head
//! lacks our request id, which is the last header of our own; so it is recognised at the end of a write, and replaced. hyper has to write from one buffer for
//! that (`writev(false)`): then a head is never split over two writes of its own making, and what the socket leaves over
//! of a write is the end of something that was looked at before. HTTP/2 passes untouched.
//!
//! A client that is refused is often still sending, and a socket that is closed with unread input resets the connection,
//! which can cost the client its answer. So after a refusal the input is read to its end, for a bounded time.

use std::io;
use std::pin::Pin;
use std::str;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use hyper::StatusCode;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use tokio::time::Sleep;

use super::Limits;
use super::headers::{Ids, REQUEST, response};
use crate::arm::ArmError;

/// What a head of HTTP/1 begins with.
const HTTP1: &[u8] = b"HTTP/1.";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// What a body that comes bit by bit ends with (RFC 9112, 7.1), and a head cannot.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
/// Bytes; hyper's bare heads have 130 at most, ours more than twice that.
const LONGEST_BARE_HEAD: usize = 256;
/// Bytes thrown away at a time.
const DISCARDED: usize = 4096;

/// Whether a client was refused before all that it sends was read. Shared with the service.
#[derive(Debug, Clone, Default)]
pub(super) struct Refused(Arc<AtomicBool>);

impl Refused {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The two sides of a connection, between hyper and the socket or TLS.
#[derive(Debug)]
pub(super) struct Enveloped<I> {
    inner: I,
    protocol: Protocol,
    /// What replaces a write, and is not sent yet.
    replaced: Bytes,
    refused: Refused,
    limits: Limits,
    lingering: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Unknown,
    Http1,
    Other,
}

impl<I: Read + Write + Unpin> Enveloped<I> {
    pub(super) fn new(inner: I, refused: Refused, limits: Limits) -> Enveloped<I> {
        Enveloped { inner, protocol: Protocol::Unknown, replaced: Bytes::new(), refused, limits, lingering: None }
    }

    fn poll_replaced(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.replaced.has_remaining() {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, &self.replaced))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.replaced.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads until the client has nothing more to say, or the time is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.limits.linger;
        let lingering = self.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(linger)));
        loop {
            if lingering.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut bytes = [0; DISCARDED];
            let mut discarded = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, discarded.unfilled())) {
                Ok(()) if !discarded.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<I: Read + Unpin> Read for Enveloped<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buffer)
    }
}

impl<I: Read + Write + Unpin> Write for Enveloped<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_replaced(cx))?;
        if this.protocol == Protocol::Unknown {
            this.protocol = if bytes.starts_with(HTTP1) { Protocol::Http1 } else { Protocol::Other };
        }
        let Some(bare) = Some(bytes).filter(|_| this.protocol == Protocol::Http1).and_then(Bare::at_end) else {
            return Pin::new(&mut this.inner).poll_write(cx, bytes);
        };
        this.refused.note();
        this.replaced = bare.in_envelope(&this.limits);
        // Taken as a whole; what the socket does not take now, the flush that follows every write sends.
        match this.poll_replaced(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_replaced(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(this.poll_replaced(cx))?;
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
        }
        if this.refused.is_noted() && this.protocol == Protocol::Http1 {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// HTTP/2's only; see above.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.protocol == Protocol::Unknown {
            this.protocol = Protocol::Other;
        }
        Pin::new(&mut this.inner).poll_write_vectored(cx, slices)
    }
}

/// A write that ends with a refusal of hyper's.
struct Bare<'a> {
    /// Answers before it.
    before: &'a [u8],
    head: &'a str,
    status: StatusCode,
}

impl<'a> Bare<'a> {
    fn at_end(write: &'a [u8]) -> Option<Bare<'a>> {
        if !write.ends_with(END_OF_HEAD) || write.ends_with(LAST_CHUNK) {
            return None;
        }
        let (_, tail) = write.split_at(write.len().saturating_sub(LONGEST_BARE_HEAD));
        let start = tail.windows(HTTP1.len()).rposition(|window| window == HTTP1)?;
        let (before, head) = write.split_at(write.len() - tail.len() + start);
        let head = str::from_utf8(head).ok()?;
        let status = head.get(8..13)?.strip_prefix(' ')?.strip_suffix(' ')?;
        let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
        let refusal = status.is_client_error() || status.is_server_error();
        let ours = head.contains(REQUEST.as_str());
        (refusal && !ours && head.find("\r\n\r\n")? + END_OF_HEAD.len() == head.len()).then_some(Bare {
            before,
            head,
            status,
        })
    }

    fn in_envelope(&self, limits: &Limits) -> Bytes {
        let refusal = ArmError::no_request(self.status, limits.headers, limits.head_bytes);
        let mut response = response(refusal.into(), &Ids::unasked());
        let body = response.body().bytes().cloned().unwrap_or_default();
        let length = HeaderValue::from(body.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));

        let mut bytes = BytesMut::from(self.before);
        let kept = self.head.lines().enumerate();
        for (_, line) in kept.filter(|(number, line)| *number == 0 || line.starts_with("date:")) {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        for (name, value) in response.headers() {
            bytes.extend_from_slice(name.as_ref());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&body);
        bytes.freeze()
    }
}
