//! What a span object of OpenTelemetry's SDK says of itself.

use super::heap::{Heap, HeapError, TypeInfo};

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
    let record = Record::of(heap, span, &heap.type_of(span)?)?;
    record.facts(heap, record.ids(heap)?)
}

/// Reads a span if it still is the one with these ids: most are over, and another object in their place,
/// before they are looked at.
pub fn read_span_of(
    heap: &Heap<'_>,
    span: u64,
    trace_id: [u8; 16],
    span_id: [u8; 8],
) -> Result<Option<SpanFacts>, HeapError> {
    let Some(class) = heap.type_if_referenced(span)? else {
        return Ok(None);
    };
    let record = Record::of(heap, span, &class)?;
    let ids = record.ids(heap)?;
    if ids != (trace_id, span_id) {
        return Ok(None);
    }
    record.facts(heap, ids).map(Some)
}

type Ids = ([u8; 16], [u8; 8]);

/// What a span object points to.
struct Record {
    span: u64,
    context: u64,
    start: u64,
    name: u64,
}

impl Record {
    fn of(heap: &Heap<'_>, span: u64, class: &TypeInfo) -> Result<Self, HeapError> {
        let names = ["_context", "_start_time", "_name"];
        let [context, start, name] = heap.attributes_of(span, class, names)?;
        let there = |value: Option<u64>, missing| value.ok_or_else(|| malformed(span, missing));
        Ok(Self {
            span,
            context: there(context, "a span without a context")?,
            start: there(start, "a span without a start")?,
            name: there(name, "a span without a name")?,
        })
    }

    fn ids(&self, heap: &Heap<'_>) -> Result<Ids, HeapError> {
        let context = heap.items(self.context)?;
        let id = |index: usize| {
            let item = context.get(index).copied();
            let item = item.ok_or_else(|| malformed(self.span, "a span context without ids"))?;
            heap.unsigned(item)?
                .ok_or_else(|| malformed(self.span, "an id that is no 128-bit number"))
        };
        let trace_id = id(TRACE_ID)?;
        let span_id = u64::try_from(id(SPAN_ID)?)
            .map_err(|_| malformed(self.span, "a span id of over 64 bits"))?;
        Ok((trace_id.to_be_bytes(), span_id.to_be_bytes()))
    }

    fn facts(&self, heap: &Heap<'_>, (trace_id, span_id): Ids) -> Result<SpanFacts, HeapError> {
        let start = heap.unsigned(self.start)?;
        let start = start.and_then(|start| u64::try_from(start).ok());
        Ok(SpanFacts {
            trace_id,
            span_id,
            name: heap.text(self.name)?,
            start_ns: start.ok_or_else(|| malformed(self.span, "a start that is no time"))?,
        })
    }
}

fn malformed(address: u64, what: &'static str) -> HeapError {
    HeapError::Malformed { address, what }
}
