//! Runs of events, made up: crossings in each other, evidence around them, and how it is inferred from.

use hotspan_synth::{
    Inference, Settings,
    event::{
        Change, Crossing, Ending, Event, Frame, Function, Language, OpenCrossing, Parent,
        ParentRead, ParentSource, Sample, SampleReason, TargetSpan, Wait, WaitEvidence,
    },
    ids::{CrossingId, FunctionId, RegionId, SpanId, TargetId, TraceId},
    region::Region,
    time::{ClockAnchor, KernelTime, UnixTime},
};
use proptest::prelude::*;

const TARGET: TargetId = TargetId(1);
const BASE: u64 = 1_000_000;

/// A thread's crossings lie in each other or after each other, as they do in a real one: each takes
/// the rest of the one around it from `gap` on, for `length`.
#[derive(Clone, Debug)]
struct Nest {
    gap: u64,
    length: u64,
    inside: Vec<Nest>,
}

fn nest() -> impl Strategy<Value = Vec<Nest>> {
    let leaf = (0..40_u64, 1..60_u64).prop_map(|(gap, length)| Nest {
        gap,
        length,
        inside: Vec::new(),
    });
    let nest = leaf.prop_recursive(2, 8, 3, |inner| {
        (0..40_u64, 1..60_u64, prop::collection::vec(inner, 0..3)).prop_map(
            |(gap, length, inside)| Nest {
                gap,
                length,
                inside,
            },
        )
    });
    prop::collection::vec(nest, 0..4)
}

fn crossings(nests: &[Nest], from: u64, to: u64, around: Option<u64>, all: &mut Vec<Crossing>) {
    let mut at = from;
    for nest in nests {
        let entry = at + nest.gap;
        let exit = (entry + nest.length).min(to);
        if entry >= exit {
            return;
        }
        let id = all.len() as u64 + 1;
        all.push(crossing(id, around, entry, exit));
        crossings(&nest.inside, entry, exit, Some(id), all);
        at = exit;
    }
}

fn crossing(id: u64, around: Option<u64>, entry: u64, exit: u64) -> Crossing {
    Crossing {
        id: CrossingId(id),
        target: TARGET,
        region: RegionId(0),
        thread: 1,
        enclosing: around.map(CrossingId),
        entry: KernelTime(entry),
        exit: KernelTime(exit),
        proven: KernelTime(exit),
        ending: Ending::Returned,
        runqueue_ns: 0,
        blocked_ns: 0,
        resources: None,
        parent: parent(1),
        values: Vec::new(),
        text: None,
        called: None,
        members: Vec::new(),
    }
}

fn parent(span: u8) -> ParentRead {
    ParentRead::Found(Parent {
        trace_id: TraceId([1; 16]),
        span_id: SpanId([span; 8]),
        sampled: true,
        remote: false,
        source: ParentSource::Python,
        by_lineage: false,
    })
}

fn by_lineage(read: ParentRead) -> ParentRead {
    match read {
        ParentRead::Found(parent) => ParentRead::Found(Parent {
            by_lineage: true,
            ..parent
        }),
        none @ ParentRead::None(_) => none,
    }
}

fn stack() -> impl Strategy<Value = Vec<Frame>> {
    // Few functions, so that stacks have much in common; the last is never announced.
    let frame = (0..8_u32, 0..3_u32).prop_map(|(function, line)| Frame {
        function: FunctionId(function),
        line,
    });
    prop::collection::vec(frame, 0..6)
}

/// How long before a stack another was, when what that shows was last met, and when first not any more; and how many frames
/// are others. Most are wrong, as no kernel would say them.
type Times = ((u64, u64, u64), u32);

fn change() -> impl Strategy<Value = Option<Times>> {
    prop::option::of(((0..20_u64, 0..20_u64, 0..20_u64), 0..4_u32))
}

fn change_at(time: u64, ((since, after, by), frames): Times) -> Change {
    let before = |ns: u64| KernelTime(time.saturating_sub(ns));
    Change {
        since: before(since),
        after: before(after),
        by: before(by),
        frames,
    }
}

/// A thread that descends from what thread 1 has open.
const WORKER: u32 = 3;

/// Evidence of thread 1 and of others, of one request and of another.
fn evidence() -> impl Strategy<Value = Event> {
    let place = (1..3_u32, 1..3_u8);
    let distances = (1..12_u64, 0..12_u64, prop_oneof![Just(0), 0..100_u64]);
    let who = prop_oneof![3 => place.clone(), 1 => (Just(WORKER), Just(1_u8))];
    let sample = (who, 0..300_u64, distances, change(), stack(), any::<bool>());
    let sample = sample.prop_map(
        |((thread, span), time, (period, next_ns, queued_ns), change, stack, is_complete)| {
            Event::Sample(Sample {
                target: TARGET,
                thread,
                time: KernelTime(time),
                reason: SampleReason::Timer(period),
                next_ns,
                queued_ns,
                change: change.map(|change| change_at(time, change)),
                idle_until: (queued_ns > 50).then_some(KernelTime(time.saturating_sub(queued_ns))),
                enclosing: None,
                parent: if thread == WORKER {
                    by_lineage(parent(span))
                } else {
                    parent(span)
                },
                context: 0,
                stack,
                is_complete,
            })
        },
    );
    let wait = (place, 0..300_u64, 0..60_u64, stack(), 0..4_u8);
    let wait = wait.prop_map(|((thread, span), start, length, stack, why)| {
        Event::Wait(Wait {
            target: TARGET,
            thread,
            start: KernelTime(start),
            early_ns: length / 2,
            idle_until: None,
            end: KernelTime(start + length),
            evidence: match why {
                0 => WaitEvidence::Gil,
                1 => WaitEvidence::RunQueue,
                2 => WaitEvidence::Unknown,
                _ => WaitEvidence::Syscall {
                    name: "read".to_owned(),
                    is_idle: false,
                },
            },
            for_block_device: why == 2,
            enclosing: None,
            parent: parent(span),
            context: 0,
            stack,
            wakeup: None,
        })
    });
    prop_oneof![5 => sample, 1 => wait]
}

