//! The gateway's own settings: their declarations, and their values as types.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use floci_az_contract::{Kind, Setting};

use super::error::Problem;
use super::settings::Settings;

/// What the gateway is told by its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    pub port: u16,
    pub bind_address: IpAddr,
    /// One more name that clients reach the gateway by.
    pub hostname: Option<String>,
    pub tls: Tls,
    pub runtime: RuntimeChoice,
    pub storage: Storage,
    pub arm: Arm,
    pub auth: AuthMode,
    /// The folder whose files plugins may read and write.
    pub transfers: Option<PathBuf>,
    pub plugins: PluginFiles,
}

/// What of plugins is in files of the operator's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PluginFiles {
    /// Components in it are served.
    pub folder: Option<PathBuf>,
    /// The public key that components have to be signed for.
    pub signature_key: Option<PathBuf>,
}

/// Whether the port answers HTTPS beside HTTP, and with whose certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    Off,
    /// The gateway makes its own.
    Made,
    /// The operator's: two files in PEM.
    Given {
        certificate: PathBuf,
        key: PathBuf,
    },
}

/// What is to run workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuntimeChoice {
    /// Docker if its engine answers, else local processes.
    Auto,
    Docker,
    Process,
    None,
}

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In this folder.
    Persistent(PathBuf),
    Memory,
}

/// How far the front door insists on what Azure insists on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// The `api-version` of a request.
    pub api_version: Presence,
    /// The resource group of a new resource.
    pub resource_group: Presence,
    /// The subscriptions that there are from the start.
    pub subscriptions: Vec<String>,
    /// Whether a subscription has to be one of them.
    pub other_subscriptions: Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Required,
    Optional,
}

/// Whether a request has to prove who it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// No: any token is taken, and none as well.
    Dev,
    /// By an access token of this gateway.
    Strict,
}

impl RuntimeChoice {
    const ALL: [RuntimeChoice; 4] =
        [RuntimeChoice::Auto, RuntimeChoice::Docker, RuntimeChoice::Process, RuntimeChoice::None];

    pub fn as_str(self) -> &'static str {
        match self {
            RuntimeChoice::Auto => "auto",
            RuntimeChoice::Docker => "docker",
            RuntimeChoice::Process => "process",
            RuntimeChoice::None => "none",
        }
    }
}

impl FromStr for RuntimeChoice {
    type Err = ();

    fn from_str(text: &str) -> Result<RuntimeChoice, ()> {
        RuntimeChoice::ALL.into_iter().find(|choice| choice.as_str() == text).ok_or(())
    }
}

const PORT: &str = "port";
const BIND_ADDRESS: &str = "bind-address";
const HOSTNAME: &str = "hostname";
const TLS_ENABLED: &str = "tls.enabled";
const TLS_CERTIFICATE: &str = "tls.cert-path";
const TLS_KEY: &str = "tls.key-path";
const RUNTIME: &str = "runtime";
const STORAGE_MODE: &str = "storage.mode";
const STORAGE_PATH: &str = "storage.persistent-path";
const STRICT: &str = "arm.strict";
const STRICT_GROUPS: &str = "arm.strict-groups";
const SUBSCRIPTIONS: &str = "arm.subscriptions";
const STRICT_SUBSCRIPTIONS: &str = "arm.strict-subscriptions";
const AUTH_MODE: &str = "auth.mode";
const TRANSFERS_FOLDER: &str = "transfers.folder";
const PLUGINS_FOLDER: &str = "plugins.folder";
const PLUGINS_SIGNATURE_KEY: &str = "plugins.signature-key";

/// The default of an optional setting.
const NOT_SET: &str = "";

const PERSISTENT: &str = "persistent";
const MEMORY: &str = "memory";
const DEV: &str = "dev";
const STRICT_TOKENS: &str = "strict";

