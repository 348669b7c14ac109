//! What the span of a request is to those who collect spans: a part of the client's trace, if the client has one.
//!
//! The words of OpenTelemetry are added only if somebody collects them: the log shows spans, too.

use hyper::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::labels::Route;

/// Puts the span of a request into the trace of its client (W3C Trace Context: `traceparent`, `tracestate`). Before it is
/// entered. The span has to have the field `otel.kind`.
pub fn of_request(span: &Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    // An error is that nobody collects.
    if span.set_parent(parent).is_ok() {
        span.record("otel.kind", "server");
    }
}

/// Adds the answer to the request's span, which is the current one and has to have the field
/// `http.response.status_code`. To collectors its name is the method and what the path means, as
/// conventions have it: there are few of them, and none has a resource's name in it.
pub fn answered(method: &str, route: Route, status: u16) {
    let span = Span::current();
    let context = span.context();
    if context.span().span_context().is_valid() {
        context.span().update_name(format!("{method} {}", route.as_str()));
        span.record("http.response.status_code", status);
    }
}
