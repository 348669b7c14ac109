//! Who may change plugins: whoever is on this machine, and whoever has the token.
//!
//! A plugin is code that runs here, so the right to bring one is not everybody's who reaches the port. It is never in a
//! header that a proxy or a page can set: the address is the connection's own, and behind a name that somebody else can
//! have resolve to this machine it does not count. The token is in the state folder, for this user only, from the first
//! start on; where nothing is kept, there is none.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::{constant_time, rand};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::arm::{ArmError, Request};
use crate::browser::means_this_machine;
use crate::folders::{admin_token, replace};

/// Random bytes of a token: nobody guesses it.
const BYTES: usize = 32;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token for the administration in {path} cannot be {attempt}: {reason}. Let this user do so")]
    File { path: PathBuf, attempt: &'static str, reason: io::Error },
    #[error(
        "{0} holds no token: it has to be 43 letters, digits, '-' and '_', as the gateway wrote them. Remove the file, and the next start makes a new one"
    )]
    NoToken(PathBuf),
}

/// What proves the right of a client that is elsewhere.
pub struct AdminToken(Option<String>);

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "AdminToken(..)" } else { "AdminToken(none)" })
    }
}

impl AdminToken {
    /// The one of a state folder, made if there is none yet; none without a folder.
    pub fn open(state: Option<&Path>) -> Result<AdminToken, TokenError> {
        let Some(path) = state.map(admin_token) else { return Ok(AdminToken(None)) };
        let failed = |attempt| {
            let path = path.clone();
            move |reason| TokenError::File { path, attempt, reason }
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = new().map_err(failed("made"))?;
                replace(&path, format!("{token}\n").as_bytes()).map_err(failed("written"))?;
                token
            }
            Err(error) => return Err(failed("read")(error)),
        };
        let token = text.trim();
        if BASE64_URL_SAFE_NO_PAD.decode(token).map_or(true, |bytes| bytes.len() != BYTES) {
            return Err(TokenError::NoToken(path));
        }
        // A copy that was put back may be readable for others.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed("closed to others"))?;
        Ok(AdminToken(Some(token.to_owned())))
    }

    /// Whether a request may change something.
    pub fn check(&self, request: &Request) -> Result<(), ArmError> {
        let is_near = request.peer.is_some_and(|peer| peer.to_canonical().is_loopback());
        if is_near && means_this_machine(request) {
            return Ok(());
        }
        let Some(token) = &self.0 else { return Err(ArmError::admin_is_local(request.peer)) };
        let given = request.header("authorization").map(bearer);
        match given {
            Some(Some(given)) if is_same(given, token) => Ok(()),
            Some(_) => Err(ArmError::admin_token_required(request.peer, "another token")),
            None if is_near => {
                Err(ArmError::admin_token_required(request.peer, "no token, and another name than localhost"))
            }
            None => Err(ArmError::admin_token_required(request.peer, "no token")),
        }
    }
}

