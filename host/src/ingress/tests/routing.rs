//! Who gets where: by name, by key, by where a client comes from and how it connects.

use std::fmt::Write;

use expect_test::{Expect, expect};
use rustls::version::{TLS12, TLS13};

use super::*;

const MAPPED: &str = "::ffff:127.0.0.1";

/// What each client is answered that asks for a name and says something.
async fn check(stage: &Stage, asked: &[(&str, &str)], expected: Expect) {
    let mut told = String::new();
    for (name, said) in asked {
        let got = stage.ask(name, said.as_bytes()).await;
        writeln!(told, "{name} {}", said.escape_debug()).unwrap();
        got.split_terminator("\r\n").for_each(|line| writeln!(told, "  {line}").unwrap());
    }
    expected.assert_eq(&told);
}

const SCRIPT: &str = "*2\r\n$4\r\nAUTH\r\n$6\r\nbeta-1\r\n*1\r\n$8\r\nFLUSHALL\r\n\n";

#[tokio::test]
async fn a_name_leads_to_its_route_and_a_key_where_the_name_says_nothing() {
    let stage = Stage::new().await;
    stage.cache("alpha", |_| ()).await;
    stage.cache("beta", |_| ()).await;
    let asked = [
        ("alpha.cache.test", "PING\r\n"),
        ("BETA.localhost", "PING\r\nAUTH alpha-1\r\n"),
        ("localhost", SCRIPT),
        ("other.cache.test", "AUTH alpha-2\r\n"),
        ("localhost", "AUTH default beta-2\r\nGET a\r\n"),
        ("localhost", "HELLO 3 AUTH default alpha-1 SETNAME x\r\nGET a\r\n"),
        ("localhost", "PING\r\nHELLO\r\nGET a\r\nAUTH wrong\r\n\r\nAUTH default wrong\r\nAUTH beta-1\r\nGET a\r\n"),
        ("localhost", "QUIT\r\nAUTH beta-1\r\n"),
        ("localhost", "*1\r\n:1\r\n"),
        ("localhost", ""),
    ];
    check(&stage, &asked, expect![[r#"
        alpha.cache.test PING\r\n
          +alpha: PING
        BETA.localhost PING\r\nAUTH alpha-1\r\n
          +beta: PING
          +beta: AUTH alpha-1
        localhost *2\r\n$4\r\nAUTH\r\n$6\r\nbeta-1\r\n*1\r\n$8\r\nFLUSHALL\r\n\n
          +beta: AUTH beta-1
          +beta: FLUSHALL
        other.cache.test AUTH alpha-2\r\n
          +alpha: AUTH alpha-2
        localhost AUTH default beta-2\r\nGET a\r\n
          +beta: AUTH default beta-2
          +beta: GET a
        localhost HELLO 3 AUTH default alpha-1 SETNAME x\r\nGET a\r\n
          +alpha: HELLO 3 AUTH default alpha-1 SETNAME x
          +alpha: GET a
        localhost PING\r\nHELLO\r\nGET a\r\nAUTH wrong\r\n\r\nAUTH default wrong\r\nAUTH beta-1\r\nGET a\r\n
          -NOAUTH Authentication required.
          -NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time
          -NOAUTH Authentication required.
          -WRONGPASS invalid username-password pair or user is disabled.
          -WRONGPASS invalid username-password pair or user is disabled.
          +beta: AUTH beta-1
          +beta: GET a
        localhost QUIT\r\nAUTH beta-1\r\n
          +OK
        localhost *1\r\n:1\r\n
          -ERR Protocol error: expected '$'
        localhost 
    "#]]).await;
}

#[tokio::test]
async fn pieces_make_no_difference() {
    let stage = Stage::new().await;
    stage.cache("alpha", |_| ()).await;
    stage.cache("beta", |_| ()).await;
    let mut client = stage.tls("localhost").await;
    for byte in SCRIPT.as_bytes() {
        client.write_all(&[*byte]).await.unwrap();
        client.flush().await.unwrap();
    }
    read(&mut client, "+beta: AUTH beta-1\r\n+beta: FLUSHALL\r\n").await;
}

#[tokio::test]
async fn with_one_route_there_is_nothing_to_choose_and_with_none_nothing_to_have() {
    let stage = Stage::new().await;
    check(
        &stage,
        &[("localhost", "PING\r\nAUTH alpha-1\r\n")],
        expect![[r#"
        localhost PING\r\nAUTH alpha-1\r\n
          -NOAUTH Authentication required.
          -WRONGPASS invalid username-password pair or user is disabled.
    "#]],
    )
    .await;
    stage.cache("alpha", |_| ()).await;
    check(
        &stage,
        &[("localhost", "PING\r\nAUTH wrong\r\n"), ("beta.cache.test", "PING\r\n")],
        expect![[r#"
        localhost PING\r\nAUTH wrong\r\n
          +alpha: PING
          +alpha: AUTH wrong
        beta.cache.test PING\r\n
          +alpha: PING
    "#]],
    )
    .await;
    stage.ingress.withdraw("alpha").await;
    check(
        &stage,
        &[("alpha.cache.test", "AUTH alpha-1\r\n")],
        expect![[r#"
        alpha.cache.test AUTH alpha-1\r\n
          -WRONGPASS invalid username-password pair or user is disabled.
    "#]],
    )
    .await;
}

/// Each name has a certificate of its own, which a client verifies that takes no wildcards of top-level names.
#[tokio::test]
async fn only_published_names_have_certificates() {
    let stage = Stage::new().await;
    stage.cache("alpha", |_| ()).await;
    let served = async |name: &str| {
        let client = stage.tls_to(stage.port, name, &TLS12).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(client.get_ref().1.peer_certificates().unwrap()[0].to_vec())
    };
    let own = served("alpha.localhost").await.unwrap();
    assert_eq!(served("ALPHA.localhost").await.unwrap(), own, "one for all");
    assert_ne!(served("localhost").await.unwrap(), own);
    assert_ne!(served("alpha.cache.test").await.unwrap(), own);
    let refused = served("beta.localhost").await.unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    stage.ingress.withdraw("alpha").await;
    served("alpha.localhost").await.unwrap_err();
    stage.cache("alpha", |_| ()).await;
    assert_ne!(served("alpha.localhost").await.unwrap(), own, "it was forgotten");
}

#[tokio::test]
async fn addresses_that_are_not_allowed_are_told_so() {
    let stage = Stage::new().await;
    stage.cache("alpha", |route| route.from = Some(vec![range("10.0.0.0", "10.0.0.9")])).await;
    stage.cache("beta", |_| ()).await;
    stage
        .cache("gamma", |route| {
            route.from = Some(vec![]);
            route.peers = vec![digest("among-us")];
        })
        .await;
    let asked = [
        ("alpha.cache.test", "PING\r\nGET a\r\n"),
        ("localhost", "AUTH alpha-1\r\n"),
        ("localhost", "AUTH beta-1\r\n"),
        ("gamma.cache.test", "PING\r\nAUTH gamma-1\r\n"),
        ("gamma.cache.test", "PING\r\nAUTH us among-us\r\n"),
        ("localhost", "AUTH us among-us\r\nGET a\r\n"),
        ("localhost", "AUTH among-us\r\n"),
        ("localhost", "AUTH default among-us\r\n"),
    ];
    check(&stage, &asked, expect![[r#"
        alpha.cache.test PING\r\nGET a\r\n
          -NOAUTH Authentication required.
          -ERR the address 127.0.0.1 of this client is not allowed by the firewall rules. Add a rule for it, or allow public network access
        localhost AUTH alpha-1\r\n
          -ERR the address 127.0.0.1 of this client is not allowed by the firewall rules. Add a rule for it, or allow public network access
        localhost AUTH beta-1\r\n
          +beta: AUTH beta-1
        gamma.cache.test PING\r\nAUTH gamma-1\r\n
          -NOAUTH Authentication required.
          -ERR the address 127.0.0.1 of this client is not allowed by the firewall rules. Add a rule for it, or allow public network access
        gamma.cache.test PING\r\nAUTH us among-us\r\n
          -NOAUTH Authentication required.
          +gamma: AUTH us among-us
        localhost AUTH us among-us\r\nGET a\r\n
          +gamma: AUTH us among-us
          +gamma: GET a
        localhost AUTH among-us\r\n
          -WRONGPASS invalid username-password pair or user is disabled.
        localhost AUTH default among-us\r\n
          -WRONGPASS invalid username-password pair or user is disabled.
    "#]]).await;
    for from in [range("127.0.0.1", "127.0.0.1"), range("0.0.0.0", "255.255.255.255")] {
        stage.publish("alpha", |route| route.from = Some(vec![range("::1", "::1"), from])).await.unwrap();
        assert_eq!(stage.ask("alpha.localhost", b"GET a\r\n").await, "+alpha: GET a\r\n");
    }
    assert_eq!(MAPPED.parse::<IpAddr>().unwrap().to_canonical(), Ipv4Addr::LOCALHOST);
}

#[tokio::test]
async fn tls_that_is_too_old_is_refused() {
    let stage = Stage::new().await;
    stage.cache("alpha", |route| route.oldest_tls = Some("1.3".to_owned())).await;
    stage.cache("beta", |_| ()).await;
    let ask = async |name: &str, version, said: &str| match stage.tls_to(stage.port, name, version).await {
        Ok(client) => exchange(client, said.as_bytes()).await,
        Err(error) => error.to_string(),
    };
    let refused = ask("alpha.localhost", &TLS12, "GET a\r\n").await;
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    let refused = ask("localhost", &TLS12, "AUTH alpha-1\r\n").await;
    assert!(refused.starts_with("-ERR this version of TLS"), "{refused}");
    assert_eq!(ask("localhost", &TLS12, "AUTH beta-1\r\n").await, "+beta: AUTH beta-1\r\n");
    assert_eq!(ask("alpha.localhost", &TLS13, "GET a\r\n").await, "+alpha: GET a\r\n");
}

#[tokio::test]
async fn a_port_of_its_own_takes_what_it_is_allowed() {
    let stage = Stage::new().await;
    let mut told = String::new();
    for (takes, peers) in [(Takes::Tls, false), (Takes::Tls, true), (Takes::Plain, false), (Takes::Both, false)] {
        let port = loop {
            let port = free_port().await;
            stage.place("alpha", &[server("alpha").await]);
            let published = stage.publish("alpha", |route| {
                route.entries = [(port, entry(Protocol::Resp, takes))].into();
                route.peers = if peers { vec![digest("among-us")] } else { Vec::new() };
            });
            if published.await.is_ok() {
                break port;
            }
        };
        writeln!(told, "{takes:?}, peers {peers}").unwrap();
        for said in ["PING\r\nGET a\r\n", "AUTH alpha-1\r\n", "PING\r\nAUTH us among-us\r\nGET a\r\n"] {
            let plain = exchange(stage.plain(port).await, said.as_bytes()).await;
            let tls = match takes {
                // A server would not understand it.
                Takes::Plain => String::new(),
                _ => exchange(stage.tls_to(port, "localhost", &TLS13).await.unwrap(), said.as_bytes()).await,
            };
            writeln!(
                told,
                "  {}\n    plain {}\n    tls   {}",
                said.escape_debug(),
                plain.escape_debug(),
                tls.escape_debug()
            )
            .unwrap();
        }
    }
    expect![[r#"
        Tls, peers false
          PING\r\nGET a\r\n
            plain -NOAUTH Authentication required.\r\n-ERR connections without TLS are not allowed on this port. Connect with TLS\r\n
            tls   +alpha: PING\r\n+alpha: GET a\r\n
          AUTH alpha-1\r\n
            plain -ERR connections without TLS are not allowed on this port. Connect with TLS\r\n
            tls   +alpha: AUTH alpha-1\r\n
          PING\r\nAUTH us among-us\r\nGET a\r\n
            plain -NOAUTH Authentication required.\r\n-ERR connections without TLS are not allowed on this port. Connect with TLS\r\n
            tls   +alpha: PING\r\n+alpha: AUTH us among-us\r\n+alpha: GET a\r\n
        Tls, peers true
          PING\r\nGET a\r\n
            plain -NOAUTH Authentication required.\r\n-ERR connections without TLS are not allowed on this port. Connect with TLS\r\n
            tls   +alpha: PING\r\n+alpha: GET a\r\n
          AUTH alpha-1\r\n
            plain -ERR connections without TLS are not allowed on this port. Connect with TLS\r\n
            tls   +alpha: AUTH alpha-1\r\n
          PING\r\nAUTH us among-us\r\nGET a\r\n
            plain -NOAUTH Authentication required.\r\n+alpha: AUTH us among-us\r\n+alpha: GET a\r\n
            tls   +alpha: PING\r\n+alpha: AUTH us among-us\r\n+alpha: GET a\r\n
        Plain, peers false
          PING\r\nGET a\r\n
            plain +alpha: PING\r\n+alpha: GET a\r\n
            tls   
          AUTH alpha-1\r\n
            plain +alpha: AUTH alpha-1\r\n
            tls   
          PING\r\nAUTH us among-us\r\nGET a\r\n
            plain +alpha: PING\r\n+alpha: AUTH us among-us\r\n+alpha: GET a\r\n
            tls   
        Both, peers false
          PING\r\nGET a\r\n
            plain +alpha: PING\r\n+alpha: GET a\r\n
            tls   +alpha: PING\r\n+alpha: GET a\r\n
          AUTH alpha-1\r\n
            plain +alpha: AUTH alpha-1\r\n
            tls   +alpha: AUTH alpha-1\r\n
          PING\r\nAUTH us among-us\r\nGET a\r\n
            plain +alpha: PING\r\n+alpha: AUTH us among-us\r\n+alpha: GET a\r\n
            tls   +alpha: PING\r\n+alpha: AUTH us among-us\r\n+alpha: GET a\r\n
    "#]].assert_eq(&told);
}

/// Whoever asks for nothing must not have a server speak first, so bytes are all there is.
#[tokio::test]
async fn bytes_of_another_protocol_are_routed_by_name_only() {
    let stage = Stage::with(Protocol::Tcp, BEGINNING).await;
    let tcp = |route: &mut Route| route.entries = [(stage.port, entry(Protocol::Tcp, Takes::Tls))].into();
    stage.cache("alpha", tcp).await;
    assert_eq!(stage.ask("localhost", b"hi\r\n").await, "+alpha: hi\r\n", "there is one");
    stage.cache("beta", tcp).await;
    assert_eq!(stage.ask("beta.localhost", b"hi\r\n").await, "+beta: hi\r\n");
    assert_eq!(stage.ask("localhost", b"AUTH beta-1\r\n").await, "");
}

#[tokio::test]
async fn a_client_that_says_nothing_or_too_much_is_cut_off() {
    // Long enough for a handshake and a login on a machine that is busy.
    let stage = Stage::with(Protocol::Resp, Duration::from_secs(5)).await;
    stage.cache("alpha", |_| ()).await;
    stage.cache("beta", |_| ()).await;
    // One that is in may be silent for as long as it likes, which is longer than others that begin after it.
    let mut client = stage.tls("localhost").await;
    client.write_all(b"AUTH beta-1\r\n").await.unwrap();
    read(&mut client, "+beta: AUTH beta-1\r\n").await;
    let nothing = async {
        let mut silent = stage.plain(stage.port).await;
        assert_eq!(silent.read(&mut [0; 10]).await.unwrap(), 0);
    };
    let too_little = async |name: &str, said: &str| {
        let mut client = stage.tls(name).await;
        client.write_all(said.as_bytes()).await.unwrap();
        let ended = client.read(&mut [0; 10]).await;
        assert!(matches!(&ended, Ok(0)) || ended.is_err(), "{name}: {ended:?}");
    };
    // Nothing at all; a handshake and then nothing; half a login; one route, and no word to it.
    tokio::join!(
        nothing,
        too_little("localhost", ""),
        too_little("localhost", "*2\r\n$4\r\nAUTH\r\n"),
        too_little("alpha.localhost", "")
    );
    client.write_all(b"GET a\r\n").await.unwrap();
    read(&mut client, "+beta: GET a\r\n").await;

    let stage = Stage::new().await;
    let answer = stage.ask("localhost", "PING\r\n".repeat(200).as_bytes()).await;
    let (last, before) = answer.trim_end().rsplit_once("\r\n").map(|(before, last)| (last, before)).unwrap();
    assert_eq!((last, before.lines().count()), ("-ERR too many commands before a login", 100));
    assert!(before.lines().all(|line| line == "-NOAUTH Authentication required."), "{before}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_so_and_found_when_it_is_back() {
    let stage = Stage::new().await;
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().await));
    stage.publish("alpha", |_| ()).await.unwrap();
    assert_eq!(stage.ask("localhost", b"PING\r\n").await, "-ERR the server cannot be reached now: it does not run\r\n");
    stage.place("alpha", &[nobody]);
    let answer = stage.ask("localhost", b"PING\r\n").await;
    assert!(answer.starts_with("-ERR the server cannot be reached now: 127.0.0.1:"), "{answer}");
    // The second address serves where the first does not, and is then known.
    stage.place("alpha", &[nobody, server("first").await]);
    assert_eq!(stage.ask("localhost", b"PING\r\n").await, "+first: PING\r\n");
    stage.place("alpha", &[server("second").await]);
    assert_eq!(stage.ask("localhost", b"PING\r\n").await, "+first: PING\r\n", "it is not asked for each time");
    stage.publish("alpha", |_| ()).await.unwrap();
    assert_eq!(stage.ask("localhost", b"PING\r\n").await, "+second: PING\r\n", "published again, looked for again");
}

#[tokio::test]
async fn a_route_that_cannot_be_is_refused_and_changes_nothing() {
    let stage = Stage::new().await;
    stage.cache("alpha", |_| ()).await;
    let port = stage.port;
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let taken = other.local_addr().unwrap().port();
    let mut told = String::new();
    let changes: [fn(&mut Route, u16, u16); 10] = [
        |route, _, _| route.hosts = vec!["not a name".to_owned()],
        |route, _, _| route.keys = vec!["password".to_owned()],
        |route, _, _| route.peers = vec!["é".repeat(32)],
        |route, _, _| route.oldest_tls = Some("1.1".to_owned()),
        |route, _, _| route.from = Some(vec![range("10.0.0.2", "10.0.0.1")]),
        |route, _, _| route.from = Some(vec![range("10.0.0.2", "::1")]),
        |route, port, _| route.entries = [(port, entry(Protocol::Tcp, Takes::Tls))].into(),
        |route, port, _| route.entries = [(port, entry(Protocol::Resp, Takes::Both))].into(),
        |route, _, taken| route.entries = [(taken, Entry { tls: false, ..entry(Protocol::Resp, Takes::Tls) })].into(),
        |route, _, taken| drop(route.entries.insert(taken, entry(Protocol::Resp, Takes::Plain))),
    ];
    for change in changes {
        let error = stage.publish("alpha", |route| change(route, port, taken)).await.unwrap_err();
        let text = error.to_string().replace(&port.to_string(), "6380").replace(&taken.to_string(), "6379");
        writeln!(told, "{text}").unwrap();
        assert_eq!(stage.ask("alpha.localhost", b"PING\r\n").await, "+alpha: PING\r\n");
    }
    expect![[r#"
        'not a name' in 'hosts' is no DNS name
        'keys' holds what is no SHA-256 in hexadecimal (64 digits)
        'peers' holds what is no SHA-256 in hexadecimal (64 digits)
        'oldestTls' is '1.1'. Supported: 1.2, 1.3
        the range 10.0.0.2-10.0.0.1 in 'from' has no address. Supported: two addresses of one family, the lower one first
        the range 10.0.0.2-::1 in 'from' has no address. Supported: two addresses of one family, the lower one first
        the entry on 6380, which is shared (services.web.tls-port), has to speak resp over TLS only
        the entry on 6380, which is shared (services.web.tls-port), has to speak resp over TLS only
        the entry on 6379 takes connections neither with TLS nor without
        port 6379 of 127.0.0.1 cannot be listened on: Address already in use (os error 98). Stop what listens there, or delete the resource
    "#]].assert_eq(&told);
}

#[tokio::test]
async fn a_name_and_a_port_are_those_of_one() {
    let stage = Stage::new().await;
    stage.cache("alpha", |_| ()).await;
    stage.cache("beta", |_| ()).await;
    let refused = stage.publish("beta", |route| route.hosts.push("ALPHA.localhost".to_owned())).await.unwrap_err();
    expect!["'alpha.localhost' in 'hosts' is a name of alpha. Use another name"].assert_eq(&refused.to_string());
    assert_eq!(stage.ask("alpha.localhost", b"PING\r\n").await, "+alpha: PING\r\n");
    assert_eq!(stage.ask("beta.localhost", b"PING\r\n").await, "+beta: PING\r\n");
    stage.ingress.withdraw("alpha").await;
    stage.publish("beta", |route| route.hosts.push("ALPHA.localhost".to_owned())).await.unwrap();

    let shared = ["web", "we", "other"].map(|service| stage.ingress.is_shared_by(service, stage.port));
    assert_eq!(shared, [true, false, false]);
}

#[tokio::test]
async fn a_shared_port_that_is_taken_is_had_when_it_is_free() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = other.local_addr().unwrap().port();
    let stage = Stage::new().await;
    let shared = vec![Shared { port, protocol: Protocol::Resp, setting: "services.web.tls-port".to_owned() }];
    let (certificates, here) = (stage.ingress.certificates.clone(), Ipv4Addr::LOCALHOST.into());
    let ingress = Ingress::new(here, shared, certificates, IDENTITY.clone(), stage.places.clone()).unwrap();
    ingress.listen().await;
    assert_eq!(ingress.listening().await, []);
    let second = Stage { ingress, places: stage.places.clone(), port, trusted: stage.trusted.clone() };
    let error = second.publish("alpha", |_| ()).await.unwrap_err().to_string().replace(&port.to_string(), "6380");
    expect!["port 6380 (services.web.tls-port) of 127.0.0.1 cannot be listened on: Address already in use (os error 98). Stop what listens there, or set another services.web.tls-port"].assert_eq(&error);
    drop(other);
    second.cache("alpha", |_| ()).await;
    assert_eq!(second.ask("localhost", b"PING\r\n").await, "+alpha: PING\r\n");
}
