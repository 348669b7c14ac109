//! Logins with tokens in the place of passwords.

use expect_test::expect;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write;

use super::*;

const USER: &str = "11111111-2222-3333-4444-555555555555";
const TENANT: &str = "00000000-0000-0000-0000-000000000002";

type Change = Box<dyn FnOnce(&mut Value)>;

async fn token(change: impl FnOnce(&mut Value)) -> String {
    let now = Timestamp::now().as_second();
    let mut claims = json!({
        "aud": "https://redis.azure.com",
        "iss": format!("https://gateway.test:4577/{TENANT}/v2.0"),
        "tid": TENANT,
        "oid": USER,
        "nbf": now,
        "exp": now + 3600,
    });
    change(&mut claims);
    IDENTITY.logins().await.unwrap().signed(&claims)
}

fn with_user(route: &mut Route) {
    route.tokens = vec![TokenUser { user: USER.to_owned(), password: "secret".to_owned() }];
}

fn login(token: &str) -> String {
    format!("*3\r\n$4\r\nAUTH\r\n${}\r\n{USER}\r\n${}\r\n{token}\r\n", USER.len(), token.len())
}

#[tokio::test]
async fn a_token_is_taken_for_a_password_whatever_chose_the_route() {
    let stage = Stage::new().await;
    stage.cache("alpha", with_user).await;
    let token = token(|_| ()).await;
    let said = format!("{}GET a\r\n", login(&token));
    let expected = format!("+alpha: AUTH {USER} secret\r\n+alpha: GET a\r\n");
    for name in ["localhost", "alpha.localhost"] {
        assert_eq!(stage.ask(name, said.as_bytes()).await, expected);
    }
    let hello = format!("HELLO 3 AUTH {USER} {token} SETNAME x\r\n");
    let expected = format!("+alpha: HELLO 3 AUTH {USER} secret SETNAME x\r\n");
    assert_eq!(stage.ask("localhost", hello.as_bytes()).await, expected);

    stage.cache("beta", |_| ()).await;
    for (said, expected) in
        [(said.as_str(), format!("+alpha: AUTH {USER} secret\r\n+alpha: GET a\r\n")), (&hello, expected)]
    {
        assert_eq!(stage.ask("localhost", said.as_bytes()).await, expected, "chosen by the user");
    }
    assert_eq!(
        stage.ask("beta.localhost", said.as_bytes()).await,
        format!("+beta: AUTH {USER} {token}\r\n+beta: GET a\r\n"),
        "no user of it"
    );
    stage.publish("beta", with_user).await.unwrap();
    let answer = stage.ask("localhost", said.as_bytes()).await;
    assert!(answer.starts_with("-ERR this user may log in to several"), "{answer}");
}

