//! A stream of which only so many bytes are read: what a server says is as much a plugin's to choose as what it asks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reading beyond the limit is an error, not an end.
#[derive(Debug)]
pub(super) struct Limited<S> {
    stream: S,
    most: usize,
    read: usize,
}

impl<S> Limited<S> {
    pub(super) fn new(stream: S, most: usize) -> Limited<S> {
        Limited { stream, most, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.read += buffer.filled().len() - before;
        match self.read > self.most {
            true => Poll::Ready(Err(io::Error::other(format!("it answers with more than {} bytes", self.most)))),
            false => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn what_is_too_much_is_an_error() {
        let read = async |most| {
            let mut text = Vec::new();
            Limited::new(&b"12345678"[..], most).read_to_end(&mut text).await.map(|_| text.len())
        };
        assert_eq!(read(8).await.unwrap(), 8);
        assert_eq!(read(7).await.unwrap_err().to_string(), "it answers with more than 7 bytes");
    }
}
