//! Spans out of OTLP's JSON, parsed by the official types.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    trace::v1::{Span as Wire, TracesData},
};
use serde_json::{Value, json};

/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`.
const IS_REMOTE: u32 = 0x200;

/// Attributes by key.
pub type Attributes = BTreeMap<String, Value>;

/// A span, flat.
#[derive(Clone, Debug)]
pub struct Span {
    /// In hexadecimal.
    pub trace_id: String,
    /// In hexadecimal.
    pub span_id: String,
    /// In hexadecimal; empty for a root.
    pub parent: String,
    /// Whether it says that the parent is a span of another process.
    pub parent_is_remote: bool,
    /// Name.
    pub name: String,
    /// Unix time in nanoseconds.
    pub start_ns: u64,
    /// Unix time in nanoseconds.
    pub end_ns: u64,
    /// `SpanKind` on the wire.
    pub kind: i32,
    /// Status code on the wire: 0 unset, 1 ok, 2 error.
    pub status: i32,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its events: name and attributes.
    pub events: Vec<(String, Attributes)>,
    /// Ids of the spans that it links to, in hexadecimal.
    pub links: Vec<String>,
    /// Name of the scope.
    pub scope: String,
    /// Attributes of the resource.
    pub resource: Attributes,
}

impl Span {
    /// An attribute as an integer.
    pub fn int(&self, key: &str) -> Option<i64> {
        self.attributes.get(key).and_then(Value::as_i64)
    }

    /// An attribute as text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).and_then(Value::as_str)
    }

    /// An attribute as a number.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.attributes.get(key).and_then(Value::as_f64)
    }

    /// An attribute that is a list of texts; empty if it is missing.
    pub fn texts(&self, key: &str) -> Vec<&str> {
        let list = self.attributes.get(key).and_then(Value::as_array);
        let texts = list.into_iter().flatten();
        texts.filter_map(Value::as_str).collect()
    }

    /// Its length in nanoseconds.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// All spans of a file with one `TracesData` a line. A line that does not parse is an error.
pub fn read(path: &Path) -> Result<Vec<Span>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    parse(&text)
}

/// The same for a file that is being written: what follows the last line end is left out.
pub fn read_complete_lines(path: &Path) -> Result<Vec<Span>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    parse(text.rfind('\n').map_or("", |end| &text[..end]))
}

fn parse(text: &str) -> Result<Vec<Span>> {
    let mut spans = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let data: TracesData = serde_json::from_str(line)
            .with_context(|| format!("line {} is no TracesData: {line}", number + 1))?;
        for group in data.resource_spans {
            let resource = group
                .resource
                .map(|resource| attributes(resource.attributes))
                .unwrap_or_default();
            for scope in group.scope_spans {
                let name = scope.scope.map(|scope| scope.name).unwrap_or_default();
                spans.extend(
                    scope
                        .spans
                        .into_iter()
                        .map(|span| flat(span, &name, &resource)),
                );
            }
        }
    }
    Ok(spans)
}

fn flat(span: Wire, scope: &str, resource: &Attributes) -> Span {
    Span {
        trace_id: hex::encode(&span.trace_id),
        span_id: hex::encode(&span.span_id),
        parent: hex::encode(&span.parent_span_id),
        parent_is_remote: span.flags & IS_REMOTE != 0,
        name: span.name,
        start_ns: span.start_time_unix_nano,
        end_ns: span.end_time_unix_nano,
        kind: span.kind,
        status: span.status.map_or(0, |status| status.code),
        attributes: attributes(span.attributes),
        events: span
            .events
            .into_iter()
            .map(|event| (event.name, attributes(event.attributes)))
            .collect(),
        links: (span.links.iter())
            .map(|link| hex::encode(&link.span_id))
            .collect(),
        scope: scope.to_owned(),
        resource: resource.clone(),
    }
}

fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    pairs
        .into_iter()
        .map(|pair| (pair.key, pair.value.map_or(Value::Null, value)))
        .collect()
}

fn value(any: AnyValue) -> Value {
    match any.value {
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::BoolValue(bool)) => json!(bool),
        Some(Any::IntValue(int)) => json!(int),
        Some(Any::DoubleValue(double)) => json!(double),
        Some(Any::ArrayValue(array)) => array.values.into_iter().map(value).collect(),
        other => json!(other.map(|other| format!("{other:?}"))),
    }
}
