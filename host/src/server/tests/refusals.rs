//! What is no request, or one that is not taken: each is told so in ARM's envelope, and harms nobody else.

use std::io::Write;
use std::sync::Mutex;

use expect_test::expect;

use super::*;

#[tokio::test]
async fn what_is_no_request_is_refused_in_the_envelope() {
    let server = start(Limits { head_arrival: Duration::from_millis(500), ..Limits::default() }).await;
    let get = |more: &str| format!("GET / HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").into_bytes();
    let many = |count: usize| (0..count).map(|number| format!("x-{number}: 1\r\n")).collect::<String>();
    let put = |more: &str| format!("PUT / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}").into_bytes();
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("garbage", b"\x00\x01\x02\xff\xfe garbage\r\n\r\n".to_vec()),
        ("text", b"hello, is anybody there?\r\n\r\n".to_vec()),
        ("only line ends", b"\r\n\r\n\r\n".to_vec()),
        ("a huge header", get(&format!("x-huge: {}\r\n", "h".repeat(1 << 20)))),
        ("a huge target", format!("GET /{} HTTP/1.1\r\n\r\n", "t".repeat(1 << 20)).into_bytes()),
        ("a long target", format!("GET /{} HTTP/1.1\r\n\r\n", "t".repeat(65_000)).into_bytes()),
        ("101 headers", get(&many(101))),
        ("a header without a name", get(": value\r\n")),
        ("a header with a space in its name", get("na me: value\r\n")),
        ("a line end in a header", get("name: a\rb\r\n")),
        ("a content-length that is no number", put("Content-Length: many\r\n\r\n")),
        ("a negative content-length", put("Content-Length: -1\r\n\r\n")),
        ("two content-lengths", put("Content-Length: 1\r\nContent-Length: 2\r\n\r\nab")),
        (
            "a content-length and a transfer-encoding",
            put("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("a transfer-encoding that is unknown", put("Transfer-Encoding: gzip\r\n\r\n")),
        ("a chunk that is none", put("Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n")),
        ("a chunk without an end", put("Transfer-Encoding: chunked\r\n\r\n5\r\nhelloworld\r\n")),
        ("an address that is none", b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("a host that is none", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_vec()),
        ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec()),
        ("a method in lower case", b"get / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec()),
        ("HTTP/0.9", b"GET /\r\n\r\n".to_vec()),
        ("HTTP/3.0", b"GET / HTTP/3.0\r\n\r\n".to_vec()),
        ("CONNECT", b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("HTTP/1.0 without a host", b"GET / HTTP/1.0\r\n\r\n".to_vec()),
        ("HTTP/1.1 without a host", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec()),
        ("half of a preface", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()),
        ("a good one, then garbage", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x01garbage\r\n\r\n".to_vec()),
    ];
    let mut told = Vec::new();
    for (name, bytes) in table {
        let answers = server.exchange(&bytes).await;
        let answers = answers.iter().map(|answer| match answer.status {
            200 => "200".to_owned(),
            status => format!("{status} {}", answer.code()),
        });
        told.push(format!("{name}: {}", answers.collect::<Vec<_>>().join(", ")));
    }
    expect![[r#"
        garbage: 400 BadRequest
        text: 400 BadRequest
        only line ends: 
        a huge header: 431 RequestHeaderFieldsTooLarge
        a huge target: 431 RequestHeaderFieldsTooLarge
        a long target: 200
        101 headers: 431 RequestHeaderFieldsTooLarge
        a header without a name: 400 BadRequest
        a header with a space in its name: 400 BadRequest
        a line end in a header: 400 BadRequest
        a content-length that is no number: 400 BadRequest
        a negative content-length: 400 BadRequest
        two content-lengths: 400 BadRequest
        a content-length and a transfer-encoding: 200
        a transfer-encoding that is unknown: 400 BadRequest
        a chunk that is none: 400 InvalidRequestContent
        a chunk without an end: 400 InvalidRequestContent
        an address that is none: 400 BadRequest
        a host that is none: 400 InvalidHostHeader
        two hosts: 400 InvalidHostHeader
        a method in lower case: 200
        HTTP/0.9: 400 BadRequest
        HTTP/3.0: 400 BadRequest
        CONNECT: 405 HttpMethodNotAllowed
        OPTIONS *: 400 InvalidRequestUri
        HTTP/1.0 without a host: 200
        HTTP/1.1 without a host: 200
        half of a preface: 400 BadRequest
        a good one, then garbage: 200, 400 BadRequest"#]]
    .assert_eq(&told.join("\n"));
    server.still_answers().await;
    server.end().await;
}

#[tokio::test]
async fn who_sends_neither_host_nor_authority_is_told_the_sockets_own_address() {
    let server = start(Limits::default()).await;
    let answers = server.exchange(b"GET /x HTTP/1.0\r\n\r\n").await;
    assert_eq!(answers[0].json()["base"], format!("http://{}", server.address));
    server.end().await;
}

/// The answers before it are not taken for a part of it.
#[tokio::test]
async fn a_refusal_comes_after_the_answers_that_are_due() {
    let server = start(Limits::default()).await;
    let good = "HEAD /a HTTP/1.1\r\nHost: localhost\r\n\r\nGET /b HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let read = exchange(server.connect().await, format!("{good}nonsense\r\n\r\n").as_bytes()).await;
    let read = String::from_utf8(read).unwrap();
    let statuses: Vec<u16> = read.split("HTTP/1.1 ").filter_map(|answer| answer.get(..3)?.parse().ok()).collect();
    assert_eq!(statuses, [200, 200, 400], "{read}");
    assert!(read.contains("\"/b\"") && read.ends_with("\"}}"), "{read}");
    server.end().await;
}

/// A log that a test reads.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_refusal_on_the_way_in_is_logged_with_the_ids_of_its_request() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false);
    let _logging = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
    let server = start(Limits::default()).await;
    let bytes = b"GET / HTTP/1.1\r\nHost: a b\r\nx-ms-correlation-request-id: my-request\r\n\r\n";
    assert_eq!(server.exchange(bytes).await[0].status, 400);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = text.lines().find(|line| line.contains("InvalidHostHeader")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("request{id=my-request request_id="), "{line}");
    server.end().await;
}

/// What a client has a say in can look like a refusal of hyper's; it is none.
#[tokio::test]
async fn an_answer_that_repeats_a_status_line_is_left_alone() {
    let server = start(Limits::default()).await;
    for echoed in ["HTTP/1.1-400", "HTTP/1.1~400~Bad", "}HTTP/1.1"] {
        let head = format!(
            "HEAD /a HTTP/1.1\r\nHost: localhost\r\nx-ms-return-client-request-id: true\r\nx-ms-client-request-id: {echoed}\r\nx-ms-correlation-request-id: {echoed}\r\n\r\nGET /b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        let read = exchange(server.connect().await, head.as_bytes()).await;
        let read = String::from_utf8(read).unwrap();
        let statuses: Vec<&str> = read.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)).collect();
        assert_eq!(statuses, ["200", "200"], "{read}");
        assert!(read.contains(&format!("x-ms-client-request-id: {echoed}\r\n")), "{read}");
    }
    server.end().await;
}
