//! What a span object of OpenTelemetry's SDK says of itself.

use super::heap::{Heap, HeapError};

/// The span's name; `None` for spans that record nothing and have none.
pub fn span_name(heap: &Heap<'_>, span: u64) -> Result<Option<String>, HeapError> {
    match heap.attribute(span, "_name")? {
        Some(name) => heap.text(name).map(Some),
        None => Ok(None),
    }
}

/// A span's own description of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanFacts {
    /// W3C trace id.
    pub trace_id: [u8; 16],
    /// W3C span id.
    pub span_id: [u8; 8],
    /// Name.
    pub name: String,
    /// Start, in nanoseconds since the Unix epoch.
    pub start_ns: u64,
}

/// Where `SpanContext`, a tuple, has its ids.
const TRACE_ID: usize = 0;
const SPAN_ID: usize = 1;

/// Reads a span that records: its ids, from its context, its name and its start.
pub fn read_span(heap: &Heap<'_>, span: u64) -> Result<SpanFacts, HeapError> {
    let missing = |what| HeapError::Malformed {
        address: span,
        what,
    };
    let attribute = |name, what| heap.attribute(span, name)?.ok_or_else(|| missing(what));
    let context = heap.items(attribute("_context", "a span without a context")?)?;
    let id = |index: usize| {
        let item = context.get(index).copied();
        let item = item.ok_or_else(|| missing("a span context without ids"))?;
        heap.unsigned(item)?
            .ok_or_else(|| missing("an id that is no 128-bit number"))
    };
    let trace_id = id(TRACE_ID)?;
    let span_id = u64::try_from(id(SPAN_ID)?).map_err(|_| missing("a span id of over 64 bits"))?;
    let start = attribute("_start_time", "a span without a start")?;
    let start = heap
        .unsigned(start)?
        .and_then(|start| u64::try_from(start).ok());
    Ok(SpanFacts {
        trace_id: trace_id.to_be_bytes(),
        span_id: span_id.to_be_bytes(),
        name: span_name(heap, span)?.ok_or_else(|| missing("a span without a name"))?,
        start_ns: start.ok_or_else(|| missing("a start that is no time"))?,
    })
}
