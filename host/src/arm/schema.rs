//! One state in two schemas, so that what one revision has stored can be read by another.
//!
//! A record says which schema its state is in. A newer revision reads an older state through its own `upgrade`, each
//! time, until something of it is stored anew: nothing is rewritten for the sake of a swap. An older revision cannot
//! read a newer state; before it becomes active again all of those are put back into its schema ([`to_older`]), in the
//! one batch that makes it the active one. What was converted keeps the state that it was made of as its [`Twin`]. For
//! as long as nothing has changed it, converting it back gives that very state, so going forth and back loses nothing.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::ArmError;
use super::record::{Record, State};
use super::route::Served;
use crate::plugin::contract::{self, Fault};
use crate::plugin::{CallError, Revision};

/// The state of a record in another schema than its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    pub schema_version: u32,
    pub state: State,
    /// The record's own state that it is the same as.
    of: String,
}

impl Twin {
    fn new(schema_version: u32, state: State, of: &State) -> Twin {
        Twin { schema_version, state, of: fingerprint(of) }
    }

    /// Whether it still says the same as the record's own state.
    pub fn is_of(&self, state: &State) -> bool {
        self.of == fingerprint(state)
    }
}

fn fingerprint(state: &State) -> String {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(&state.document).unwrap_or_default());
    hash.update([0]);
    hash.update(&state.private);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a stored state cannot be read by a revision.
#[derive(Debug, thiserror::Error)]
pub enum Misfit {
    #[error(
        "{resource} is stored in schema {stored}, and the revision {revision} reads schemas up to {served}. Swap to a revision that reads schema {stored}"
    )]
    Newer { resource: String, revision: String, stored: u32, served: u32 },
    #[error(
        "{resource} is stored in schema {stored}, and the revision {revision} does not take it to schema {wanted}: {reason}"
    )]
    Refused { resource: String, revision: String, stored: u32, wanted: u32, reason: String },
    #[error(
        "{resource} is stored in schema {stored}, and the revision {revision} could not take it to schema {wanted}: {source}"
    )]
    Failed { resource: String, revision: String, stored: u32, wanted: u32, source: Box<CallError> },
}

impl Misfit {
    /// Whether it is the way to an older schema that there is none of.
    pub fn goes_back(&self) -> bool {
        match self {
            Misfit::Newer { .. } => true,
            Misfit::Refused { stored, wanted, .. } | Misfit::Failed { stored, wanted, .. } => stored > wanted,
        }
    }
}

impl From<Misfit> for ArmError {
    fn from(misfit: Misfit) -> ArmError {
        let text = misfit.to_string();
        match misfit {
            Misfit::Newer { .. } => ArmError::superseded(text),
            Misfit::Refused { .. } => ArmError::plugin_failed(&text),
            Misfit::Failed { source, .. } => ArmError { message: text, ..(*source).into() },
        }
    }
}

impl From<Misfit> for Fault {
    fn from(misfit: Misfit) -> Fault {
        ArmError::from(misfit).into()
    }
}

impl Served {
    /// A record as this revision reads it.
    pub(super) async fn fit<'a>(&self, record: &'a Record) -> Result<Cow<'a, Record>, ArmError> {
        Ok(fit(&self.revision, record).await?)
    }
}

/// A record as a revision reads it: as it is, or upgraded. Nothing is stored.
pub async fn fit<'a>(revision: &Revision, record: &'a Record) -> Result<Cow<'a, Record>, Misfit> {
    let stored = record.schema_version;
    let served = revision.kind(&record.id.kind()).map_or(stored, |kind| kind.schema_version);
    if served == stored {
        return Ok(Cow::Borrowed(record));
    }
    if let Some(converted) = from_twin(record, served) {
        return Ok(Cow::Owned(converted));
    }
    let (resource, label) = (record.id.to_string(), revision.label().to_owned());
    if stored > served {
        return Err(Misfit::Newer { resource, revision: label, stored, served });
    }
    let answer = revision.upgrade(&record.to_contract(), stored).await;
    understood(record, served, label, answer).map(Cow::Owned)
}

/// A record in an older schema than its own. `newer` is a revision of the record's schema.
pub async fn to_older(newer: Option<&Revision>, record: &Record, wanted: u32) -> Result<Record, Misfit> {
    if let Some(converted) = from_twin(record, wanted) {
        return Ok(converted);
    }
    let (resource, stored) = (record.id.to_string(), record.schema_version);
    let Some(newer) = newer else {
        let reason = "no revision that is known has the newer schema".to_owned();
        return Err(Misfit::Refused { resource, revision: "none".to_owned(), stored, wanted, reason });
    };
    let answer = newer.downgrade(&record.to_contract(), wanted).await;
    understood(record, wanted, newer.label().to_owned(), answer)
}

fn from_twin(record: &Record, wanted: u32) -> Option<Record> {
    let twin = record.twin.as_ref().filter(|twin| twin.schema_version == wanted && twin.is_of(&record.state))?;
    Some(converted(record, wanted, twin.state.clone()))
}

fn understood(
    record: &Record,
    wanted: u32,
    revision: String,
    answer: Result<Result<contract::State, String>, CallError>,
) -> Result<Record, Misfit> {
    let (resource, stored) = (record.id.to_string(), record.schema_version);
    let state = match answer {
        Ok(Ok(state)) => state,
        Ok(Err(reason)) => return Err(Misfit::Refused { resource, revision, stored, wanted, reason }),
        Err(error) => {
            let source = Box::new(error);
            return Err(Misfit::Failed { resource, revision, stored, wanted, source });
        }
    };
    match serde_json::from_str(&state.document) {
        Ok(serde_json::Value::Object(document)) => {
            Ok(converted(record, wanted, State { document, private: state.private }))
        }
        _ => {
            let reason = "it returned a document that is no JSON object".to_owned();
            Err(Misfit::Refused { resource, revision, stored, wanted, reason })
        }
    }
}

fn converted(record: &Record, wanted: u32, state: State) -> Record {
    let twin = Some(Twin::new(record.schema_version, record.state.clone(), &state));
    Record { state, schema_version: wanted, twin, ..record.clone() }
}
