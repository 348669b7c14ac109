//! Who may log in to the server: its ACL.
//!
//! Clients are the user `default`, with either access key. The plugin is the user [`ADMINISTRATOR`], a reserved name:
//! with a user of its own it can repair and rotate keys whatever state those are in. Passwords appear as digests, in
//! the ACL file as in commands, so no key is on disk beside the server.

use crate::cache::Cache;
use crate::configuration::Authentication;
use crate::keys::{Keys, digest};
use crate::private::Private;

/// The plugin's own user. May ask whether the server is there, configure it, and set users; may not read data.
pub const ADMINISTRATOR: &str = "floci-az";
/// Whom clients are, if they give a password without a user.
pub const DEFAULT_USER: &str = "default";

/// How clients get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// With a key.
    Keys,
    /// Not at all (`disableAccessKeyAuthentication`): Azure would then admit Entra tokens, which a server here cannot.
    Nobody,
    /// Without a key (`authnotrequired`).
    Everybody,
}

impl Access {
    pub fn of(cache: &Cache) -> Access {
        match cache.configuration.authentication() {
            Authentication::NotRequired => Access::Everybody,
            Authentication::Required if cache.disable_access_key_authentication => Access::Nobody,
            Authentication::Required => Access::Keys,
        }
    }

    /// Rules of the user `default`, after a `reset`.
    fn rules(self, keys: &Keys) -> Vec<String> {
        let everything = ["~*", "&*", "+@all"].map(str::to_owned);
        let admission = match self {
            Access::Keys => {
                vec!["on".to_owned(), format!("#{}", digest(&keys.primary)), format!("#{}", digest(&keys.secondary))]
            }
            Access::Nobody => vec!["off".to_owned()],
            Access::Everybody => vec!["on".to_owned(), "nopass".to_owned()],
        };
        admission.into_iter().chain(everything).collect()
    }

    /// `ACL SETUSER default ...`. The server replaces the user in one step.
    ///
    /// Connections that are logged in stay: with two keys, clients are moved from one to the other and nobody is cut
    /// off. (`ACL LOAD` would close connections.)
    pub fn command(self, keys: &Keys) -> Vec<String> {
        let words = ["ACL", "SETUSER", DEFAULT_USER, "reset"].map(str::to_owned);
        words.into_iter().chain(self.rules(keys)).collect()
    }

    /// The ACL file. (The format has no comments.)
    pub fn file(self, private: &Private) -> String {
        let administrator = digest(&private.administrator);
        let rules = self.rules(&private.keys).join(" ");
        format!(
            "user {ADMINISTRATOR} on #{administrator} resetchannels -@all +ping +config +acl\n\
             user {DEFAULT_USER} {rules}\n"
        )
    }
}
