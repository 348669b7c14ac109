//! `floci-az __exec <folder> -- <program> <args>`: becomes the program, holding the workload's locks.
//!
//! There are two, which the kernel keeps through `exec` and gives back at the end of whoever holds them, so that no crash
//! can falsify what they say: not of the gateway, not of the program, not of the machine.
//!
//! - A `flock` on `lock`, taken by the gateway before this process exists. It arrives as stdin and passes on to all that
//!   the program starts: *something* of the workload lives.
//! - A record lock on `pid`, taken by this process. It passes on to nobody, and names its holder to whoever asks: *which*
//!   process the program is.
//!
//! A program that closes descriptors it did not open, or goes to the background, looks as if it had ended; programs of
//! workloads stay in the foreground. To be called before the process has a second thread: Linux drops record locks in an
//! `exec` from several threads.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command};

use rustix::fs::FlockOperation;
use rustix::io::FdFlags;

use super::folder::PID;

/// Returns only if it failed.
pub fn exec(folder: &Path, command: &[OsString]) -> io::Error {
    let [program, args @ ..] = command else {
        return io::Error::new(
            io::ErrorKind::InvalidInput,
            "__exec: which program? Usage: __exec <folder> -- <program> <args>",
        );
    };
    match hold(folder) {
        Err(error) => {
            io::Error::new(error.kind(), format!("the workload in {} cannot be locked: {error}", folder.display()))
        }
        // Not closed before exec, nor by it.
        Ok(_locks) => {
            let error = Command::new(program).args(args).exec();
            io::Error::new(error.kind(), format!("{} cannot be executed: {error}", program.display()))
        }
    }
}

fn hold(folder: &Path) -> io::Result<(OwnedFd, File)> {
    // A session of its own: Ctrl-C in the gateway's terminal and its hang-up are not the program's.
    rustix::process::setsid()?;
    let lock = rustix::io::dup(io::stdin())?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    let mut pid = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(folder.join(PID))?;
    rustix::fs::fcntl_lock(&pid, FlockOperation::NonBlockingLockExclusive)?;
    rustix::io::fcntl_setfd(&pid, FdFlags::empty())?;
    // After the lock: a pid that nobody holds is that of a program that has ended.
    write!(pid, "{}", process::id())?;
    Ok((lock, pid))
}
