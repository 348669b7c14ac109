//! The last events, and those who follow them, as server-sent events (the HTML standard, 9.2).
//!
//! There is one ring of the last [`KEPT`] events, and a listener is a place in it: it costs no memory of its own, and one
//! that is so slow that its place is overwritten gets a last event that says so, and its end. Ids increase, from one run
//! of the gateway to the next, too: the first one of a run is its start in milliseconds since 1970. Bounds: [`LISTENERS`]
//! at a time. A listener ends with the gateway.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::event::Event;

/// Events that can be read again.
const KEPT: usize = 1_000;
/// Listeners at the same time.
const LISTENERS: usize = 64;
/// Events that are handed over in one piece.
const AT_ONCE: usize = 64;
/// After so much silence a comment is sent, so that what is between here and the listener keeps the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The ring.
#[derive(Debug)]
pub(super) struct Feed {
    ring: Mutex<Ring>,
    /// The id of the newest event, or that before the first.
    newest: watch::Sender<u64>,
    places: Arc<Semaphore>,
}

#[derive(Debug)]
struct Ring {
    /// The oldest first; ids without a gap.
    frames: VecDeque<Frame>,
    newest: u64,
}

#[derive(Debug)]
struct Frame {
    id: u64,
    text: String,
}

#[derive(Serialize)]
struct Told<'a> {
    id: u64,
    time: String,
    #[serde(flatten)]
    event: &'a Event,
}

/// Of a listener, not of the gateway.
#[derive(Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
enum Notice {
    /// These happened, and are not kept any more.
    Missed { from: u64, to: u64 },
    /// The last event: the listener did not read as fast as things happened.
    TooSlow { after: u64 },
}

/// What there is behind a place in the ring.
enum Next {
    Nothing,
    Some { text: String, last: u64 },
    Overwritten,
}

/// All places are taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Crowded {
    pub most: usize,
}

impl Ring {
    fn oldest(&self) -> u64 {
        self.frames.front().map_or(self.newest + 1, |frame| frame.id)
    }

    fn after(&self, seen: u64, most: usize) -> Next {
        if seen >= self.newest {
            return Next::Nothing;
        }
        if seen + 1 < self.oldest() {
            return Next::Overwritten;
        }
        let skipped = usize::try_from(seen + 1 - self.oldest()).unwrap_or(usize::MAX);
        let (mut text, mut last) = (String::new(), seen);
        for frame in self.frames.iter().skip(skipped).take(most) {
            text.push_str(&frame.text);
            last = frame.id;
        }
        Next::Some { text, last }
    }

    /// Where a reader begins that has seen everything up to an event, and what it is told first.
    fn place(&self, after: Option<u64>) -> (u64, String) {
        let before_all = self.oldest() - 1;
        match after {
            // Its id is none of this gateway's, as when a clock was set back.
            None => (before_all, String::new()),
            Some(after) if after > self.newest => (before_all, String::new()),
            Some(after) if after < before_all => {
                (before_all, notice(&Notice::Missed { from: after + 1, to: before_all }))
            }
            Some(after) => (after, String::new()),
        }
    }
}

/// Without an id, so that a listener that comes again does not begin behind what it has not seen.
fn notice(notice: &Notice) -> String {
    frame(None, &serde_json::to_value(notice).unwrap_or_default())
}

fn frame(id: Option<u64>, value: &serde_json::Value) -> String {
    let mut text = String::new();
    let name = value.get("type").and_then(|name| name.as_str()).unwrap_or("message");
    // Writing to a String does not fail; JSON text has no line break in it.
    let _ = id.map(|id| writeln!(text, "id: {id}"));
    let _ = write!(text, "event: {name}\ndata: {value}\n\n");
    text
}

