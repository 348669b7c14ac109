//! Bytes once a client is in: all of them, in order, both ways, as fast as the slower side takes them, to either's end.

use tokio::sync::oneshot;

use super::*;

/// A server for one client, which does what it is told.
async fn one<F: Future<Output = ()> + Send + 'static>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    address
}

/// The shared port, and one without TLS.
async fn both_ways(stage: &Stage) -> u16 {
    loop {
        let plain = free_port().await;
        let published = stage.publish("alpha", |route| {
            route.entries.insert(plain, entry(Protocol::Resp, Takes::Plain));
        });
        if published.await.is_ok() {
            return plain;
        }
    }
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_bytes_arrive_as_they_are() {
    const LENGTH: usize = 20_000_000;
    let stage = Stage::new().await;
    let plain = both_ways(&stage).await;
    for tls in [true, false] {
        let address = one(async |stream| {
            let (mut read, mut write) = stream.into_split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
            write.shutdown().await.unwrap();
        });
        stage.place("alpha", &[address.await]);
        both_ways_forget(&stage).await;
        let expected = noise(LENGTH);
        let said = expected.clone();
        let talk = async |client: Box<dyn Stream>| {
            let (mut read, mut write) = tokio::io::split(client);
            let writing = async {
                write.write_all(&said).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let mut got = Vec::new();
            let reading = async { read.read_to_end(&mut got).await.unwrap() };
            tokio::join!(writing, reading);
            got
        };
        let client = stage.client(tls.then_some("localhost"), plain).await;
        assert!(talk(client).await == expected, "tls: {tls}");
    }
}

async fn both_ways_forget(stage: &Stage) {
    stage.ingress.core.table.load().owner("alpha").unwrap().backends.forget();
}

impl Stage {
    /// Over TLS to the shared port if it asks for a name, else without to its own.
    async fn client(&self, name: Option<&str>, plain: u16) -> Box<dyn Stream> {
        match name {
            Some(name) => Box::new(self.tls(name).await),
            None => Box::new(self.plain(plain).await),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Nothing is read for a side that takes nothing: what is written stops when the buffers of the system are full.
#[tokio::test]
async fn a_side_that_does_not_read_stops_the_other() {
    const MOST: usize = 64_000_000;
    let stage = Stage::new().await;
    let (go, wait) = oneshot::channel::<()>();
    let (tell, told) = oneshot::channel();
    stage.place(
        "alpha",
        &[one(async move |mut stream| {
            wait.await.unwrap();
            let mut count = 0;
            let mut buffer = vec![0; 100_000];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                count += read;
            }
            tell.send(count).unwrap();
        })
        .await],
    );
    stage.publish("alpha", |_| ()).await.unwrap();
    let mut client = stage.tls("localhost").await;
    let chunk = noise(16_000);
    let mut written = 0;
    // Longer than any buffer takes to be passed on.
    while let Ok(result) = tokio::time::timeout(Duration::from_secs(1), client.write(&chunk)).await {
        written += result.unwrap();
        assert!(written < MOST, "somebody keeps all of it");
    }
    go.send(()).unwrap();
    client.write_all(b"the rest").await.unwrap();
    client.shutdown().await.unwrap();
    let got = told.await.unwrap();
    assert!((written + 8..=written + 8 + chunk.len()).contains(&got), "{got} of {written}");
}

#[tokio::test]
async fn each_side_may_end_its_half_first() {
    let stage = Stage::new().await;
    let plain = both_ways(&stage).await;
    for tls in [true, false] {
        let client = async || -> Box<dyn Stream> {
            both_ways_forget(&stage).await;
            stage.client(tls.then_some("localhost"), plain).await
        };
        // The client's half ends, and the answer still comes.
        stage.place(
            "alpha",
            &[one(async |mut stream| {
                let mut got = Vec::new();
                stream.read_to_end(&mut got).await.unwrap();
                stream.write_all(&got).await.unwrap();
            })
            .await],
        );
        assert_eq!(exchange(client().await, b"hello").await, "hello");
        // The server's half ends, which is an end that the client sees.
        stage.place(
            "alpha",
            &[one(async |mut stream| {
                read(&mut stream, "bye").await;
                stream.write_all(b"+OK").await.unwrap();
            })
            .await],
        );
        let mut client = client().await;
        client.write_all(b"bye").await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(rest(client).await, "+OK");
    }
}

/// The end of the server is told while the client may still have something to say to a protocol that is not known.
#[tokio::test]
async fn a_server_of_bytes_may_end_first_and_go_on_reading() {
    let stage = Stage::with(Protocol::Tcp, BEGINNING).await;
    let (tell, told) = oneshot::channel();
    stage.place(
        "alpha",
        &[one(async move |mut stream| {
            stream.write_all(b"first").await.unwrap();
            stream.shutdown().await.unwrap();
            tell.send(rest(stream).await).unwrap();
        })
        .await],
    );
    let tcp = |route: &mut Route| route.entries = [(stage.port, entry(Protocol::Tcp, Takes::Tls))].into();
    stage.publish("alpha", tcp).await.unwrap();
    let (mut read, mut write) = tokio::io::split(stage.tls("alpha.localhost").await);
    let mut got = String::new();
    read.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "first");
    write.write_all(b"second").await.unwrap();
    write.shutdown().await.unwrap();
    assert_eq!(told.await.unwrap(), "second");
}

#[tokio::test]
async fn a_route_that_is_replaced_leaves_its_connections_and_one_that_is_withdrawn_ends_them() {
    let stage = Stage::new().await;
    stage.cache("alpha", |_| ()).await;
    stage.cache("beta", |_| ()).await;
    let plain = both_ways(&stage).await;
    let mut clients: Vec<Box<dyn Stream>> = Vec::new();
    for name in ["alpha.localhost", "beta.localhost"] {
        clients.push(Box::new(stage.tls(name).await));
    }
    clients.push(Box::new(stage.plain(plain).await));
    let names = ["alpha", "beta", "alpha"];
    let ask = async |clients: &mut Vec<Box<dyn Stream>>| {
        for (client, name) in clients.iter_mut().zip(names) {
            client.write_all(b"PING\r\n").await.unwrap();
            read(client, &format!("+{name}: PING\r\n")).await;
        }
    };
    ask(&mut clients).await;
    stage.publish("alpha", |route| route.from = Some(Vec::new())).await.unwrap();
    ask(&mut clients).await;
    TcpStream::connect((Ipv4Addr::LOCALHOST, plain)).await.unwrap_err();

    stage.ingress.withdraw("alpha").await;
    let last = clients.pop().unwrap();
    assert_eq!(rest(last).await, "");
    assert_eq!(rest(clients.remove(0)).await, "");
    clients[0].write_all(b"PING\r\n").await.unwrap();
    read(&mut clients[0], "+beta: PING\r\n").await;

    // The end of all: nobody listens, and what is open ends.
    stage.ingress.end().await;
    assert_eq!(rest(clients.remove(0)).await, "");
    TcpStream::connect((Ipv4Addr::LOCALHOST, stage.port)).await.unwrap_err();
}
