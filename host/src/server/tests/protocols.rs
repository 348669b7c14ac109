//! One port: plain and TLS, HTTP/1.1 and HTTP/2; and the headers of every answer.

use bytes::Bytes;
use expect_test::expect;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Method, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_rustls::TlsConnector;

use super::*;

pub(super) fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

pub(super) fn client(
    certificates: &Certificates,
    how: Option<(&'static SupportedProtocolVersion, &str)>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificates.trusted_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (version, protocol) = how.unwrap_or((&TLS13, "http/1.1"));
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    config
}

fn request(method: Method, target: &str, headers: &[(&str, &str)]) -> hyper::Request<Full<Bytes>> {
    let builder =
        headers.iter().fold(hyper::Request::builder(), |builder, (name, value)| builder.header(*name, *value));
    builder.method(method).uri(target).body(Full::default()).unwrap()
}

async fn over_http1(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: hyper::Request<Full<Bytes>>,
) -> Response<Incoming> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    in_time(sender.send_request(request)).await.unwrap()
}

async fn over_http2(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: hyper::Request<Full<Bytes>>,
) -> Response<Incoming> {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    in_time(sender.send_request(request)).await.unwrap()
}

async fn json(response: Response<Incoming>) -> Value {
    serde_json::from_slice(&in_time(response.into_body().collect()).await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn one_port_speaks_all_four_and_gives_urls_of_the_same_scheme() {
    let server = start(Limits::default()).await;
    for version in [&TLS12, &TLS13] {
        let connect = async |protocol| {
            let connector = TlsConnector::from(Arc::new(client(&server.certificates, Some((version, protocol)))));
            let stream = connector.connect(localhost(), server.connect().await).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
            stream
        };
        let first = request(Method::GET, "/x", &[("host", "localhost:1")]);
        let answer = json(over_http1(connect("http/1.1").await, first).await).await;
        assert_eq!(answer["base"], "https://localhost:1");
        let second = request(Method::GET, "https://localhost:2/x", &[]);
        let answer = json(over_http2(connect("h2").await, second).await).await;
        assert_eq!(answer["base"], "https://localhost:2");
    }
    let plain = request(Method::GET, "/x", &[("host", "localhost:3")]);
    assert_eq!(json(over_http1(server.connect().await, plain).await).await["base"], "http://localhost:3");
    let plain = request(Method::GET, "http://localhost:4/x", &[]);
    assert_eq!(json(over_http2(server.connect().await, plain).await).await["base"], "http://localhost:4");
    server.end().await;
}

/// RFC 9110, 8.6.
#[tokio::test]
async fn an_answer_that_can_have_no_content_has_no_length() {
    let server = start(Limits::default()).await;
    for method in [Method::HEAD, Method::GET, Method::DELETE] {
        let first = request(method.clone(), "/nothing", &[("host", "localhost")]);
        let first = over_http1(server.connect().await, first).await;
        let second = request(method.clone(), "http://localhost/nothing", &[]);
        let second = over_http2(server.connect().await, second).await;
        for response in [first, second] {
            assert_eq!(response.status(), 204);
            assert_eq!(response.headers().get("content-length"), None, "{method} {:?}", response.version());
        }
    }
    server.end().await;
}

#[tokio::test]
async fn a_head_request_is_answered_without_a_body_in_both_versions() {
    let server = start(Limits::default()).await;
    let first = over_http1(server.connect().await, request(Method::HEAD, "/x", &[("host", "localhost")])).await;
    let second = over_http2(server.connect().await, request(Method::HEAD, "http://localhost/x", &[])).await;
    for response in [first, second] {
        assert_eq!(response.status(), 200);
        assert_ne!(response.headers()["content-length"], "0");
        assert!(in_time(response.into_body().collect()).await.unwrap().to_bytes().is_empty());
    }
    server.end().await;
}

#[tokio::test]
async fn http2_has_the_same_bounds() {
    let server = start(Limits { body_bytes: 1024, answer: Duration::from_millis(200), ..Limits::default() }).await;
    let mut large = request(Method::PUT, "http://localhost/x", &[]);
    *large.body_mut() = Full::from("x".repeat(4 << 20));
    for (request, status, code) in [
        (large, 413, "RequestEntityTooLarge"),
        (request(Method::GET, "http://user@localhost/x", &[]), 400, "InvalidHostHeader"),
        (request(Method::GET, "http://localhost/held", &[]), 504, "GatewayTimeout"),
    ] {
        let response = over_http2(server.connect().await, request).await;
        assert_eq!(response.status(), status);
        assert_eq!(json(response).await["error"]["code"], code);
    }
    let huge = request(Method::GET, "http://localhost/x", &[("x-huge", &"h".repeat(70_000))]);
    assert_eq!(over_http2(server.connect().await, huge).await.status(), 431);
    server.end().await;
}

#[tokio::test]
async fn without_a_certificate_the_port_speaks_plain_http_only() {
    let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into(), Limits::default()).await.unwrap();
    let address = server.address().unwrap();
    let (close, closing) = watch::channel(false);
    let serving = tokio::spawn(server.serve(None, Arc::new(Stub::default()), closing));
    let plain = request(Method::GET, "/x", &[("host", "localhost")]);
    let connect = async || TcpStream::connect(address).await.unwrap();
    assert_eq!(over_http1(connect().await, plain).await.status(), 200);
    let connector = TlsConnector::from(Arc::new(client(&certificates(), None)));
    in_time(connector.connect(localhost(), connect().await)).await.unwrap_err();
    close.send_replace(true);
    in_time(serving).await.unwrap();
}

#[tokio::test]
async fn the_certificate_that_is_served_can_change_while_it_is_served() {
    let server = start(Limits::default()).await;
    let far = SystemTime::now() + Duration::from_secs(380 * 24 * 60 * 60);
    let taken = async || {
        let connector = TlsConnector::from(Arc::new(client(&server.certificates, None)));
        connector.connect(localhost(), server.connect().await).await.is_ok()
    };
    assert!(taken().await);
    server.certificates.renew(far).unwrap();
    assert!(!taken().await, "the new one is served, whose time has not come");
    server.end().await;
}

/// The headers that are the same for every answer, or say what was asked.
#[tokio::test]
async fn every_answer_carries_the_headers_of_arm() {
    let server = start(Limits::default()).await;
    let long = "i".repeat(129);
    let mut told = Vec::new();
    for (method, target, sent) in [
        (Method::GET, "/health", &[][..]),
        (Method::GET, "/subscriptions/s/resourcegroups", &[("x-ms-correlation-request-id", "mine")]),
        (Method::PUT, "/Subscriptions/s/resourcegroups/g", &[("x-ms-client-request-id", "c")]),
        (
            Method::POST,
            "/subscriptions/s/x",
            &[("x-ms-client-request-id", "c"), ("x-ms-return-client-request-id", "True")],
        ),
        (Method::DELETE, "/subscriptions/s/x", &[("x-ms-correlation-request-id", &long)]),
        (Method::PATCH, "/subscriptions/s/x", &[("x-ms-correlation-request-id", "not one")]),
        (Method::GET, "/x", &[("x-ms-client-request-id", &long), ("x-ms-return-client-request-id", "true")]),
        (Method::CONNECT, "localhost:1", &[]),
    ] {
        let sent = [sent, &[("host", "localhost")]].concat();
        let response = over_http1(server.connect().await, request(method.clone(), target, &sent)).await;
        let id = response.headers()["x-ms-request-id"].to_str().unwrap().to_owned();
        let mut lines: Vec<String> = Vec::new();
        for (name, value) in response.headers() {
            let value = value.to_str().unwrap().replace(&id, "ID");
            match name.as_str() {
                "date" | "content-length" => {}
                "x-ms-routing-request-id" => {
                    let (time, rest) = value.strip_prefix("LOCAL:").unwrap().split_once(':').unwrap();
                    jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).unwrap();
                    lines.push(format!("{name}: LOCAL:TIME:{rest}"));
                }
                name => lines.push(format!("{name}: {value}")),
            }
        }
        lines.sort();
        let usual: Vec<String> = match told.is_empty() {
            true => Vec::new(),
            false => [
                "cache-control",
                "content-type",
                "expires",
                "pragma",
                "x-content-type-options",
                "x-ms-request-id",
                "x-ms-routing-request-id",
            ]
            .map(str::to_owned)
            .into(),
        };
        lines.retain(|line| !usual.iter().any(|name| line.starts_with(name.as_str())));
        told.push(format!("{method} {target}\n  {}", lines.join("\n  ")));
    }
    expect![[r#"
        GET /health
          cache-control: no-cache
          content-type: application/json; charset=utf-8
          expires: -1
          pragma: no-cache
          x-content-type-options: nosniff
          x-ms-correlation-request-id: ID
          x-ms-request-id: ID
          x-ms-routing-request-id: LOCAL:TIME:ID
        GET /subscriptions/s/resourcegroups
          x-ms-correlation-request-id: mine
          x-ms-ratelimit-remaining-subscription-reads: 11999
        PUT /Subscriptions/s/resourcegroups/g
          x-ms-correlation-request-id: ID
          x-ms-ratelimit-remaining-subscription-writes: 1199
        POST /subscriptions/s/x
          x-ms-client-request-id: c
          x-ms-correlation-request-id: ID
          x-ms-ratelimit-remaining-subscription-writes: 1199
        DELETE /subscriptions/s/x
          x-ms-correlation-request-id: ID
          x-ms-ratelimit-remaining-subscription-deletes: 14999
        PATCH /subscriptions/s/x
          x-ms-correlation-request-id: ID
          x-ms-ratelimit-remaining-subscription-writes: 1199
        GET /x
          x-ms-correlation-request-id: ID
        CONNECT localhost:1
          allow: GET, HEAD, PUT, PATCH, POST, DELETE
          connection: close
          x-ms-correlation-request-id: ID
          x-ms-failure-cause: gateway"#]]
    .assert_eq(&told.join("\n"));
    server.end().await;
}

#[tokio::test]
async fn what_comes_bit_by_bit_is_sent_as_it_comes() {
    let running = start(Limits::default()).await;
    let ask = async |method: &str, version: &str| {
        let text = format!("{method} /stream HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8(exchange(running.connect().await, text.as_bytes()).await).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: text/event-stream"), "{answer}");
        assert!(!head.contains("content-length"), "{answer}");
        (head.contains("transfer-encoding: chunked"), body.to_owned())
    };
    let chunked = format!("4\r\none\n\r\n{:X}\r\n{STREAMED_LAST}\r\n0\r\n\r\n", STREAMED_LAST.len());
    assert_eq!(ask("GET", "1.1").await, (true, chunked));
    // Whoever knows no chunks reads to the end of the connection.
    assert_eq!(ask("GET", "1.0").await, (false, format!("one\n{STREAMED_LAST}")));
    assert_eq!(ask("HEAD", "1.0").await, (false, String::new()));
    running.end().await;
}
