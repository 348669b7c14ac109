//! Files of workloads, to and from URLs.
//!
//! A file is never in memory as a whole: it travels through a file of this machine that has no name. What is fetched
//! reaches the workload only when it is here to its end. A URL's query may be its permission (a shared access signature),
//! so it is in no log and in no fault: what is said of a URL is said by [`Place`]'s `Display`.

mod folder;
mod http;
mod place;

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use self::place::Place;
use super::{Imports, Lent, fault};
use crate::plugin::Capability;
use crate::plugin::contract::Fault;
use crate::plugin::imported::transfers::Host;
use crate::runtime::WorkloadKey;

/// For one transfer, both of its ways. A plugin's call has 60 s, and does something besides.
const LIMIT: Duration = Duration::from_secs(45);
/// Bytes of one file: as much as Azure's storage takes for a block blob in one piece (5000 MiB).
const LARGEST: u64 = 5_000 << 20;

/// Why a transfer did not happen. `Display` says what was attempted and found.
#[derive(Debug, thiserror::Error)]
enum TransferError {
    /// The URL is not allowed, or the other side says no.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
}

impl From<TransferError> for Fault {
    fn from(error: TransferError) -> Fault {
        let code = match error {
            TransferError::Refused(_) => "TransferRefused",
            TransferError::Failed(_) => "TransferFailed",
        };
        fault(code, error.to_string())
    }
}

impl Host for Imports {
    async fn send(&mut self, owner: String, workload: String, file: String, url: String) -> Result<u64, Fault> {
        let (lent, key) = granted(self, &owner, &workload, &file)?;
        let place = Place::parse(&url, lent.lender.transfers.as_deref())?;
        let sending = async {
            let content = lent.lender.runtime.read(&key, &file).await.map_err(runtime)?;
            in_time(format!("sending the file to {place}"), move || put(&place, content)).await
        };
        bounded("sending", &file, sending).await
    }

    async fn fetch(&mut self, owner: String, workload: String, file: String, url: String) -> Result<u64, Fault> {
        let (lent, key) = granted(self, &owner, &workload, &file)?;
        let place = Place::parse(&url, lent.lender.transfers.as_deref())?;
        let fetching = async {
            let (content, bytes) = in_time(format!("fetching {place}"), move || get(&place)).await?;
            lent.lender.runtime.write(&key, &file, content).await.map_err(runtime)?;
            Ok(bytes)
        };
        bounded("fetching", &file, fetching).await
    }
}

/// The operator's folder for `file:///`; none if there is none.
pub type Folder = Option<PathBuf>;

fn granted<'a>(
    imports: &'a Imports,
    owner: &str,
    workload: &str,
    file: &str,
) -> Result<(&'a Lent, WorkloadKey), Fault> {
    let lent = imports.granted(Capability::Transfers)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if file.is_empty() || file.len() > 64 || file.starts_with('.') || !file.chars().all(plain) {
        return Err(fault("FileNotFound", format!("'{file}' is no file of a data folder: it has to be a plain name")));
    }
    Ok((lent, lent.workload(owner, workload)?))
}

fn put(place: &Place, content: File) -> Result<u64, TransferError> {
    let bytes = content.metadata().map_err(|error| TransferError::Failed(format!("reading the file: {error}")))?.len();
    if bytes > LARGEST {
        return Err(TransferError::Refused(format!("the file has {bytes} bytes, and {LARGEST} are the most")));
    }
    match place {
        Place::Web(url) => http::put(url, content, place)?,
        Place::Below { folder, path } => folder::put(folder, path, content, place)?,
    }
    Ok(bytes)
}

fn get(place: &Place) -> Result<(File, u64), TransferError> {
    match place {
        Place::Web(url) => http::get(url, place),
        Place::Below { folder, path } => folder::get(folder, path, place),
    }
}

/// What blocks, on a thread for that. It has bounds of its own, should nobody wait for it any more.
async fn in_time<T: Send + 'static>(
    what: String,
    work: impl FnOnce() -> Result<T, TransferError> + Send + 'static,
) -> Result<T, Fault> {
    let done = spawn_blocking(work).await;
    Ok(done.unwrap_or_else(|panic| Err(TransferError::Failed(format!("{what}: {panic}"))))?)
}

async fn bounded(what: &str, file: &str, transfer: impl Future<Output = Result<u64, Fault>>) -> Result<u64, Fault> {
    let late = |_| {
        let message = format!("{what} '{file}' did not end within {} s; a smaller file may", LIMIT.as_secs());
        Err(fault("TransferFailed", message))
    };
    timeout(LIMIT, transfer).await.unwrap_or_else(late)
}

fn runtime(error: crate::runtime::RuntimeError) -> Fault {
    fault(error.code(), error.to_string())
}
