//! Functions whose exits are probed before their `ret`.

use std::{collections::BTreeSet, ffi::OsString, process::Command, time::Duration};

use hotspan::{
    catalogue::Catalogue,
    object::exits::{Execution, shadow_stacks},
};
use hotspan_tests::{
    agent::Attach, gate::require_bpf, judge::span_for, native, otlp::Span, service::Batch,
};

use crate::scene;

const COUNT: usize = 50;
/// Calls of each of three functions, and four of the one that calls itself, among those that are counted.
const MANY: usize = 200_000;
const CALLS_OF_EACH: u64 = 7;
/// Of one call of the function with the loop, by `leaves.cpp`.
const TURNS: u64 = 20_000_000;
/// Widest distance of an end from the target's own clock; one in ten may have more, as it may lose its CPU.
const BOUND_NS: u64 = 1_000_000;

fn attach(pid: u32) -> Attach {
    let regions = [
        OsString::from("--regions"),
        native::catalogue("leaves").into(),
    ];
    Attach::pid(pid).with(regions)
}

fn command(mode: &str) -> Command {
    let mut command = Command::new(native::program("leaves").unwrap());
    command.arg(mode);
    command
}

/// None of the exits is a `ret`: else these tests would show nothing.
fn check_exits() {
    if shadow_stacks::are_possible() {
        eprintln!("  calls are no exits here: their functions are left by `ret`s");
        return;
    }
    let catalogue = Catalogue::load(&[native::catalogue("leaves")]).unwrap();
    let program = native::program("leaves").unwrap();
    let analysis = catalogue.analyse(&program, &program).unwrap();
    assert_eq!(analysis.regions.len(), 5, "{:?}", analysis.refused);
    for region in &analysis.regions {
        let mut exits = region.exits.iter();
        let is_stepped = exits.any(|exit| exit.execution == Execution::Stepped);
        assert!(!is_stepped, "{region:#x?}");
    }
}

#[test]
fn each_call_ends_when_its_function_says() {
    let Some(_turn) = require_bpf("exits before the return") else {
        return;
    };
    check_exits();
    let scene = scene::batch(&mut command("each"), attach, COUNT);
    assert!(scene.calls.len() >= 3 * COUNT, "{}", scene.calls.len());
    let (mut far, mut results) = (Vec::new(), BTreeSet::new());
    for call in &scene.calls {
        let span = span_for(&scene.outcome.spans, call)
            .unwrap_or_else(|| panic!("no span for {call:?}\n{}", scene.outcome.stderr));
        assert_eq!(
            (&span.trace_id, &span.parent),
            (&call.trace_id, &call.span_id)
        );
        assert_eq!(span.text("hotspan.exit"), None, "{span:?}");
        let result = call.facts["result"].as_i64().unwrap();
        assert_eq!(span.int("leaves.result"), Some(result), "{span:?}");
        results.insert(result);
        if span.end_ns.abs_diff(call.end_ns) >= BOUND_NS {
            far.push((span, call));
        }
    }
    assert!(results.len() > COUNT, "{results:?}");
    assert!(far.len() * 10 <= scene.calls.len(), "{far:#?}");
    assert!(scene.judge().wrong.is_empty(), "{:?}", scene.judge().wrong);
    check_nesting(&scene);
}

/// Each call hangs under the one that made it, and ends before it.
fn check_nesting(scene: &scene::Scene) {
    let deepest: Vec<&Span> = scene.named("leaves.deepens").collect();
    assert_eq!(deepest.len(), 4 * COUNT, "{}", scene.outcome.stderr);
    for level in 1..=4 {
        let results = (deepest.iter()).filter(|span| span.int("leaves.result") == Some(level));
        assert_eq!(results.count(), COUNT, "level {level}");
    }
    let inner = deepest.iter().filter_map(|span| {
        let mut others = deepest.iter();
        Some((span, others.find(|outer| outer.span_id == span.parent)?))
    });
    let inner: Vec<_> = inner.collect();
    assert_eq!(inner.len(), 3 * COUNT);
    for (span, outer) in inner {
        let lies_within = outer.start_ns <= span.start_ns && span.end_ns <= outer.end_ns;
        assert!(lies_within, "{span:?} in {outer:?}");
    }
}

#[test]
fn a_million_calls_are_all_counted() {
    let Some(_turn) = require_bpf("a million exits before the return") else {
        return;
    };
    check_exits();
    let mut batch = Batch::start(&mut command("many")).unwrap();
    let agent = attach(batch.pid()).start().unwrap();
    batch.work(MANY, Duration::from_secs(120)).unwrap();
    let outcome = agent.stop().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    batch.work(1000, Duration::from_secs(10)).unwrap();
    batch.finish().unwrap();
    let counter = |name: &str| counter(&outcome.stderr, name);
    let calls = MANY as u64 * CALLS_OF_EACH;
    let kept = counter("kernel.sent") + counter("kernel.folded");
    let kept = kept + counter("kernel.parked") + counter("kernel.crossings_lost");
    assert_eq!(counter("kernel.entries"), calls, "{}", outcome.stderr);
    assert_eq!(counter("kernel.exits"), calls, "{}", outcome.stderr);
    assert_eq!(kept, calls, "{}", outcome.stderr);
    for name in ["exit_without_entry", "lost_exits", "ambiguous", "over_rate"] {
        assert_eq!(counter(&format!("kernel.{name}")), 0, "{}", outcome.stderr);
    }
    // Those that are passed are left by as well, which makes up for it.
    assert!(counter("kernel.passed_exits") > 0, "{}", outcome.stderr);
    let stepped = counter("agent.regions_with_exits_stepped");
    assert_eq!(stepped, 0, "{}", outcome.stderr);
}

/// A probe in a loop must not stay there, and nothing is missed for that.
#[test]
fn a_loop_around_an_exit_has_its_return_probed() {
    let Some(_turn) = require_bpf("an exit in a loop") else {
        return;
    };
    check_exits();
    let mut batch = Batch::start(&mut command("turns")).unwrap();
    batch.work(2, scene::WORK_TIMEOUT).unwrap();
    let agent = attach(batch.pid()).start().unwrap();
    batch.work(COUNT, scene::WORK_TIMEOUT).unwrap();
    let outcome = agent.stop().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let calls = batch.finish().unwrap();
    let stepped = counter(&outcome.stderr, "agent.regions_with_exits_stepped");
    assert_eq!(stepped, 1, "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("disarmed"), "{}", outcome.stderr);
    for call in &calls[2..] {
        assert!(
            span_for(&outcome.spans, call).is_some(),
            "no span for {call:?}\n{}",
            outcome.stderr
        );
    }
    let passed = counter(&outcome.stderr, "kernel.passed_exits");
    eprintln!("  {passed} of {} turns were hits", TURNS * COUNT as u64);
    assert!(0 < passed && passed < TURNS / 4, "{passed}");
}

/// A counter of the summary; 0 if it is not there.
fn counter(summary: &str, name: &str) -> u64 {
    let line = summary
        .lines()
        .find_map(|line| line.trim().strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}
