//! Waiting for a program, and ending it, whoever started it.
//!
//! The pid comes from the lock at the moment of the signal, so no stranger is hit. What the program has started goes with
//! it, as in a container: a server's child that writes a snapshot would otherwise put it over what the next server has
//! written.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use tokio::time::{Instant, sleep};

use super::folder::{Folder, Life};

/// For our own binary to become the program: milliseconds, seconds on a machine that is short of memory.
const START: Duration = Duration::from_secs(5);
/// Time to save data after SIGTERM, as Docker gives on `stop_all`.
const GRACE: Duration = Duration::from_secs(5);
/// SIGKILL takes effect at once, but for a process that waits for a disk.
const PATIENCE: Duration = Duration::from_secs(5);
/// A look at the lock costs a few system calls.
const LOOK: Duration = Duration::from_millis(5);

/// A workload that is neither on its way up nor on its way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Running(Pid),
    Ended,
}

/// Waits for a start to be over, and kills what a program that has ended has left.
pub async fn settle(folder: &Folder) -> io::Result<Settled> {
    let deadline = Instant::now() + START;
    loop {
        match folder.life()? {
            Life::Running(pid) => return Ok(Settled::Running(pid)),
            Life::Ended => return Ok(Settled::Ended),
            Life::Orphans { leader } => signal(|| rustix::process::kill_process_group(leader, Signal::KILL))?,
            Life::Starting => {}
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it neither starts nor ends within {START:?}"),
            ));
        }
        sleep(LOOK).await;
    }
}

/// Returns when nothing of it lives. If dropped on the way the signal has been sent and takes its effect.
pub async fn stop(folder: &Folder) -> io::Result<()> {
    for (kind, patience) in [(Signal::TERM, GRACE), (Signal::KILL, PATIENCE)] {
        let Settled::Running(pid) = settle(folder).await? else { return Ok(()) };
        signal(|| rustix::process::kill_process(pid, kind))?;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if settle(folder).await? == Settled::Ended {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("it is alive {PATIENCE:?} after SIGKILL")))
}

/// Returns when `pid` has ended, for a program that is not our child.
pub async fn ended(folder: &Folder, pid: Pid) {
    /// Between two looks; an adopted program's end is noticed that late.
    const PACE: Duration = Duration::from_millis(500);
    while folder.life().is_ok_and(|life| life == Life::Running(pid)) {
        sleep(PACE).await;
    }
}

/// Whoever is gone already needs no signal.
fn signal(send: impl FnOnce() -> rustix::io::Result<()>) -> io::Result<()> {
    match send() {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
