//! The commands against a gateway of a few lines and an `az` of a few more.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use expect_test::expect;
use tempfile::TempDir;

use super::local::Local;
use super::*;
use crate::config::{AuthMode, Gateway, Storage, Tls};

const CA: &str = "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n";

/// Answers what it is told to by path, 404 to all else. Its thread ends with the tests.
struct Fake {
    port: u16,
    answers: Arc<Mutex<BTreeMap<&'static str, (u16, String)>>>,
}

impl Fake {
    fn start() -> Fake {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = [("/_floci/tls-cert", (200, CA.to_owned())), ("/discovery/v2.0/keys", (200, "{}".to_owned()))];
        let answers = Arc::new(Mutex::new(BTreeMap::from(answers)));
        let known = answers.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
                    .lines()
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty())
                    .collect();
                let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
                let (status, text) = known.lock().unwrap().get(path.as_str()).cloned().unwrap_or((404, String::new()));
                let head =
                    format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", text.len());
                let _ = stream.write_all((head + &text).as_bytes());
            }
        });
        Fake { port, answers }
    }

    fn set(&self, path: &'static str, status: u16, text: &str) {
        self.answers.lock().unwrap().insert(path, (status, text.to_owned()));
    }
}

fn gateway(port: u16, storage: Storage) -> Gateway {
    let sources = crate::config::Sources::read(None, []);
    Gateway { port, storage, auth: AuthMode::Dev, ..sources.gateway().unwrap() }
}

