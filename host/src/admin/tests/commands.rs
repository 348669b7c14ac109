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
    expect![[r#"
        $ floci-az plugin list
        No plugins. Install one: floci-az plugin install FILE

        $ floci-az plugin check FOLDER/one.wasm
        /home/ada/one.wasm: 21 bytes, sha256:369e6e421631cfb5baa82ad742146983f4e003fa9118e1a173fa2880464a24e9; the gateway at http://localhost:4577 compiles and checks it
        Contoso.Widgets 1.0.0
          digest    sha256:369e6e421631cfb5baa82ad742146983f4e003fa9118e1a173fa2880464a24e9
          contract  0.1.0
          origin    sent to the gateway
          service   widgets
          schemas   widgets 1
          asks      resp (not allowed)

        What is not allowed is refused to it when it asks. To allow it, write into floci-az.yml, before it is installed:

          floci-az:
            services:
              widgets:
                grants:
                  resp: true

        Nothing stands in its way. Nothing was changed. Next:

          floci-az plugin install --swap /home/ada/one.wasm

        $ floci-az plugin install FOLDER/one.wasm
        /home/ada/one.wasm: 21 bytes, sha256:369e6e421631cfb5baa82ad742146983f4e003fa9118e1a173fa2880464a24e9; the gateway at http://localhost:4577 compiles and checks it
        Contoso.Widgets 1.0.0
          digest    sha256:369e6e421631cfb5baa82ad742146983f4e003fa9118e1a173fa2880464a24e9
          state     Active
          contract  0.1.0
          origin    sent to the gateway
          service   widgets
          schemas   widgets 1
          asks      resp (not allowed)

        What is not allowed is refused to it when it asks. To allow it, write into floci-az.yml, and install it again:

          floci-az:
            services:
              widgets:
                grants:
                  resp: true

        It serves Contoso.Widgets now.

        $ floci-az plugin install FOLDER/two.wasm --signature FOLDER/two.sig
        /home/ada/two.wasm: 21 bytes, sha256:041326639e17dc047a747b357824f0424b99a16f4870cbcf3ff7f2d1265be0bd; the gateway at http://localhost:4577 compiles and checks it
        Contoso.Widgets 1.1.0
          digest    sha256:041326639e17dc047a747b357824f0424b99a16f4870cbcf3ff7f2d1265be0bd
          state     Ready
          contract  0.1.0
          origin    sent to the gateway
          service   widgets
          schemas   widgets 1
          asks      resp (not allowed)

        What is not allowed is refused to it when it asks. To allow it, write into floci-az.yml, and install it again:

          floci-az:
            services:
              widgets:
                grants:
                  resp: true

        Next, to have it serve:

          floci-az plugin swap Contoso.Widgets 041326639e17

        $ floci-az plugin list
        NAMESPACE        STATE   REVISION      VERSION  CONTRACT  SINCE                ORIGIN
        Contoso.Widgets  Ready   041326639e17  1.1.0    0.1.0     2026-01-02 03:04:05  upload
        Contoso.Widgets  Active  369e6e421631  1.0.0    0.1.0     2026-01-02 03:04:05  upload

        $ floci-az plugin swap contoso.widgets TWO
        Contoso.Widgets is served by the revision 041326639e17 (1.1.0) now, in the place of 369e6e421631.

        Back again:

          floci-az plugin rollback Contoso.Widgets --to 369e6e421631

        $ floci-az plugin rollback contoso.widgets
        Contoso.Widgets is served by the revision 369e6e421631 (1.0.0) now, in the place of 041326639e17.

        Back again:

          floci-az plugin rollback Contoso.Widgets --to 041326639e17

        $ floci-az plugin install --swap contoso.gadgets:1/a
        oci://contoso.gadgets:1/a: the gateway at http://localhost:4577 pulls, compiles and checks it
        contoso.gadgets 1/a
          digest    sha256:e272a61b03ab913b8a4867b6c6537d2d6ae0793a5bda1aa38752a2f6efddf69e
          state     Active
          contract  0.1.0
          origin    the image contoso.gadgets:1/a
          service   gadgets
          schemas   gadgets 1
          asks      resp (not allowed)

        What is not allowed is refused to it when it asks. To allow it, write into floci-az.yml, and install it again:

          floci-az:
            services:
              gadgets:
                grants:
                  resp: true

        It serves contoso.gadgets now.

        $ floci-az plugin install --swap oci://contoso.gadgets:2.0.0
        oci://contoso.gadgets:2.0.0: the gateway at http://localhost:4577 pulls, compiles and checks it
        contoso.gadgets 2.0.0
          digest    sha256:8e631a61934676012b9cd4150bf2c9ded7199eb413f1462956894e97ed55d61f
          state     Active
          contract  0.1.0
          origin    the image contoso.gadgets:2.0.0
          service   gadgets
          schemas   gadgets 1
          asks      resp (not allowed)

        What is not allowed is refused to it when it asks. To allow it, write into floci-az.yml, and install it again:

          floci-az:
            services:
              gadgets:
                grants:
                  resp: true

        It serves contoso.gadgets now.

        Back again:

          floci-az plugin rollback contoso.gadgets --to e272a61b03ab

        $ floci-az plugin install oci://contoso.gadgets:2.0.0 --signature FOLDER/two.sig
        --signature is for files; the signature of an image is beside it in its registry, as `cosign sign` puts it there

        $ floci-az plugin install FOLDER/none.wasm
        refused (PluginRefused): 4 bytes are no component

        $ floci-az plugin install FOLDER/missing.wasm
        /home/ada/missing.wasm cannot be read: No such file or directory (os error 2). Name a file that this user can read

        $ floci-az plugin install FOLDER/one.wasm --digest 0000000000000000000000000000000000000000000000000000000000000000
        refused (DigestMismatch): the component has the digest 369e6e421631cfb5baa82ad742146983f4e003fa9118e1a173fa2880464a24e9, and 0000000000000000000000000000000000000000000000000000000000000000 was asked for

        $ floci-az plugin swap contoso.widgets ../..
        refused (InvalidRequest): Digest '../..' is invalid. Supported: a digest (64 hexadecimal digits, with or without 'sha256:' before them), or at least its first 4 digits.

        $ floci-az plugin swap Contoso.Nothing 0000
        refused (PluginNotFound): There is no plugin for the provider namespace 'Contoso.Nothing'. This gateway has plugins for: Contoso.Widgets, contoso.gadgets. PUT /_floci/plugins installs one.

        $ floci-az plugin swap a/../b 0000
        refused (InvalidRequestUri): The path '/_floci/plugins/a%2F..%2Fb/swap' is malformed: a segment is empty or not valid percent-encoded UTF-8, or holds a '/' or a control character.

        $ floci-az plugin remove contoso.widgets --revision TWO
        The revision 041326639e17 of contoso.widgets is removed.

        $ floci-az plugin remove contoso.widgets
        contoso.widgets is removed.

        $ floci-az plugin list
        NAMESPACE        STATE   REVISION      VERSION  CONTRACT  SINCE                ORIGIN
        contoso.gadgets  Active  8e631a619346  2.0.0    0.1.0     2026-01-02 03:04:05  contoso.gadgets:2.0.0
        contoso.gadgets  Ready   e272a61b03ab  1/a      0.1.0     2026-01-02 03:04:05  contoso.gadgets:1/a

    "#]].assert_eq(&text.await.unwrap());
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
    assert!(refused("check FOLDER/none.wasm").contains("it is no WebAssembly"));
    let other = format!("check FOLDER/plugin.wasm --digest {}", "0".repeat(64));
    assert!(refused(&other).contains("was asked for"));
    assert!(refused("check FOLDER/missing.wasm").contains("cannot be read"));
    assert!(refused("check oci://localhost:1/x:1").contains("no floci-az gateway answers"));
    assert!(refused("install FOLDER/plugin.wasm").contains("no floci-az gateway answers"));
}
