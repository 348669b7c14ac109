//! What a revision has to show before it serves: that it still knows every type of which something is stored, that it
//! reads every stored state, and that it presents it.
//!
//! A dry run over everything that is stored of its namespace, under limits of its own calls. Nothing is stored by it.
//! What is in a newer schema than the revision's has to be put back into its schema; those records are what the swap
//! stores together with its pointer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use floci_az_contract::Purpose;

use crate::arm::{self, Key, Misfit, Record};
use crate::imports::{Imports, Lender, Phase};
use crate::plugin::contract::View;
use crate::plugin::{CallError, Plugin, Revision};

/// For everything that is stored. An upgrade in Rust takes less than a millisecond; one that loops on each of a thousand
/// resources must not keep its plugin's turn for hours.
pub const WHOLE: Duration = Duration::from_secs(120);
/// Examples in an error.
const SHOWN: usize = 3;

/// Why a revision must not serve what is stored.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error(
        "the revision {revision} does not serve {}, of which {} stored. Delete these resources first, or serve the type: {}",
        kinds.join(", "), are(*count), examples.join(", ")
    )]
    TypesMissing { revision: String, kinds: Vec<String>, count: usize, examples: Vec<String> },
    #[error(
        "the revision {revision} does not read {count} of {total} stored resources. The first: {first}. Mend its upgrade, or delete these resources: {}",
        examples.join(", ")
    )]
    Unreadable { revision: String, count: usize, total: usize, first: Box<Misfit>, examples: Vec<String> },
    #[error(
        "{count} of {total} stored resources were changed in a newer schema, and cannot be put back into that of the revision {revision} without a loss. The first: {first}. Go on with the newer revision, or delete these resources: {}",
        examples.join(", ")
    )]
    CannotGoBack { revision: String, count: usize, total: usize, first: Box<Misfit>, examples: Vec<String> },
    #[error("the revision {revision} does not present stored resources, from {first} on: {reason}")]
    NotPresented { revision: String, first: String, reason: String },
    #[error("the revision {revision} does not present stored resources, from {first} on: {source}")]
    PresentFailed { revision: String, first: String, source: Box<CallError> },
    #[error(
        "the revision {revision} has not read and presented what is stored, or was stored meanwhile, within {} s ({total} resources in all). Make its upgrade and its present faster, or delete some of these resources first",
        limit.as_secs()
    )]
    TooSlow { revision: String, total: usize, limit: Duration },
}

fn are(count: usize) -> String {
    if count == 1 { "1 resource is".to_owned() } else { format!("{count} resources are") }
}

/// What was looked at, and what has to be stored with the swap.
#[derive(Debug, Default)]
pub struct Passed {
    looked_at: BTreeMap<Key, Arc<Record>>,
    /// Records in a newer schema, as the revision reads them.
    pub converted: BTreeMap<Key, Record>,
}

/// Looks at everything stored that has changed since `before`, for at most so long. `newer` are revisions that may know
/// a newer schema. Without a lender nothing is presented: the gateway is starting.
pub async fn pass(
    revision: &Arc<Revision>,
    newer: &[Arc<Revision>],
    stored: Vec<Arc<Record>>,
    lender: Option<(&Arc<Lender>, &Arc<Plugin>)>,
    before: Passed,
    limit: Duration,
) -> Result<Passed, GateError> {
    let total = stored.len();
    let looking = tokio::time::timeout(limit, look(revision, newer, stored, lender, before));
    let too_slow = |_| GateError::TooSlow { revision: revision.label().to_owned(), total, limit };
    looking.await.map_err(too_slow)?
}

async fn look(
    revision: &Arc<Revision>,
    newer: &[Arc<Revision>],
    stored: Vec<Arc<Record>>,
    lender: Option<(&Arc<Lender>, &Arc<Plugin>)>,
    before: Passed,
) -> Result<Passed, GateError> {
    check_types(revision, &stored)?;
    let total = stored.len();
    let mut passed = Passed::default();
    let (mut misfits, mut fitting) = (Vec::new(), Vec::new());
    for record in stored {
        let key = record.id.key();
        if before.looked_at.get(&key).is_some_and(|seen| Arc::ptr_eq(seen, &record)) {
            let converted = before.converted.get(&key).cloned();
            passed.converted.extend(converted.map(|converted| (key.clone(), converted)));
            passed.looked_at.insert(key, record);
            continue;
        }
        match read(revision, newer, &record).await {
            Ok(Reads::AsItIs) => fitting.push((*record).clone()),
            Ok(Reads::Upgraded(record)) => fitting.push(record),
            Ok(Reads::PutBack(converted)) => {
                fitting.push(converted.clone());
                passed.converted.insert(key.clone(), converted);
            }
            Err(misfit) => misfits.push((record.id.to_string(), misfit)),
        }
        passed.looked_at.insert(key, record);
    }
    refuse(revision, total, misfits)?;
    if let Some((lender, plugin)) = lender {
        present(revision, plugin, lender, &fitting).await?;
    }
    Ok(passed)
}

