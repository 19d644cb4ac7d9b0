//! The contexts that a drawing's names stand for.

use hotspan_synth::{
    event::{Parent, ParentRead, ParentSource},
    ids::{SpanId, TraceId},
};

/// The context of the target's span of that name: its first letter, in each byte.
pub fn read(name: &str) -> ParentRead {
    let letter = name.bytes().next().expect("a name");
    if letter == b'-' {
        return ParentRead::None("no_active_span".to_owned());
    }
    ParentRead::Found(Parent {
        // Capitals are other spans of the same trace.
        trace_id: TraceId([letter.to_ascii_lowercase(); 16]),
        span_id: SpanId([letter; 8]),
        sampled: !name.ends_with('-'),
        remote: name.ends_with('^'),
        source: ParentSource::Python,
        by_lineage: false,
    })
}

/// What a thread reads that descends from a crossing with this parent.
pub fn lineage(read: ParentRead, by_lineage: bool) -> ParentRead {
    match read {
        ParentRead::Found(parent) => ParentRead::Found(Parent {
            by_lineage: parent.by_lineage || by_lineage,
            ..parent
        }),
        none @ ParentRead::None(_) => none,
    }
}