#[tokio::test]
async fn a_token_that_is_wrong_is_refused_with_the_reason() {
    let stage = Stage::new().await;
    stage.cache("alpha", with_user).await;
    stage.cache("beta", |_| ()).await;
    let now = Timestamp::now().as_second();
    let app = "acca5fbb-b7e4-4009-81f1-37e38fd66d78";
    let changes: [(&str, Change); 14] = [
        ("none", Box::new(|_| ())),
        ("the application's id", Box::new(move |claims| claims["aud"] = json!(app))),
        ("a scope", Box::new(move |claims| claims["aud"] = json!(format!("{app}/.default")))),
        ("a slash", Box::new(|claims| claims["aud"] = json!("https://redis.azure.com/"))),
        ("several", Box::new(|claims| claims["aud"] = json!(["x", "https://redis.azure.com/.default"]))),
        ("another audience", Box::new(|claims| claims["aud"] = json!("https://management.azure.com"))),
        ("another user", Box::new(|claims| claims["oid"] = json!(TENANT))),
        ("over", Box::new(move |claims| claims["exp"] = json!(now - 1))),
        ("too early", Box::new(move |claims| claims["nbf"] = json!(now + 400))),
        ("another issuer", Box::new(|claims| claims["iss"] = json!("https://gateway.test/other/v2.0"))),
        ("no issuer", Box::new(|claims| drop(claims.as_object_mut().unwrap().remove("iss")))),
        ("no end", Box::new(|claims| drop(claims.as_object_mut().unwrap().remove("exp")))),
        ("a word for an end", Box::new(|claims| claims["exp"] = json!("tomorrow"))),
        ("no tenant", Box::new(|claims| drop(claims.as_object_mut().unwrap().remove("tid")))),
    ];
    let mut told = String::new();
    let mut tokens = Vec::new();
    for (what, change) in changes {
        tokens.push((what, token(change).await));
    }
    let good = token(|_| ()).await;
    let (signed, signature) = good.rsplit_once('.').unwrap();
    tokens.push((
        "another signature",
        format!(
            "{signed}.{}",
            if signature.starts_with('A') {
                signature.replacen('A', "B", 1)
            } else {
                signature.replacen(&signature[..1], "A", 1)
            }
        ),
    ));
    tokens.push(("no token", "hunter2".to_owned()));
    for (what, token) in tokens {
        // By the gateway, which knows no route yet, and by what has one and nothing else to say.
        let mut answers = Vec::new();
        for name in ["localhost", "alpha.localhost"] {
            answers.push(stage.ask(name, login(&token).as_bytes()).await);
        }
        assert_eq!(answers[0], answers[1], "{what}");
        assert!(!answers[0].contains(&token), "{what}");
        writeln!(told, "{what}\n  {}", answers[0].trim_end()).unwrap();
    }
    expect![[r#"
        none
          +alpha: AUTH 11111111-2222-3333-4444-555555555555 secret
        the application's id
          +alpha: AUTH 11111111-2222-3333-4444-555555555555 secret
        a scope
          +alpha: AUTH 11111111-2222-3333-4444-555555555555 secret
        a slash
          +alpha: AUTH 11111111-2222-3333-4444-555555555555 secret
        several
          +alpha: AUTH 11111111-2222-3333-4444-555555555555 secret
        another audience
          -WRONGPASS the token is for another audience. Supported: https://redis.azure.com, acca5fbb-b7e4-4009-81f1-37e38fd66d78
        another user
          -WRONGPASS the token is another user's: its object id (oid) has to be the user name
        over
          -WRONGPASS the token has expired. Get a new one
        too early
          -WRONGPASS the token is not valid yet (nbf)
        another issuer
          -WRONGPASS the token is from the wrong issuer
        no issuer
          -WRONGPASS the token lacks a claim: exp, iss and aud are needed
        no end
          -WRONGPASS the token lacks a claim: exp, iss and aud are needed
        a word for an end
          -WRONGPASS the token lacks a claim: exp, iss and aud are needed
        no tenant
          -WRONGPASS the token is from the wrong issuer
        another signature
          -WRONGPASS the token is not signed by this gateway
        no token
          -WRONGPASS the password of this user has to be an access token (a JSON Web Token, RS256) of this gateway
    "#]].assert_eq(&told);
}

/// Between two commands an answer of the gateway's would come out of turn: the server refuses what nobody knows.
#[tokio::test]
async fn a_later_login_is_looked_at_and_one_by_key_ends_the_looking() {
    let stage = Stage::new().await;
    stage.cache("alpha", with_user).await;
    let (good, wrong) = (token(|_| ()).await, token(|claims| claims["exp"] = json!(1)).await);
    let mut client = stage.tls("localhost").await;
    let mut say = async |said: &str, expected: &str| {
        client.write_all(said.as_bytes()).await.unwrap();
        read(&mut client, expected).await;
    };
    let taken = format!("+alpha: AUTH {USER} secret\r\n");
    say("PING\r\n", "+alpha: PING\r\n").await;
    say(&login(&good), &taken).await;
    say(&format!("GET a\r\n{}", login(&good)), &format!("+alpha: GET a\r\n{taken}")).await;
    say(&login(&wrong), &format!("+alpha: AUTH {USER} ")).await;
    let mut rest = [0; 38];
    client.read_exact(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"\r\n"), "the password of nobody");
    let mut say = async |said: &str, expected: &str| {
        client.write_all(said.as_bytes()).await.unwrap();
        read(&mut client, expected).await;
    };
    say("AUTH alpha-1\r\n", "+alpha: AUTH alpha-1\r\n").await;
    let as_it_is = format!("+alpha: AUTH {USER} {good}\r\n");
    say(&login(&good), &as_it_is).await;
}

/// What arrives with a login may be the beginning of a value in which there is a login, which is none.
#[tokio::test]
async fn a_command_that_begins_with_the_login_is_known_to_its_end() {
    let stage = Stage::new().await;
    stage.cache("alpha", with_user).await;
    stage.cache("beta", |_| ()).await;
    let login = login(&token(|_| ()).await);
    let taken = format!("+alpha: AUTH {USER} secret\r\n");
    let mut client = stage.tls("localhost").await;
    let mut say = async |said: &str, expected: &str| {
        client.write_all(said.as_bytes()).await.unwrap();
        read(&mut client, expected).await;
    };
    say(&format!("{login}*2\r\n$4\r\nECHO\r\n${}\r\n", login.len()), &taken).await;
    say(&format!("{login}\r\n"), &format!("+alpha: ECHO {}\r\n", login.as_bytes().escape_ascii())).await;
    say(&login, &taken).await;
}

/// The server refuses it, and the token's end stays the connection's.
#[tokio::test]
async fn only_a_key_of_now_and_of_the_default_user_ends_the_looking() {
    let stage = Stage::new().await;
    stage.cache("alpha", with_user).await;
    let token = token(|_| ()).await;
    let (good, taken) = (login(&token), format!("+alpha: AUTH {USER} secret\r\n"));
    let mut client = stage.tls("localhost").await;
    let mut say = async |said: &str, expected: &str| {
        client.write_all(said.as_bytes()).await.unwrap();
        read(&mut client, expected).await;
    };
    say("AUTH nobody alpha-1\r\n", "+alpha: AUTH nobody alpha-1\r\n").await;
    say(&good, &taken).await;
    stage
        .publish("alpha", |route| {
            with_user(route);
            route.keys = vec![digest("alpha-3")];
        })
        .await
        .unwrap();
    say("AUTH alpha-1\r\n", "+alpha: AUTH alpha-1\r\n").await;
    say(&good, &taken).await;
    say("AUTH default alpha-3\r\n", "+alpha: AUTH default alpha-3\r\n").await;
    say(&good, &format!("+alpha: AUTH {USER} {token}\r\n")).await;
}

#[tokio::test]
async fn a_connection_ends_with_its_token_unless_a_new_one_came() {
    let stage = Stage::new().await;
    stage.cache("alpha", with_user).await;
    let long = token(|_| ()).await;
    let taken = format!("+alpha: AUTH {USER} secret\r\n");
    let (mut ends, mut stays) = (stage.tls("localhost").await, stage.tls("alpha.localhost").await);
    let end = Timestamp::now().as_second() + 10;
    let short = token(|claims| claims["exp"] = json!(end)).await;
    for client in [&mut ends, &mut stays] {
        client.write_all(login(&short).as_bytes()).await.unwrap();
        read(client, &taken).await;
    }
    stays.write_all(login(&long).as_bytes()).await.unwrap();
    read(&mut stays, &taken).await;
    // The system's clock decides; nothing here waits but for that.
    assert_eq!(rest(ends).await, "");
    assert!(Timestamp::now().as_second() >= end);
    stays.write_all(b"GET a\r\n").await.unwrap();
    read(&mut stays, "+alpha: GET a\r\n").await;
}
