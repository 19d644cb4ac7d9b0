use hotspan_synth::{
    event::{
        Event, Frame, Function, Language, OpenCrossing, Parent, ParentRead, ParentSource, Sample,
        SampleReason, TargetSpan, WaitEvidence,
    },
    ids::{CrossingId, FunctionId, RegionId, SpanId, TargetId, TraceId},
    region::{Region, Role},
    time::{ClockAnchor, KernelTime, UnixTime},
};

use super::{Blocked, Board, render};
use crate::terminal::style::Style;

const MS: u64 = 1_000_000;
const PLAIN: Style = Style { colour: false };

fn at(ms: u64) -> KernelTime {
    KernelTime(ms * MS)
}

fn parent(number: u8, by_lineage: bool) -> ParentRead {
    ParentRead::Found(Parent {
        trace_id: TraceId([number; 16]),
        span_id: SpanId([number; 8]),
        sampled: true,
        remote: false,
        source: ParentSource::Python,
        by_lineage,
    })
}

fn region(id: u32, name: &str) -> Event {
    Event::Region(Region {
        id: RegionId(id),
        name: name.to_owned(),
        role: Role::Span,
        function: String::new(),
        object: String::new(),
        attributes: Vec::new(),
        cold_start: false,
        fold: None,
        failure: None,
        only_if: None,
        event_of: None,
    })
}

fn open(id: u64, region: u32, thread: u32, entry_ms: u64, parent: ParentRead) -> OpenCrossing {
    OpenCrossing {
        id: CrossingId(id),
        target: TargetId(7),
        region: RegionId(region),
        thread,
        enclosing: None,
        entry: at(entry_ms),
        seen: at(entry_ms),
        parent,
    }
}

fn blocked(thread: u32, number: u8) -> Blocked {
    Blocked {
        target: TargetId(7),
        thread,
        since: at(50),
        evidence: WaitEvidence::Gil,
        parent: parent(number, false),
    }
}

fn sample(thread: u32, time_ms: u64, number: u8) -> Event {
    Event::Sample(Sample {
        target: TargetId(7),
        thread,
        time: at(time_ms),
        reason: SampleReason::Timer(10 * MS),
        enclosing: None,
        parent: parent(number, false),
        context: 0,
        stack: vec![Frame {
            function: FunctionId(1),
            line: 3,
        }],
        is_complete: true,
    })
}

fn function() -> Event {
    Event::Function(Function {
        id: FunctionId(1),
        language: Language::Python,
        name: "build_model".to_owned(),
        qualified: "build_model".to_owned(),
        file: "app.py".to_owned(),
        object: "app.py".to_owned(),
    })
}

#[test]
fn a_solve_and_its_workers_are_one_request() {
    let mut board = Board::default();
    board.hear(&region(1, "cpsat.solve"));
    board.hear(&region(2, "cpsat.search"));
    board.hear(&region(3, "cpsat.worker"));
    let inside = [
        open(1, 1, 10, 100, parent(1, false)),
        open(2, 2, 10, 110, parent(1, false)),
        open(3, 3, 11, 120, parent(1, true)),
    ];
    board.look(at(600), &inside, &[]);
    assert_eq!(
        render("4711", &board.rows(), 80, PLAIN),
        "4711: 1 request in flight\n    SINCE  REQUEST                THREADS  DOING\n  \
         >500 ms  span 0101010101010101        2  cpsat.solve › cpsat.search\n"
    );
}

#[test]
fn a_request_from_before_the_attach_has_its_true_age() {
    let mut board = Board::default();
    board.hear(&Event::Clock(ClockAnchor {
        kernel: at(1_000),
        unix: UnixTime(9_000 * MS),
        error_ns: 0,
    }));
    board.hear(&Event::Span(TargetSpan {
        target: TargetId(7),
        trace_id: TraceId([1; 16]),
        span_id: SpanId([1; 8]),
        name: "GET /solve".to_owned(),
        start: UnixTime(4_000 * MS),
    }));
    board.hear(&function());
    board.hear(&sample(10, 990, 1));
    board.look(at(1_000), &[], &[]);
    let rows = board.rows();
    assert_eq!((rows[0].age_ns, rows[0].at_least), (5_000 * MS, false));
    assert_eq!(rows[0].doing, ["build_model"]);
    assert_eq!(rows[0].name, "GET /solve");
}

#[test]
fn what_a_thread_waits_for_is_told_and_forgotten_when_it_runs() {
    let mut board = Board::default();
    board.look(at(100), &[], &[blocked(10, 1), blocked(11, 1)]);
    assert_eq!(board.rows()[0].waiting["gil"], 2);
    board.look(at(200), &[], &[blocked(10, 1)]);
    assert_eq!(board.rows()[0].waiting["gil"], 1);
}

#[test]
fn an_ended_request_goes() {
    let mut board = Board::default();
    board.hear(&sample(10, 100, 1));
    board.hear(&sample(12, 1_900, 2));
    board.look(at(2_000), &[], &[]);
    let rows = board.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].trace_id, TraceId([2; 16]));
}

#[test]
fn narrow_windows_are_kept() {
    let mut board = Board::default();
    board.hear(&region(1, "a.region.with.a.very.long.name"));
    board.look(at(600), &[open(1, 1, 10, 100, parent(1, false))], &[]);
    for columns in [10, 20, 40] {
        for line in render("a process", &board.rows(), columns, PLAIN).lines() {
            assert!(crate::terminal::text::width(line) <= columns, "{line}");
        }
    }
}
