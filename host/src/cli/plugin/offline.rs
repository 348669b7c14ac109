//! A look at a component where no gateway runs: what it is by itself, and what could not be looked at.

use std::path::Path;

use serde::Serialize;

use super::source;
use crate::cli::CliError;
use crate::plugin::{Compiled, Digest, Engine, Grants, Revision, Values};

/// What only a gateway knows.
const NOT_LOOKED_AT: [&str; 3] = [
    "whether the operator allows what it asks for (floci-az.yml)",
    "whether its namespace and service are free, or its own",
    "whether it reads the resources that are stored",
];

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    namespace: String,
    service: String,
    version: String,
    digest: Digest,
    contract: String,
    /// Schema version by type.
    schemas: Vec<(String, u32)>,
    /// With its settings as they are by default.
    asks: Vec<String>,
    not_looked_at: Vec<&'static str>,
}

pub(super) fn look_at(file: &Path, pin: Option<&Digest>) -> Result<Found, CliError> {
    let bytes = source::component(file)?;
    let digest = Digest::of(&bytes);
    if let Some(pin) = pin.filter(|pin| **pin != digest) {
        return Err(CliError::Plugin(format!(
            "{} has the digest sha256:{digest}, and sha256:{pin} was asked for. It was changed on its way, or another was meant: compare with what its publisher says",
            file.display()
        )));
    }
    let refused = |reason: &dyn std::fmt::Display| CliError::Plugin(format!("{}: {reason}", file.display()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| refused(&format!("threads cannot be started: {error}")))?;
    let loaded = runtime.block_on(async { Revision::load(&Engine::new()?, &Compiled::Nowhere, bytes.into()).await });
    let revision = loaded.map_err(|error| refused(&error))?;
    let manifest = revision.manifest();
    let values: Values = manifest.settings.iter().map(|one| (one.key.clone(), one.default.clone())).collect();
    Ok(Found {
        namespace: manifest.namespace.clone(),
        service: manifest.service.clone(),
        version: manifest.version.clone(),
        digest,
        schemas: manifest.types.iter().map(|kind| (kind.name.clone(), kind.schema_version)).collect(),
        contract: revision.contract().to_owned(),
        asks: Grants::asked(manifest, &values).lines(),
        not_looked_at: NOT_LOOKED_AT.to_vec(),
    })
}

impl Found {
    pub(super) fn text(&self) -> String {
        let kinds: Vec<String> =
            self.schemas.iter().map(|(kind, schema)| format!("{kind} (schema {schema})")).collect();
        let asks: String = self.asks.iter().map(|line| format!("  asks      {line}\n")).collect();
        let open: String = self.not_looked_at.iter().map(|what| format!("  {what}\n")).collect();
        format!(
            "{} {}, revision {}: a plugin for this version of the gateway\n  contract  {}\n  service   {}\n  types     {}\n{asks}Not looked at, because no gateway runs:\n{open}",
            self.namespace,
            self.version,
            self.digest.short(),
            self.contract,
            self.service,
            kinds.join(", ")
        )
    }
}
