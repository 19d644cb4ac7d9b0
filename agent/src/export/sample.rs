//! Spans and targets for tests.

use hotspan_synth::{
    event::Target,
    ids::{SpanId, TargetId, TraceId},
    span::{Dropped, Link, Span, SpanEvent, Status, Value},
    time::UnixTime,
};

pub(super) fn target(id: u32, service: &str) -> Target {
    Target {
        id: TargetId(id),
        ns_pid: 1,
        executable: "python3".to_owned(),
        begins_traces: false,
        resource: vec![("service.name".to_owned(), service.into())],
    }
}

/// A span of `target`; `number` becomes its id.
pub(super) fn span(target: u32, number: u64) -> Span {
    Span {
        target: TargetId(target),
        trace_id: TraceId([7; 16]),
        span_id: SpanId(number.to_be_bytes()),
        parent_span_id: SpanId([9; 8]),
        parent_is_synthetic: false,
        parent_is_remote: false,
        name: "cpsat.solve".into(),
        start: UnixTime(1_700_000_000_000_000_001),
        end: UnixTime(1_700_000_000_500_000_002),
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        status: Status::Unset,
        dropped: Dropped::default(),
    }
}

/// One with everything that a span can have.
pub(super) fn full_span(target: u32, number: u64) -> Span {
    Span {
        attributes: vec![
            (
                "optim.num_variables".into(),
                Value::Int(9_007_199_254_740_993),
            ),
            ("optim.objective_value".into(), Value::Float(12.5)),
            ("optim.solution_found".into(), Value::Bool(true)),
            ("optim.solver_status".into(), "OPTIMAL".into()),
            (
                "hotspan.workers".into(),
                Value::Texts(vec!["a".to_owned(), "b".to_owned()]),
            ),
        ],
        events: vec![SpanEvent {
            name: "exception".to_owned(),
            time: UnixTime(1_700_000_000_400_000_003),
            attributes: vec![("exception.type".into(), "ValueError".into())],
        }],
        links: vec![Link {
            trace_id: TraceId([3; 16]),
            span_id: SpanId([4; 8]),
            attributes: vec![("n".into(), Value::Int(1))],
        }],
        status: Status::Error {
            description: "it failed".to_owned(),
        },
        dropped: Dropped {
            attributes: 1,
            events: 2,
            links: 3,
        },
        ..span(target, number)
    }
}
