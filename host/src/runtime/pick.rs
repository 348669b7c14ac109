//! Which runtime it is, and why. Decided once, when the gateway starts, and printed.

use std::path::Path;

use super::docker::DockerRuntime;
use super::none::NoRuntime;
use super::process::ProcessRuntime;
use super::{Runtime, RuntimeError};
use crate::config::RuntimeChoice;

/// A runtime, and for people the reason why it is this one.
#[derive(Debug)]
pub struct Picked {
    pub runtime: Runtime,
    pub reason: String,
}

impl Runtime {
    /// `programs` are those that each plugin's workloads can run as. What was asked for by name and cannot be had stops
    /// the start; `auto` takes what there is.
    pub async fn pick(
        choice: RuntimeChoice,
        instance: &str,
        workloads: &Path,
        programs: &[Vec<String>],
    ) -> Result<Picked, RuntimeError> {
        let asked = || "asked for".to_owned();
        match choice {
            RuntimeChoice::Docker => {
                let docker = DockerRuntime::connect(instance).await?;
                Ok(Picked { runtime: Runtime::Docker(docker), reason: asked() })
            }
            RuntimeChoice::Process => {
                if let Some(missing) = missing(programs).next() {
                    return Err(RuntimeError::ProgramNotFound(format!(
                        "the runtime 'process' needs one of {} on PATH, and there is none: install one, or set FLOCI_AZ_RUNTIME to docker or auto",
                        missing.join(", ")
                    )));
                }
                Ok(Picked { runtime: process(workloads)?, reason: format!("asked for; {}", found(programs)) })
            }
            RuntimeChoice::None => Ok(Picked { runtime: Runtime::None(NoRuntime), reason: asked() }),
            RuntimeChoice::Auto => auto(instance, workloads, programs).await,
        }
    }
}

async fn auto(instance: &str, workloads: &Path, programs: &[Vec<String>]) -> Result<Picked, RuntimeError> {
    let engine = match DockerRuntime::connect(instance).await {
        Ok(docker) => {
            return Ok(Picked { runtime: Runtime::Docker(docker), reason: "Docker's engine answers".to_owned() });
        }
        Err(error) => error,
    };
    tracing::debug!(%engine, "auto: no Docker");
    let missing: Vec<String> = missing(programs).map(|programs| programs.join(" or ")).collect();
    if missing.is_empty() {
        return Ok(Picked {
            runtime: process(workloads)?,
            reason: format!("no Docker engine answers; {}", found(programs)),
        });
    }
    let reason = format!(
        "no Docker engine answers, and PATH has no {}. Resources can be managed, but what needs a server will fail: start Docker or install one of these",
        missing.join(", ")
    );
    Ok(Picked { runtime: Runtime::None(NoRuntime), reason })
}

/// Of the plugins that need a program, those for which there is none.
fn missing(programs: &[Vec<String>]) -> impl Iterator<Item = &Vec<String>> {
    programs.iter().filter(|programs| !programs.is_empty() && ProcessRuntime::program(programs).is_none())
}

fn process(workloads: &Path) -> Result<Runtime, RuntimeError> {
    let exec = std::env::current_exe().map_err(|error| {
        RuntimeError::Failed(format!(
            "the gateway does not know its own program file, which starts the workloads: {error}"
        ))
    })?;
    Ok(Runtime::Process(ProcessRuntime::new(workloads.to_owned(), exec)))
}

/// The programs that workloads will run as.
fn found(programs: &[Vec<String>]) -> String {
    let paths = programs.iter().filter_map(|programs| ProcessRuntime::program(programs));
    format!("programs: {}", paths.map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))
}