impl Feed {
    pub(super) fn new(start: Timestamp) -> Feed {
        let newest = u64::try_from(start.as_millisecond()).unwrap_or_default();
        let ring = Mutex::new(Ring { frames: VecDeque::new(), newest });
        Feed { ring, newest: watch::Sender::new(newest), places: Arc::new(Semaphore::new(LISTENERS)) }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, event: &Event, time: Timestamp) {
        let mut ring = self.ring();
        ring.newest += 1;
        let id = ring.newest;
        let told = Told { id, time: time.to_string(), event };
        let text = frame(Some(id), &serde_json::to_value(told).unwrap_or_default());
        ring.frames.push_back(Frame { id, text });
        if ring.frames.len() > KEPT {
            ring.frames.pop_front();
        }
        // Under the lock: ids are announced in their order.
        self.newest.send_replace(id);
    }

    pub(super) fn listeners(&self) -> usize {
        LISTENERS.saturating_sub(self.places.available_permits())
    }

    /// What is kept of what came after an event.
    pub(super) fn kept(&self, after: Option<u64>) -> String {
        let ring = self.ring();
        let (seen, mut text) = ring.place(after);
        if let Next::Some { text: events, .. } = ring.after(seen, KEPT) {
            text.push_str(&events);
        }
        text
    }

    /// What is kept of what came after an event, and whatever happens until `closing` is true.
    pub(super) fn listen(
        self: &Arc<Self>,
        after: Option<u64>,
        closing: watch::Receiver<bool>,
    ) -> Result<impl Stream<Item = Bytes> + Send + use<>, Crowded> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Crowded { most: LISTENERS })?;
        let (seen, first) = self.ring().place(after);
        // So that the answer begins at once, whatever there is to say.
        let first = format!(": floci-az\n\n{first}");
        let news = self.newest.subscribe();
        let listener = Listener { feed: self.clone(), stage: Stage::First(first), seen, news, closing, _place: place };
        Ok(futures_util::stream::unfold(listener, async |mut listener| {
            let text = listener.next().await?;
            Some((Bytes::from(text), listener))
        }))
    }
}

/// How far a listener is.
#[derive(Debug)]
enum Stage {
    /// It has been told nothing yet.
    First(String),
    Following,
    Ended,
}

