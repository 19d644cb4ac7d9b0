//! A span in OTLP's JSON encoding, written as it is: the SDK's and the protocol's own types would copy each of
//! its texts on the way.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>: ids in hexadecimal, 64-bit integers as
//! text, enumerations as numbers. The order of the fields is that of opentelemetry-proto.

use std::borrow::Cow;

use hotspan_synth::{
    ids::{SpanId, TraceId},
    span::{self, Link, SpanEvent, Status, Value},
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u32 = 1;
/// `STATUS_CODE_UNSET` and `STATUS_CODE_ERROR`.
const UNSET: u32 = 0;
const ERROR: u32 = 2;
/// The W3C "sampled" flag, and that it is known whether the context, or the parent, is of the same process: it is
/// (`SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`).
const FLAGS: u32 = 0x101;
/// That it is another process's (`SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`).
const IS_REMOTE: u32 = 0x200;

type Attributes = [(Cow<'static, str>, Value)];

/// `opentelemetry.proto.trace.v1.Span`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpanRecord<'a> {
    trace_id: TraceId,
    span_id: SpanId,
    trace_state: &'static str,
    #[serde(serialize_with = "parent")]
    parent_span_id: SpanId,
    flags: u32,
    name: &'a str,
    kind: u32,
    start_time_unix_nano: AsText<u64>,
    end_time_unix_nano: AsText<u64>,
    #[serde(serialize_with = "attributes")]
    attributes: &'a Attributes,
    dropped_attributes_count: u32,
    #[serde(serialize_with = "events")]
    events: &'a [SpanEvent],
    dropped_events_count: u32,
    #[serde(serialize_with = "links")]
    links: &'a [Link],
    dropped_links_count: u32,
    status: StatusRecord<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventRecord<'a> {
    time_unix_nano: AsText<u64>,
    name: &'a str,
    #[serde(serialize_with = "attributes")]
    attributes: &'a Attributes,
    dropped_attributes_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkRecord<'a> {
    trace_id: TraceId,
    span_id: SpanId,
    trace_state: &'static str,
    #[serde(serialize_with = "attributes")]
    attributes: &'a Attributes,
    dropped_attributes_count: u32,
    flags: u32,
}

#[derive(Serialize)]
struct StatusRecord<'a> {
    message: &'a str,
    code: u32,
}

#[derive(Serialize)]
struct KeyValue<'a> {
    key: &'a str,
    value: AnyValue<'a>,
}

struct AnyValue<'a>(&'a Value);

impl<'a> From<&'a span::Span> for SpanRecord<'a> {
    fn from(span: &'a span::Span) -> Self {
        Self {
            trace_id: span.trace_id,
            span_id: span.span_id,
            trace_state: "",
            parent_span_id: span.parent_span_id,
            flags: if span.parent_is_remote {
                FLAGS | IS_REMOTE
            } else {
                FLAGS
            },
            name: &span.name,
            kind: INTERNAL,
            start_time_unix_nano: AsText(span.start.0),
            end_time_unix_nano: AsText(span.end.0),
            attributes: &span.attributes,
            dropped_attributes_count: span.dropped.attributes,
            events: &span.events,
            dropped_events_count: span.dropped.events,
            links: &span.links,
            dropped_links_count: span.dropped.links,
            status: match &span.status {
                Status::Unset => StatusRecord {
                    message: "",
                    code: UNSET,
                },
                Status::Error { description } => StatusRecord {
                    message: description,
                    code: ERROR,
                },
            },
        }
    }
}

impl Serialize for AnyValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Array<'a> {
            #[serde(serialize_with = "texts")]
            values: &'a [String],
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self.0 {
            Value::Bool(value) => map.serialize_entry("boolValue", value)?,
            Value::Int(value) => map.serialize_entry("intValue", &AsText(*value))?,
            Value::Float(value) => map.serialize_entry("doubleValue", value)?,
            Value::Text(text) => map.serialize_entry("stringValue", text)?,
            Value::Texts(texts) => map.serialize_entry("arrayValue", &Array { values: texts })?,
        }
        map.end()
    }
}

/// A number, as a JSON text.
struct AsText<T>(T);

impl<T: itoa::Integer + Copy> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(itoa::Buffer::new().format(self.0))
    }
}

fn attributes<S: Serializer>(attributes: &Attributes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(attributes.iter().map(|(key, value)| KeyValue {
        key,
        value: AnyValue(value),
    }))
}

fn events<S: Serializer>(events: &[SpanEvent], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(events.iter().map(|event| EventRecord {
        time_unix_nano: AsText(event.time.0),
        name: &event.name,
        attributes: &event.attributes,
        dropped_attributes_count: 0,
    }))
}

fn links<S: Serializer>(links: &[Link], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(links.iter().map(|link| LinkRecord {
        trace_id: link.trace_id,
        span_id: link.span_id,
        trace_state: "",
        attributes: &link.attributes,
        dropped_attributes_count: 0,
        flags: FLAGS,
    }))
}

fn texts<S: Serializer>(texts: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Text<'a> {
        string_value: &'a str,
    }
    serializer.collect_seq(texts.iter().map(|text| Text { string_value: text }))
}

/// A span that begins a trace has an empty one.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn parent<S: Serializer>(parent: &SpanId, serializer: S) -> Result<S::Ok, S::Error> {
    if parent.0 == [0; 8] {
        serializer.serialize_str("")
    } else {
        parent.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use hotspan_synth::ids::SpanId;
    use opentelemetry_proto::tonic::trace::v1::Span as Message;

    use super::super::{encode, sample};

    /// As the SDK and the protocol's own types make it.
    #[test]
    fn it_is_the_protocols_encoding_to_the_byte() {
        let mut root = sample::span(1, 3);
        root.parent_span_id = SpanId([0; 8]);
        for span in [sample::full_span(1, 1), sample::span(1, 2), root] {
            let message: Message = encode::span_data(&span, &encode::scope()).into();
            assert_eq!(
                serde_json::to_string(&super::SpanRecord::from(&span)).expect("JSON"),
                serde_json::to_string(&message).expect("JSON")
            );
        }
    }
}
