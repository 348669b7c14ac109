//! Docker's engine API as the runtime needs it: every call has a deadline, says what it attempted when it fails, and
//! gives `None` or success where something is not there or is already as wanted.
//!
//! Names and images in these calls become parts of URLs: names come from `names`, images are checked by `plan`.

use std::collections::HashMap;
use std::env;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, CreateImageInfo, EventMessage, ImageInspect, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, DownloadFromContainerOptionsBuilder,
    EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder, ListVolumesOptionsBuilder,
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions, RestartContainerOptionsBuilder,
    StartContainerOptions, StopContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::super::RuntimeError;
use super::super::output::MOST_BYTES;

/// Docker's own default, on Linux and on a Mac.
const USUAL_SOCKET: &str = "unix:///var/run/docker.sock";
/// For the first sign of life. A healthy engine answers in a millisecond, and the start of the gateway waits for it.
const PING: Duration = Duration::from_secs(2);
/// For what the engine looks up.
const LOOK: Duration = Duration::from_secs(10);
/// For what touches disks and networks: on a busy machine a container's start takes seconds.
const WORK: Duration = Duration::from_secs(60);

pub type Labels = HashMap<String, String>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("{attempted}: the Docker engine refused with {status}: {message}")]
    Refused { attempted: String, status: u16, message: String },
    #[error(
        "{attempted}: the Docker engine at {address} does not answer: {cause}. `docker info` shows whether it runs. Start it, or say \
         with DOCKER_HOST (unix:// or tcp://) where it listens, or restart the gateway with FLOCI_AZ_RUNTIME=process"
    )]
    Silent { attempted: String, address: String, cause: String },
    #[error("packing files for the container {container}: {cause}")]
    Unsent { container: String, cause: std::io::Error },
}

