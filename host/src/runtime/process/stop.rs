//! Ending a program, whoever started it.
//!
//! The pid comes from the lock at the moment of the signal, never from a file, so no stranger is hit. What the program
//! has started goes with it, as in a container: a server's child that writes a snapshot would otherwise put it over
//! what the next server has written.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use tokio::time::{Instant, sleep};

use super::folder::Folder;

/// Time to save data after SIGTERM, as Docker gives on `stop_all`.
const GRACE: Duration = Duration::from_secs(5);
/// SIGKILL takes effect at once, but for a process that waits for a disk.
const PATIENCE: Duration = Duration::from_secs(5);
/// A look at the lock costs two system calls.
const LOOK: Duration = Duration::from_millis(10);

/// Returns when the program is gone. If dropped on the way the signal has been sent and takes its effect.
pub async fn stop(folder: &Folder) -> io::Result<()> {
    for (signal, patience) in [(Signal::TERM, GRACE), (Signal::KILL, PATIENCE)] {
        let Some(runner) = folder.runner()? else { return Ok(()) };
        match rustix::process::kill_process(runner, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if folder.runner()?.is_none() {
                end_family(runner);
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("it is alive {PATIENCE:?} after SIGKILL")))
}

/// Kills what a program that has just ended has left. It led a session, so its pid names the group of its children, and
/// is given to nobody else while one of them lives.
pub fn end_family(leader: Pid) {
    match rustix::process::kill_process_group(leader, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => {
            tracing::warn!(pid = leader.as_raw_nonzero(), %error, "the children of a program that has ended cannot be killed")
        }
    }
}

/// Returns when `runner` has ended, for a program that is not our child.
pub async fn ended(folder: &Folder, runner: Pid) {
    /// Between two looks; an adopted program's end is noticed that late.
    const PACE: Duration = Duration::from_millis(500);
    while folder.runner().is_ok_and(|now| now == Some(runner)) {
        sleep(PACE).await;
    }
}
