//! A call's stderr: its beginning is kept, the rest is counted. Writing never fails and never waits.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes of one write, as WASI's own streams permit.
const WRITE: usize = 64 << 10;

/// What was written, for all streams of one call.
#[derive(Debug, Clone)]
pub(super) struct Captured {
    written: Arc<Mutex<Written>>,
}

#[derive(Debug)]
struct Written {
    kept: Vec<u8>,
    most: usize,
    dropped: usize,
}

impl Captured {
    pub(super) fn at_most(bytes: usize) -> Captured {
        Captured { written: Arc::new(Mutex::new(Written { kept: Vec::new(), most: bytes, dropped: 0 })) }
    }

    /// The text, and how many bytes are missing at its end.
    pub(super) fn text(&self) -> (String, usize) {
        let written = self.lock();
        (String::from_utf8_lossy(&written.kept).trim_end().to_owned(), written.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, bytes: &[u8]) {
        let mut written = self.lock();
        let room = written.most.saturating_sub(written.kept.len()).min(bytes.len());
        let (kept, dropped) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        written.kept.extend_from_slice(kept);
        written.dropped += dropped.len();
    }
}

impl IsTerminal for Captured {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Captured {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Captured {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Captured {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Captured {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_never_refused() {
        let mut captured = Captured::at_most(8);
        for text in ["12345", "67890", "abc"] {
            assert!(captured.check_write().unwrap() > 0);
            captured.write(Bytes::from_static(text.as_bytes())).unwrap();
        }
        assert_eq!(captured.text(), ("12345678".to_owned(), 5));
    }
}
