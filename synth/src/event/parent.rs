//! Whom work is done for, as it was read where the work was done; and what the target's own spans say of themselves.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{SpanId, TargetId, TraceId},
    time::UnixTime,
};

/// What was read of the parent at a crossing's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParentRead {
    /// A span context.
    Found(Parent),
    /// None; the reason, as `hotspan_common::ContextOutcome` names it in `snake_case`.
    None(String),
}

/// A span context of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parent {
    /// Trace.
    pub trace_id: TraceId,
    /// Span.
    pub span_id: SpanId,
    /// The W3C "sampled" flag.
    pub sampled: bool,
    /// Whether it names a span of another process.
    pub remote: bool,
    /// How it was found at the outermost crossing.
    pub source: ParentSource,
    /// Whether it came to this thread through the creation of threads.
    pub by_lineage: bool,
}

/// How a parent was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ParentSource {
    /// OTEP 4947's thread context record.
    #[serde(rename = "otel.thread_context")]
    ThreadContext,
    /// CPython's contextvars.
    #[serde(rename = "otel.python")]
    Python,
}

/// A span of the target's own, read out of its SDK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetSpan {
    /// Target.
    pub target: TargetId,
    /// Trace.
    pub trace_id: TraceId,
    /// Span.
    pub span_id: SpanId,
    /// Name.
    pub name: String,
    /// Start, by the target's own clock.
    pub start: UnixTime,
}
