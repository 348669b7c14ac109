//! Clients that are slow, silent or greedy, and the end.

use tokio_rustls::TlsConnector;

use super::protocols::{client, localhost};
use super::*;

fn short() -> Duration {
    Duration::from_millis(200)
}

#[tokio::test]
async fn who_says_nothing_or_half_of_it_is_cut_off() {
    let server = start(Limits { head_arrival: Duration::from_secs(1), ..Limits::default() }).await;
    let plain = |bytes: &'static [u8]| async {
        let mut stream = server.connect().await;
        stream.write_all(bytes).await.unwrap();
        to_end(stream).await
    };
    let (nothing, letter, hello, head, preface, settings, idle) = tokio::join!(
        plain(b""),
        plain(b"P"),
        plain(b"\x16\x03\x01\x02"),
        plain(b"GET / HTTP/1.1\r\nHos"),
        plain(b"PRI * HTTP/2.0\r\n\r\n"),
        plain(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
        plain(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    );
    assert_eq!([nothing, letter, hello, head, preface], [const { Vec::<u8>::new() }; 5]);
    assert!(!settings.starts_with(b"HTTP"), "the preface is answered in HTTP/2, until the time is over");
    assert_eq!(Answer::all(&idle).len(), 1, "answered, and closed when nothing more came");

    // Whether its time is over before or after the handshake.
    let connector = TlsConnector::from(Arc::new(client(&server.certificates, None)));
    if let Ok(mut silent) = connector.connect(localhost(), server.connect().await).await {
        let mut read = Vec::new();
        let _ = in_time(silent.read_to_end(&mut read)).await;
        assert_eq!(read, b"");
    }
    server.still_answers().await;
    server.end().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_waited_for_and_no_longer() {
    let server = start(Limits { body_arrival: short(), ..Limits::default() }).await;
    for body in ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let answers = server.exchange(format!("PUT / HTTP/1.1\r\nHost: localhost\r\n{body}").as_bytes()).await;
        assert_eq!((answers[0].status, answers[0].code().as_str()), (408, "RequestTimeout"));
        assert_eq!((answers[0].header("connection"), answers.len()), (Some("close"), 1));
    }
    server.end().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_the_refusal_arrives() {
    let server = start(Limits { body_bytes: 1024, ..Limits::default() }).await;
    let large = "x".repeat(4 << 20);
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    for (body, statuses) in [
        (format!("Content-Length: 1024\r\nConnection: close\r\n\r\n{}", &large[..1024]), vec![200]),
        (format!("Content-Length: 1025\r\n\r\n{}", &large[..1025]), vec![413]),
        (format!("Content-Length: {}\r\n\r\n{large}", large.len()), vec![413]),
        (format!("Content-Length: {}\r\nExpect: 100-continue\r\n\r\n", large.len()), vec![413]),
        ("Content-Length: 99999999999999\r\n\r\n".to_owned(), vec![413]),
        (chunked, vec![413]),
    ] {
        let answers = server.exchange(format!("PUT / HTTP/1.1\r\nHost: localhost\r\n{body}").as_bytes()).await;
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), statuses, "{}", &body[..40]);
        if statuses == [413] {
            assert_eq!(answers[0].code(), "RequestEntityTooLarge");
        }
    }
    server.still_answers().await;
    server.end().await;
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let server = start(Limits { answer: short(), ..Limits::default() }).await;
    let answers = server.exchange(b"GET /held HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert_eq!((answers[0].status, answers[0].code().as_str()), (504, "GatewayTimeout"));
    server.end().await;
}

#[tokio::test]
async fn the_end_waits_for_answers_that_are_due_and_for_nobody_else() {
    let server = start(Limits { grace: 2 * PATIENCE, head_arrival: 2 * PATIENCE, ..Limits::default() }).await;
    let mut others = Vec::new();
    for said in [&b""[..], b"P", b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(said).await.unwrap();
        others.push(stream);
    }
    // The last one is answered, and its connection kept: then all of them have been accepted.
    let mut first = [0];
    in_time(others[3].read_exact(&mut first)).await.unwrap();
    let mut held = server.connect().await;
    held.write_all(b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    in_time(server.stub.asked.notified()).await;

    server.close.send_replace(true);
    for mut stream in others {
        let mut rest = Vec::new();
        in_time(stream.read_to_end(&mut rest)).await.unwrap();
    }
    assert!(!server.serving.is_finished(), "one answer is due");
    server.stub.release.notify_one();
    let answers = Answer::all(&to_end(held).await);
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200]);
    in_time(server.serving).await.unwrap();
}
