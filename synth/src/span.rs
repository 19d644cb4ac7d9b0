//! What comes out.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    ids::{SpanId, TargetId, TraceId},
    time::UnixTime,
};

/// A synthetic span, complete: an exporter adds nothing to it but its encoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The target it belongs to; exporters find its resource by this.
    pub target: TargetId,
    /// The parent's trace.
    pub trace_id: TraceId,
    /// Its own id, derived from the seed and the crossing.
    pub span_id: SpanId,
    /// The target's span, or the enclosing synthetic span.
    pub parent_span_id: SpanId,
    /// Whether the parent is a synthetic span too.
    pub parent_is_synthetic: bool,
    /// Whether the parent is a span of another process.
    pub parent_is_remote: bool,
    /// `library.operation`.
    pub name: Arc<str>,
    /// Start.
    pub start: UnixTime,
    /// End, not before the start.
    pub end: UnixTime,
    /// Attributes, in a stable order, each key once.
    pub attributes: Attributes,
    /// Events, in order of time.
    pub events: Vec<SpanEvent>,
    /// Links to other spans.
    pub links: Vec<Link>,
    /// Whether it failed.
    pub status: Status,
    /// Attributes, events and links that a limit cut off, for OTLP's `dropped_*_count`.
    pub dropped: Dropped,
}

/// Attributes, by key. Most keys are this crate's own.
pub type Attributes = Vec<(Cow<'static, str>, Value)>;

/// What limits cut off a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Attributes.
    pub attributes: u32,
    /// Events.
    pub events: u32,
    /// Links.
    pub links: u32,
}

/// An event on a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanEvent {
    /// Name, such as `exception`.
    pub name: String,
    /// When.
    pub time: UnixTime,
    /// Attributes.
    pub attributes: Attributes,
}

/// A link to a span that this one also serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// Attributes.
    pub attributes: Attributes,
}

/// Status of a span.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing is said: the OTel default.
    #[default]
    Unset,
    /// It failed.
    Error {
        /// A short description.
        description: String,
    },
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Boolean.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Floating point, finite.
    Float(f64),
    /// Text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
