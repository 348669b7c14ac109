//! Starting a program, and hearing of its end.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::exec::ALREADY_RUNNING;
use super::folder::{Folder, Record};

/// For our own binary to start and take the lock: milliseconds, seconds on a machine that is short of memory.
const START: Duration = Duration::from_secs(5);
/// A program that was stopped gives its lock back an instant before its ports.
const PORTS_ARE_FREED: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(5);

/// A program after [`until_running`].
#[derive(Debug)]
pub enum Started {
    Running,
    Exited,
}

/// How a child has ended.
#[derive(Debug)]
pub enum End {
    /// In words.
    Ended(String),
    /// It was not started, because the workload ran already.
    RunsAlready,
}

/// The environment is the record's, with PATH and LANG of the gateway and the data folder as HOME: nothing of the
/// gateway's own settings and secrets.
pub fn spawn(exec: &Path, folder: &Folder, record: &Record) -> io::Result<Child> {
    let log = folder.log()?;
    let inherited = ["PATH", "LANG"].into_iter().filter_map(|name| Some((name, env::var_os(name)?)));
    Command::new(exec)
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
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(false)
        .spawn()
}

pub async fn wait(mut child: Child) -> End {
    match child.wait().await {
        Ok(status) if status.code() == Some(ALREADY_RUNNING) => End::RunsAlready,
        Ok(status) => End::Ended(describe(status)),
        Err(error) => End::Ended(format!("its exit code cannot be had ({error})")),
    }
}

/// Until the program holds its lock, or `follower`, which waits for its end, has seen that.
pub async fn until_running(folder: &Folder, follower: &JoinHandle<()>) -> io::Result<Started> {
    let deadline = Instant::now() + START;
    loop {
        // In this order: a program that runs when looked at and ends then is found by the next look.
        let finished = follower.is_finished();
        if folder.runner()?.is_some() {
            return Ok(Started::Running);
        }
        if finished {
            return Ok(Started::Exited);
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("it did not start within {START:?}")));
        }
        sleep(LOOK).await;
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
