//! Which parent may be named.

use crate::{
    event::{Parent, ParentRead, ParentSource},
    ids::{SpanId, TargetId, TraceId},
};

/// A span of the target, by which "the same parent" is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SpanContext {
    pub trace_id: TraceId,
    pub span_id: SpanId,
}

/// A span of the target, in whose service work is done.
pub(crate) type RequestKey = (TargetId, SpanContext);

/// What follows from what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// It may be named.
    Named(Parent),
    /// It is not sampled: it will not be exported, so a child would dangle.
    Unsampled,
    /// Nothing was found, for this reason: the work is not attributed.
    Nobody(&'a str),
}

/// The reason given for a context whose ids are zero, as the kernel programs name it.
const INVALID: &str = "invalid_ids";

/// Judges a reading.
pub(crate) fn judge(read: &ParentRead) -> Verdict<'_> {
    match read {
        ParentRead::None(reason) => Verdict::Nobody(reason),
        ParentRead::Found(parent) if !parent.trace_id.is_valid() || !parent.span_id.is_valid() => {
            Verdict::Nobody(INVALID)
        }
        ParentRead::Found(parent) if !parent.sampled => Verdict::Unsampled,
        ParentRead::Found(parent) => Verdict::Named(*parent),
    }
}

impl Parent {
    /// That of a span that begins this trace, and of what lies in it.
    pub(crate) fn begins(trace_id: TraceId) -> Self {
        Self {
            trace_id,
            span_id: SpanId([0; 8]),
            sampled: true,
            remote: false,
            source: ParentSource::Python,
            by_lineage: false,
        }
    }

    /// Whether there is no span of the target above.
    pub(crate) fn begins_trace(&self) -> bool {
        !self.span_id.is_valid()
    }

    pub(crate) fn context(&self) -> SpanContext {
        SpanContext {
            trace_id: self.trace_id,
            span_id: self.span_id,
        }
    }

    /// As `hotspan.parent.source` says it.
    pub fn source_name(&self) -> &'static str {
        match (self.by_lineage, self.source) {
            _ if self.begins_trace() => "none",
            (true, _) => "lineage",
            (false, ParentSource::ThreadContext) => "otel.thread_context",
            (false, ParentSource::Python) => "otel.python",
        }
    }
}