fn new() -> io::Result<String> {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("this system gives no random bytes"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// In a time that says nothing of where they differ.
fn is_same(given: &str, token: &str) -> bool {
    constant_time::verify_slices_are_equal(given.as_bytes(), token.as_bytes()).is_ok()
}

/// None for another scheme; its name has no casing (RFC 9110, 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use bytes::Bytes;
    use expect_test::expect;
    use hyper::{HeaderMap, Method};

    use super::*;

    fn request(peer: Option<&str>, base: &str, headers: &[(&'static str, &str)]) -> Request {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let request = Request::new(Method::PUT, "/", None, headers, base.to_owned(), Bytes::new());
        match peer {
            Some(peer) => request.of_peer(peer.parse::<IpAddr>().unwrap()),
            None => request,
        }
    }

    #[test]
    fn a_token_is_made_once_and_for_this_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin-token");
        let first = AdminToken::open(Some(folder.path())).unwrap().0.unwrap();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!((first.len(), mode()), (43, 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(AdminToken::open(Some(folder.path())).unwrap().0.unwrap(), first);
        assert_eq!(mode(), 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(AdminToken::open(Some(other.path())).unwrap().0.unwrap(), first);
        for content in ["", "short", &format!("{first}A"), "not base64url, but of a token's own length....."] {
            fs::write(&path, content).unwrap();
            assert!(matches!(AdminToken::open(Some(folder.path())), Err(TokenError::NoToken(_))), "{content}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(AdminToken::open(Some(folder.path())), Err(TokenError::File { .. })));
        assert!(AdminToken::open(None).unwrap().0.is_none());
    }

    #[test]
    fn a_right_is_of_this_machine_or_of_the_token() {
        let (kept, none) = (AdminToken(Some("the-token".to_owned())), AdminToken(None));
        let local = "http://localhost:4577";
        let mut table = String::new();
        for (peer, base, headers) in [
            (Some("127.0.0.1"), local, &[][..]),
            (Some("127.8.9.10"), "http://127.0.0.1:4577", &[]),
            (Some("::1"), "http://[::1]:4577", &[]),
            (Some("::ffff:127.0.0.1"), local, &[]),
            (Some("127.0.0.1"), local, &[("authorization", "Bearer of-another-folder")]),
            (Some("127.0.0.1"), "http://evil.example:4577", &[]),
            (Some("127.0.0.1"), "http://evil.example:4577", &[("authorization", "Bearer the-token")]),
            (Some("172.17.0.1"), local, &[]),
            (Some("172.17.0.1"), local, &[("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1")]),
            (Some("172.17.0.1"), local, &[("x-real-ip", "127.0.0.1"), ("host", "localhost")]),
            (Some("::ffff:10.0.0.1"), local, &[]),
            (Some("0.0.0.0"), local, &[]),
            (None, local, &[]),
            (Some("172.17.0.1"), local, &[("authorization", "Bearer the-token")]),
            (Some("172.17.0.1"), local, &[("authorization", "bearer  the-token ")]),
            (Some("172.17.0.1"), local, &[("authorization", "Bearer the-toke")]),
            (Some("172.17.0.1"), local, &[("authorization", "Bearer the-token2")]),
            (Some("172.17.0.1"), local, &[("authorization", "Bearer ")]),
            (Some("172.17.0.1"), local, &[("authorization", "Bearer")]),
            (Some("172.17.0.1"), local, &[("authorization", "Basic the-token")]),
            (Some("172.17.0.1"), local, &[("authorization", "the-token")]),
        ] {
            let request = request(peer, base, headers);
            let told = |token: &AdminToken| match token.check(&request) {
                Ok(()) => "yes".to_owned(),
                Err(error) => format!("{} {}", error.status.as_u16(), error.code),
            };
            let peer = peer.unwrap_or("nobody");
            table += &format!("{peer} {base} {headers:?}: {}; in memory: {}\n", told(&kept), told(&none));
        }
        expect![[r#"
            127.0.0.1 http://localhost:4577 []: yes; in memory: yes
            127.8.9.10 http://127.0.0.1:4577 []: yes; in memory: yes
            ::1 http://[::1]:4577 []: yes; in memory: yes
            ::ffff:127.0.0.1 http://localhost:4577 []: yes; in memory: yes
            127.0.0.1 http://localhost:4577 [("authorization", "Bearer of-another-folder")]: yes; in memory: yes
            127.0.0.1 http://evil.example:4577 []: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            127.0.0.1 http://evil.example:4577 [("authorization", "Bearer the-token")]: yes; in memory: 403 AdministrationIsLocal
            172.17.0.1 http://localhost:4577 []: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            172.17.0.1 http://localhost:4577 [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1")]: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            172.17.0.1 http://localhost:4577 [("x-real-ip", "127.0.0.1"), ("host", "localhost")]: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            ::ffff:10.0.0.1 http://localhost:4577 []: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            0.0.0.0 http://localhost:4577 []: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            nobody http://localhost:4577 []: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            172.17.0.1 http://localhost:4577 [("authorization", "Bearer the-token")]: yes; in memory: 403 AdministrationIsLocal
            172.17.0.1 http://localhost:4577 [("authorization", "bearer  the-token ")]: yes; in memory: 403 AdministrationIsLocal
            172.17.0.1 http://localhost:4577 [("authorization", "Bearer the-toke")]: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            172.17.0.1 http://localhost:4577 [("authorization", "Bearer the-token2")]: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            172.17.0.1 http://localhost:4577 [("authorization", "Bearer ")]: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            172.17.0.1 http://localhost:4577 [("authorization", "Bearer")]: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            172.17.0.1 http://localhost:4577 [("authorization", "Basic the-token")]: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
            172.17.0.1 http://localhost:4577 [("authorization", "the-token")]: 401 AdminTokenRequired; in memory: 403 AdministrationIsLocal
        "#]].assert_eq(&table);
        let text = kept.check(&request(Some("172.17.0.1"), local, &[])).unwrap_err().message;
        expect!["Plugins cannot be changed by this request from 172.17.0.1, found no token. Supported: a request of this machine to localhost, or the header 'Authorization: Bearer TOKEN' with the token that is in the file admin-token of the gateway's state folder. `floci-az plugin` sends it when it is in FLOCI_AZ_ADMIN_TOKEN, or when it is run with the gateway's settings."].assert_eq(&text);
        let text = none.check(&request(Some("::ffff:172.17.0.1"), local, &[])).unwrap_err().message;
        expect!["Plugins cannot be changed by this request from 172.17.0.1. Supported: a request of this machine to localhost; a gateway that keeps nothing (storage.mode is memory) has no token for others. Run `floci-az plugin` where the gateway runs, or set storage.mode to persistent."].assert_eq(&text);
    }

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(format!("{:?}", AdminToken(Some("the-token".to_owned()))), "AdminToken(..)");
    }
}
