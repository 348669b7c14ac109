//! What a parser finds does not depend on the pieces in which bytes arrive, and nothing is lost or added.

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::ingress::resp::{Asked, Login};

fn all(input: &[u8], pieces: usize) -> (Vec<Command>, Option<&'static str>) {
    let (mut parser, mut found) = (Commands::new(Held::All), Vec::new());
    for piece in input.chunks(pieces.max(1)) {
        let mut rest = piece;
        let mut passed = Vec::new();
        loop {
            match parser.take(&mut rest, &mut passed) {
                Ok(Some(command)) => found.push(command),
                Ok(None) => break,
                Err(Malformed(text)) => return (found, Some(text)),
            }
        }
        assert!(passed.is_empty());
    }
    (found, None)
}

/// What passes, in the order of the stream, with held logins in between.
fn logins(input: &[u8], pieces: &[usize]) -> (Vec<u8>, Vec<Command>) {
    let (mut parser, mut passed, mut found) = (Commands::new(Held::Logins), Vec::new(), Vec::new());
    let mut rest = input;
    for piece in pieces.iter().copied().chain(std::iter::repeat(input.len().max(1))) {
        if rest.is_empty() {
            break;
        }
        let (mut now, later) = rest.split_at(piece.clamp(1, rest.len()));
        rest = later;
        while let Some(command) = parser.take(&mut now, &mut passed).unwrap() {
            passed.extend_from_slice(&command.bytes);
            found.push(command);
        }
    }
    passed.extend_from_slice(parser.unfinished());
    (passed, found)
}

