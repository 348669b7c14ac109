//! One connection, from its accept until its bytes flow: TLS, the choice of a route, the connection to its workload.
//!
//! All of it together has one deadline, [`BEGINNING`]: a client that says nothing costs no more than that. What flows
//! then is another task, which is smaller.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use floci_az_contract::Protocol;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::login::{Decision, Visitor, converse};
use super::pump::Pump;
use super::resp;
use super::session::Session;
use super::table::{OldestTls, Published};
use super::{Core, Door};

/// For the handshake and the login together.
pub(super) const BEGINNING: Duration = Duration::from_secs(30);
/// For a client to read why it was refused.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes that are thrown away meanwhile.
const MOST_IGNORED: u64 = 1 << 20;

/// The type of TLS's first record, which begins no command (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;

/// To where bytes flow. Errors are those of the client's connection.
pub(super) async fn begin(core: Arc<Core>, door: Door, stream: TcpStream, address: IpAddr) {
    let deadline = Instant::now() + core.beginning;
    match timeout_at(deadline, open(&core, door, stream, address, deadline)).await {
        Ok(Ok(Some(pump))) => drop(tokio::spawn(async move {
            if let Err(error) = pump.await {
                tracing::debug!(%error, "a connection broke");
            }
        })),
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(%error, port = door.port, "a connection did not begin"),
        Err(_) => tracing::debug!(port = door.port, "a client did not log in in time"),
    }
}

async fn open(
    core: &Core,
    door: Door,
    stream: TcpStream,
    address: IpAddr,
    deadline: Instant,
) -> io::Result<Option<Pump>> {
    stream.set_nodelay(true)?;
    keep_alive(&stream)?;
    let (mut client, candidates) = match secured(core, door, &stream, deadline).await? {
        Secured::Yes => {
            let Some(tls) = &core.tls else { return Ok(None) };
            let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
            let candidates = core.table.load().candidates(door.port, hello.client_hello().server_name());
            let oldest = match candidates.as_slice() {
                [only] => only.oldest_tls(),
                _ => OldestTls::V12,
            };
            (Client::Tls(Box::new(hello.into_stream(tls.config(oldest)).await?)), candidates)
        }
        Secured::No => (Client::Plain(stream), core.table.load().candidates(door.port, None)),
        Secured::Nothing => return Ok(None),
    };
    let tls = match &client {
        Client::Plain(_) => None,
        Client::Tls(stream) => stream.get_ref().1.protocol_version(),
    };
    let visitor = Visitor { address, port: door.port, tls };
    let Some((route, first, session)) = choose(&mut client, core, door, candidates, visitor).await? else {
        farewell(&mut client).await;
        return Ok(None);
    };
    let Some(entry) = route.entry(door.port) else { return Ok(None) };
    let workload = match route.backends.connect(&entry.to, &core.locate, &core.main).await {
        Ok(workload) => workload,
        Err(error) => {
            tracing::warn!(
                resource = route.owner,
                workload = entry.to.workload,
                "a client could not be connected: {error}"
            );
            if entry.protocol == Protocol::Resp {
                client.write_all(&resp::error(&format!("ERR the server cannot be reached now: {error}"))).await?;
            }
            farewell(&mut client).await;
            return Ok(None);
        }
    };
    let mut gone = route.gone.subscribe();
    let gone = Box::pin(async move {
        // Of a sender that is gone, too.
        let _ = gone.wait_for(|gone| *gone).await;
    });
    let client = match client {
        Client::Plain(stream) => (stream, None),
        Client::Tls(stream) => {
            let (stream, tls) = stream.into_inner();
            (stream, Some(Box::new(tls)))
        }
    };
    Pump::new(client, workload, entry.protocol, session, first, gone).map(Some)
}

enum Secured {
    Yes,
    No,
    /// Nobody may come in here.
    Nothing,
}

/// Whether a client speaks TLS.
async fn secured(core: &Core, door: Door, stream: &TcpStream, deadline: Instant) -> io::Result<Secured> {
    if door.shared.is_some() {
        return Ok(Secured::Yes);
    }
    let candidates = core.table.load().candidates(door.port, None);
    let Some(entry) = candidates.first().and_then(|route| route.entry(door.port)) else { return Ok(Secured::Nothing) };
    if !entry.tls {
        return Ok(Secured::No);
    }
    let mut first = [0];
    // Well before the deadline, if what is silent may still be something.
    let patience = if entry.plain { deadline - core.beginning / 2 } else { deadline };
    match timeout_at(patience, stream.peek(&mut first)).await {
        Ok(Ok(0)) => Ok(Secured::Nothing),
        Ok(Ok(_)) if first == [HANDSHAKE] => Ok(Secured::Yes),
        Ok(Ok(_)) => Ok(Secured::No),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(if entry.plain { Secured::No } else { Secured::Nothing }),
    }
}

type Chosen = (Arc<Published>, Vec<u8>, Option<Box<Session>>);

/// None for a client that is not let in, which has been told why.
async fn choose(
    client: &mut Client,
    core: &Core,
    door: Door,
    mut candidates: Vec<Arc<Published>>,
    visitor: Visitor,
) -> io::Result<Option<Chosen>> {
    let single = match candidates.as_slice() {
        [only] if only.restriction(visitor.port, visitor.address, visitor.tls).is_none() => candidates.pop(),
        _ => None,
    };
    let protocol = door.shared.or_else(|| {
        let route = single.as_ref().or(candidates.first())?;
        Some(route.entry(door.port)?.protocol)
    });
    match (protocol, single) {
        (Some(Protocol::Tcp) | None, None) => Ok(None),
        (Some(Protocol::Resp), None) => match converse(client, &candidates, visitor).await? {
            Decision::Admitted { route, mut first, rest, left: None } => {
                first.extend(rest);
                Ok(Some((route, first, None)))
            }
            Decision::Admitted { route, mut first, rest, left: Some(left) } => {
                let mut session = Box::new(Session::after(route.clone(), core.table.clone(), left));
                // The workload has something to answer, so nothing is answered here.
                let _ = session.take(&rest, &mut first);
                Ok(Some((route, first, Some(session))))
            }
            Decision::Refused => Ok(None),
        },
        (Some(Protocol::Resp), Some(route)) => {
            if let Client::Tls(stream) = client
                && stream.fill_buf().await?.is_empty()
            {
                return Ok(None);
            }
            let looked_at = !route.route.tokens.is_empty();
            let session = looked_at.then(|| Box::new(Session::new(route.clone(), core.table.clone())));
            Ok(Some((route, Vec::new(), session)))
        }
        (Some(Protocol::Tcp) | None, Some(route)) => Ok(Some((route, Vec::new(), None))),
    }
}

/// What was said arrives only if nothing is left unread when the connection closes.
async fn farewell(client: &mut Client) {
    let reading = async {
        client.shutdown().await?;
        tokio::io::copy(&mut client.take(MOST_IGNORED), &mut tokio::io::sink()).await
    };
    let _ = timeout(FAREWELL, reading).await;
}

/// Peers that vanish are found after some minutes.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    rustix::net::sockopt::set_socket_keepalive(stream, true)?;
    Ok(rustix::net::sockopt::set_tcp_keepidle(stream, Duration::from_secs(120))?)
}

/// A client's stream while its beginning lasts.
enum Client {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! either {
    ($client:ident, $stream:ident => $call:expr) => {
        match $client.get_mut() {
            Client::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Client::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
        }
    };
}

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(cx))
    }
}
