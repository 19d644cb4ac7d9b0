//! The target's own spans, as its SDK's objects describe them.

use std::num::NonZeroUsize;

use hotspan_common::SampleEvent;
use hotspan_synth::{
    event::TargetSpan,
    ids::{SpanId, TargetId, TraceId},
    time::UnixTime,
};
use lru::LruCache;

use super::python::Interpreter;
use crate::context::python::{
    heap::Heap,
    span::{SpanFacts, read_span_of},
};

/// Spans that are remembered as read.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(8192).unwrap();

/// Reads each span once.
pub(super) struct Spans {
    /// Whether its description is known.
    seen: LruCache<(u32, [u8; 8]), bool>,
    /// Spans whose object was gone, another one's, or unreadable.
    pub unread: u64,
}

impl Default for Spans {
    fn default() -> Self {
        Self {
            seen: LruCache::new(REMEMBERED),
            unread: 0,
        }
    }
}

impl Spans {
    /// What a sample's span object says, if the span is new: as the kernel read it, or as it stands there now, if it
    /// still is that span's.
    pub fn read(&mut self, event: &SampleEvent, interpreter: &Interpreter) -> Option<TargetSpan> {
        let parent = &event.parent;
        // One that stands for a span of another process has no name and no start.
        if event.span_object == 0 || parent.span_id == [0; 8] || parent.remote != 0 {
            return None;
        }
        let key = (event.tgid, parent.span_id);
        // In the order in which they came up: to know which was seen last would cost each stack more.
        let seen = self.seen.peek(&key).copied();
        let is_told = event.span_text.start_ns != 0;
        if seen == Some(true) || (seen.is_some() && !is_told) {
            return None;
        }
        let heap = interpreter.heap_for_spans(event.time_ns);
        let found = told(&heap, event).or_else(|| {
            read_span_of(&heap, event.span_object, parent.trace_id, parent.span_id)
                .ok()
                .flatten()
        });
        // One that cannot be read is not looked for again: the object will not come back.
        self.seen.put(key, found.is_some());
        match (&found, seen) {
            (Some(_), Some(_)) => self.unread -= 1,
            (None, None) => self.unread += 1,
            _ => {}
        }
        found.map(|span| TargetSpan {
            target: TargetId(event.tgid),
            trace_id: TraceId(span.trace_id),
            span_id: SpanId(span.span_id),
            name: span.name,
            start: UnixTime(span.start_ns),
        })
    }
}

/// What the kernel read of a span; `None` if that was nothing, or its name is for the heap to read.
fn told(heap: &Heap<'_>, event: &SampleEvent) -> Option<SpanFacts> {
    let text = &event.span_text;
    if text.start_ns == 0 {
        return None;
    }
    let name = text.name.get(..text.name_len as usize)?;
    Some(SpanFacts {
        trace_id: event.parent.trace_id,
        span_id: event.parent.span_id,
        name: heap.ascii(text.name_state, name)?.to_owned(),
        start_ns: text.start_ns,
    })
}
