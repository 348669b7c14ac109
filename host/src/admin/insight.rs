//! Metrics and events, as [`crate::telemetry`] has them; docs/observability.md lists them.

use std::collections::BTreeMap;

use hyper::{Method, StatusCode};

use super::Admin;
use crate::arm::{ArmError, Reply, Request};
use crate::telemetry::{Crowded, Levels};

const EVENTS: &str = "text/event-stream; charset=utf-8";

impl Admin {
    pub(super) fn metrics(&self, request: &Request) -> Reply {
        let accept = request.header("accept");
        let metrics = self.telemetry.metrics(self.levels(), accept);
        Reply::text(StatusCode::OK, metrics.media_type, metrics.text)
    }

    fn levels(&self) -> Levels {
        let inventory = &self.lender.inventory;
        let mut resources: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
        for record in inventory.all() {
            // As its plugin writes it, so that one namespace is one series.
            let namespace = match self.plugins.of(&record.id.namespace) {
                Some(entry) => entry.plugin.namespace().to_owned(),
                None => record.id.namespace.to_lowercase(),
            };
            *resources.entry((namespace, record.provisioning.as_str())).or_default() += 1;
        }
        let resources =
            resources.into_iter().map(|((namespace, state), count)| (namespace, state.to_owned(), count)).collect();
        let (slots, slots_used) = self.engine.slots();
        Levels {
            resources,
            operations_running: inventory.running(),
            reconciling: self.reconciler.working_on(),
            steps_running: self.reconciler.steps_running(),
            slots,
            slots_used,
            ..Levels::default()
        }
    }

    /// What happened after the event that the client names, and, unless it does not want that, what happens from now on.
    pub(super) fn events(&self, request: &Request) -> Result<Reply, ArmError> {
        // A browser's reader sends the header when it comes again, to the URL that it was given first.
        let after = request.header("last-event-id").or(request.query("after")).map(str::trim);
        let after = after.filter(|id| !id.is_empty()).map(|id| match id.parse() {
            Ok(id) => Ok(id),
            Err(_) => Err(ArmError::invalid_event_id(id)),
        });
        let after = after.transpose()?;
        let follows = !request.query("follow").is_some_and(|follow| follow.eq_ignore_ascii_case("false"));
        if request.method == Method::HEAD || !follows {
            return Ok(Reply::text(StatusCode::OK, EVENTS, self.telemetry.events(after)));
        }
        let stream = self.telemetry.follow(after, self.closing.clone());
        let stream = stream.map_err(|Crowded { most }| ArmError::too_many_listeners(most))?;
        Ok(Reply::stream(EVENTS, stream))
    }
}
