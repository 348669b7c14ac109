//! The engine's events about containers that end.
//!
//! The stream breaks when the engine restarts; what ends meanwhile is missed, and found by the caller's periodic look.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::super::WorkloadKey;
use super::super::remembered::Remembered;
use super::container;
use super::engine::Engine;

/// The first pause before connecting again; it doubles up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// An engine takes seconds to restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Until the receiver is gone.
pub async fn watch(engine: &Engine, label: &str, remembered: &Remembered, ended: mpsc::Sender<WorkloadKey>) {
    let reports = async {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let mut deaths = Box::pin(engine.deaths(label));
            while let Some(Ok(death)) = deaths.next().await {
                pause = SHORTEST_PAUSE;
                let labels = death.actor.and_then(|actor| actor.attributes).unwrap_or_default();
                let Some(key) = container::key(&labels).filter(|key| !remembered.is_stopping(key)) else { continue };
                if ended.send(key).await.is_err() {
                    return;
                }
            }
            tracing::debug!(?pause, "the engine's events have ended; connecting again");
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    };
    tokio::select! {
        () = ended.closed() => {}
        () = reports => {}
    }
}
