//! Ending a program, whoever started it.
//!
//! The pid comes from the lock at the moment of the signal, never from a file, so no stranger is hit.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Signal;
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
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("it is alive {PATIENCE:?} after SIGKILL")))
}

/// Returns when the program has ended by itself, for a program that is not our child.
pub async fn ended(folder: &Folder) {
    /// Between two looks; an adopted program's end is noticed that late.
    const PACE: Duration = Duration::from_millis(500);
    while matches!(folder.runner(), Ok(Some(_))) {
        sleep(PACE).await;
    }
}