#[derive(Debug)]
struct Listener {
    feed: Arc<Feed>,
    stage: Stage,
    /// The last event that it was handed.
    seen: u64,
    news: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    async fn next(&mut self) -> Option<String> {
        match std::mem::replace(&mut self.stage, Stage::Following) {
            Stage::First(text) => return Some(text),
            Stage::Following => {}
            Stage::Ended => return None,
        }
        loop {
            self.news.mark_unchanged();
            let next = self.feed.ring().after(self.seen, AT_ONCE);
            match next {
                Next::Some { text, last } => {
                    self.seen = last;
                    return Some(text);
                }
                Next::Overwritten => {
                    self.stage = Stage::Ended;
                    tracing::debug!("a listener of events was too slow");
                    return Some(notice(&Notice::TooSlow { after: self.seen }));
                }
                Next::Nothing => {}
            }
            tokio::select! {
                _ = self.closing.wait_for(|closing| *closing) => return None,
                // The feed is kept by this listener, so there is always a sender.
                _ = self.news.changed() => {}
                () = tokio::time::sleep(HEARTBEAT) => return Some(": still here\n\n".to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use expect_test::expect;
    use futures_util::StreamExt;

    use super::*;

    /// For anything that a test waits for; what takes this long is broken.
    const PATIENCE: Duration = Duration::from_secs(30);

    type Followed = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

    struct Scene {
        feed: Arc<Feed>,
        close: watch::Sender<bool>,
    }

    impl Scene {
        fn new() -> Scene {
            let feed = Feed::new(Timestamp::from_millisecond(100).unwrap());
            Scene { feed: Arc::new(feed), close: watch::Sender::new(false) }
        }

        fn publish(&self, names: impl IntoIterator<Item = String>) {
            for plugin in names {
                self.feed.publish(&Event::PluginRemoved { plugin }, Timestamp::UNIX_EPOCH);
            }
        }

        fn listen(&self, after: Option<u64>) -> Followed {
            Box::pin(self.feed.listen(after, self.close.subscribe()).unwrap())
        }
    }

    fn names(count: usize) -> impl Iterator<Item = String> {
        (0..count).map(|number| format!("p{number}"))
    }

    async fn next(listener: &mut Followed) -> Option<String> {
        let bytes = tokio::time::timeout(PATIENCE, listener.next()).await.expect("nothing came");
        bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn ids(text: &str) -> Vec<u64> {
        text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
    }

    #[test]
    fn events_have_ids_names_and_one_line_of_data() {
        let scene = Scene::new();
        scene.publish(["a\nb".to_owned(), "c".to_owned()]);
        expect![[r#"
            id: 101
            event: PluginRemoved
            data: {"id":101,"time":"1970-01-01T00:00:00Z","type":"PluginRemoved","plugin":"a\nb"}

            id: 102
            event: PluginRemoved
            data: {"id":102,"time":"1970-01-01T00:00:00Z","type":"PluginRemoved","plugin":"c"}

        "#]]
        .assert_eq(&scene.feed.kept(None));
    }

    #[test]
    fn a_reader_goes_on_where_it_was() {
        let scene = Scene::new();
        assert_eq!(scene.feed.kept(None), "");
        assert_eq!(scene.feed.kept(Some(7)), "event: Missed\ndata: {\"type\":\"Missed\",\"from\":8,\"to\":100}\n\n");
        scene.publish(names(KEPT + 5));
        let (oldest, newest) = (106, 1105);
        for (after, first) in [
            (None, Some(oldest)),
            (Some(newest), None),
            (Some(newest - 1), Some(newest)),
            (Some(oldest), Some(oldest + 1)),
            (Some(oldest - 1), Some(oldest)),
            (Some(oldest - 2), Some(oldest)),
            // Of another run.
            (Some(newest + 1), Some(oldest)),
            (Some(u64::MAX), Some(oldest)),
        ] {
            let text = scene.feed.kept(after);
            assert_eq!(ids(&text).first().copied(), first, "{after:?}");
            assert_eq!(text.contains("event: Missed"), after == Some(oldest - 2), "{after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_follows_until_the_gateway_ends() {
        let scene = Scene::new();
        scene.publish(names(1));
        let mut listener = scene.listen(None);
        assert_eq!(next(&mut listener).await.as_deref(), Some(": floci-az\n\n"));
        assert_eq!(ids(&next(&mut listener).await.unwrap()), [101]);
        // The clock stands still but for what is waited for.
        assert_eq!(next(&mut listener).await.as_deref(), Some(": still here\n\n"));
        scene.publish(names(2));
        assert_eq!(ids(&next(&mut listener).await.unwrap()), [102, 103]);
        scene.close.send_replace(true);
        assert_eq!(next(&mut listener).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_listener_is_told_and_let_go() {
        let scene = Scene::new();
        scene.publish(names(1));
        let mut listener = scene.listen(None);
        next(&mut listener).await;
        assert_eq!(ids(&next(&mut listener).await.unwrap()), [101]);
        scene.publish(names(KEPT));
        assert_eq!(ids(&next(&mut listener).await.unwrap()).len(), AT_ONCE, "it is behind, and nothing is lost yet");
        scene.publish(names(AT_ONCE + 1));
        let last = next(&mut listener).await.unwrap();
        assert_eq!(last, "event: TooSlow\ndata: {\"type\":\"TooSlow\",\"after\":165}\n\n");
        assert_eq!(next(&mut listener).await, None);
    }

    #[tokio::test]
    async fn listeners_are_bounded() {
        let scene = Scene::new();
        let mut listeners: Vec<Followed> = (0..LISTENERS).map(|_| scene.listen(None)).collect();
        assert_eq!(scene.feed.listeners(), LISTENERS);
        let refused = scene.feed.listen(None, scene.close.subscribe()).map(drop);
        assert_eq!(refused, Err(Crowded { most: LISTENERS }));
        listeners.pop();
        assert_eq!(scene.feed.listeners(), LISTENERS - 1);
        listeners.push(scene.listen(None));
    }
}
