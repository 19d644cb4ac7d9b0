//! A parent, from the kernel's words to the core's.

use std::sync::LazyLock;

use heck::ToSnakeCase as _;
use hotspan_common::{ContextOutcome, Parent as WireParent, ParentSource as WireSource};
use hotspan_synth::{
    event::{Parent, ParentRead, ParentSource},
    ids::{SpanId, TraceId},
};

/// The W3C "sampled" flag.
const SAMPLED: u8 = 1;

/// A parent as it was read in the target.
pub fn parent(wire: &WireParent) -> ParentRead {
    let source = match WireSource::from_wire(wire.source) {
        Some(WireSource::ThreadContext) => ParentSource::ThreadContext,
        Some(WireSource::Python) => ParentSource::Python,
        Some(WireSource::None) | None => return ParentRead::None(reason(wire.outcome)),
    };
    ParentRead::Found(Parent {
        trace_id: TraceId(wire.trace_id),
        span_id: SpanId(wire.span_id),
        sampled: wire.flags & SAMPLED != 0,
        remote: wire.remote != 0,
        source,
        by_lineage: wire.lineage != 0,
    })
}

fn reason(outcome: u8) -> String {
    let known = OUTCOMES.iter().find(|(known, _)| known.wire() == outcome);
    known.map_or_else(|| format!("outcome_{outcome}"), |(_, name)| name.clone())
}

/// What can come of a look for a parent, as counters and reasons name it.
pub static OUTCOMES: LazyLock<Vec<(ContextOutcome, String)>> = LazyLock::new(|| {
    let all = ContextOutcome::ALL.iter();
    all.map(|outcome| (*outcome, format!("{outcome:?}").to_snake_case()))
        .collect()
});
