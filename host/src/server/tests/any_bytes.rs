//! Any bytes at all, on a real socket: nothing panics, every refusal has its envelope, and the next client is answered.

use hyper_util::server::graceful::GracefulShutdown;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokio::net::TcpListener;

use super::super::connection::Speaker;
use super::*;

/// Requests that are taken as they stand.
const GOOD: [&[u8]; 6] = [
    b"GET /subscriptions/s/resourceGroups?api-version=2024-11-01 HTTP/1.1\r\nHost: localhost:4577\r\nAccept: */*\r\n\r\n",
    b"PUT /a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"location\":\"x\"}\n",
    b"POST /b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"DELETE /c HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    b"GET http://localhost/d HTTP/1.0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x05\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x00",
];

#[derive(Debug, Clone)]
enum Harm {
    Put(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Remove(Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    let telling = select(vec![
        b"\r\n".to_vec(),
        b"\r\n\r\n".to_vec(),
        b" ".to_vec(),
        b"\0".to_vec(),
        b": ".to_vec(),
        b"HTTP/1.1 400".to_vec(),
    ]);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Harm::Put(at, byte)),
        any::<Index>().prop_map(Harm::Cut),
        (any::<Index>(), prop_oneof![telling, vec(any::<u8>(), 1..9)]).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        any::<Index>().prop_map(Harm::Remove),
    ]
}

fn harmed(mut bytes: Vec<u8>, harms: &[Harm]) -> Vec<u8> {
    for harm in harms.iter().take_while(|_| !bytes.is_empty()).collect::<Vec<_>>() {
        if bytes.is_empty() {
            break;
        }
        match harm {
            Harm::Put(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Harm::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Harm::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Harm::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
        }
    }
    bytes
}

fn said() -> impl Strategy<Value = Vec<u8>> {
    let good = vec((select(&GOOD[..]), vec(harm(), 0..4)), 1..4);
    let mutated =
        good.prop_map(|parts| parts.into_iter().flat_map(|(good, harms)| harmed(good.to_vec(), &harms)).collect());
    prop_oneof![1 => vec(any::<u8>(), 0..200), 4 => mutated]
}

/// What one client gets that says all of it, in pieces, and then nothing more. Panics if the server did.
async fn converse(listener: &TcpListener, speaker: &Arc<Speaker<Stub>>, bytes: &[u8], cuts: &[Index]) -> Vec<u8> {
    let graceful = GracefulShutdown::new();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.set_nodelay(true).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let speaking = tokio::spawn(speaker.clone().speak(stream, graceful.watcher()));
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
    cuts.sort_unstable();
    let (mut reader, mut writer) = client.split();
    let sending = async {
        for piece in cuts.windows(2) {
            if writer.write_all(&bytes[piece[0]..piece[1]]).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = writer.shutdown().await;
    };
    let mut read = Vec::new();
    // A client that was cut off in the middle of its sending may find the connection reset.
    let (_, _) = tokio::join!(sending, async { in_time(reader.read_to_end(&mut read)).await });
    in_time(speaking).await.expect("the server panicked");
    read
}

proptest! {
    #[test]
    fn no_bytes_break_the_server(bytes in said(), cuts in vec(any::<Index>(), 0..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let (_close, closing) = watch::channel(false);
            // Short, because much of this is half a request; long enough for the good one.
            let wait = Duration::from_secs(1);
            let limits = Limits { head_arrival: wait, body_arrival: wait, linger: wait, ..Limits::default() };
            let speaker = Arc::new(Speaker::new(limits, None, Arc::new(Stub::default()), closing));
            let read = converse(&listener, &speaker, &bytes, &cuts).await;
            if read.starts_with(b"HTTP/1.") {
                Answer::all(&read);
            }
            let good = b"GET /after HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            let after = Answer::all(&converse(&listener, &speaker, good, &[]).await);
            assert_eq!(after.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200]);
        });
    }
}
