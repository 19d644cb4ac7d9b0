use std::sync::Arc;

use hotspan_synth::{
    event::{
        Event, Frame, Function, Language, OpenCrossing, Parent, ParentRead, ParentSource, Sample,
        SampleReason, TargetSpan, WaitEvidence,
    },
    ids::{CrossingId, FunctionId, RegionId, SpanId, TargetId, TraceId},
    region::Region,
    time::{ClockAnchor, KernelTime, UnixTime},
};

use super::{Board, Serves, Standstill, TaskLook, ThreadLook, Waiting, render};
use crate::{run::OffCpu, terminal::style::Style};

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
    Event::Region(Region::span(
        RegionId(id),
        name,
        "sat::Solve",
        "libsolver.so",
    ))
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

fn off_cpu(thread: u32, number: u8) -> OffCpu {
    OffCpu {
        target: TargetId(7),
        thread,
        since: at(50),
        is_blocked: true,
        parent: parent(number, false),
    }
}

/// As seen from user space, waiting for the GIL.
fn look(thread: u32, request: Option<TargetSpan>, stack: &[Function]) -> ThreadLook {
    ThreadLook {
        target: TargetId(7),
        thread,
        name: "pool".to_owned(),
        born: UnixTime(5_000 * MS),
        standstill: Some(Standstill {
            since: at(80),
            seen: at(1_000),
            evidence: WaitEvidence::Gil,
            serves: request.map_or(Serves::Unknown, Serves::Span),
            stack: stack.iter().cloned().map(Arc::new).collect(),
        }),
    }
}

fn span(number: u8, start_ms: u64) -> TargetSpan {
    TargetSpan {
        target: TargetId(7),
        trace_id: TraceId([number; 16]),
        span_id: SpanId([number; 8]),
        name: "GET /solve".to_owned(),
        start: UnixTime(start_ms * MS),
    }
}

fn clock() -> Event {
    Event::Clock(ClockAnchor {
        kernel: at(1_000),
        unix: UnixTime(9_000 * MS),
        error_ns: 0,
    })
}

fn native(id: u32, name: &str) -> Function {
    Function {
        id: FunctionId(id),
        language: Language::Native,
        name: name.to_owned(),
        qualified: format!("sat::{name}"),
        file: String::new(),
        object: "libsolver.so".to_owned(),
    }
}

