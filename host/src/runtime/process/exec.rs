//! `floci-az __exec <folder> -- <program> <args>`: becomes the program, holding the workload's lock.
//!
//! The lock is a POSIX record lock on `<folder>/lock`. The kernel keeps it for this process through `exec` until it is
//! dead, does not pass it on to the program's children, and tells whoever asks which process holds it. So "is it
//! running, and as which pid" has one answer that no crash can falsify: not of the gateway, not of the program, not of
//! the machine. Two things can: a program that closes descriptors it did not open, and one that goes to the
//! background. Both look as if they had ended; programs of workloads stay in the foreground.
//!
//! To be called before the process has a second thread: Linux drops record locks in an `exec` from several threads.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command};

use rustix::fs::FlockOperation;
use rustix::io::{Errno, FdFlags};

use super::folder::{LOCK, PID};

/// Exit code if the workload runs already; beyond what shells (126 and up) and BSD's sysexits (64 to 78) use.
pub const ALREADY_RUNNING: i32 = 99;

/// Returns only if it failed.
pub fn exec(folder: &Path, command: &[OsString]) -> io::Error {
    let [program, args @ ..] = command else {
        return io::Error::new(
            io::ErrorKind::InvalidInput,
            "__exec: which program? Usage: __exec <folder> -- <program> <args>",
        );
    };
    match hold(folder) {
        // Kept open until exec, and after.
        Ok(_lock) => {
            let error = Command::new(program).args(args).exec();
            io::Error::new(error.kind(), format!("{} cannot be executed: {error}", program.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            eprintln!("not started: the workload in {} is running already", folder.display());
            process::exit(ALREADY_RUNNING)
        }
        Err(error) => {
            io::Error::new(error.kind(), format!("the workload in {} cannot be locked: {error}", folder.display()))
        }
    }
}

fn hold(folder: &Path) -> io::Result<File> {
    // A session of its own: Ctrl-C in the gateway's terminal and its hang-up are not the program's.
    rustix::process::setsid()?;
    let lock = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(folder.join(LOCK))?;
    rustix::fs::fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        // POSIX allows both for a lock that is held.
        Errno::ACCESS | Errno::AGAIN => io::ErrorKind::WouldBlock.into(),
        other => io::Error::from(other),
    })?;
    fs::write(folder.join(PID), process::id().to_string())?;
    rustix::io::fcntl_setfd(&lock, FdFlags::empty())?;
    Ok(lock)
}
