//! Workloads as containers of a Docker engine. Only this folder names bollard.
//!
//! A workload is a container and a volume of one name, which is derived from the key, and labels say whose they are: the
//! gateway may be killed at any point and the next one finds them. `ensure` looks at the container and takes one step
//! at a time until it is as planned; each step leaves something that the next look understands, so `ensure` may be
//! dropped anywhere, and races with people at the command line end well. The volume outlives the container and goes only
//! with `remove`.
//!
//! An engine on another machine works only for a gateway in a container there: ports are published on its 127.0.0.1.

mod container;
mod engine;
mod files;
mod image;
mod reach;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::time::Duration;

use floci_az_contract::{PortSpec, WorkloadSpec};
use futures_util::future;
use tokio::sync::mpsc;
use tokio::time::sleep;

use self::container::{Found, State};
use self::engine::{Engine, EngineError};
use self::image::{Image, Images};
use self::reach::Reach;
use super::output::{self, LINES_OF_AN_EXIT};
use super::placeholders::Places;
use super::plan::Plan;
use super::remembered::Remembered;
use super::{RuntimeError, Workload, WorkloadKey, WorkloadState, names};

/// To save data after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// For a workload that goes with its data.
const LAST_GRACE: Duration = Duration::from_secs(2);
/// Steps from any state to the planned one, and races with others; with the pauses between them about 5 s.
const STEPS: u32 = 50;
/// Before looking again at what somebody else is changing.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct DockerRuntime {
    engine: Engine,
    /// Which gateway's workloads these are, of several that use one engine.
    instance: String,
    reach: Reach,
    images: Images,
    remembered: Remembered,
}

/// What a step towards the plan has come to.
enum Step {
    Done(Workload),
    /// Look again.
    Next,
    /// Look again when somebody else is done.
    Pause,
}

impl DockerRuntime {
    pub async fn connect(instance: &str) -> Result<DockerRuntime, RuntimeError> {
        let engine = Engine::connect().await?;
        let reach = Reach::discover(&engine).await?;
        Ok(DockerRuntime {
            instance: instance.to_owned(),
            reach,
            images: Images::new(engine.clone()),
            remembered: Remembered::default(),
            engine,
        })
    }

    pub async fn ensure(&self, key: &WorkloadKey, spec: &WorkloadSpec) -> Result<Workload, RuntimeError> {
        let plan = Plan::new(spec, &places(spec))?;
        for _ in 0..STEPS {
            match self.step(key, &plan).await? {
                Step::Done(workload) => return Ok(workload),
                Step::Next => {}
                Step::Pause => sleep(PAUSE).await,
            }
        }
        let name = self.name(key);
        Err(RuntimeError::Failed(format!(
            "the workload {key} cannot be ensured: after {STEPS} attempts its container {name} is still not as it should be, because \
             something else changes or removes it. Look at `docker inspect {name}`; after `docker rm -f {name}` it is made anew"
        )))
    }

    pub async fn inspect(&self, key: &WorkloadKey) -> Result<Option<Workload>, RuntimeError> {
        let run = self.remembered.run(key);
        let Some(found) = self.find(key).await? else { return Ok(None) };
        if let State::Exited { .. } = found.state {
            self.remembered.ended(key, run, None);
        }
        Ok(Some(self.show(key, found).await?))
    }

    pub async fn restart(&self, key: &WorkloadKey) -> Result<Workload, RuntimeError> {
        self.remembered.stopping(key);
        match self.engine.restart(&self.name(key), GRACE).await {
            Err(EngineError::Refused { status: 404, .. }) => return Err(RuntimeError::no_workload(key)),
            Err(error) => return Err(refused_start(key, error)),
            Ok(()) => _ = self.remembered.started(key),
        }
        self.inspect(key).await?.ok_or_else(|| RuntimeError::no_workload(key))
    }