enum Reads {
    AsItIs,
    Upgraded(Record),
    PutBack(Record),
}

async fn read(revision: &Arc<Revision>, newer: &[Arc<Revision>], record: &Record) -> Result<Reads, Misfit> {
    let wanted = revision.kind(&record.id.kind()).map_or(record.schema_version, |kind| kind.schema_version);
    if wanted == record.schema_version {
        return Ok(Reads::AsItIs);
    }
    if wanted > record.schema_version {
        return Ok(Reads::Upgraded(arm::fit(revision, record).await?.into_owned()));
    }
    let of_its_schema = |one: &&Arc<Revision>| {
        one.kind(&record.id.kind()).is_some_and(|kind| kind.schema_version == record.schema_version)
    };
    let newer = newer.iter().find(of_its_schema).map(AsRef::as_ref);
    Ok(Reads::PutBack(arm::to_older(newer, record, wanted).await?))
}

fn check_types(revision: &Revision, stored: &[Arc<Record>]) -> Result<(), GateError> {
    let unserved: Vec<&Arc<Record>> =
        stored.iter().filter(|record| revision.kind(&record.id.kind()).is_none()).collect();
    if unserved.is_empty() {
        return Ok(());
    }
    let mut kinds: Vec<String> = unserved.iter().map(|record| record.id.full_type()).collect();
    kinds.sort();
    kinds.dedup();
    let examples = unserved.iter().take(SHOWN).map(|record| record.id.to_string()).collect();
    Err(GateError::TypesMissing { revision: revision.label().to_owned(), kinds, count: unserved.len(), examples })
}

fn refuse(revision: &Revision, total: usize, misfits: Vec<(String, Misfit)>) -> Result<(), GateError> {
    let count = misfits.len();
    let examples = misfits.iter().take(SHOWN).map(|(id, _)| id.clone()).collect();
    let Some((_, first)) = misfits.into_iter().next() else { return Ok(()) };
    let (revision, first) = (revision.label().to_owned(), Box::new(first));
    Err(match first.goes_back() {
        true => GateError::CannotGoBack { revision, count, total, first, examples },
        false => GateError::Unreadable { revision, count, total, first, examples },
    })
}

/// Every purpose that the manifest asks for, in the newest api-version and in the oldest.
async fn present(
    revision: &Arc<Revision>,
    plugin: &Arc<Plugin>,
    lender: &Arc<Lender>,
    records: &[Record],
) -> Result<(), GateError> {
    for kind in &revision.manifest().types {
        let of_kind: Vec<&Record> =
            records.iter().filter(|record| record.id.kind().eq_ignore_ascii_case(&kind.name)).collect();
        let oldest = kind.api_versions.iter().min().map(String::as_str);
        let mut versions: Vec<&str> = kind.newest_version().into_iter().chain(oldest).collect();
        versions.dedup();
        for purpose in [Purpose::Get, Purpose::List] {
            for version in versions.iter().filter(|version| kind.is_presented(purpose, version)) {
                for some in of_kind.chunks(arm::PRESENTED_AT_ONCE) {
                    let view = |record: &&Record| View {
                        purpose: purpose.as_str().to_owned(),
                        api_version: (*version).to_owned(),
                        resource: record.to_contract(),
                    };
                    let views: Vec<View> = some.iter().map(view).collect();
                    let first = some.first().map(|record| record.id.to_string()).unwrap_or_default();
                    let label = || revision.label().to_owned();
                    let imports = Imports::lend(lender, plugin, revision, Phase::Pure, &first);
                    let shown = revision.present(imports, &views).await;
                    let shown = shown.map_err(|error| {
                        let (revision, first, source) = (label(), first.clone(), Box::new(error));
                        GateError::PresentFailed { revision, first, source }
                    })?;
                    let is_object =
                        |text: &String| matches!(serde_json::from_str(text), Ok(serde_json::Value::Object(_)));
                    if shown.len() != views.len() || !shown.iter().all(is_object) {
                        let reason = format!(
                            "{} resources were asked for, and {} JSON objects came",
                            views.len(),
                            shown.iter().filter(|text| is_object(text)).count()
                        );
                        return Err(GateError::NotPresented { revision: label(), first, reason });
                    }
                }
            }
        }
    }
    Ok(())
}
