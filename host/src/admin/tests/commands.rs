//! `floci-az plugin` against a server with this administration.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use clap::Parser;
use expect_test::expect;
use tokio::sync::watch;

use super::*;
use crate::cli::{self, CliError, PluginCommand, Reader, Surroundings, Terminal};
use crate::config::{Gateway, Sources, Storage};
use crate::server::{Limits, Server};

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: PluginCommand,
}

fn settings(port: u16) -> Gateway {
    Gateway { port, storage: Storage::Memory, ..Sources::read(None, []).gateway().unwrap() }
}

/// What a command prints, to both.
fn run(port: u16, folder: &Path, line: &str, reader: Reader) -> Result<String, CliError> {
    let line = line.replace("FOLDER", &folder.display().to_string());
    let Line { command } = Line::try_parse_from(format!("plugin {line}").split(' ')).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal { out: &mut out, err: &mut err, reader, program: "floci-az".to_owned() };
    cli::plugin(&settings(port), &Surroundings::default(), &command, &mut terminal)?;
    let text = String::from_utf8([err, out].concat()).unwrap();
    Ok(text.replace(&folder.display().to_string(), "/home/ada").replace(&port.to_string(), "4577"))
}

async fn serve() -> (u16, watch::Sender<bool>) {
    let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into(), Limits::default()).await.unwrap();
    let port = server.address().unwrap().port();
    let (close, closing) = watch::channel(false);
    tokio::spawn(server.serve(None, Arc::new(Front::new(AdminToken::open(None).unwrap())), closing));
    (port, close)
}

#[tokio::test]
async fn a_plugin_is_brought_changed_and_removed_from_a_terminal() {
    let (port, close) = serve().await;
    let text = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("one.wasm"), "Contoso.Widgets 1.0.0").unwrap();
        fs::write(folder.path().join("two.wasm"), "Contoso.Widgets 1.1.0").unwrap();
        fs::write(folder.path().join("none.wasm"), "none").unwrap();
        fs::write(folder.path().join("two.sig"), "aGVsbG8=\n").unwrap();
        let mut text = String::new();
        for line in [
            "list",
            "check FOLDER/one.wasm",
            "install FOLDER/one.wasm",
            "install FOLDER/two.wasm --signature FOLDER/two.sig",
            "list",
            "swap contoso.widgets TWO",
            "rollback contoso.widgets",
            "install --swap contoso.gadgets:1/a",
            "install --swap oci://contoso.gadgets:2.0.0",
            "install oci://contoso.gadgets:2.0.0 --signature FOLDER/two.sig",
            "install FOLDER/none.wasm",
            "install FOLDER/missing.wasm",
            "install FOLDER/one.wasm --digest 0000000000000000000000000000000000000000000000000000000000000000",
            "swap contoso.widgets ../..",
            "swap Contoso.Nothing 0000",
            "swap a/../b 0000",
            "remove contoso.widgets --revision TWO",
            "remove contoso.widgets",
            "list",
        ] {
            let two = Digest::of(b"Contoso.Widgets 1.1.0");
            let told = run(port, folder.path(), &line.replace("TWO", two.short()), Reader::Person);
            let told = told.unwrap_or_else(|error| format!("{error}\n"));
            let told = told.replace(&folder.path().display().to_string(), "/home/ada");
            text += &format!("$ floci-az plugin {line}\n{told}\n");
        }
        let listed = run(port, folder.path(), "list", Reader::Program).unwrap();
        let listed: Vec<crate::rollout::PluginView> = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed.len(), 1);
        text
    });
    expect![[r#""#]].assert_eq(&text.await.unwrap());
    close.send_replace(true);
}

use crate::plugin::Digest;

/// More than any other request may have.
#[tokio::test]
async fn a_large_component_arrives() {
    let (port, close) = serve().await;
    let told = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let large = format!("Contoso.Large {}", "1".repeat(20 << 20));
        fs::write(folder.path().join("large.wasm"), &large).unwrap();
        let text = run(port, folder.path(), "check FOLDER/large.wasm", Reader::Program).unwrap();
        assert!(text.contains(&Digest::of(large.as_bytes()).to_string()));
        fs::write(folder.path().join("larger.wasm"), vec![0; (64 << 20) + 1]).unwrap();
        run(port, folder.path(), "check FOLDER/larger.wasm", Reader::Program).unwrap_err().to_string()
    });
    assert!(told.await.unwrap().contains("larger than 67108864 bytes"));
    close.send_replace(true);
}

/// A component that is one is looked at without a gateway; what is none is refused.
#[test]
fn a_component_is_checked_where_no_gateway_runs() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    fs::write(folder.path().join("plugin.wasm"), crate::plugin::bundled()[0]).unwrap();
    fs::write(folder.path().join("none.wasm"), "none").unwrap();
    let told = run(port, folder.path(), "check FOLDER/plugin.wasm", Reader::Person).unwrap();
    let digest = Digest::of(crate::plugin::bundled()[0]);
    let told = told.replace(digest.short(), "DIGEST").replace(env!("CARGO_PKG_VERSION"), "VERSION");
    for expected in
        ["No gateway answers at http://localhost:4577", " VERSION, revision DIGEST: a plugin", "Not looked at"]
    {
        assert!(told.contains(expected), "no {expected} in {told}");
    }
    let json = run(port, folder.path(), "check FOLDER/plugin.wasm", Reader::Program).unwrap();
    assert!(json.contains(&digest.to_string()), "{json}");
    let refused = |line: &str| run(port, folder.path(), line, Reader::Person).unwrap_err().to_string();
    assert!(refused("check FOLDER/none.wasm").contains("cannot be compiled"));
    let other = format!("check FOLDER/plugin.wasm --digest {}", "0".repeat(64));
    assert!(refused(&other).contains("was asked for"));
    assert!(refused("check FOLDER/missing.wasm").contains("cannot be read"));
    assert!(refused("check oci://localhost:1/x:1").contains("no floci-az gateway answers"));
    assert!(refused("install FOLDER/plugin.wasm").contains("no floci-az gateway answers"));
}
