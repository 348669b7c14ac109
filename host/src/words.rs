//! A line into words, as `redis-cli` and the servers' inline commands quote them: between double quotes with escapes
//! (`\n`, `\x00`), between single quotes with `\'` only. After a closing quote there has to be a space or the end.

/// None if quotes are not balanced.
pub fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = line.trim_ascii_start();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (word, left) = word(rest)?;
        found.push(word);
        rest = left.trim_ascii_start();
    }
    Some(found)
}

/// The first word, and what comes after it.
fn word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        match rest {
            [] => return Some((word, rest)),
            [b'"', inner @ ..] => rest = closed(double(inner, &mut word)?)?,
            [b'\'', inner @ ..] => rest = closed(single(inner, &mut word)?)?,
            [byte, left @ ..] if byte.is_ascii_whitespace() || *byte == 0 => return Some((word, left)),
            [byte, left @ ..] => {
                word.push(*byte);
                rest = left;
            }
        }
    }
}

fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(u8::is_ascii_whitespace).then_some(rest)
}

fn double<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'"', left @ ..] => return Some(left),
            [b'\\', b'x', high, low, left @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                left
            }
            [b'\\', escaped, left @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                left
            }
            [byte, left @ ..] => {
                word.push(*byte);
                left
            }
        }
    }
}

fn single<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\'', left @ ..] => return Some(left),
            [b'\\', b'\'', left @ ..] => {
                word.push(b'\'');
                left
            }
            [byte, left @ ..] => {
                word.push(*byte);
                left
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_line_is_words() {
        let lines: [&[u8]; 13] = [
            b"",
            b"  \t ",
            b"SET a b",
            b"  SET  a\tb  ",
            b"SET \"a b\" 'c d'",
            br#"SET "\x00\xfF\n\"\\" '\'\n'"#,
            b"SET \"\" ''",
            b"say it\"s\"",
            b"a\"b c\" d",
            b"\"a\"b",
            b"\"a",
            b"'a",
            br#""\xg0""#,
        ];
        let told = lines.map(|line| {
            let found = words(line)
                .map(|words| words.iter().map(|word| format!(" [{}]", word.escape_ascii())).collect::<String>());
            format!("{}:{}\n", line.escape_ascii(), found.as_deref().unwrap_or(" unbalanced"))
        });
        expect![[r#"
            :
              \t :
            SET a b: [SET] [a] [b]
              SET  a\tb  : [SET] [a] [b]
            SET \"a b\" \'c d\': [SET] [a b] [c d]
            SET \"\\x00\\xfF\\n\\\"\\\\\" \'\\\'\\n\': [SET] [\x00\xff\n\"\\] [\'\\n]
            SET \"\" \'\': [SET] [] []
            say it\"s\": [say] [its]
            a\"b c\" d: [ab c] [d]
            \"a\"b: unbalanced
            \"a: unbalanced
            \'a: unbalanced
            \"\\xg0\": [xg0]
        "#]]
        .assert_eq(&told.concat());
    }
}
