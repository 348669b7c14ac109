//! Images: there, or being pulled in the background.
//!
//! One pull per image, whoever asks and however often. A pull that fails is told once, to the next who asks; who asks
//! after that starts another. It goes on if whoever started it is gone, and ends with the gateway. Credentials are not
//! sent: an image of a private registry has to be pulled by hand (`docker pull`), and is then found.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::models::{CreateImageInfo, ImageConfig};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use super::super::RuntimeError;
use super::engine::{Engine, cause};

/// Between two lines of a pull's progress: a registry that says nothing for so long is not going to.
const SILENCE: Duration = Duration::from_secs(120);
/// Between two lines in the log.
const PACE: Duration = Duration::from_secs(2);

pub enum Image {
    Here(Box<ImageConfig>),
    Coming { progress: String },
}

#[derive(Debug, Clone)]
pub struct Images {
    engine: Engine,
    pulls: Arc<Mutex<HashMap<String, Pull>>>,
}

#[derive(Debug)]
enum Pull {
    Running { progress: String },
    Failed { reason: String },
}

impl Images {
    pub fn new(engine: Engine) -> Images {
        Images { engine, pulls: Arc::default() }
    }

    /// The image, or how far its pull is; starts that if need be.
    pub async fn get(&self, image: &str) -> Result<Image, RuntimeError> {
        if let Some(found) = self.engine.image(image).await? {
            return Ok(Image::Here(Box::new(found.config.unwrap_or_default())));
        }
        let mut pulls = self.pulls();
        match pulls.remove(image) {
            Some(Pull::Failed { reason }) => Err(RuntimeError::ImageNotAvailable(format!(
                "the image {image} is not on this machine and cannot be pulled: {reason}. Try `docker pull {image}`; without a way to \
                 the registry, bring it with `docker load`. The next attempt pulls again"
            ))),
            Some(Pull::Running { progress }) => {
                pulls.insert(image.to_owned(), Pull::Running { progress: progress.clone() });
                Ok(Image::Coming { progress })
            }
            None => {
                let progress = format!("pulling {image}");
                pulls.insert(image.to_owned(), Pull::Running { progress: progress.clone() });
                tokio::spawn(self.clone().pull(image.to_owned()));
                Ok(Image::Coming { progress })
            }
        }
    }

    async fn pull(self, image: String) {
        tracing::info!(image, "pulling");
        let pulled = self.follow(&image).await;
        match pulled {
            Ok(()) => {
                tracing::info!(image, "pulled");
                self.pulls().remove(&image);
            }
            Err(reason) => {
                tracing::warn!(image, reason, "not pulled");
                self.pulls().insert(image, Pull::Failed { reason });
            }
        }
    }

    async fn follow(&self, image: &str) -> Result<(), String> {
        let mut lines = Box::pin(self.engine.pull(&with_tag(image)));
        let mut layers = Layers::default();
        let mut logged = Instant::now();
        loop {
            match timeout(SILENCE, lines.next()).await {
                Err(_) => return Err(format!("no progress for {SILENCE:?}")),
                Ok(None) => return Ok(()),
                Ok(Some(Err(error))) => return Err(cause(&error)),
                Ok(Some(Ok(line))) => layers.note(line),
            }
            let progress = format!("pulling {image}{layers}");
            if logged.elapsed() >= PACE {
                logged = Instant::now();
                tracing::info!(image, progress, "pulling");
            }
            self.pulls().insert(image.to_owned(), Pull::Running { progress });
        }
    }

    fn pulls(&self) -> MutexGuard<'_, HashMap<String, Pull>> {
        // Every change is one call of the map's.
        self.pulls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine pulls every tag of an image that is given without one.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

/// Bytes by layer: how much is here and how much there will be.
#[derive(Debug, Default)]
struct Layers(HashMap<String, (i64, i64)>);

impl Layers {
    fn note(&mut self, line: CreateImageInfo) {
        let (Some(id), Some(status)) = (line.id, line.status) else { return };
        let progress = line.progress_detail.and_then(|detail| Some((detail.current?, detail.total?)));
        match (status.as_str(), progress) {
            ("Downloading", Some(progress)) => _ = self.0.insert(id, progress),
            ("Download complete" | "Pull complete", _) => {
                if let Some((here, total)) = self.0.get_mut(&id) {
                    *here = *total;
                }
            }
            _ => {}
        }
    }
}

impl std::fmt::Display for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const MB: i64 = 1_000_000;
        let (here, total) = self.0.values().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
        if total == 0 { Ok(()) } else { write!(f, ": {} of {} MB", here / MB, (total / MB).max(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        for (image, expected) in [
            ("valkey/valkey", "valkey/valkey:latest"),
            ("valkey/valkey:8-alpine", "valkey/valkey:8-alpine"),
            ("localhost:5000/valkey", "localhost:5000/valkey:latest"),
            ("valkey@sha256:00", "valkey@sha256:00"),
        ] {
            assert_eq!(with_tag(image), expected);
        }
    }

    #[test]
    fn progress_is_the_sum_over_the_layers() {
        let mut layers = Layers::default();
        assert_eq!(layers.to_string(), "");
        for line in [
            r#"{"status": "Pulling from valkey/valkey", "id": "8-alpine"}"#,
            r#"{"status": "Downloading", "id": "a", "progressDetail": {"current": 1000000, "total": 3000000}}"#,
            r#"{"status": "Downloading", "id": "b", "progressDetail": {"current": 2000000, "total": 9000000}}"#,
            r#"{"status": "Download complete", "id": "a", "progressDetail": {}}"#,
        ] {
            layers.note(serde_json::from_str(line).unwrap());
        }
        assert_eq!(layers.to_string(), ": 5 of 12 MB");
    }
}