    pub async fn remove(&self, key: &WorkloadKey) -> Result<(), RuntimeError> {
        let name = self.name(key);
        self.remembered.stopping(key);
        self.engine.stop(&name, LAST_GRACE).await?;
        // Together: an `ensure` that was dropped may still be making the container that has the volume.
        let remove_both = async || {
            self.engine.remove(&name).await?;
            self.engine.remove_volume(&name).await
        };
        self.retry_conflicts(remove_both).await?;
        self.remembered.forget(key);
        Ok(())
    }

    pub async fn logs(&self, key: &WorkloadKey, lines: u32) -> Result<String, RuntimeError> {
        match self.engine.logs(&self.name(key), lines).await {
            Ok(output) => Ok(output::tail(&output, lines)),
            Err(EngineError::Refused { status: 404, .. }) => Err(RuntimeError::no_workload(key)),
            Err(error) => Err(error.into()),
        }
    }

    pub async fn read(&self, key: &WorkloadKey, file: &str) -> Result<File, RuntimeError> {
        let name = self.name(key);
        if self.engine.inspect(&name).await?.is_none() {
            return Err(RuntimeError::no_workload(key));
        }
        let unpacked = |cause| EngineError::Unsent { container: name.clone(), cause };
        let mut archive = tokio::fs::File::from_std(tempfile::tempfile().map_err(unpacked)?);
        let path = format!("{}/{file}", container::DATA);
        self.engine.download(&name, &path, &mut archive).await?.ok_or_else(|| RuntimeError::no_file(key, file))?;
        let archive = archive.into_std().await;
        let unpacking = tokio::task::spawn_blocking(move || files::only_file(archive));
        let content = unpacking.await.unwrap_or_else(|panic| Err(std::io::Error::other(panic))).map_err(unpacked)?;
        content.ok_or_else(|| RuntimeError::no_file(key, file))
    }

    pub async fn write(&self, key: &WorkloadKey, file: &str, content: File) -> Result<(), RuntimeError> {
        let name = self.name(key);
        let archive = files::archive_of_one(file, content)
            .map_err(|cause| EngineError::Unsent { container: name.clone(), cause })?;
        match self.engine.upload_stream(&name, container::DATA, archive).await {
            Err(EngineError::Refused { status: 404, .. }) => Err(RuntimeError::no_workload(key)),
            other => Ok(other?),
        }
    }

    pub async fn list(&self) -> Result<Vec<WorkloadKey>, RuntimeError> {
        let label = self.label();
        let (containers, volumes) =
            future::try_join(self.engine.containers(&label), self.engine.volumes(&label)).await?;
        let labels = containers.iter().map(|(_, labels)| labels).chain(&volumes);
        Ok(labels.filter_map(container::key).collect::<BTreeSet<_>>().into_iter().collect())
    }

    pub async fn stop_all(&self) -> Result<(), RuntimeError> {
        let containers = self.engine.containers(&self.label()).await?;
        let stops = containers.iter().map(|(name, labels)| {
            if let Some(key) = container::key(labels) {
                self.remembered.stopping(&key);
            }
            self.engine.stop(name, GRACE)
        });
        let stopped: Result<(), EngineError> = future::join_all(stops).await.into_iter().collect();
        Ok(stopped?)
    }

    pub async fn watch(&self, ended: mpsc::Sender<WorkloadKey>) {
        watch::watch(&self.engine, &self.label(), &self.remembered, ended).await;
    }