fn surroundings(home: &Path, more: &[(&str, &str)]) -> Surroundings {
    let system = home.join("system.pem");
    fs::write(&system, "the system's\n").unwrap();
    let variables = [("HOME", home.to_str().unwrap()), ("SSL_CERT_FILE", system.to_str().unwrap())];
    variables.iter().chain(more).map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

/// An `az` that writes down how it was started. It fails if a file says so.
fn fake_az(home: &Path) -> String {
    let path = home.join("az");
    let script = r#"#!/bin/sh
here=$(dirname "$0")
{ echo "$@"; } >> "$here/calls"
env > "$here/environment"
if [ "$1" = "$(cat "$here/fails" 2>/dev/null)" ]; then echo 'it went wrong' >&2; exit 3; fi
echo said; exit 0
"#;
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn the_variables_are_those_that_the_programs_want() {
    let (home, fake) = (TempDir::new().unwrap(), Fake::start());
    let gateway = gateway(fake.port, Storage::Memory);
    let printed = |shell, purpose| {
        let text = env(&gateway, &surroundings(home.path(), &[]), shell, purpose).unwrap();
        text.replace(home.path().to_str().unwrap(), "/home/ada").replace(&fake.port.to_string(), "4577")
    };
    expect![[r##"
        # For this shell: eval "$(floci-az env)"
        # az: once, with these variables set (`floci-az az -- ...` needs none of this, and leaves your own az alone):
        #   az cloud register -n floci-az --endpoint-resource-manager https://localhost:4577
        #   az cloud set -n floci-az
        #   az login --service-principal -u 00000000-0000-0000-0000-000000000003 -p any-secret --tenant 00000000-0000-0000-0000-000000000002
        # and `az cloud set -n AzureCloud` leads back to Azure.
        export REQUESTS_CA_BUNDLE='/home/ada/.cache/floci-az/localhost-4577/bundle.pem'
        export AZURE_CORE_INSTANCE_DISCOVERY='false'
        export AZURE_CORE_COLLECT_TELEMETRY='false'
        # Terraform, with provider "azurerm" { features {} }
        # (before 4.0 it also needs: skip_provider_registration = true)
        export ARM_METADATA_HOSTNAME='localhost:4577'
        export ARM_TENANT_ID='00000000-0000-0000-0000-000000000002'
        export ARM_CLIENT_ID='00000000-0000-0000-0000-000000000003'
        export ARM_CLIENT_SECRET='any-secret'
        export ARM_USE_CLI='false'
        export ARM_RESOURCE_PROVIDER_REGISTRATIONS='none'
        export SSL_CERT_FILE='/home/ada/.cache/floci-az/localhost-4577/bundle.pem'
        export ARM_SUBSCRIPTION_ID='00000000-0000-0000-0000-000000000001'
        # SDKs: EnvironmentCredential and DefaultAzureCredential log in by these variables. A management client has to
        # be told its endpoint, https://localhost:4577, and scope, https://localhost:4577/.default; in Python:
        #   base_url="https://localhost:4577", credential_scopes=["https://localhost:4577/.default"]
        # With the tenant adfs, nobody else is asked whether this login is to be trusted; with another tenant, the
        # credential needs disable_instance_discovery=True (disableInstanceDiscovery, DisableInstanceDiscovery).
        export AZURE_AUTHORITY_HOST='https://localhost:4577'
        export AZURE_TENANT_ID='adfs'
        export AZURE_CLIENT_ID='00000000-0000-0000-0000-000000000003'
        export AZURE_CLIENT_SECRET='any-secret'
        export NODE_EXTRA_CA_CERTS='/home/ada/.cache/floci-az/localhost-4577/ca.pem'
        export AZURE_SUBSCRIPTION_ID='00000000-0000-0000-0000-000000000001'
    "##]]
    .assert_eq(&printed(Shell::Sh, Purpose::All));
    expect![[r#"
        # For this shell: floci-az env --shell powershell | Out-String | Invoke-Expression
        # az: once, with these variables set (`floci-az az -- ...` needs none of this, and leaves your own az alone):
        #   az cloud register -n floci-az --endpoint-resource-manager https://localhost:4577
        #   az cloud set -n floci-az
        #   az login --service-principal -u 00000000-0000-0000-0000-000000000003 -p any-secret --tenant 00000000-0000-0000-0000-000000000002
        # and `az cloud set -n AzureCloud` leads back to Azure.
        $env:REQUESTS_CA_BUNDLE = '/home/ada/.cache/floci-az/localhost-4577/bundle.pem'
        $env:AZURE_CORE_INSTANCE_DISCOVERY = 'false'
        $env:AZURE_CORE_COLLECT_TELEMETRY = 'false'
    "#]]
    .assert_eq(&printed(Shell::Powershell, Purpose::Az));
    let folder = home.path().join(format!(".cache/floci-az/localhost-{}", fake.port));
    assert_eq!(fs::read_to_string(folder.join("ca.pem")).unwrap(), CA);
    assert_eq!(fs::read_to_string(folder.join("bundle.pem")).unwrap(), format!("the system's\n{CA}"));
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_shell_that_has_the_variables_already_gets_the_same_ones() {
    let (home, fake) = (TempDir::new().unwrap(), Fake::start());
    let gateway = gateway(fake.port, Storage::Memory);
    let folder = home.path().join(format!(".cache/floci-az/localhost-{}", fake.port));
    let before = surroundings(home.path(), &[]);
    env(&gateway, &before, Shell::Sh, Purpose::All).unwrap();
    let bundle = folder.join("bundle.pem");
    let first = fs::read_to_string(&bundle).unwrap();
    let system = home.path().join("system.pem").display().to_string();
    let variables = [("SSL_CERT_FILE", bundle.to_str().unwrap()), ("REQUESTS_CA_BUNDLE", system.as_str())];
    let again = surroundings(home.path(), &variables);
    env(&gateway, &again, Shell::Sh, Purpose::All).unwrap();
    assert_eq!(fs::read_to_string(&bundle).unwrap(), first);
}

#[test]
fn a_shell_takes_any_value_as_it_is() {
    let value = "it's $HOME \\ `a` \"b\"\n%";
    let sh = std::process::Command::new("sh")
        .args(["-c", &format!("{}\nprintf %s \"$X\"", Shell::Sh.set("X", value))])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(sh.stdout).unwrap(), value);
    expect![[r#"
        set -gx X 'it\'s \\'
        $env:X = 'it''s \'
    "#]]
    .assert_eq(&format!("{}\n{}\n", Shell::Fish.set("X", "it's \\"), Shell::Powershell.set("X", "it's \\")));
}

#[test]
fn the_output_can_be_evaluated() {
    let (home, fake) = (TempDir::new().unwrap(), Fake::start());
    let text =
        env(&gateway(fake.port, Storage::Memory), &surroundings(home.path(), &[]), Shell::Sh, Purpose::All).unwrap();
    let script = "eval \"$(cat)\" && printf '%s' \"$ARM_METADATA_HOSTNAME $AZURE_TENANT_ID\"";
    let mut sh = std::process::Command::new("sh")
        .args(["-euc", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    sh.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = sh.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("localhost:{} adfs", fake.port));
}

#[test]
fn az_is_set_up_once_for_each_gateway() {
    let (home, fake) = (TempDir::new().unwrap(), Fake::start());
    let program = fake_az(home.path());
    let gateway = gateway(fake.port, Storage::Memory);
    let more = [("FLOCI_AZ_AZ", program.as_str()), ("NO_PROXY", "intranet")];
    let run = || {
        let arguments = ["vm", "list", "--query", "[] | [0]"].map(OsString::from);
        let status = az(&gateway, &surroundings(home.path(), &more), &arguments).map(|mut command| command.output());
        let calls = fs::read_to_string(home.path().join("calls")).unwrap_or_default();
        let _ = fs::remove_file(home.path().join("calls"));
        (status, calls.replace(&fake.port.to_string(), "4577"))
    };
    let (first, calls) = run();
    assert_eq!(first.unwrap().unwrap().stdout, b"said\n", "the setup is not heard of");
    expect![[r#"
        cloud register -n floci-az --endpoint-resource-manager https://localhost:4577
        cloud set -n floci-az
        login --service-principal -u 00000000-0000-0000-0000-000000000003 -p any-secret --tenant 00000000-0000-0000-0000-000000000002
        vm list --query [] | [0]
    "#]]
    .assert_eq(&calls);
    let environment = fs::read_to_string(home.path().join("environment")).unwrap();
    let folder = format!("{}/.cache/floci-az/localhost-{}", home.path().display(), fake.port);
    for line in [
        format!("AZURE_CONFIG_DIR={folder}/azure"),
        format!("REQUESTS_CA_BUNDLE={folder}/bundle.pem"),
        "AZURE_CORE_INSTANCE_DISCOVERY=false".to_owned(),
        "NO_PROXY=intranet,localhost,127.0.0.1,::1".to_owned(),
    ] {
        assert!(environment.lines().any(|found| found == line), "{line}\n{environment}");
    }
    assert_eq!(run().1, "vm list --query [] | [0]\n", "it is set up");

    fake.set("/discovery/v2.0/keys", 200, "{\"keys\":[]}");
    assert_eq!(run().1.lines().count(), 4, "another key");
    fake.set("/_floci/tls-cert", 200, &CA.replace("ours", "another"));
    assert_eq!(run().1.lines().count(), 4, "another certificate");
    assert_eq!(run().1.lines().count(), 1);

    fake.set("/_floci/tls-cert", 200, CA);
    fs::write(home.path().join("fails"), "login").unwrap();
    let (failed, calls) = run();
    let text = failed.unwrap_err().to_string();
    assert!(text.contains("az login --service-principal") && text.ends_with("it went wrong"), "{text}");
    assert_eq!(calls.lines().count(), 3, "what was asked for is not tried");
    fs::remove_file(home.path().join("fails")).unwrap();
    assert_eq!(run().1.lines().count(), 4, "begun anew");
}

#[test]
fn what_is_in_the_way_is_told() {
    let (home, fake) = (TempDir::new().unwrap(), Fake::start());
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let memory = |port| gateway(port, Storage::Memory);
    let kept = home.path().join("state");
    let here = surroundings(home.path(), &[]);
    let known = [("FLOCI_AZ_AZ", "/nowhere/az")];
    let mut told = String::new();
    let mut tell = |what: &str, error: CliError| {
        let text = error.to_string().replace(home.path().to_str().unwrap(), "/home/ada");
        let text = text.replace(&fake.port.to_string(), "4577").replace(&nobody.to_string(), "4578");
        told += &format!("{what}\n  {text}\n");
    };
    tell("ca, nobody", ca(&memory(nobody)).unwrap_err());
    tell("ca, nobody ever", ca(&gateway(nobody, Storage::Persistent(kept.clone()))).unwrap_err());
    fs::create_dir_all(kept.join("tls")).unwrap();
    tell("ca, none kept", ca(&gateway(nobody, Storage::Persistent(kept.clone()))).unwrap_err());
    fs::write(kept.join("tls/ca.pem"), "kept").unwrap();
    assert_eq!(ca(&gateway(nobody, Storage::Persistent(kept.clone()))).unwrap(), "kept");
    assert_eq!(ca(&gateway(fake.port, Storage::Persistent(kept))).unwrap(), CA);
    tell("env, nobody", env(&memory(nobody), &here, Shell::Sh, Purpose::All).unwrap_err());
    tell("env, no home", env(&memory(fake.port), &Surroundings::default(), Shell::Sh, Purpose::All).unwrap_err());
    tell("az, not installed", az(&memory(fake.port), &Surroundings::default(), &[]).unwrap_err());
    tell("az, not startable", az(&memory(fake.port), &surroundings(home.path(), &known), &[]).unwrap_err());
    fake.set("/_floci/tls-cert", 404, "{\"error\":{\"code\":\"TlsDisabled\"}}");
    tell("ca, no TLS", ca(&memory(fake.port)).unwrap_err());
    fake.set("/_floci/tls-cert", 200, "<html>");
    tell("ca, a stranger", ca(&memory(fake.port)).unwrap_err());
    for body in ["{\"error\":{\"code\":\"NotFound\"}}", "{\"error\":\"TlsDisabled\"}", "{}", "{", "TlsDisabled", ""] {
        fake.set("/_floci/tls-cert", 404, body);
        let error = ca(&memory(fake.port)).unwrap_err();
        assert!(matches!(error, CliError::Stranger { .. }), "{body}: {error}");
    }
    expect![[r#"
        ca, nobody
          no floci-az gateway answers at http://localhost:4578 (io: Connection refused (os error 111)): start it with `floci-az`, in another terminal. If it runs with other settings, give the same --config or FLOCI_AZ_* variables here
        ca, nobody ever
          no floci-az gateway answers at http://localhost:4578 (io: Connection refused (os error 111)): start it with `floci-az`, in another terminal. If it runs with other settings, give the same --config or FLOCI_AZ_* variables here
        ca, none kept
          no floci-az gateway answers at http://localhost:4578, and none has left a certificate in /home/ada/state/tls/ca.pem: start it with `floci-az`, in another terminal; its first start makes one
        env, nobody
          no floci-az gateway answers at http://localhost:4578 (io: Connection refused (os error 111)): start it with `floci-az`, in another terminal. If it runs with other settings, give the same --config or FLOCI_AZ_* variables here
        env, no home
          there is no folder for certificates: neither XDG_CACHE_HOME nor HOME is set. Set one of them
        az, not installed
          there is no az on PATH: install the Azure CLI (https://aka.ms/install-azure-cli, or `pip install azure-cli` in an environment of its own), or name the program in FLOCI_AZ_AZ
        az, not startable
          /nowhere/az cannot be started: No such file or directory (os error 2)
        ca, no TLS
          the gateway at http://localhost:4577 does not speak TLS, so there is no certificate: GET /_floci/tls-cert was answered 404 {"error":{"code":"TlsDisabled"}}. az, Terraform and most SDKs send no token without TLS: start the gateway with tls.enabled set to true
        ca, a stranger
          what answers at http://localhost:4577 is no floci-az gateway, or not one of this version: GET /_floci/tls-cert was answered 200 <html>. Stop it and start the gateway, or give the port of the gateway (FLOCI_AZ_PORT)
    "#]]
    .assert_eq(&told);
}

/// Its certificate is of another time, or nobody's any more.
#[test]
fn what_an_earlier_gateway_has_left_is_not_the_certificate_of_one_with_other_settings() {
    let home = TempDir::new().unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let (kept, own) = (home.path().join("state"), home.path().join("own.pem"));
    fs::create_dir_all(kept.join("tls")).unwrap();
    fs::write(kept.join("tls/ca.pem"), "left over").unwrap();
    let asked = |tls: Tls, storage: &Storage| ca(&Gateway { tls, ..gateway(port, storage.clone()) });
    let given = || Tls::Given { certificate: own.clone(), key: home.path().join("own.key") };
    let persistent = Storage::Persistent(kept);
    assert_eq!(asked(Tls::Made, &persistent).unwrap(), "left over");
    let mut told = String::new();
    let mut tell = |what: &str, error: CliError| {
        let text = error.to_string().replace(home.path().to_str().unwrap(), "/home/ada");
        told += &format!("{what}\n  {}\n", text.replace(&port.to_string(), "4577"));
    };
    for storage in [persistent, Storage::Memory] {
        assert!(matches!(asked(Tls::Off, &storage), Err(CliError::NoTls { .. })), "{storage:?}");
        fs::write(&own, "-----BEGIN CERTIFICATE-----\nb3Vycw==\n-----END CERTIFICATE-----\nand its key").unwrap();
        let chain = "-----BEGIN CERTIFICATE-----\nb3Vycw==\n-----END CERTIFICATE-----\n";
        assert_eq!(asked(given(), &storage).unwrap(), chain, "{storage:?}");
        fs::remove_file(&own).unwrap();
        assert!(matches!(asked(given(), &storage), Err(CliError::Certificate(_))), "{storage:?}");
    }
    tell("off", asked(Tls::Off, &Storage::Memory).unwrap_err());
    tell("given", asked(given(), &Storage::Memory).unwrap_err());
    expect![[r#"
        off
          the gateway at http://localhost:4577 does not speak TLS, so there is no certificate: tls.enabled is false. az, Terraform and most SDKs send no token without TLS: start the gateway with tls.enabled set to true
        given
          /home/ada/own.pem (tls.cert-path) cannot be read: No such file or directory (os error 2). Supported: a file in PEM that this user can read
    "#]].assert_eq(&told);
}

#[test]
fn what_is_trusted_already_is_joined_byte_by_byte() {
    let (home, fake) = (TempDir::new().unwrap(), Fake::start());
    let gateway = gateway(fake.port, Storage::Memory);
    let here = surroundings(home.path(), &[]);
    fs::write(home.path().join("system.pem"), b"# Autorit\xe9\nthe system's\n\n").unwrap();
    for _ in 0..2 {
        env(&gateway, &here, Shell::Sh, Purpose::All).unwrap();
        let bundle = home.path().join(format!(".cache/floci-az/localhost-{}/bundle.pem", fake.port));
        let expected = [b"# Autorit\xe9\nthe system's\n", CA.as_bytes()].concat();
        assert_eq!(fs::read(bundle).unwrap(), expected);
    }
    let error = CliError::Trusted { path: "/x.pem".to_owned(), reason: io::ErrorKind::PermissionDenied.into() };
    expect!["/x.pem, which holds the certificates that are trusted already, cannot be read: permission denied. Let this user read it, or name another file in SSL_CERT_FILE"].assert_eq(&error.to_string());
}

#[test]
fn a_gateway_is_reached_where_it_listens() {
    for (address, authority, name) in [
        ("127.0.0.1", "localhost:4577", "localhost-4577"),
        ("0.0.0.0", "localhost:4577", "localhost-4577"),
        ("::", "localhost:4577", "localhost-4577"),
        ("::1", "localhost:4577", "localhost-4577"),
        ("127.0.0.2", "127.0.0.2:4577", "127.0.0.2-4577"),
        ("192.0.2.1", "192.0.2.1:4577", "192.0.2.1-4577"),
        ("2001:db8::1", "[2001:db8::1]:4577", "2001-db8--1-4577"),
    ] {
        let local = Local::of(&Gateway { bind_address: address.parse().unwrap(), ..gateway(4577, Storage::Memory) });
        assert_eq!((local.authority.as_str(), local.name().as_str()), (authority, name), "{address}");
    }
}
