//! Who may log in to the server: its ACL.
//!
//! Clients are the user `default`, with either access key, or who has an access policy, with a token that the gateway
//! exchanges for a password. Replicas are the user [`REPLICA`]. The plugin is the user [`ADMINISTRATOR`], a reserved name:
//! with a user of its own it can repair and rotate keys whatever state those are in. Passwords appear as digests, in
//! the ACL file as in commands, so no key is on disk beside the server.

use crate::cache::Cache;
use crate::children::permissions::Permissions;
use crate::children::{Children, policy};
use crate::configuration::{Authentication, Tokens};
use crate::keys::{Keys, digest};
use crate::private::Private;

/// The plugin's own user. May look at the server, configure it, set users, and have data copied and moved.
pub const ADMINISTRATOR: &str = "floci-az";
/// Whom clients are, if they give a password without a user.
pub const DEFAULT_USER: &str = "default";
/// Whom a server is that replicates this one. May not read data by itself.
pub const REPLICA: &str = "floci-az-replica";

/// What the administrator may do, after a `reset`: look, configure, set users, order copies made and data moved.
const ADMINISTRATION: &str = "~* +ping +config +acl +info +role +cluster +replicaof +flushall +bgsave +save +lastsave \
                              +select +dbsize +scan +eval +dump +del +migrate +restore +restore-asking +asking +readonly +wait";

/// What clients may not do, whatever else they may: the commands that Azure blocks, because they are the server's
/// administration, and some that would have the same effect.
pub const WITHOUT_ADMINISTRATION: &str = "-acl -bgrewriteaof -bgsave -config -debug -failover -migrate -module -psync -replconf -replicaof \
                                          -save -shutdown -slaveof -sync -cluster|addslots -cluster|addslotsrange \
                                          -cluster|bumpepoch -cluster|delslots -cluster|delslotsrange -cluster|failover \
                                          -cluster|flushslots -cluster|forget -cluster|meet -cluster|replicate \
                                          -cluster|reset -cluster|saveconfig -cluster|set-config-epoch -cluster|setslot";

/// A user of the server.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    /// After a `reset`. With digests of passwords, and no password.
    pub rules: Vec<String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

impl User {
    /// `ACL SETUSER name reset ...`. The server replaces the user in one step.
    ///
    /// Connections that are logged in stay: with two keys, clients are moved from one to the other and nobody is cut
    /// off. (`ACL LOAD` would close connections.)
    pub fn command(&self) -> Vec<String> {
        let words = ["ACL", "SETUSER", &self.name, "reset"].map(str::to_owned);
        words.into_iter().chain(self.rules.iter().cloned()).collect()
    }
}

/// Every user but the administrator, whose name is reserved.
pub fn users(cache: &Cache, private: &Private, children: &Children) -> Vec<User> {
    let words = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let replica = format!("on #{} +psync +replconf +ping", digest(&private.replication));
    let mut users = vec![
        User { name: DEFAULT_USER.to_owned(), rules: Access::of(cache).rules(&private.keys) },
        User { name: REPLICA.to_owned(), rules: words(&replica) },
    ];
    for (name, password, permissions) in token_users(cache, children) {
        let rules = ["on".to_owned(), format!("#{}", digest(password))].into_iter().chain(permissions.rules());
        users.push(User { name: name.to_owned(), rules: rules.collect() });
    }
    users
}

/// Who may log in with a token: object id, password behind the token, and what it may do. Nobody, unless the cache has
/// `aad-enabled`; and nobody whose policy was deleted.
pub fn token_users<'a>(cache: &Cache, children: &'a Children) -> impl Iterator<Item = (&'a str, &'a str, Permissions)> {
    let assignments =
        if cache.configuration.tokens() == Tokens::Admitted { children.assignments.as_slice() } else { &[] };
    assignments.iter().filter(|assignment| !assignment.password.is_empty()).filter_map(|assignment| {
        let permissions = policy::permissions(&assignment.policy, &children.policies)?;
        Some((assignment.object_id.as_str(), assignment.password.as_str(), permissions))
    })
}

/// The ACL file. (The format has no comments.)
pub fn file(users: &[User], private: &Private) -> String {
    let line = |name: &str, rules: &str| format!("user {name} {rules}\n");
    let administrator = format!("on #{} {ADMINISTRATION}", digest(&private.administrator));
    let users = users.iter().map(|user| line(&user.name, &user.rules.join(" ")));
    [line(ADMINISTRATOR, &administrator)].into_iter().chain(users).collect()
}

/// What the administrator of a server that was started by an older version lacks.
pub fn promotion() -> Vec<String> {
    ["ACL", "SETUSER", ADMINISTRATOR].into_iter().chain(ADMINISTRATION.split_whitespace()).map(str::to_owned).collect()
}

/// How clients get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// With a key.
    Keys,
    /// Not with a key (`disableAccessKeyAuthentication`): only with a token.
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
        let allowed = ["~*", "&*", "+@all"].into_iter().chain(WITHOUT_ADMINISTRATION.split_whitespace());
        let everything = allowed.chain(["+acl|whoami"]).map(str::to_owned);
        let admission = match self {
            Access::Keys => {
                vec!["on".to_owned(), format!("#{}", digest(&keys.primary)), format!("#{}", digest(&keys.secondary))]
            }
            Access::Nobody => vec!["off".to_owned()],
            Access::Everybody => vec!["on".to_owned(), "nopass".to_owned()],
        };
        admission.into_iter().chain(everything).collect()
    }
}
