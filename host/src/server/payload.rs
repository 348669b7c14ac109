//! The body of an answer: there as a whole, or coming bit by bit.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body, Frame, SizeHint};

pub(super) enum Payload {
    /// What is left of it.
    Whole(Bytes),
    /// Its length is known once it ends.
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl Payload {
    pub(super) fn whole(text: impl Into<Bytes>) -> Payload {
        Payload::Whole(text.into())
    }

    /// None of a stream.
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        match self {
            Payload::Whole(bytes) => Some(bytes),
            Payload::Stream(_) => None,
        }
    }
}

impl std::fmt::Debug for Payload {
    /// Without what is in it, which may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload").field("bytes", &self.bytes().map(Bytes::len)).finish()
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Payload::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Payload::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Payload::Stream(stream) => {
                stream.as_mut().poll_next(cx).map(|next| next.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes().is_some_and(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        self.bytes().map_or_else(SizeHint::default, |bytes| SizeHint::with_exact(bytes.len() as u64))
    }
}
