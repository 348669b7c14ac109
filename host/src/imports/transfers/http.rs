//! PUT and GET of a file, as Azure's storage takes and gives a block blob.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

use super::place::{Place, Url};
use super::{LARGEST, TransferError};

/// For a request and its answer together; less than the whole transfer has.
const LIMIT: Duration = Duration::from_secs(40);
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes of an answer that says no.
const EXPLANATION: u64 = 4 << 10;

/// Trusts what this machine trusts. A redirection is an answer that says no: a permission is for one address.
static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(crypto)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(LIMIT))
        .timeout_connect(Some(CONNECT));
    config.build().into()
});

pub fn put(url: &Url, content: File, place: &Place) -> Result<(), TransferError> {
    let request =
        AGENT.put(url.secret()).content_type("application/octet-stream").header("x-ms-blob-type", "BlockBlob");
    let answer = request.send(content).map_err(|error| failed("sending the file to", url, place, &error))?;
    accepted("PUT", answer, place).map(drop)
}

pub fn get(url: &Url, place: &Place) -> Result<(File, u64), TransferError> {
    let answer = AGENT.get(url.secret()).call().map_err(|error| failed("fetching", url, place, &error))?;
    let mut body = accepted("GET", answer, place)?;
    let mut copy = || -> io::Result<(File, u64)> {
        let mut content = tempfile::tempfile()?;
        let bytes = io::copy(&mut body.as_reader().take(LARGEST + 1), &mut content)?;
        content.seek(SeekFrom::Start(0))?;
        Ok((content, bytes))
    };
    match copy() {
        Ok((_, bytes)) if bytes > LARGEST => {
            Err(TransferError::Refused(format!("{place} has more than {LARGEST} bytes")))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(TransferError::Failed(format!("fetching {place}: {error}"))),
    }
}

fn accepted(method: &str, answer: ureq::http::Response<Body>, place: &Place) -> Result<Body, TransferError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer.into_body());
    }
    // Azure's storage names the reason in a header; an explanation in the body may repeat what was signed.
    let code = answer.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok());
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    let message = format!("{method} {place} was answered with {status}{code}");
    // So that the connection can be used again.
    let _ = io::copy(&mut answer.into_body().as_reader().take(EXPLANATION), &mut io::sink());
    Err(if status.is_server_error() { TransferError::Failed(message) } else { TransferError::Refused(message) })
}

/// The client's errors may repeat the URL.
fn failed(what: &str, url: &Url, place: &Place, error: &ureq::Error) -> TransferError {
    let text = error.to_string();
    let query = url.secret().split_once('?').map(|(_, query)| query).filter(|query| !query.is_empty());
    let text = query.map_or_else(|| text.clone(), |query| text.replace(query, "..."));
    let message = format!("{what} {place}: {text}");
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => TransferError::Refused(message),
        _ => TransferError::Failed(message),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request, and gives back its head and body.
    fn server(answer: &'static str) -> (String, thread::JoinHandle<(String, Vec<u8>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/c/b.rdb?sig=secret", listener.local_addr().unwrap());
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head += &line;
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            (head, body)
        });
        (url, served)
    }

    fn web(url: &str) -> (Url, Place) {
        let place = Place::parse(url, None).unwrap();
        match &place {
            Place::Web(url) => (url.clone(), place),
            Place::Below { .. } => unreachable!(),
        }
    }

    #[test]
    fn a_file_is_put_as_a_block_blob() {
        let (url, served) = server("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"REDIS0011").unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let (url, place) = web(&url);
        put(&url, file, &place).unwrap();
        let (head, body) = served.join().unwrap();
        assert!(head.starts_with("PUT /c/b.rdb?sig=secret HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("x-ms-blob-type: blockblob\r\n"), "{head}");
        assert_eq!(body, b"REDIS0011");
    }

    #[test]
    fn a_file_is_fetched() {
        let (url, served) = server("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x00\r\nx");
        let (url, place) = web(&url);
        let (mut file, bytes) = get(&url, &place).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        assert_eq!((content.as_slice(), bytes), (&b"\x00\r\nx"[..], 4));
        served.join().unwrap();
    }

    #[test]
    fn a_no_is_told_without_the_signature_and_half_a_file_is_none() {
        for (answer, said) in [
            (
                "HTTP/1.1 403 No\r\nx-ms-error-code: AuthenticationFailed\r\nContent-Length: 0\r\n\r\n",
                "403 Forbidden (AuthenticationFailed)",
            ),
            ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "302 Found"),
            ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "500 Internal Server Error"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "fetching"),
        ] {
            let (url, served) = server(answer);
            let (url, place) = web(&url);
            let error = get(&url, &place).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
            served.join().unwrap();
        }
        let (url, place) = web("http://127.0.0.1:1/b?sig=secret");
        let error = get(&url, &place).unwrap_err().to_string();
        assert!(error.starts_with("fetching http://127.0.0.1:1/b: ") && !error.contains("secret"), "{error}");
    }
}