pub(super) fn declarations() -> Vec<Setting> {
    let words = |words: &[&str]| Kind::OneOf(words.iter().map(|&word| word.to_owned()).collect());
    vec![
        declaration(
            PORT,
            Kind::Port,
            "4577",
            "The port that answers Azure Resource Manager requests.",
            "Scripts and SDK configurations that name the usual port have to be told the new one.",
            "port: 4600",
        ),
        declaration(
            BIND_ADDRESS,
            Kind::Address,
            "127.0.0.1",
            "The address that the port is on. In a container, 0.0.0.0 lets the container's port be published.",
            "Whoever reaches another address than 127.0.0.1 can manage every resource and read every key: anybody gets \
             a token, even where auth.mode asks for one.",
            "bind-address: 0.0.0.0",
        ),
        declaration(
            HOSTNAME,
            Kind::Host,
            NOT_SET,
            "One more name that clients reach the gateway by, for its certificate. It has those of this machine \
             (localhost, *.localhost, 127.0.0.1, ::1), host.docker.internal and a bind-address that is one address.",
            "Another name is another certificate, which is made at the next start; clients go on trusting it, because \
             the authority that signs it stays.",
            "hostname: gateway.test",
        ),
        declaration(
            TLS_ENABLED,
            Kind::Boolean,
            "true",
            "Whether the port answers HTTPS too, beside HTTP. The certificate is signed by an authority that the \
             gateway makes for itself at its first start; GET /_floci/tls-cert answers what a client has to trust.",
            "With false, what insists on HTTPS (az, Terraform, tokens of an SDK) cannot use the gateway.",
            "tls.enabled: false",
        ),
        declaration(
            TLS_CERTIFICATE,
            Kind::Path,
            NOT_SET,
            "A certificate to serve instead of the gateway's own: a file in PEM, the server's first, then those that \
             it is signed by. It is read when the gateway starts; tls.key-path belongs to it.",
            "Renewing it, and the names in it, are yours to look after; one that has expired stops the start.",
            "tls.cert-path: /etc/floci-az/server.pem",
        ),
        declaration(
            TLS_KEY,
            Kind::Path,
            NOT_SET,
            "The private key of tls.cert-path: a file in PEM, without a password.",
            "Whoever can read the file can pass for the gateway.",
            "tls.key-path: /etc/floci-az/server.key",
        ),
        declaration(
            RUNTIME,
            words(&RuntimeChoice::ALL.map(RuntimeChoice::as_str)),
            RuntimeChoice::Auto.as_str(),
            "What runs the servers behind the resources: containers (docker), programs of this machine (process), or \
             nothing (none). auto takes docker if its engine answers when the gateway starts, else process.",
            "docker needs an engine; process runs the versions that are installed here, without a container around \
             them; with none, resources can be managed but there is nothing to connect to.",
            "runtime: process",
        ),
        declaration(
            STORAGE_MODE,
            words(&[PERSISTENT, MEMORY]),
            PERSISTENT,
            "Whether resources outlive the gateway: persistent writes each change to disk before it is answered, \
             memory keeps nothing.",
            "memory answers writes sooner, and every start begins with nothing.",
            "storage.mode: memory",
        ),
        declaration(
            STORAGE_PATH,
            Kind::Path,
            "./data",
            "The folder that holds the state when storage.mode is persistent. A relative path begins in the folder \
             that the gateway is started in.",
            "Another folder is another, empty, set of resources. Two gateways cannot share one.",
            "storage.persistent-path: /var/lib/floci-az",
        ),
        declaration(
            STRICT,
            Kind::Boolean,
            "true",
            "Whether a request without an api-version is refused, as Azure does; if not, the newest one is taken.",
            "With false, a mistake that Azure refuses goes unnoticed here.",
            "arm.strict: false",
        ),
        declaration(
            STRICT_GROUPS,
            Kind::Boolean,
            "false",
            "Whether a resource is refused when its resource group was not created before, as Azure does; if not, the \
             group is created with it.",
            "With true, a script has to create the group first; with false, a forgotten group goes unnoticed here.",
            "arm.strict-groups: true",
        ),
        declaration(
            SUBSCRIPTIONS,
            Kind::Words,
            "00000000-0000-0000-0000-000000000001",
            "The ids of the subscriptions that there are from the start, with commas between them.",
            "Tools that pick the first subscription after their login, as az does, pick the first of these.",
            "arm.subscriptions: 00000000-0000-0000-0000-000000000001",
        ),
        declaration(
            STRICT_SUBSCRIPTIONS,
            Kind::Boolean,
            "false",
            "Whether a request to another subscription than arm.subscriptions is refused, as Azure does.",
            "With true, subscriptions have to be listed; with false, any word is a subscription, and a mistyped one goes \
             unnoticed here.",
            "arm.strict-subscriptions: true",
        ),
        declaration(
            AUTH_MODE,
            words(&[DEV, STRICT_TOKENS]),
            DEV,
            "Whether a request needs an access token: with dev, any will do, and none as well; with strict, one that \
             this gateway has issued (to any client id and secret), for itself, and that has not expired.",
            "strict shows how a client copes with a refused or expired token, but each has to log in first. It keeps \
             nobody out: any credential gets a token.",
            "auth.mode: strict",
        ),
        declaration(
            TRANSFERS_FOLDER,
            Kind::Path,
            NOT_SET,
            "The folder in which file:/// URLs of exports and imports may be. Those of files elsewhere are refused, and \
             all of them if it is not set; https:// and http:// URLs are not concerned.",
            "Whoever manages resources can read and write the files in it, but none outside: links are not followed.",
            "transfers.folder: /var/backups/floci-az",
        ),
        declaration(
            PLUGINS_FOLDER,
            Kind::Path,
            NOT_SET,
            "A folder of plugins: each *.wasm file in it is installed when the gateway starts, and a new or changed one \
             while it runs, in the place of the revision before. A file that goes changes nothing.",
            "Whoever can write into the folder decides what the gateway runs.",
            "plugins.folder: /etc/floci-az/plugins",
        ),
        declaration(
            PLUGINS_SIGNATURE_KEY,
            Kind::Path,
            NOT_SET,
            "A public key (Ed25519 or ECDSA P-256, in PEM, as `cosign generate-key-pair` and openssl make them). Every \
             component that is installed has to be signed with its private key, whichever way it comes.",
            "Each new build of a plugin has to be signed before the gateway takes it. What is part of the gateway, and \
             what was installed before, is not asked for a signature.",
            "plugins.signature-key: /etc/floci-az/cosign.pub",
        ),
    ]
}

