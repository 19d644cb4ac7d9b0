//! What a span object of OpenTelemetry's SDK says of itself.

use super::heap::{Heap, HeapError};

/// The span's name; `None` for spans that record nothing and have none.
pub fn span_name(heap: &Heap<'_>, span: u64) -> Result<Option<String>, HeapError> {
    match heap.attribute(span, "_name")? {
        Some(name) => heap.text(name).map(Some),
        None => Ok(None),
    }
}
