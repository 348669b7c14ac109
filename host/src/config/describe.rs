//! Settings for people: what `floci-az settings` prints.

use std::fmt::Write;

use super::settings::{Resolved, Settings, shown};

/// Wide enough for a sentence, narrow enough for a terminal of the usual 80 columns beside the names.
const TEXT_WIDTH: usize = 66;

/// Every setting with its value, where that came from, and its documentation. No setting is a secret.
pub fn describe(settings: &Settings) -> String {
    let mut text = String::from(
        "Settings stand in floci-az.yml below the key floci-az, nested or dotted, or in environment\n\
         variables, which win:\n\n    floci-az:\n      port: 4577\n",
    );
    for resolved in settings.iter() {
        text.push('\n');
        text.push_str(&one(resolved));
    }
    if !settings.aside().is_empty() {
        let aside = settings.aside().join(", ");
        let _ = writeln!(text, "\nKept for when a plugin serves them: {aside}");
    }
    text
}

fn one(resolved: &Resolved) -> String {
    let Resolved { setting, value, origin } = resolved;
    let rows = [
        ("from", origin.to_string()),
        ("variable", resolved.variable()),
        ("supported", setting.kind.supported()),
        ("default", shown(&setting.default).to_owned()),
        ("effect", setting.effect.clone()),
        ("trade-off", setting.trade_off.clone()),
        ("example", setting.example.clone()),
    ];
    let rows = rows.iter().map(|(name, text)| format!("  {name:<11}{}\n", wrap(text).join(&format!("\n{:13}", ""))));
    format!("{} = {}\n{}", setting.key, shown(value), rows.collect::<String>())
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= TEXT_WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use expect_test::expect;
    use floci_az_contract::{Kind, Setting};

    use super::super::Sources;
    use super::*;

    #[test]
    fn settings_are_described_for_people() {
        let max_port = Setting {
            key: "max-port".to_owned(),
            kind: Kind::Port,
            default: "6399".to_owned(),
            effect: "The effect.".to_owned(),
            trade_off: "The trade-off.".to_owned(),
            example: "max-port: 6400".to_owned(),
        };
        let file = "floci-az.runtime: none\n".to_owned();
        let environment = [("FLOCI_AZ_PORT".into(), "4600".into())];
        let sources = Sources::new(Path::new("floci-az.yml"), Ok(file), environment);
        let settings = sources.resolve(&[("cache".to_owned(), vec![max_port])]).unwrap();
        expect![[r#"
            Settings stand in floci-az.yml below the key floci-az, nested or dotted, or in environment
            variables, which win:

                floci-az:
                  port: 4577

            port = 4600
              from       environment variable FLOCI_AZ_PORT
              variable   FLOCI_AZ_PORT
              supported  a port from 1 to 65535
              default    4577
              effect     The port that answers Azure Resource Manager requests.
              trade-off  Scripts and SDK configurations that name the usual port have to be
                         told the new one.
              example    port: 4600

            bind-address = 127.0.0.1
              from       default
              variable   FLOCI_AZ_BIND_ADDRESS
              supported  an IP address such as 127.0.0.1 or ::1
              default    127.0.0.1
              effect     The address that the port is on. In a container, 0.0.0.0 lets the
                         container's port be published.
              trade-off  Whoever reaches another address than 127.0.0.1 can manage every
                         resource and read every key: anybody gets a token, even where
                         auth.mode asks for one.
              example    bind-address: 0.0.0.0

            hostname = not set
              from       default
              variable   FLOCI_AZ_HOSTNAME
              supported  a host name such as gateway.test, or an IP address, without a port
              default    not set
              effect     One more name that clients reach the gateway by, for its
                         certificate. It has those of this machine (localhost, *.localhost,
                         127.0.0.1, ::1), host.docker.internal and a bind-address that is
                         one address.
              trade-off  Another name is another certificate, which is made at the next
                         start; clients go on trusting it, because the authority that signs
                         it stays.
              example    hostname: gateway.test

            tls.enabled = true
              from       default
              variable   FLOCI_AZ_TLS_ENABLED
              supported  true or false
              default    true
              effect     Whether the port answers HTTPS too, beside HTTP. The certificate
                         is signed by an authority that the gateway makes for itself at its
                         first start; GET /_floci/tls-cert answers what a client has to
                         trust.
              trade-off  With false, what insists on HTTPS (az, Terraform, tokens of an
                         SDK) cannot use the gateway.
              example    tls.enabled: false

            tls.cert-path = not set
              from       default
              variable   FLOCI_AZ_TLS_CERT_PATH
              supported  a path, without quotes, backslashes and control characters
              default    not set
              effect     A certificate to serve instead of the gateway's own: a file in
                         PEM, the server's first, then those that it is signed by. It is
                         read when the gateway starts; tls.key-path belongs to it.
              trade-off  Renewing it, and the names in it, are yours to look after; one
                         that has expired stops the start.
              example    tls.cert-path: /etc/floci-az/server.pem

            tls.key-path = not set
              from       default
              variable   FLOCI_AZ_TLS_KEY_PATH
              supported  a path, without quotes, backslashes and control characters
              default    not set
              effect     The private key of tls.cert-path: a file in PEM, without a
                         password.
              trade-off  Whoever can read the file can pass for the gateway.
              example    tls.key-path: /etc/floci-az/server.key

            runtime = none
              from       floci-az.yml:1
              variable   FLOCI_AZ_RUNTIME
              supported  auto or docker or process or none
              default    auto
              effect     What runs the servers behind the resources: containers (docker),
                         programs of this machine (process), or nothing (none). auto takes
                         docker if its engine answers when the gateway starts, else
                         process.
              trade-off  docker needs an engine; process runs the versions that are
                         installed here, without a container around them; with none,
                         resources can be managed but there is nothing to connect to.
              example    runtime: process

            storage.mode = persistent
              from       default
              variable   FLOCI_AZ_STORAGE_MODE
              supported  persistent or memory
              default    persistent
              effect     Whether resources outlive the gateway: persistent writes each
                         change to disk before it is answered, memory keeps nothing.
              trade-off  memory answers writes sooner, and every start begins with nothing.
              example    storage.mode: memory

            storage.persistent-path = ./data
              from       default
              variable   FLOCI_AZ_STORAGE_PERSISTENT_PATH
              supported  a path, without quotes, backslashes and control characters
              default    ./data
              effect     The folder that holds the state when storage.mode is persistent. A
                         relative path begins in the folder that the gateway is started in.
              trade-off  Another folder is another, empty, set of resources. Two gateways
                         cannot share one.
              example    storage.persistent-path: /var/lib/floci-az

            arm.strict = true
              from       default
              variable   FLOCI_AZ_ARM_STRICT
              supported  true or false
              default    true
              effect     Whether a request without an api-version is refused, as Azure
                         does; if not, the newest one is taken.
              trade-off  With false, a mistake that Azure refuses goes unnoticed here.
              example    arm.strict: false

            arm.strict-groups = false
              from       default
              variable   FLOCI_AZ_ARM_STRICT_GROUPS
              supported  true or false
              default    false
              effect     Whether a resource is refused when its resource group was not
                         created before, as Azure does; if not, the group is created with
                         it.
              trade-off  With true, a script has to create the group first; with false, a
                         forgotten group goes unnoticed here.
              example    arm.strict-groups: true

            arm.subscriptions = 00000000-0000-0000-0000-000000000001
              from       default
              variable   FLOCI_AZ_ARM_SUBSCRIPTIONS
              supported  words of letters, digits, '-', '_' and '.', with commas between
                         them
              default    00000000-0000-0000-0000-000000000001
              effect     The ids of the subscriptions that there are from the start, with
                         commas between them.
              trade-off  Tools that pick the first subscription after their login, as az
                         does, pick the first of these.
              example    arm.subscriptions: 00000000-0000-0000-0000-000000000001

            arm.strict-subscriptions = false
              from       default
              variable   FLOCI_AZ_ARM_STRICT_SUBSCRIPTIONS
              supported  true or false
              default    false
              effect     Whether a request to another subscription than arm.subscriptions
                         is refused, as Azure does.
              trade-off  With true, subscriptions have to be listed; with false, any word
                         is a subscription, and a mistyped one goes unnoticed here.
              example    arm.strict-subscriptions: true

            auth.mode = dev
              from       default
              variable   FLOCI_AZ_AUTH_MODE
              supported  dev or strict
              default    dev
              effect     Whether a request needs an access token: with dev, any will do,
                         and none as well; with strict, one that this gateway has issued
                         (to any client id and secret), for itself, and that has not
                         expired.
              trade-off  strict shows how a client copes with a refused or expired token,
                         but each has to log in first. It keeps nobody out: any credential
                         gets a token.
              example    auth.mode: strict

            transfers.folder = not set
              from       default
              variable   FLOCI_AZ_TRANSFERS_FOLDER
              supported  a path, without quotes, backslashes and control characters
              default    not set
              effect     The folder in which file:/// URLs of exports and imports may be.
                         Those of files elsewhere are refused, and all of them if it is not
                         set; https:// and http:// URLs are not concerned.
              trade-off  Whoever manages resources can read and write the files in it, but
                         none outside: links are not followed.
              example    transfers.folder: /var/backups/floci-az

            plugins.folder = not set
              from       default
              variable   FLOCI_AZ_PLUGINS_FOLDER
              supported  a path, without quotes, backslashes and control characters
              default    not set
              effect     A folder of plugins: each *.wasm file in it is installed when the
                         gateway starts, and a new or changed one while it runs, in the
                         place of the revision before. A file that goes changes nothing.
              trade-off  Whoever can write into the folder decides what the gateway runs.
              example    plugins.folder: /etc/floci-az/plugins

            plugins.signature-key = not set
              from       default
              variable   FLOCI_AZ_PLUGINS_SIGNATURE_KEY
              supported  a path, without quotes, backslashes and control characters
              default    not set
              effect     A public key (Ed25519 or ECDSA P-256, in PEM, as `cosign
                         generate-key-pair` and openssl make them). Every component that is
                         installed has to be signed with its private key, whichever way it
                         comes.
              trade-off  Each new build of a plugin has to be signed before the gateway
                         takes it. What is part of the gateway, and what was installed
                         before, is not asked for a signature.
              example    plugins.signature-key: /etc/floci-az/cosign.pub

            services.cache.max-port = 6399
              from       default
              variable   FLOCI_AZ_SERVICES_CACHE_MAX_PORT
              supported  a port from 1 to 65535
              default    6399
              effect     The effect.
              trade-off  The trade-off.
              example    services.cache.max-port: 6400
        "#]]
        .assert_eq(&describe(&settings));
    }
}
