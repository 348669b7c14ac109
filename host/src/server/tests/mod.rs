//! The server on real sockets, with a handler that is none: what clients send, and what they get.

mod any_bytes;
mod bounds;
mod protocols;
mod refusals;

use std::net::Ipv4Addr;
use std::time::SystemTime;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::identity::ca::{Certificates, Names, OldestTls};

/// For anything that a test waits for; what takes this long is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// What might be taken for a refusal of the protocol's own code.
const STREAMED_LAST: &str = "HTTP/1.1 404 Not Found\n";

/// Says what it was asked. `/held` is answered when the test says so, `/nothing` with a 204.
#[derive(Debug, Default)]
struct Stub {
    asked: Notify,
    release: Notify,
}

impl Handler for Stub {
    async fn answer(&self, request: Request) -> Reply {
        if request.path == "/held" {
            self.asked.notify_one();
            self.release.notified().await;
        }
        if request.path == "/nothing" {
            return Reply::empty(StatusCode::NO_CONTENT);
        }
        if request.path == "/stream" {
            let pieces = ["one\n", STREAMED_LAST].map(|piece| Bytes::from_static(piece.as_bytes()));
            return Reply::stream("text/event-stream", futures_util::stream::iter(pieces));
        }
        let (method, body) = (request.method.as_str(), request.body.len());
        Reply::json(
            StatusCode::OK,
            json!({ "method": method, "path": request.path, "base": request.base, "body": body }),
        )
    }
}

struct Running {
    address: SocketAddr,
    stub: Arc<Stub>,
    certificates: Certificates,
    close: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

fn certificates() -> Certificates {
    let names = Names::of(None, Ipv4Addr::LOCALHOST.into(), &[]);
    Certificates::open(None, names, SystemTime::now()).unwrap()
}

async fn start(limits: Limits) -> Running {
    let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into(), limits).await.unwrap();
    let (address, certificates, stub) = (server.address().unwrap(), certificates(), Arc::new(Stub::default()));
    let tls = certificates.server_config(&PROTOCOLS, OldestTls::V12).unwrap();
    let (close, closing) = watch::channel(false);
    let serving = tokio::spawn(server.serve(Some(tls), stub.clone(), closing));
    Running { address, stub, certificates, close, serving }
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it did not happen")
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes, and reads until the server closes.
    async fn exchange(&self, bytes: &[u8]) -> Vec<Answer> {
        Answer::all(&exchange(self.connect().await, bytes).await)
    }

    async fn still_answers(&self) {
        let answers = self.exchange(b"GET /after HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200]);
    }

    async fn end(self) {
        self.close.send_replace(true);
        in_time(self.serving).await.unwrap();
    }
}

/// A server that refuses may close before it has read everything, so sending may fail.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    to_end(stream).await
}

async fn to_end(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut read = Vec::new();
    in_time(stream.read_to_end(&mut read)).await.unwrap();
    read
}

/// An answer of HTTP/1.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn all(mut bytes: &[u8]) -> Vec<Answer> {
        let mut answers = Vec::new();
        while !bytes.is_empty() {
            let text = String::from_utf8_lossy(bytes);
            let (head, _) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("half a head: {text}"));
            assert!(head.starts_with("HTTP/1."), "{text}");
            bytes = &bytes[head.len() + 4..];
            let mut answer =
                Answer { status: head[9..12].parse().unwrap(), head: head.to_ascii_lowercase(), body: String::new() };
            if answer.status != 100 {
                let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
                assert!(bytes.len() >= length, "half an answer: {text}");
                answer.body = String::from_utf8_lossy(&bytes[..length]).into_owned();
                bytes = &bytes[length..];
                answer.check();
            }
            answers.push(answer);
        }
        answers
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or("none").to_owned()
    }

    /// Whatever the answer is, it has ARM's headers; and a refusal has its envelope.
    fn check(&self) {
        for name in ["x-ms-request-id", "x-ms-correlation-request-id", "x-ms-routing-request-id", "date"] {
            assert!(self.header(name).is_some(), "no {name} in {self:?}");
        }
        if self.status >= 400 {
            assert!(self.json()["error"]["message"].is_string(), "{self:?}");
            assert_eq!(self.header("x-ms-failure-cause"), Some("gateway"), "{self:?}");
            assert!(self.header("content-type").unwrap().starts_with("application/json"), "{self:?}");
        }
    }
}