fn sample(thread: u32, time_ms: u64, number: u8) -> Event {
    Event::Sample(Sample {
        target: TargetId(7),
        thread,
        time: at(time_ms),
        reason: SampleReason::Timer(10 * MS),
        next_ns: 0,
        queued_ns: 0,
        idle_until: None,
        change: None,
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
    Event::Function(app_function())
}

fn app_function() -> Function {
    Function {
        id: FunctionId(1),
        language: Language::Python,
        name: "build_model".to_owned(),
        qualified: "build_model".to_owned(),
        file: "app.py".to_owned(),
        object: "app.py".to_owned(),
    }
}

/// Of a thread that works for nobody known, in `native(2, ..)`.
fn loose_sample(thread: u32, time_ms: u64) -> Event {
    let Event::Sample(mut sample) = sample(thread, time_ms, 1) else {
        unreachable!("it is a sample");
    };
    sample.parent = ParentRead::None("not_a_python_thread".to_owned());
    sample.stack[0].function = FunctionId(2);
    Event::Sample(sample)
}

/// Where a pool's threads wait for work.
fn pool_function() -> Function {
    Function {
        name: "_worker".to_owned(),
        qualified: "_worker".to_owned(),
        file: "/usr/lib/python3.12/concurrent/futures/thread.py".to_owned(),
        ..app_function()
    }
}

#[test]
fn a_pools_thread_that_waits_for_work_is_in_no_request() {
    let mut board = Board::default();
    board.hear(&clock());
    let stack = [pool_function()];
    let looks = [look(10, Some(span(1, 4_000)), &stack)];
    board.look(at(1_000), &[], &[off_cpu(10, 1)], &looks);
    assert!(board.rows().is_empty());
    let stack = [pool_function(), app_function()];
    let looks = [look(10, Some(span(1, 4_000)), &stack)];
    board.look(at(1_001), &[], &[off_cpu(10, 1)], &looks);
    assert_eq!(board.rows().len(), 1);
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
    board.look(at(600), &inside, &[], &[]);
    assert_eq!(
        render("4711", &board, 80, PLAIN),
        "4711: 1 request in flight\n    SINCE  REQUEST                THREADS  DOING\n  \
         >500 ms  span 0101010101010101        2  cpsat.solve › cpsat.search\n"
    );
}

#[test]
fn a_request_from_before_the_attach_has_its_true_age() {
    let mut board = Board::default();
    board.hear(&clock());
    board.hear(&Event::Span(span(1, 4_000)));
    board.hear(&function());
    board.hear(&sample(10, 990, 1));
    board.look(at(1_000), &[], &[], &[]);
    let rows = board.rows();
    assert_eq!((rows[0].age_ns, rows[0].at_least), (5_000 * MS, false));
    assert_eq!(rows[0].doing, ["build_model"]);
    assert_eq!(rows[0].name, "GET /solve");
}

#[test]
fn what_a_thread_waits_for_is_told_and_forgotten_when_it_runs() {
    let mut board = Board::default();
    let looks = [look(10, None, &[]), look(11, None, &[])];
    board.look(at(100), &[], &[off_cpu(10, 1), off_cpu(11, 1)], &looks);
    let waiting = board.rows()[0].waiting["gil"];
    let expected = Waiting {
        threads: 2,
        longest_ns: 50 * MS,
        at_least: false,
    };
    assert_eq!(waiting, expected);
    board.look(at(200), &[], &[off_cpu(10, 1)], &looks[..1]);
    assert_eq!(board.rows()[0].waiting["gil"].threads, 1);
    board.look(at(210), &[], &[], &[]);
    assert!(board.rows()[0].waiting.is_empty());
}

#[test]
fn a_thread_that_has_been_blocked_since_before_is_seen_from_user_space() {
    let mut board = Board::default();
    board.hear(&clock());
    board.hear(&region(1, "cpsat.solve"));
    let stack = [app_function(), native(2, "Solve"), native(3, "Await")];
    let looks = [look(10, Some(span(1, 4_000)), &stack)];
    board.look(at(1_000), &[], &[], &looks);
    assert_eq!(
        render("4711", &board, 80, PLAIN),
        "4711: 1 request in flight\n    SINCE  REQUEST     THREADS  DOING\n   \
         5.00 s  GET /solve        1  build_model › cpsat.solve, waits >920 ms: gil\n"
    );
}

#[test]
fn threads_of_a_pool_are_likely_those_of_the_only_request_in_their_library() {
    let mut board = Board::default();
    board.hear(&clock());
    let stack = [app_function(), native(2, "Solve")];
    board.hear(&Event::Function(native(2, "Propagate")));
    for tick in 0..40 {
        board.hear(&loose_sample(20, 600 + 10 * tick));
    }
    let born = look(20, None, &[]);
    let worker = ThreadLook {
        standstill: None,
        ..born.clone()
    };
    let request = look(10, Some(span(1, 4_000)), &stack);
    board.look(at(1_000), &[], &[], &[request.clone(), worker.clone()]);
    let likely = board.rows()[0].likely.clone().unwrap();
    assert_eq!((likely.threads, likely.function.as_str()), (1, "Propagate"));
    assert!(board.pools().is_empty());
    // It was there before the request.
    let older = ThreadLook {
        born: UnixTime(3_000 * MS),
        ..worker.clone()
    };
    board.look(at(1_000), &[], &[], &[request.clone(), older]);
    assert_eq!(board.rows()[0].likely, None);
    let pool = board.pools().remove(0);
    assert_eq!((pool.threads, pool.name.as_str()), (1, "pool"));
    assert_eq!(
        (pool.object.as_str(), pool.function.as_str()),
        ("libsolver.so", "Propagate")
    );
    // Another request is in that library, too.
    let other = look(11, Some(span(2, 4_500)), &stack);
    board.look(at(1_000), &[], &[], &[request, other, worker]);
    assert!(board.rows().iter().all(|row| row.likely.is_none()));
    assert_eq!(board.pools()[0].threads, 1);
}

#[test]
fn what_a_thread_served_is_over_when_it_serves_nobody() {
    let mut board = Board::default();
    let busy = look(10, Some(span(1, 4_000)), &[app_function()]);
    board.look(at(1_000), &[], &[], &[busy]);
    let idle = |evidence| {
        let mut idle = look(10, None, &[]);
        idle.standstill = idle.standstill.map(|still| Standstill {
            serves: Serves::Nobody,
            seen: at(1_500),
            evidence,
            ..still
        });
        idle
    };
    // An event loop goes on with it later.
    let waits_for_events = WaitEvidence::Syscall {
        name: "epoll_wait".to_owned(),
        is_idle: false,
    };
    board.look(at(1_500), &[], &[], &[idle(waits_for_events)]);
    assert_eq!(board.rows().len(), 1);
    board.look(at(1_600), &[], &[], &[idle(WaitEvidence::Unknown)]);
    assert_eq!(board.rows(), []);
}

#[test]
fn a_suspended_task_is_shown_as_long_as_it_is() {
    let mut board = Board::default();
    let task = TaskLook {
        target: TargetId(7),
        thread: 10,
        address: 0x1000,
        since: at(500),
        span: span(1, 4_000),
    };
    for now in [1_000, 9_000] {
        board.look(at(now), &[], &[], &[]);
        board.suspended(std::slice::from_ref(&task));
        let rows = board.rows();
        assert_eq!(rows.len(), 1);
        let wait = rows[0].waiting["await"];
        assert_eq!(wait.longest_ns, (now - 500) * MS);
    }
    board.look(at(11_000), &[], &[], &[]);
    assert_eq!(board.rows(), []);
}

#[test]
fn an_ended_request_goes() {
    let mut board = Board::default();
    board.hear(&sample(10, 100, 1));
    board.hear(&sample(12, 1_900, 2));
    board.look(at(2_000), &[], &[], &[]);
    let rows = board.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].trace_id, TraceId([2; 16]));
}

#[test]
fn narrow_windows_are_kept() {
    let mut board = Board::default();
    board.hear(&region(1, "a.region.with.a.very.long.name"));
    board.look(at(600), &[open(1, 1, 10, 100, parent(1, false))], &[], &[]);
    for columns in [10, 20, 40] {
        for line in render("a process", &board, columns, PLAIN).lines() {
            assert!(crate::terminal::text::width(line) <= columns, "{line}");
        }
    }
}
