//! Bytes both ways between a client and a workload, until both have ended.
//!
//! One task for both ways, without locks. Buffers belong to the thread and not to the connection, so a connection that
//! is idle has none; what one side does not take at once is kept, and nothing more is read from the other side until it
//! is gone, nor from a client that does not take the gateway's own answers. Either side may end its half and still be
//! written to; over TLS that is a `close_notify`. A server of RESP has nothing more to say to a client once it has ended,
//! so the client has [`LINGER`] to read the rest.

use std::cell::RefCell;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use floci_az_contract::Protocol;
use futures_util::future::BoxFuture;
use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::session::Session;

/// Bytes of one read. Four of TLS's largest records.
const READ: usize = 64 * 1024;
/// For a client whose server has ended.
const LINGER: Duration = Duration::from_secs(5);

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

/// What a thread needs for the one connection that it works for at a time.
struct Scratch {
    read: Box<[u8]>,
    plain: Vec<u8>,
    passed: Vec<u8>,
}

impl Scratch {
    fn new() -> Scratch {
        Scratch { read: vec![0; READ].into_boxed_slice(), plain: Vec::with_capacity(READ), passed: Vec::new() }
    }
}

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Its source has ended; what is kept has still to be written.
    Ending,
    Ended,
}

/// What could not be written at once.
#[derive(Debug, Default)]
struct Rest {
    bytes: Vec<u8>,
    written: usize,
}

impl Rest {
    fn keep(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<()>> {
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, rest))?;
            self.written += written;
        }
        if !self.bytes.is_empty() {
            *self = Rest::default();
        }
        Poll::Ready(Ok(()))
    }

    /// At once, as far as it goes. Nothing may be kept from before.
    fn write(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written = match Pin::new(stream).poll_write(cx, bytes) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        self.keep(bytes.get(written..).unwrap_or_default());
        Ok(())
    }
}

/// A connection that is routed.
pub(super) struct Pump {
    client: TcpStream,
    tls: Option<Box<ServerConnection>>,
    workload: TcpStream,
    /// None once nothing has to be looked at any more.
    session: Option<Box<Session>>,
    protocol: Protocol,
    up: Way,
    down: Way,
    to_workload: Rest,
    to_client: Rest,
    gone: BoxFuture<'static, ()>,
    /// When it ends at the latest.
    end: Option<Pin<Box<Sleep>>>,
}

impl Pump {
    /// `first` is what the workload gets before anything else. Ends early when `gone` does.
    pub(super) fn new(
        (client, tls): (TcpStream, Option<Box<ServerConnection>>),
        workload: TcpStream,
        protocol: Protocol,
        session: Option<Box<Session>>,
        first: Vec<u8>,
        gone: BoxFuture<'static, ()>,
    ) -> io::Result<Pump> {
        let mut pump = Pump {
            client,
            tls,
            workload,
            session,
            protocol,
            up: Way::Open,
            down: Way::Open,
            to_workload: Rest { bytes: first, written: 0 },
            to_client: Rest::default(),
            gone,
            end: None,
        };
        if let Some(tls) = &mut pump.tls {
            // What is written is bounded by what is read.
            tls.set_buffer_limit(None);
            let mut plain = Vec::new();
            let ended = decrypted(tls, &[], &mut plain)?;
            let mut passed = Vec::new();
            let out = looked_at(&mut pump.session, &mut pump.tls, &mut pump.to_client, &plain, &mut passed)?;
            pump.to_workload.keep(out);
            if ended {
                pump.up = Way::Ending;
            }
        }
        pump.keep_time();
        Ok(pump)
    }

    /// From a session to the clock, and from a login by key back to none.
    fn keep_time(&mut self) {
        let Some(session) = &mut self.session else { return };
        if let Some(left) = session.lease() {
            self.end = left.map(|left| Box::pin(tokio::time::sleep_until(Instant::now() + left)));
        }
        if session.is_over() {
            self.session = None;
        }
    }