impl From<EngineError> for RuntimeError {
    fn from(error: EngineError) -> RuntimeError {
        match error {
            EngineError::Refused { .. } | EngineError::Unsent { .. } => RuntimeError::Failed(error.to_string()),
            EngineError::Silent { .. } => RuntimeError::Unavailable(error.to_string()),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Engine {
    docker: Arc<Docker>,
    address: Arc<str>,
}

impl Engine {
    /// Where DOCKER_HOST says, else the usual socket.
    pub async fn connect() -> Result<Engine, EngineError> {
        let address = env::var("DOCKER_HOST").unwrap_or_else(|_| USUAL_SOCKET.to_owned());
        let silent = |error: Error| EngineError::Silent {
            attempted: "looking for Docker".to_owned(),
            address: address.clone(),
            cause: cause(&error),
        };
        let docker = Docker::connect_with_host(&address).map_err(silent)?;
        let engine = Engine { docker: Arc::new(docker), address: address.into() };
        engine.call("looking for Docker", PING, engine.docker.ping()).await?;
        Ok(engine)
    }

    pub async fn image(&self, image: &str) -> Result<Option<ImageInspect>, EngineError> {
        found(self.call(format!("inspecting the image {image}"), LOOK, self.docker.inspect_image(image)).await)
    }

    /// Progress, line by line, until the image is here. Without a deadline; whoever reads sets one.
    pub fn pull(&self, image: &str) -> impl Stream<Item = Result<CreateImageInfo, Error>> + use<> {
        let options = CreateImageOptionsBuilder::new().from_image(image).build();
        self.docker.create_image(Some(options), None, None)
    }

    pub async fn inspect(&self, container: &str) -> Result<Option<ContainerInspectResponse>, EngineError> {
        let request = self.docker.inspect_container(container, None::<InspectContainerOptions>);
        found(self.call(format!("inspecting the container {container}"), LOOK, request).await)
    }

    /// Refused with 409 if there is one of this name.
    pub async fn create(&self, container: &str, body: ContainerCreateBody) -> Result<(), EngineError> {
        let options = CreateContainerOptionsBuilder::new().name(container).build();
        let request = self.docker.create_container(Some(options), body);
        self.call(format!("creating the container {container}"), WORK, request).await.map(drop)
    }

    /// Extracts a tar archive into a folder of the container, which need not run.
    pub async fn upload(&self, container: &str, folder: &str, archive: Vec<u8>) -> Result<(), EngineError> {
        let options = UploadToContainerOptionsBuilder::new().path(folder).build();
        let request =
            self.docker.upload_to_container(container, Some(options), bollard::body_full(Bytes::from(archive)));
        self.call(format!("writing files into the container {container}"), WORK, request).await
    }

    /// As [`Engine::upload`], of an archive that is read while it travels.
    pub async fn upload_stream(
        &self,
        container: &str,
        folder: &str,
        archive: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), EngineError> {
        let options = UploadToContainerOptionsBuilder::new().path(folder).build();
        let request = self.docker.upload_to_container(container, Some(options), bollard::body_try_stream(archive));
        self.call(format!("writing a file into the container {container}"), WORK, request).await
    }

    /// A file of the container, which need not run, as a tar archive that is written to `archive`. None if there is none.
    pub async fn download(
        &self,
        container: &str,
        path: &str,
        archive: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Option<()>, EngineError> {
        let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
        let mut pieces = Box::pin(self.docker.download_from_container(container, Some(options)));
        let copying = async {
            while let Some(piece) = pieces.next().await.transpose()? {
                archive.write_all(&piece).await?;
            }
            Ok(archive.flush().await?)
        };
        found(self.call(format!("reading a file of the container {container}"), WORK, copying).await)
    }

    pub async fn start(&self, container: &str) -> Result<(), EngineError> {
        let request = self.docker.start_container(container, None::<StartContainerOptions>);
        self.call(format!("starting the container {container}"), WORK, request).await
    }

    pub async fn unpause(&self, container: &str) -> Result<(), EngineError> {
        self.call(format!("unpausing the container {container}"), WORK, self.docker.unpause_container(container)).await
    }

    /// SIGTERM, and SIGKILL after `grace`. Nothing to do if it does not run or is not there.
    pub async fn stop(&self, container: &str, grace: Duration) -> Result<(), EngineError> {
        let options = StopContainerOptionsBuilder::new().t(seconds(grace)).build();
        let request = self.docker.stop_container(container, Some(options));
        found(self.call(format!("stopping the container {container}"), grace + WORK, request).await).map(drop)
    }

    pub async fn restart(&self, container: &str, grace: Duration) -> Result<(), EngineError> {
        let options = RestartContainerOptionsBuilder::new().t(seconds(grace)).build();
        let request = self.docker.restart_container(container, Some(options));
        self.call(format!("restarting the container {container}"), grace + WORK, request).await
    }

    /// Kills it if need be. Its named volume stays; those without a name go, which it has if its image declares any
    /// (valkey's and redis's do). Refused with 409 if it is being removed already.
    pub async fn remove(&self, container: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let request = self.docker.remove_container(container, Some(options));
        found(self.call(format!("removing the container {container}"), WORK, request).await).map(drop)
    }

    /// The last lines of stdout and stderr.
    pub async fn logs(&self, container: &str, lines: u32) -> Result<Vec<u8>, EngineError> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines.to_string()).build();
        let mut pieces = Box::pin(self.docker.logs(container, Some(options)));
        let output = async {
            let mut output = Vec::new();
            while let Some(piece) = pieces.next().await.transpose()? {
                output.extend_from_slice(piece.as_ref());
                if output.len() > MOST_BYTES {
                    break;
                }
            }
            Ok(output)
        };
        self.call(format!("reading the output of the container {container}"), LOOK, output).await
    }

    /// Nothing to do if there is one of this name.
    pub async fn create_volume(&self, volume: &str, labels: Labels) -> Result<(), EngineError> {
        let request = VolumeCreateRequest { name: Some(volume.to_owned()), labels: Some(labels), ..Default::default() };
        self.call(format!("creating the volume {volume}"), WORK, self.docker.create_volume(request)).await.map(drop)
    }

    /// With all that is in it. Refused with 409 while a container has it.
    pub async fn remove_volume(&self, volume: &str) -> Result<(), EngineError> {
        let request = self.docker.remove_volume(volume, None::<RemoveVolumeOptions>);
        found(self.call(format!("removing the volume {volume}"), WORK, request).await).map(drop)
    }

    /// Names and labels of the containers with this label, running or not.
    pub async fn containers(&self, label: &str) -> Result<Vec<(String, Labels)>, EngineError> {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters([("label", label)])).build();
        let containers = self.call("listing containers", LOOK, self.docker.list_containers(Some(options))).await?;
        let named = containers.into_iter().filter_map(|container| {
            let name = container.names?.into_iter().next()?;
            Some((name.trim_start_matches('/').to_owned(), container.labels?))
        });
        Ok(named.collect())
    }

    /// Labels of the volumes with this label.
    pub async fn volumes(&self, label: &str) -> Result<Vec<Labels>, EngineError> {
        let options = ListVolumesOptionsBuilder::new().filters(&filters([("label", label)])).build();
        let volumes = self.call("listing volumes", LOOK, self.docker.list_volumes(Some(options))).await?;
        Ok(volumes.volumes.unwrap_or_default().into_iter().map(|volume| volume.labels).collect())
    }

    /// Containers with this label that end, until the connection breaks.
    pub fn deaths(&self, label: &str) -> impl Stream<Item = Result<EventMessage, Error>> + use<> {
        let filters = filters([("type", "container"), ("event", "die"), ("label", label)]);
        self.docker.events(Some(EventsOptionsBuilder::new().filters(&filters).build()))
    }

    async fn call<T>(
        &self,
        attempted: impl Display + Send + Sync,
        limit: Duration,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, EngineError> {
        let silent =
            |cause| EngineError::Silent { attempted: attempted.to_string(), address: self.address.to_string(), cause };
        match timeout(limit, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Error::DockerResponseServerError { status_code: status, message })) => Err(EngineError::Refused {
                attempted: attempted.to_string(),
                status,
                message: message.trim().to_owned(),
            }),
            Ok(Err(error)) => Err(silent(cause(&error))),
            Err(_) => Err(silent(format!("no answer within {limit:?}"))),
        }
    }
}

/// 404 as an answer.
fn found<T>(answer: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match answer {
        Err(EngineError::Refused { status: 404, .. }) => Ok(None),
        other => other.map(Some),
    }
}

fn filters<const N: usize>(filters: [(&str, &str); N]) -> HashMap<String, Vec<String>> {
    filters.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).into()
}

fn seconds(grace: Duration) -> i32 {
    i32::try_from(grace.as_secs()).unwrap_or(i32::MAX)
}

/// What went wrong at the bottom: "client error (Connect)" helps nobody, "Connection refused" does.
pub fn cause(error: &Error) -> String {
    let mut bottom: &dyn std::error::Error = error;
    while let Some(below) = bottom.source() {
        bottom = below;
    }
    bottom.to_string()
}
