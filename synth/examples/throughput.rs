//! How many events a second the core takes, and in how much memory.
//!
//! `cargo run --release -p hotspan-synth --example throughput`

use std::fs;

use hotspan_synth::{
    Limits, Settings, Sink, Synth,
    event::{Crossing, Ending, Event, Parent, ParentRead, ParentSource},
    ids::{CrossingId, RegionId, SpanId, TargetId, TraceId},
    region::{AttributeRule, Meaning, Region, ValueRule},
    span::Span,
    time::{ClockAnchor, KernelTime, UnixTime},
};

/// Solves in the run, each with as many crossings inside.
const SOLVES: u64 = 20_000;
const INSIDE: u64 = 100;
/// A solve takes a millisecond; time is told every 100.
const SOLVE_NS: u64 = 1_000_000;

struct Count(u64);

impl Sink for Count {
    fn span(&mut self, span: Span) {
        self.0 += 1;
        drop(span);
    }
}

fn main() {
    let crossings = SOLVES * (INSIDE + 1);
    println!("{crossings} crossings, {INSIDE} in each solve, parents after children");
    let open = Limits {
        spans_per_trace: u32::MAX,
        spans_per_second: u32::MAX,
        ..Limits::default()
    };
    run("every crossing a span", open, true);
    run("default limits", Limits::default(), true);
    run("no span to be a child of", Limits::default(), false);
}

fn run(what: &str, limits: Limits, has_parent: bool) {
    let mut synth = Synth::new(Settings {
        seed: 1,
        limits,
        ..Settings::default()
    });
    let mut spans = Count(0);
    header(&mut synth, &mut spans);
    let mut busy = 0;
    let mut held = 0;
    for solve in 0..SOLVES {
        let events = events(solve, has_parent);
        let start = cpu_ns();
        for event in events {
            synth.handle(event, &mut spans);
        }
        held = held.max(synth.held());
        if solve % 100 == 99 {
            let now = KernelTime((solve + 2) * SOLVE_NS);
            synth.handle(Event::Tick { now }, &mut spans);
        }
        busy += cpu_ns() - start;
    }
    synth.finish(KernelTime((SOLVES + 2) * SOLVE_NS), &mut spans);
    let crossings = SOLVES * (INSIDE + 1);
    let rate = crossings as f64 / (busy as f64 / 1e9);
    println!(
        "{what}: {:.2} million events per second of CPU, {} spans, at most {held} crossings held, peak RSS {}",
        rate / 1e6,
        spans.0,
        peak_memory()
    );
}

fn header(synth: &mut Synth, out: &mut Count) {
    let anchor = ClockAnchor {
        kernel: KernelTime(0),
        unix: UnixTime(1_700_000_000_000_000_000),
        error_ns: 50,
    };
    synth.handle(Event::Clock(anchor), out);
    for (id, name) in [(0, "cpsat.solve"), (1, "highs.run")] {
        let int = |slot| AttributeRule {
            key: format!("optim.value_{slot}"),
            value: ValueRule::Int { slot },
        };
        let function = "operations_research::sat::SolveCpModel";
        let region =
            Region::span(RegionId(id), name, function, "libortools.so.9").with_meaning(Meaning {
                attributes: (0..4).map(int).collect(),
                ..Meaning::default()
            });
        synth.handle(Event::Region(region), out);
    }
}

/// A solve and what is inside of it, in the order of their ends.
fn events(solve: u64, has_parent: bool) -> Vec<Event> {
    let entry = (solve + 1) * SOLVE_NS;
    let first = solve * (INSIDE + 1) + 1;
    let around = CrossingId(first);
    let mut trace = [1; 16];
    trace[..8].copy_from_slice(&solve.to_be_bytes());
    let parent = if has_parent {
        ParentRead::Found(Parent {
            trace_id: TraceId(trace),
            span_id: SpanId([2; 8]),
            sampled: true,
            remote: false,
            source: ParentSource::Python,
            by_lineage: false,
        })
    } else {
        ParentRead::None("no_active_span".to_owned())
    };
    let step = SOLVE_NS / (INSIDE + 1);
    let crossing = |id, region, enclosing, entry: u64, ns: u64| {
        Event::Crossing(Crossing {
            id,
            target: TargetId(1),
            region: RegionId(region),
            thread: 7,
            enclosing,
            entry: KernelTime(entry),
            exit: KernelTime(entry + ns),
            proven: KernelTime(entry + ns),
            ending: Ending::Returned,
            runqueue_ns: 10,
            blocked_ns: 10,
            resources: None,
            parent: parent.clone(),
            values: (0..4).map(|slot| (slot, entry)).collect(),
            text: None,
            called: None,
            members: Vec::new(),
        })
    };
    let inside = (1..=INSIDE).map(|at| {
        crossing(
            CrossingId(first + at),
            1,
            Some(around),
            entry + at * step,
            step / 2,
        )
    });
    let mut events: Vec<Event> = inside.collect();
    events.push(crossing(around, 0, None, entry, SOLVE_NS - 1));
    events
}

/// CPU time of this thread so far, in nanoseconds: the first field of `schedstat`. The machine may
/// be busy with other things.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|ns| ns.parse().ok())
        .unwrap_or(0)
}

/// Peak resident memory of this process so far, as Linux words it.
fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |size| size.trim().to_owned())
}
