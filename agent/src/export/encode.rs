//! From the core's spans to the SDK's `SpanData`, which opentelemetry's exporters encode.

use std::time::{Duration, SystemTime};

use hotspan_synth::{
    event::Target,
    ids,
    span::{self, Span},
    time::UnixTime,
};
use opentelemetry::{
    Array, InstrumentationScope, Key, KeyValue, StringValue, Value,
    trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanLinks},
};

/// The instrumentation scope of every synthetic span.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("hotspan")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
}

/// The target's own resource, and nothing added: backends group by it.
pub(super) fn resource(target: &Target) -> Resource {
    Resource::builder_empty()
        .with_attributes(attributes(&target.resource))
        .build()
}

/// A span for export.
pub(super) fn span_data(span: &Span, scope: &InstrumentationScope) -> SpanData {
    SpanData {
        span_context: context(span.trace_id, span.span_id),
        parent_span_id: SpanId::from_bytes(span.parent_span_id.0),
        parent_span_is_remote: span.parent_is_remote,
        span_kind: SpanKind::Internal,
        name: span.name.to_string().into(),
        start_time: system_time(span.start),
        end_time: system_time(span.end),
        attributes: attributes(&span.attributes),
        dropped_attributes_count: span.dropped.attributes,
        events: events(span),
        links: links(span),
        status: status(&span.status),
        instrumentation_scope: scope.clone(),
    }
}

/// Every synthetic span has a sampled parent, so it is sampled itself.
fn context(trace_id: ids::TraceId, span_id: ids::SpanId) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(trace_id.0),
        SpanId::from_bytes(span_id.0),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    )
}

fn system_time(time: UnixTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(time.0)
}

fn attributes<K: Clone + Into<Key>>(attributes: &[(K, span::Value)]) -> Vec<KeyValue> {
    attributes
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), self::value(value)))
        .collect()
}

fn value(value: &span::Value) -> Value {
    match value {
        span::Value::Bool(value) => Value::Bool(*value),
        span::Value::Int(value) => Value::I64(*value),
        span::Value::Float(value) => Value::F64(*value),
        span::Value::Text(text) => Value::String(text.clone().into()),
        span::Value::Texts(texts) => Value::Array(Array::String(
            texts
                .iter()
                .map(|text| StringValue::from(text.clone()))
                .collect(),
        )),
    }
}

fn events(span: &Span) -> SpanEvents {
    let mut events = SpanEvents::default();
    events.events = span
        .events
        .iter()
        .map(|event| {
            let time = system_time(event.time);
            Event::new(event.name.clone(), time, attributes(&event.attributes), 0)
        })
        .collect();
    events.dropped_count = span.dropped.events;
    events
}

fn links(span: &Span) -> SpanLinks {
    let mut links = SpanLinks::default();
    links.links = span
        .links
        .iter()
        .map(|link| {
            Link::new(
                context(link.trace_id, link.span_id),
                attributes(&link.attributes),
                0,
            )
        })
        .collect();
    links.dropped_count = span.dropped.links;
    links
}

fn status(status: &span::Status) -> Status {
    match status {
        span::Status::Unset => Status::Unset,
        span::Status::Error { description } => Status::error(description.clone()),
    }
}