#[test]
fn commands_are_found_in_arrays_and_in_lines() {
    let inputs: [&[u8]; 22] = [
        b"*2\r\n$4\r\nAUTH\r\n$3\r\nkey\r\n*1\r\n$8\r\nFLUSHALL\r\n\n",
        b"AUTH key\r\nPING\n\r\n  \r\nauth user key\r\n",
        b"HELLO 3 AUTH user key SETNAME x\r\n",
        b"*6\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$7\r\nSETNAME\r\n$4\r\nAUTH\r\n$4\r\nauth\r\n$1\r\nu\r\n",
        b"HELLO 3 SETNAME auth AUTH u p\r\n",
        b"HELLO 3\r\nHELLO\r\nHELLO 3 AUTH u\r\nHELLO 3 WHAT AUTH u p\r\n",
        b"AUTH a b c\r\nAUTH\r\nQUIT\r\nPING hi\r\nGET x\r\n",
        b"AUTH \"k e\\x79\"\r\n",
        b"AUTH \"key\r\n",
        b"*0\r\n*-1\r\nPING\r\n",
        b"*1\r\n$0\r\n\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n:1\r\n",
        b"*x\r\n",
        b"*1\n",
        b"*11\r\n",
        b"*2\r\n$4\r\nAUTH\r\n$16385\r\n",
        b"*1\r\n$99999999999999999999\r\n",
        b"*1\r\n$000000000000000000000000000000000000000000",
        b"*2\r\n$4\r\nAUTH\r\n$3\r\nke",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"\x00\xff\r\n",
    ];
    let told = inputs.map(|input| {
        let (found, error) = all(input, input.len());
        let lines = found.iter().map(|command| {
            let asked = match Asked::of(command) {
                Asked::Login(Login { user, password }) => {
                    let user = user.map(|user| format!("{} ", user.escape_ascii()));
                    format!("login {}{}", user.unwrap_or_default(), password.escape_ascii())
                }
                other => format!("{other:?}"),
            };
            format!("  {asked}\n")
        });
        let error = error.map(|error| format!("  {error}\n"));
        format!("{}\n{}{}", input.escape_ascii(), lines.collect::<String>(), error.unwrap_or_default())
    });
    expect![[r#"
        *2\r\n$4\r\nAUTH\r\n$3\r\nkey\r\n*1\r\n$8\r\nFLUSHALL\r\n\n
          login key
          Other
        AUTH key\r\nPING\n\r\n  \r\nauth user key\r\n
          login key
          Ping
          login user key
        HELLO 3 AUTH user key SETNAME x\r\n
          login user key
        *6\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$7\r\nSETNAME\r\n$4\r\nAUTH\r\n$4\r\nauth\r\n$1\r\nu\r\n
          Hello
        HELLO 3 SETNAME auth AUTH u p\r\n
          login u p
        HELLO 3\r\nHELLO\r\nHELLO 3 AUTH u\r\nHELLO 3 WHAT AUTH u p\r\n
          Hello
          Hello
          Hello
          Hello
        AUTH a b c\r\nAUTH\r\nQUIT\r\nPING hi\r\nGET x\r\n
          Other
          Other
          Quit
          Ping
          Other
        AUTH \"k e\\x79\"\r\n
          login k ey
        AUTH \"key\r\n
          ERR Protocol error: unbalanced quotes in request
        *0\r\n*-1\r\nPING\r\n
          Ping
        *1\r\n$0\r\n\r\n
          Other
        *1\r\n$-1\r\n
          ERR Protocol error: invalid bulk length
        *1\r\n:1\r\n
          ERR Protocol error: expected '$'
        *x\r\n
          ERR Protocol error: invalid multibulk length
        *1\n
          ERR Protocol error: invalid multibulk length
        *11\r\n
          ERR Protocol error: unauthenticated multibulk length
        *2\r\n$4\r\nAUTH\r\n$16385\r\n
          ERR Protocol error: unauthenticated bulk length
        *1\r\n$99999999999999999999\r\n
          ERR Protocol error: invalid bulk length
        *1\r\n$000000000000000000000000000000000000000000
          ERR Protocol error: invalid bulk length
        *2\r\n$4\r\nAUTH\r\n$3\r\nke
        GET / HTTP/1.1\r\nHost: x\r\n
          Other
          Other
        \x00\xff\r\n
          Other
    "#]]
    .assert_eq(&told.concat());
}

#[test]
fn a_login_is_passed_on_with_another_password() {
    for (input, expected) in [
        ("AUTH key key\r\n", "*3\r\n$4\r\nAUTH\r\n$3\r\nkey\r\n$6\r\nsecret\r\n"),
        (
            "HELLO 3 SETNAME auth AUTH u key SETNAME key\r\n",
            "*9\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$7\r\nSETNAME\r\n$4\r\nauth\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$6\r\nsecret\r\n$7\r\nSETNAME\r\n$3\r\nkey\r\n",
        ),
    ] {
        let (found, _) = all(input.as_bytes(), 1);
        assert_eq!(String::from_utf8(found[0].with_login(None, b"secret")).unwrap(), expected);
    }
}

#[test]
fn a_client_that_never_ends_its_command_is_stopped() {
    let line = vec![b'A'; 70_000];
    let word = [b"$16000\r\n".as_slice(), &[b'A'; 16_000], b"\r\n"].concat();
    let array = [b"*9\r\n".as_slice(), &word.repeat(9)].concat();
    for endless in [line, array] {
        assert_eq!(all(&endless, 1000), (Vec::new(), Some("ERR Protocol error: too big request")));
    }
}

#[test]
fn of_what_passes_nothing_is_kept() {
    let mut parser = Commands::new(Held::Logins);
    let mut passed = Vec::new();
    let mut begin: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$104857600\r\n";
    assert_eq!(parser.take(&mut begin, &mut passed), Ok(None));
    for _ in 0..1600 {
        passed.clear();
        let mut piece: &[u8] = &[b'x'; 65_536];
        assert_eq!(parser.take(&mut piece, &mut passed), Ok(None));
        assert_eq!((passed.len(), parser.unfinished().len()), (65_536, 0));
    }
    let mut end: &[u8] = b"\r\nAUTH u p\r\n";
    let found = parser.take(&mut end, &mut passed).unwrap().unwrap();
    assert_eq!(found.words[0], b"AUTH");
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"AUTH".to_vec()),
        Just(b"hello".to_vec()),
        Just(b"SET".to_vec()),
        Just(b"PUBLISH".to_vec()),
        Just(b"AUTH\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn command() -> impl Strategy<Value = Vec<u8>> {
    let array = prop::collection::vec(word(), 0..6).prop_map(|words| {
        let mut text = format!("*{}\r\n", words.len()).into_bytes();
        for word in &words {
            text.extend(format!("${}\r\n", word.len()).into_bytes());
            text.extend(word);
            text.extend(b"\r\n");
        }
        text
    });
    let line = prop_oneof!["[a-zA-Z ]{0,20}\r?\n", "(AUTH|hello 3|SET) [a-z\"']{0,6}\n", "\r\n"];
    prop_oneof![3 => array, 1 => line.prop_map(String::into_bytes)]
}

proptest! {
    #[test]
    fn pieces_make_no_difference(input in prop::collection::vec(command(), 0..8), pieces in 1_usize..40) {
        let input = input.concat();
        prop_assert_eq!(all(&input, pieces), all(&input, input.len()));
    }

    #[test]
    fn any_bytes_pass_as_they_are_but_for_logins(
        input in prop_oneof![
            prop::collection::vec(command(), 0..8).prop_map(|commands| commands.concat()),
            prop::collection::vec(any::<u8>(), 0..200),
        ],
        pieces in prop::collection::vec(1_usize..30, 0..40),
    ) {
        let (passed, found) = logins(&input, &pieces);
        prop_assert_eq!(&passed, &input);
        for command in &found {
            prop_assert!(is_login(&command.words[0]));
        }
        prop_assert_eq!(&logins(&input, &[]).1, &found);
        prop_assert_eq!(&logins(&input, &[1; 400]).1, &found);
    }

    #[test]
    fn a_stream_of_commands_has_the_same_logins_for_both(input in prop::collection::vec(command(), 0..8)) {
        let input = input.concat();
        let (found, error) = all(&input, input.len());
        let of_all: Vec<Command> = found.into_iter().filter(|command| is_login(&command.words[0])).collect();
        let (_, of_logins) = logins(&input, &[]);
        // A line with an open quote ends what a parser that holds everything sees.
        prop_assert!(of_logins.len() >= of_all.len());
        if error.is_none() {
            prop_assert_eq!(of_logins, of_all);
        }
    }
}
