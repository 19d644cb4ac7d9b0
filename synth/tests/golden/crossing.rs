//! Crossings for drawings that need more of them than a timeline can show.

use hotspan_synth::{
    event::{Crossing, Ending, Parent, ParentRead, ParentSource},
    ids::{CrossingId, RegionId, SpanId, TargetId, TraceId},
    time::{ClockAnchor, KernelTime, UnixTime},
};

use crate::drawing::{BASE, MS};

/// One of thread 1 from one millisecond to another, which returned, under the span `a`. It is known by when it begins.
pub fn crossing(region: RegionId, from: u64, to: u64) -> Crossing {
    Crossing {
        id: CrossingId(from),
        target: TargetId(1),
        region,
        thread: 1,
        enclosing: None,
        entry: KernelTime(from * MS),
        exit: KernelTime(to * MS),
        proven: KernelTime(to * MS),
        ending: Ending::Returned,
        runqueue_ns: 0,
        blocked_ns: 0,
        parent: ParentRead::Found(under('a')),
        resources: None,
        values: Vec::new(),
        text: None,
        called: None,
        members: Vec::new(),
    }
}

/// The parent whose ids are made of this letter.
pub fn under(letter: char) -> Parent {
    let byte = letter as u8;
    Parent {
        trace_id: TraceId([byte; 16]),
        span_id: SpanId([byte; 8]),
        sampled: true,
        remote: false,
        source: ParentSource::Python,
        by_lineage: false,
    }
}

/// The kernel's clock begins at [`BASE`], exactly.
pub fn clock() -> ClockAnchor {
    ClockAnchor {
        kernel: KernelTime(0),
        unix: UnixTime(BASE),
        error_ns: 0,
    }
}