    async fn step(&self, key: &WorkloadKey, plan: &Plan) -> Result<Step, RuntimeError> {
        let run = self.remembered.run(key);
        let digest = self.digest(plan);
        let Some(found) = self.find(key).await? else { return self.create(key, plan, &digest).await };
        match found.state {
            State::Removing => Ok(Step::Pause),
            State::Dead => self.discard(&self.name(key)).await.map(|()| Step::Next),
            _ if found.plan != digest => self.retire(key, plan).await,
            State::Paused => match self.engine.unpause(&self.name(key)).await {
                // The engine shows a container as paused for a moment after it was woken, and refuses to wake it again.
                Ok(()) | Err(EngineError::Refused { .. }) => Ok(Step::Pause),
                Err(error) => Err(error.into()),
            },
            State::Created => self.start(key, plan).await,
            State::Exited { .. } => {
                self.remembered.ended(key, run, None);
                self.start(key, plan).await
            }
            State::Running { .. } => {
                self.remembered.found_running(key);
                match self.write_files(key, plan).await {
                    // It has gone in this instant.
                    Err(EngineError::Refused { status: 404 | 409, .. }) => Ok(Step::Pause),
                    Err(error) => Err(error.into()),
                    Ok(()) => Ok(Step::Done(self.show(key, found).await?)),
                }
            }
        }
    }