fn declaration(key: &str, kind: Kind, default: &str, effect: &str, trade_off: &str, example: &str) -> Setting {
    Setting {
        key: key.to_owned(),
        kind,
        default: default.to_owned(),
        effect: effect.to_owned(),
        trade_off: trade_off.to_owned(),
        example: example.to_owned(),
    }
}

impl From<&Settings> for Gateway {
    fn from(settings: &Settings) -> Gateway {
        let presence = |key| {
            if checked(settings, key) { Presence::Required } else { Presence::Optional }
        };
        Gateway {
            port: checked(settings, PORT),
            bind_address: checked(settings, BIND_ADDRESS),
            hostname: optional(settings, HOSTNAME),
            tls: match (optional(settings, TLS_CERTIFICATE), optional(settings, TLS_KEY)) {
                _ if !checked::<bool>(settings, TLS_ENABLED) => Tls::Off,
                (Some(certificate), Some(key)) => Tls::Given { certificate: certificate.into(), key: key.into() },
                // One without the other is incomplete, and no settings come of it.
                _ => Tls::Made,
            },
            runtime: checked(settings, RUNTIME),
            storage: match checked::<String>(settings, STORAGE_MODE).as_str() {
                MEMORY => Storage::Memory,
                _ => Storage::Persistent(checked(settings, STORAGE_PATH)),
            },
            arm: Arm {
                api_version: presence(STRICT),
                resource_group: presence(STRICT_GROUPS),
                subscriptions: words(&checked::<String>(settings, SUBSCRIPTIONS)),
                other_subscriptions: presence(STRICT_SUBSCRIPTIONS),
            },
            auth: match checked::<String>(settings, AUTH_MODE).as_str() {
                DEV => AuthMode::Dev,
                _ => AuthMode::Strict,
            },
            transfers: optional(settings, TRANSFERS_FOLDER).map(PathBuf::from),
            plugins: PluginFiles {
                folder: optional(settings, PLUGINS_FOLDER).map(PathBuf::from),
                signature_key: optional(settings, PLUGINS_SIGNATURE_KEY).map(PathBuf::from),
            },
        }
    }
}

/// What stands between commas.
fn words(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Settings that are nothing without another one.
pub(super) fn incomplete(settings: &Settings) -> Vec<Problem> {
    let halves = [(TLS_CERTIFICATE, TLS_KEY), (TLS_KEY, TLS_CERTIFICATE)];
    let halved = halves.into_iter().filter(|(_, other)| optional(settings, other).is_none());
    let given = halved.filter_map(|(key, missing)| {
        let resolved = settings.iter().find(|resolved| resolved.setting.key == key && !resolved.value.is_empty())?;
        Some(Problem::Half { origin: resolved.origin.clone(), key: key.to_owned(), missing })
    });
    given.collect()
}

/// None if it is not set.
fn optional(settings: &Settings, key: &str) -> Option<String> {
    settings.get(key).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// The value of one of the settings above, which are in every [`Settings`], each with a value that its kind allows.
#[expect(clippy::expect_used, reason = "declared in this file; a test goes through every value a declaration allows")]
fn checked<T: FromStr>(settings: &Settings, key: &str) -> T {
    settings.get(key).and_then(|value| value.parse().ok()).expect("a declared setting has a value of its kind")
}
