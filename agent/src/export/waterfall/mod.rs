//! Spans in the terminal: parents and children aligned in time.
//!
//! [`render`] is pure: any rows, the SDK's spans and synthetic ones together. `live` feeds it with what
//! the engine emits.

mod bar;
mod layout;
pub(super) mod live;
mod pending;
mod render;
mod tags;
#[cfg(test)]
mod tests;
mod tree;

use hotspan_synth::{ids::SpanId, span::Span, time::UnixTime};

pub use crate::terminal::style::Style;
pub use render::render;
pub use tags::tags;

/// One line of a waterfall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its span.
    pub id: SpanId,
    /// The parent; a row whose parent is not among the rows is a root.
    pub parent: SpanId,
    /// Span name.
    pub name: String,
    /// Start.
    pub start: UnixTime,
    /// End.
    pub end: UnixTime,
    /// Whether hotspan made it; the two kinds look different.
    pub synthetic: bool,
    /// Whether its status is an error.
    pub failed: bool,
    /// A few words beside the name: status, objective. See [`tags`].
    pub tags: String,
}

impl From<&Span> for Row {
    fn from(span: &Span) -> Self {
        Self {
            id: span.span_id,
            parent: span.parent_span_id,
            name: span.name.to_string(),
            start: span.start,
            end: span.end,
            synthetic: true,
            failed: span.status != hotspan_synth::span::Status::Unset,
            tags: tags(span),
        }
    }
}