    async fn create(&self, key: &WorkloadKey, plan: &Plan, digest: &str) -> Result<Step, RuntimeError> {
        let image = match self.images.get(&plan.image).await? {
            Image::Here(image) => image,
            Image::Coming { progress } => return Ok(Step::Done(self.preparing(key, plan, progress))),
        };
        let name = self.name(key);
        let labels = container::labels(&self.instance, key);
        self.engine.create_volume(&name, labels.clone()).await?;
        match self.engine.create(&name, container::body(&name, plan, digest, &image, &self.reach, labels)).await {
            Ok(()) => {
                self.remembered.created(key);
                Ok(Step::Next)
            }
            // There is one of this name by now, or the image is gone.
            Err(EngineError::Refused { status: 404 | 409, .. }) => Ok(Step::Pause),
            Err(error @ EngineError::Refused { status: 400, .. }) => Err(RuntimeError::InvalidSpec(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Files first. A container that cannot be started is removed, so that the next attempt starts from nothing.
    async fn start(&self, key: &WorkloadKey, plan: &Plan) -> Result<Step, RuntimeError> {
        let name = self.name(key);
        let started = async {
            self.write_files(key, plan).await?;
            self.engine.start(&name).await
        };
        match started.await {
            Ok(()) => {
                self.remembered.started(key);
                match self.find(key).await? {
                    Some(found) => Ok(Step::Done(self.show(key, found).await?)),
                    None => Ok(Step::Pause),
                }
            }
            Err(EngineError::Refused { status: 409, .. }) => Ok(Step::Pause),
            Err(error @ EngineError::Refused { .. }) => {
                self.discard(&name).await?;
                Err(refused_start(key, error))
            }
            // Whether it has started is for the next look.
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a container that runs something else; not before there is an image to run in its place.
    async fn retire(&self, key: &WorkloadKey, plan: &Plan) -> Result<Step, RuntimeError> {
        if let Image::Coming { progress } = self.images.get(&plan.image).await? {
            return Ok(Step::Done(self.preparing(key, plan, progress)));
        }
        let name = self.name(key);
        self.remembered.stopping(key);
        self.engine.stop(&name, GRACE).await?;
        self.discard(&name).await?;
        Ok(Step::Next)
    }

    /// After a restart of the gateway once more than needed: what it remembers is gone, and the same content harms nobody.
    async fn write_files(&self, key: &WorkloadKey, plan: &Plan) -> Result<(), EngineError> {
        let digest = plan.files_digest();
        if self.remembered.has_files(key, &digest) {
            return Ok(());
        }
        let name = self.name(key);
        let archive =
            files::archive(&plan.files).map_err(|cause| EngineError::Unsent { container: name.clone(), cause })?;
        self.engine.upload(&name, container::HOME, archive).await?;
        self.remembered.wrote_files(key, digest);
        Ok(())
    }

    /// Removes the container; returns when it is gone.
    async fn discard(&self, name: &str) -> Result<(), RuntimeError> {
        self.retry_conflicts(async || self.engine.remove(name).await).await
    }

    /// While somebody else is removing the same, or has not let go of it.
    async fn retry_conflicts<F: Future<Output = Result<(), EngineError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<(), RuntimeError> {
        for _ in 1..STEPS {
            match call().await {
                Err(EngineError::Refused { status: 409, .. }) => sleep(PAUSE).await,
                other => return Ok(other?),
            }
        }
        Ok(call().await?)
    }

    async fn find(&self, key: &WorkloadKey) -> Result<Option<Found>, RuntimeError> {
        self.engine.inspect(&self.name(key)).await?.map(Found::read).transpose()
    }

    async fn show(&self, key: &WorkloadKey, found: Found) -> Result<Workload, RuntimeError> {
        let name = self.name(key);
        let (host, ports) = self.reach.of(&name, &found.ports, Some(&found));
        let peer_ports = inside(&found.ports);
        let peer_host = found.address.clone().unwrap_or_default();
        let state = match found.state {
            State::Running { since } => WorkloadState::Running { uptime: since.map(elapsed).unwrap_or_default() },
            State::Exited { how } => {
                let last_output = self.logs(key, LINES_OF_AN_EXIT).await.unwrap_or_else(|error| error.to_string());
                WorkloadState::Exited { detail: output::detail(&how, &last_output) }
            }
            State::Created => preparing(&name, "is created"),
            State::Paused => preparing(&name, "is paused"),
            State::Removing | State::Dead => preparing(&name, "is being removed"),
        };
        Ok(Workload { state, host, ports, exits: self.remembered.exits(key), peer_host, peer_ports })
    }

    fn preparing(&self, key: &WorkloadKey, plan: &Plan, progress: String) -> Workload {
        let (host, ports) = self.reach.of(&self.name(key), &plan.ports, None);
        let (state, exits) = (WorkloadState::Preparing { progress }, self.remembered.exits(key));
        Workload { state, host, ports, exits, peer_host: String::new(), peer_ports: inside(&plan.ports) }
    }

    fn digest(&self, plan: &Plan) -> String {
        plan.digest(self.reach.network().as_deref().unwrap_or_default())
    }

    fn name(&self, key: &WorkloadKey) -> String {
        format!("floci-az-{}", names::short(&self.instance, key))
    }

    fn label(&self) -> String {
        format!("{}={}", container::INSTANCE, self.instance)
    }
}

/// The ports of a container in its own network.
fn inside(ports: &BTreeMap<String, PortSpec>) -> BTreeMap<String, u16> {
    ports.iter().map(|(name, port)| (name.clone(), port.inside)).collect()
}

fn places(spec: &WorkloadSpec) -> Places {
    Places {
        files: container::FILES.to_owned(),
        data: container::DATA.to_owned(),
        address: "0.0.0.0",
        ports: spec.ports.iter().map(|(name, port)| (name.clone(), port.inside)).collect(),
    }
}

fn preparing(container: &str, what: &str) -> WorkloadState {
    WorkloadState::Preparing { progress: format!("its container {container} {what}") }
}

/// The engine's clock may be ahead of ours.
fn elapsed(since: jiff::Timestamp) -> Duration {
    Duration::try_from(jiff::Timestamp::now().duration_since(since)).unwrap_or_default()
}

/// The engine has no codes for these; the texts are those of 20.10 to 28.
fn refused_start(key: &WorkloadKey, error: EngineError) -> RuntimeError {
    let text = error.to_string();
    let says = |words: &str| text.contains(words);
    if says("port is already allocated") || says("address already in use") {
        return RuntimeError::PortInUse(format!(
            "the workload {key} cannot be started: another program listens on one of its ports. {text}. `docker ps` and `ss -ltnp` show \
             which; end that program, or give the workload another port"
        ));
    }
    if says("executable file not found") || says("no such file or directory: unknown") {
        return RuntimeError::ProgramNotFound(format!(
            "the workload {key} cannot be started: its image has none of its programs. {text}. Use an image that has one of them"
        ));
    }
    error.into()
}
