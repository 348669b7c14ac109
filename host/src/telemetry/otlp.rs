//! Spans to a collector, by the variables that OpenTelemetry defines for every program.
//!
//! Nothing is done unless an endpoint is set. Spans are handed over through a bounded queue (OTEL_BSP_MAX_QUEUE_SIZE, 2048)
//! to a thread of its own that sends them; what does not fit, or cannot be sent, is dropped: a collector that is slow or
//! away costs nobody anything, and is spoken of once. Spoken is OTLP over HTTP, as protobuf. What the libraries read by
//! themselves: endpoints, headers, the service's name and attributes, the sampler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::registry::LookupSpan;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

const PROTOCOL: &str = "http/protobuf";
/// For one request to the collector, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise; as the specification has it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For the last spans, at the end of the gateway.
const FLUSH: Duration = Duration::from_secs(2);
/// Bytes of a collector's answer.
const ANSWER: u64 = 64 << 10;

/// Why no spans are sent although they are asked for. The gateway works without.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtlpError {
    #[error(
        "no spans are sent: {variable} asks for the protocol '{found}', and this gateway speaks '{PROTOCOL}'. Set {variable}={PROTOCOL}, and the endpoint to the collector's port for it (4318, usually)"
    )]
    Protocol { variable: &'static str, found: String },
    #[error(
        "no spans are sent: OTEL_TRACES_EXPORTER asks for '{found}', and this gateway has 'otlp' and 'none'. Set one of them"
    )]
    Exporter { found: String },
    #[error("no spans are sent: {reason}. Look at the OTEL_EXPORTER_OTLP_* variables")]
    Unusable { reason: String },
}

/// A collector that is sent to.
#[derive(Debug)]
pub struct Collector {
    provider: SdkTracerProvider,
}

/// How long a request to the collector may take; none if no spans are to be sent.
fn wanted(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Duration>, OtlpError> {
    let set = |name: &'static str| variable(name).filter(|value| !value.trim().is_empty()).map(|value| (name, value));
    let first = |one, other| set(one).or_else(|| set(other));
    let endpoint = first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
    let is_disabled = set("OTEL_SDK_DISABLED").is_some_and(|(_, value)| value.trim().eq_ignore_ascii_case("true"));
    if is_disabled || endpoint.is_none() {
        return Ok(None);
    }
    match set("OTEL_TRACES_EXPORTER") {
        Some((_, value)) if value.trim() == "none" => return Ok(None),
        Some((_, found)) if found.trim() != "otlp" => return Err(OtlpError::Exporter { found }),
        _ => {}
    }
    match first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL") {
        Some((variable, found)) if found.trim() != PROTOCOL => return Err(OtlpError::Protocol { variable, found }),
        _ => {}
    }
    let limit = first("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
    let limit = limit.and_then(|(_, value)| value.trim().parse().ok()).map(Duration::from_millis);
    Ok(Some(limit.unwrap_or(TIMEOUT)))
}

impl Collector {
    /// The one that the environment names, if it does.
    pub fn of_environment() -> Result<Option<Collector>, OtlpError> {
        let Some(limit) = wanted(|name| std::env::var(name).ok())? else { return Ok(None) };
        let unusable = |error: &dyn std::fmt::Display| OtlpError::Unusable { reason: error.to_string() };
        let exporter = SpanExporter::builder().with_http().with_http_client(Client::new(limit)).build();
        let exporter = exporter.map_err(|error| unusable(&error))?;
        let mut resource = Resource::builder();
        if std::env::var("OTEL_SERVICE_NAME").is_err() && !names_service("OTEL_RESOURCE_ATTRIBUTES") {
            resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
        }
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
        Ok(Some(Collector { provider }))
    }

    /// What makes spans of `tracing` those of the collector: all of the gateway's spans, and of its log what is worth a
    /// line. Nothing of what its libraries do.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let ours = |data: &Metadata<'_>| data.target().starts_with("floci_az");
        let filter = filter_fn(ours).and(filter_fn(|data| data.is_span() || *data.level() <= Level::INFO));
        let tracer = self.provider.tracer(env!("CARGO_PKG_NAME"));
        tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false).with_filter(filter)
    }

    /// Sends what is left, within a short time.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}

fn names_service(variable: &str) -> bool {
    let attributes = std::env::var(variable).unwrap_or_default();
    attributes.split(',').any(|pair| pair.split_once('=').is_some_and(|(name, _)| name.trim() == "service.name"))
}

/// The client that the gateway has anyway. It blocks: it is used by the thread that sends, and by no other.
#[derive(Debug)]
struct Client {
    agent: Agent,
    is_away: AtomicBool,
}

impl Client {
    fn new(limit: Duration) -> Client {
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(crypto)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(limit));
        Client { agent: config.build().into(), is_away: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, mut body) = self.agent.run(request.map(|body| body.to_vec()))?.into_parts();
        let answer = body.with_config().limit(ANSWER).read_to_vec()?;
        Ok(Response::from_parts(head, Bytes::from(answer)))
    }

    /// Says it once. The error of a connection names the address at most; no headers, which may hold a key.
    fn note(&self, outcome: &Result<Response<Bytes>, HttpError>) {
        let trouble = match outcome {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        match (trouble, self.is_away.load(Ordering::Relaxed)) {
            (Some(reason), false) => {
                tracing::warn!(
                    reason,
                    "spans could not be sent to the collector; they are dropped until it takes them"
                );
                self.is_away.store(true, Ordering::Relaxed);
            }
            (None, true) => {
                tracing::info!("the collector takes spans again");
                self.is_away.store(false, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let outcome = self.send(request);
        self.note(&outcome);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn check(variables: &[(&str, &str)]) -> Result<Option<Duration>, String> {
        let variable =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        wanted(variable).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_sent_unless_an_endpoint_is_set() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        for (variables, expected) in [
            (&[][..], None),
            (&[("OTEL_TRACES_EXPORTER", "otlp")], None),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], None),
            (&[endpoint], Some(10_000)),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/v1/traces")], Some(10_000)),
            (&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")], None),
            (&[endpoint, ("OTEL_SDK_DISABLED", "false")], Some(10_000)),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], None),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "otlp")], Some(10_000)),
            (&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], Some(10_000)),
            (
                &[
                    endpoint,
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
                ],
                Some(10_000),
            ),
            (&[endpoint, ("OTEL_EXPORTER_OTLP_TIMEOUT", "250")], Some(250)),
        ] {
            assert_eq!(check(variables), Ok(expected.map(Duration::from_millis)), "{variables:?}");
        }
    }

    #[test]
    fn what_is_not_spoken_is_said() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317");
        let refused: Vec<String> = [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_TRACES_EXPORTER", "zipkin")]
            .map(|other| check(&[endpoint, other]).unwrap_err())
            .into();
        expect![[r#"
            no spans are sent: OTEL_EXPORTER_OTLP_PROTOCOL asks for the protocol 'grpc', and this gateway speaks 'http/protobuf'. Set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, and the endpoint to the collector's port for it (4318, usually)
            no spans are sent: OTEL_TRACES_EXPORTER asks for 'zipkin', and this gateway has 'otlp' and 'none'. Set one of them
        "#]]
        .assert_eq(&(refused.join("\n") + "\n"));
    }
}
