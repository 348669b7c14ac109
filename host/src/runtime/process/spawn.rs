//! Starting a program, and hearing of its end.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::folder::{Folder, Record};

/// A program that was stopped gives its lock back an instant before its ports.
const PORTS_ARE_FREED: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(5);

/// None if the workload is locked. The environment is the record's, with PATH and LANG of the gateway and the data folder
/// as HOME: nothing of the gateway's own settings and secrets.
pub fn spawn(exec: &Path, folder: &Folder, record: &Record) -> io::Result<Option<Child>> {
    let Some(lock) = folder.lock()? else { return Ok(None) };
    let log = folder.log()?;
    let inherited = ["PATH", "LANG"].into_iter().filter_map(|name| Some((name, env::var_os(name)?)));
    let child = Command::new(exec)
        .arg("__exec")
        .arg(folder.path())
        .arg("--")
        .arg(&record.program)
        .args(&record.args)
        .env_clear()
        .envs(inherited)
        .env("HOME", folder.data())
        .envs(&record.env)
        .current_dir(folder.data())
        .stdin(lock)
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(false)
        .spawn()?;
    Ok(Some(child))
}

/// How it ended, in words.
pub async fn wait(mut child: Child) -> String {
    match child.wait().await {
        Ok(status) => describe(status),
        Err(error) => format!("it ended; its exit code cannot be had ({error})"),
    }
}

/// The first port that something listens on already, by its name.
///
/// Asked before a start, because afterwards there is only the program's own text to tell this from other failures.
pub async fn taken(ports: &BTreeMap<String, u16>) -> Option<(&str, u16)> {
    let deadline = Instant::now() + PORTS_ARE_FREED;
    loop {
        let taken = ports.iter().find(|(_, port)| is_taken(**port)).map(|(name, port)| (name.as_str(), *port));
        if taken.is_none() || Instant::now() > deadline {
            return taken;
        }
        sleep(LOOK).await;
    }
}

/// Other failures, a port below 1024 say, are the program's to report.
fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}