    fn poll_up(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<io::Result<()>> {
        loop {
            if self.up == Way::Ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.to_workload.poll_flush(cx, &mut self.workload))?;
            if self.up == Way::Ending {
                ready!(Pin::new(&mut self.workload).poll_shutdown(cx))?;
                self.up = Way::Ended;
                return Poll::Ready(Ok(()));
            }
            if self.session.as_ref().is_some_and(|session| session.may_answer()) {
                ready!(self.poll_flush_client(cx))?;
            }
            let mut buffer = ReadBuf::new(&mut scratch.read);
            ready!(Pin::new(&mut self.client).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            if read.is_empty() {
                self.up = Way::Ending;
                continue;
            }
            let plain = match &mut self.tls {
                None => read,
                Some(tls) => {
                    scratch.plain.clear();
                    if decrypted(tls, read, &mut scratch.plain)? {
                        self.up = Way::Ending;
                    }
                    scratch.plain.as_slice()
                }
            };
            if self.session.is_none() {
                self.to_workload.write(cx, &mut self.workload, plain)?;
                continue;
            }
            scratch.passed.clear();
            let out = looked_at(&mut self.session, &mut self.tls, &mut self.to_client, plain, &mut scratch.passed)?;
            self.to_workload.write(cx, &mut self.workload, out)?;
            self.keep_time();
        }
    }

    fn poll_down(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<io::Result<()>> {
        loop {
            if self.down == Way::Ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_flush_client(cx))?;
            if self.down == Way::Ending {
                ready!(Pin::new(&mut self.client).poll_shutdown(cx))?;
                self.down = Way::Ended;
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut scratch.read);
            ready!(Pin::new(&mut self.workload).poll_read(cx, &mut buffer))?;
            match (buffer.filled(), &mut self.tls) {
                ([], tls) => {
                    if let Some(tls) = tls {
                        tls.send_close_notify();
                    }
                    self.down = Way::Ending;
                }
                (read, Some(tls)) => tls.writer().write_all(read)?,
                (read, None) => self.to_client.write(cx, &mut self.client, read)?,
            }
        }
    }

    fn poll_flush_client(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(tls) = &mut self.tls else { return self.to_client.poll_flush(cx, &mut self.client) };
        while tls.wants_write() {
            match tls.write_tls(&mut Polled { stream: &mut self.client, cx }) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Its route is gone, or its login: says so to the client, as far as it listens.
    fn cut(&mut self, cx: &mut Context<'_>) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        let _ = self.poll_flush_client(cx);
    }
}

impl Future for Pump {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let pump = self.get_mut();
        if pump.gone.as_mut().poll(cx).is_ready() {
            pump.cut(cx);
            return Poll::Ready(Ok(()));
        }
        let before = pump.down;
        let (up, down) = SCRATCH.with_borrow_mut(|scratch| {
            let up = pump.poll_up(cx, scratch);
            (up, pump.poll_down(cx, scratch))
        });
        match (up, down) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => return Poll::Ready(Err(error)),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(Ok(())),
            _ => {}
        }
        if pump.protocol == Protocol::Resp && pump.down == Way::Ended && before != Way::Ended {
            pump.end = Some(Box::pin(tokio::time::sleep(LINGER)));
        }
        // Last: the way up may have brought another one.
        if pump.end.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready()) {
            pump.cut(cx);
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

/// What is to be passed on of what a client says.
fn looked_at<'a>(
    session: &mut Option<Box<Session>>,
    tls: &mut Option<Box<ServerConnection>>,
    to_client: &mut Rest,
    plain: &'a [u8],
    passed: &'a mut Vec<u8>,
) -> io::Result<&'a [u8]> {
    let Some(session) = session else { return Ok(plain) };
    let answer = session.take(plain, passed);
    match tls {
        Some(tls) => tls.writer().write_all(&answer)?,
        None => to_client.keep(&answer),
    }
    Ok(passed)
}

/// Takes TLS records, adds what is in them to `plain`; true once the client has ended its half.
fn decrypted(tls: &mut ServerConnection, mut records: &[u8], plain: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let ended = loop {
            match io::BufRead::fill_buf(&mut tls.reader()) {
                Ok([]) => break true,
                Ok(chunk) => {
                    plain.extend_from_slice(chunk);
                    let length = chunk.len();
                    io::BufRead::consume(&mut tls.reader(), length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(error) => return Err(error),
            }
        };
        if ended || records.is_empty() {
            return Ok(ended);
        }
        if tls.read_tls(&mut records)? == 0 {
            return Ok(false);
        }
        tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    }
}

/// A stream, as rustls writes to it: several records at once.
struct Polled<'a, 'b> {
    stream: &'a mut TcpStream,
    cx: &'a mut Context<'b>,
}

impl Write for Polled<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.stream).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.stream).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn or_would_block(written: Poll<io::Result<usize>>) -> io::Result<usize> {
    match written {
        Poll::Ready(written) => written,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
