//! Answers as text: with their types and numbers for people, as they are for programs.

use redis::{ServerError, Value};

/// `ERR unknown command`
pub(super) fn line(error: &ServerError) -> String {
    format!("{} {}", error.code(), error.details().unwrap_or_default()).trim_end().to_owned()
}

pub(super) fn for_programs(value: &Value) -> Vec<u8> {
    let joined =
        |values: &mut dyn Iterator<Item = &Value>| values.map(for_programs).collect::<Vec<_>>().join(b"\n".as_slice());
    match value {
        Value::Nil => Vec::new(),
        Value::Int(number) => number.to_string().into_bytes(),
        Value::BulkString(bytes) | Value::BigNumber(bytes) => bytes.clone(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone().into_bytes(),
        Value::Okay => b"OK".to_vec(),
        Value::Double(number) => number.to_string().into_bytes(),
        Value::Boolean(truth) => truth.to_string().into_bytes(),
        Value::Array(values) | Value::Set(values) => joined(&mut values.iter()),
        Value::Map(pairs) => joined(&mut pairs.iter().flat_map(|(key, value)| [key, value])),
        Value::Push { kind, data } => {
            let mut text = kind.to_string().into_bytes();
            for value in data {
                text.push(b'\n');
                text.extend(for_programs(value));
            }
            text
        }
        Value::Attribute { data, .. } => for_programs(data),
        Value::ServerError(error) => line(error).into_bytes(),
        other => format!("{other:?}").into_bytes(),
    }
}

pub(super) fn for_people(value: &Value) -> Vec<u8> {
    shown(value, 0).into_bytes()
}

/// `indent` is by how many characters what is inside stands in.
fn shown(value: &Value, indent: usize) -> String {
    let listed = |values: &[Value], mark: char, empty: &str| {
        let lines = values.iter().map(|value| move |indent| shown(value, indent));
        numbered(lines, mark, empty, indent)
    };
    match value {
        Value::Nil => "(nil)".to_owned(),
        Value::Int(number) => format!("(integer) {number}"),
        Value::BulkString(bytes) => quoted(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        Value::Okay => "OK".to_owned(),
        Value::Double(number) => format!("(double) {number}"),
        Value::BigNumber(digits) => String::from_utf8_lossy(digits).into_owned(),
        Value::Boolean(truth) => format!("({truth})"),
        Value::Array(values) => listed(values, ')', "(empty array)"),
        Value::Set(values) => listed(values, '~', "(empty set)"),
        Value::Map(pairs) => {
            let lines = pairs
                .iter()
                .map(|(key, value)| move |indent| format!("{} => {}", shown(key, indent), shown(value, indent)));
            numbered(lines, '#', "(empty hash)", indent)
        }
        Value::Push { kind, data } => {
            let kind = Value::BulkString(kind.to_string().into_bytes());
            let all: Vec<Value> = std::iter::once(kind).chain(data.iter().cloned()).collect();
            listed(&all, ')', "(empty push)")
        }
        Value::Attribute { data, .. } => shown(data, indent),
        Value::ServerError(error) => format!("(error) {}", line(error)),
        other => format!("{other:?}"),
    }
}

/// `1) ...` below each other, the numbers as wide as the last one.
fn numbered(
    lines: impl ExactSizeIterator<Item = impl FnOnce(usize) -> String>,
    mark: char,
    empty: &str,
    indent: usize,
) -> String {
    let width = lines.len().to_string().len();
    if lines.len() == 0 {
        return empty.to_owned();
    }
    let inner = indent + width + 2;
    let numbered = lines.enumerate().map(|(index, line)| {
        let before = if index == 0 { 0 } else { indent };
        format!("{:before$}{:>width$}{mark} {}", "", index + 1, line(inner))
    });
    numbered.collect::<Vec<_>>().join("\n")
}

/// With what cannot be shown as escapes.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            7 => text.push_str("\\a"),
            8 => text.push_str("\\b"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn answers_are_shown_as_redis_cli_shows_them() {
        let answers: [&[u8]; 13] = [
            b"+OK\r\n",
            b"$-1\r\n",
            b":-3\r\n",
            b"$8\r\na\n\"\\\x00\xffz\t\r\n",
            b"-WRONGPASS invalid username-password pair\r\n",
            b"-ERR unknown command\r\n",
            b"*0\r\n",
            b"*3\r\n$1\r\na\r\n*2\r\n:1\r\n*1\r\n:2\r\n$-1\r\n",
            b"*11\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n*2\r\n:1\r\n:2\r\n:11\r\n",
            b"%2\r\n+a\r\n:1\r\n$1\r\nb\r\n~2\r\n,1.5\r\n#t\r\n",
            b">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n",
            b"=8\r\ntxt:a\nb!\r\n",
            b"(12345678901234567890123\r\n",
        ];
        let told = answers.map(|answer| {
            let value = redis::parse_redis_value(answer).unwrap();
            let raw = for_programs(&value).escape_ascii().to_string();
            let raw = format!("  {raw}");
            let shown = String::from_utf8(for_people(&value)).unwrap();
            format!("{}\n{shown}\n{}\n", answer.escape_ascii(), raw.trim_end())
        });
        expect![[r#"
            +OK\r\n
            OK
              OK
            $-1\r\n
            (nil)

            :-3\r\n
            (integer) -3
              -3
            $8\r\na\n\"\\\x00\xffz\t\r\n
            "a\n\"\\\x00\xffz\t"
              a\n\"\\\x00\xffz\t
            -WRONGPASS invalid username-password pair\r\n
            (error) WRONGPASS invalid username-password pair
              WRONGPASS invalid username-password pair
            -ERR unknown command\r\n
            (error) ERR unknown command
              ERR unknown command
            *0\r\n
            (empty array)

            *3\r\n$1\r\na\r\n*2\r\n:1\r\n*1\r\n:2\r\n$-1\r\n
            1) "a"
            2) 1) (integer) 1
               2) 1) (integer) 2
            3) (nil)
              a\n1\n2\n
            *11\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n*2\r\n:1\r\n:2\r\n:11\r\n
             1) (integer) 1
             2) (integer) 2
             3) (integer) 3
             4) (integer) 4
             5) (integer) 5
             6) (integer) 6
             7) (integer) 7
             8) (integer) 8
             9) (integer) 9
            10) 1) (integer) 1
                2) (integer) 2
            11) (integer) 11
              1\n2\n3\n4\n5\n6\n7\n8\n9\n1\n2\n11
            %2\r\n+a\r\n:1\r\n$1\r\nb\r\n~2\r\n,1.5\r\n#t\r\n
            1# a => (integer) 1
            2# "b" => 1~ (double) 1.5
               2~ (true)
              a\n1\nb\n1.5\ntrue
            >3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n
            1) "message"
            2) "news"
            3) "hi"
              message\nnews\nhi
            =8\r\ntxt:a\nb!\r\n
            a
            b!
              a\nb!
            (12345678901234567890123\r\n
            12345678901234567890123
              12345678901234567890123
        "#]]
        .assert_eq(&told.concat());
    }
}