fn functions() -> impl Iterator<Item = Event> {
    let files = [
        ("serve", "/lib/python3.11/site-packages/uvicorn/main.py"),
        ("handler", "/app/main.py"),
        ("load", "/app/main.py"),
        ("<lambda>", "/app/main.py"),
        ("parse", "/lib/python3.11/site-packages/orders/parse.py"),
        ("", ""),
        ("crunch", ""),
    ];
    (0..).zip(files).map(|(id, (name, file))| {
        Event::Function(Function {
            id: FunctionId(id),
            language: match (name, file) {
                ("", _) => Language::Unnamed,
                (_, "") => Language::Native,
                _ => Language::Python,
            },
            name: name.to_owned(),
            qualified: name.to_owned(),
            file: file.to_owned(),
            object: "libcrunch.so".to_owned(),
        })
    })
}

fn header() -> impl Iterator<Item = Event> {
    let clock = Event::Clock(ClockAnchor {
        kernel: KernelTime(0),
        unix: UnixTime(BASE),
        error_ns: 0,
    });
    let region = Event::Region(Region::span(RegionId(0), "test.region", "f", "libtest.so"));
    [clock, region].into_iter().chain(functions())
}

/// A run: what is known of the target's span, crossings and evidence in the order of their ends,
/// and then whatever comes late; time is told now and then.
pub fn run_events() -> impl Strategy<Value = Vec<Event>> {
    let evidence = prop::collection::vec((evidence(), prop::bool::weighted(0.1)), 0..80);
    (nest(), evidence, prop::option::of(0..60_u64), 5..80_u64).prop_map(
        |(nests, evidence, start, tick)| {
            let mut all = Vec::new();
            crossings(&nests, 0, 300, None, &mut all);
            let mut timed: Vec<(u64, Event)> = Vec::new();
            for (mut event, is_late) in evidence {
                let late = if is_late { 150 } else { 10 };
                enclose(&mut event, &all);
                timed.push((end_of(&event) + late, event));
            }
            for crossing in all {
                let seen = KernelTime(crossing.entry.0 + ANNOUNCED);
                if seen < crossing.exit {
                    timed.push((seen.0, Event::Open(announcement(&crossing, seen))));
                }
                timed.push((crossing.exit.0, Event::Crossing(crossing)));
            }
            timed.extend((0..600 / tick).map(|turn| {
                let now = KernelTime(turn * tick);
                (now.0, Event::Tick { now })
            }));
            timed.sort_by_key(|(time, _)| *time);
            let span = start.map(|start| {
                Event::Span(TargetSpan {
                    target: TARGET,
                    trace_id: TraceId([1; 16]),
                    span_id: SpanId([1; 8]),
                    name: "GET /".to_owned(),
                    start: UnixTime(BASE + start),
                })
            });
            let timed = timed.into_iter().map(|(_, event)| event);
            header().chain(span).chain(timed).collect()
        },
    )
}

/// How long a crossing is open before it is announced.
const ANNOUNCED: u64 = 3;

fn announcement(crossing: &Crossing, seen: KernelTime) -> OpenCrossing {
    OpenCrossing {
        id: crossing.id,
        target: crossing.target,
        region: crossing.region,
        thread: crossing.thread,
        enclosing: crossing.enclosing,
        entry: crossing.entry,
        seen,
        parent: crossing.parent.clone(),
    }
}

/// Says which crossing a piece of evidence lies in.
fn enclose(event: &mut Event, crossings: &[Crossing]) {
    let (thread, time, enclosing) = match event {
        Event::Sample(sample) => (sample.thread, sample.time, &mut sample.enclosing),
        Event::Wait(wait) => (wait.thread, wait.start, &mut wait.enclosing),
        _ => return,
    };
    let covers = |crossing: &&Crossing| {
        matches!(thread, 1 | WORKER) && crossing.entry <= time && time < crossing.exit
    };
    *enclosing = crossings.iter().rfind(covers).map(|crossing| crossing.id);
}

fn end_of(event: &Event) -> u64 {
    match event {
        Event::Sample(sample) => sample.time.0,
        Event::Wait(wait) => wait.end.0,
        _ => 0,
    }
}

pub fn settings() -> impl Strategy<Value = Settings> {
    let least = (1..20_u64, 1..10_u64, 1..5_u64, 10..120_u64, 1..60_u64);
    let most = (
        0..12_u32,
        0..5_u32,
        1..4_u32,
        4..200_u32,
        4..60_u32,
        100..1_000_u64,
    );
    (least, most).prop_map(|(least, most)| Settings {
        seed: 7,
        settle_ns: least.3,
        inference: Some(Inference {
            min_span_ns: least.0,
            min_wait_ns: least.1,
            min_phase_ns: least.2,
            hole_ns: least.4,
            spans_per_request: most.0,
            depth: most.1,
            requests: most.2,
            held_evidence: most.3,
            samples_per_request: most.4,
            longest_ns: most.5,
            ..Inference::default()
        }),
        ..Settings::default()
    })
}
