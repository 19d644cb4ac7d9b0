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
use crate::context::python::span::read_span_of;

/// Spans that are remembered as read.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(8192).unwrap();

/// Reads each span once.
pub(super) struct Spans {
    seen: LruCache<(u32, [u8; 8]), ()>,
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
    /// What a sample's span object says, if the span is new and the object still is that span's.
    pub fn read(&mut self, event: &SampleEvent, interpreter: &Interpreter) -> Option<TargetSpan> {
        let parent = &event.parent;
        // One that stands for a span of another process has no name and no start.
        if event.span_object == 0 || parent.span_id == [0; 8] || parent.remote != 0 {
            return None;
        }
        // Marked as seen even if it cannot be read: the object will not come back.
        if self.seen.put((event.tgid, parent.span_id), ()).is_some() {
            return None;
        }
        let heap = interpreter.heap_for_spans(event.time_ns);
        let found = read_span_of(&heap, event.span_object, parent.trace_id, parent.span_id);
        let Ok(Some(span)) = found else {
            self.unread += 1;
            return None;
        };
        Some(TargetSpan {
            target: TargetId(event.tgid),
            trace_id: TraceId(span.trace_id),
            span_id: SpanId(span.span_id),
            name: span.name,
            start: UnixTime(span.start_ns),
        })
    }
}
