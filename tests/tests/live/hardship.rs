//! Targets that make sampling hard: it may name less, it must not name wrongly, and nobody may suffer.

use std::process::Command;

use hotspan_tests::{agent::Attach, catalogue, gate::require_bpf, native, otlp::Span, truth::Call};
use tempfile::TempDir;

use crate::scene::{self, Scene};

/// How long it takes at the most to get to the last pages of a stack, undisturbed.
const REACHED_NS: f64 = 1e6;
/// What a wait of a millisecond and more that goes on may have beside it each time, as a part of it, and what more it may
/// end with: a wait that is too brief to be told of alone.
const AROUND_A_WAIT: f64 = 0.2;
const BRIEF_NS: f64 = 1.2e6;
/// Requests of each kind.
const COUNT: usize = 12;
/// The target's function around each request.
const SERVE: &str = "serve";

fn run(program: &str, mode: &str) -> Scene {
    let mut command = Command::new(native::program(program).unwrap());
    command
        .arg(mode)
        .env("LATE_LIBRARY", native::library().unwrap());
    let dir = TempDir::new().unwrap();
    let none = catalogue::none(dir.path()).unwrap();
    // The target works on after the detach, and must end well.
    let attach = |pid| Attach::pid(pid).with(none).with(["--no-promotion"]);
    scene::batch(&mut command, attach, COUNT)
}

fn is_sampled(span: &Span) -> bool {
    span.text("hotspan.origin") == Some("sample")
}

/// The function that a span is named after: `work` of `work.before_wait.runqueue`.
fn function(span: &Span) -> &str {
    span.name.split('.').next().unwrap_or_default()
}

/// Each span of a sampled function must be one of `names`, in the request that called it.
fn check_names(scene: &Scene, names: &[&str]) {
    let verdict = scene.judge();
    let complaints = [verdict.wrong, verdict.dangling, verdict.unwanted].concat();
    assert!(complaints.is_empty(), "{complaints:#?}");
    for span in scene.outcome.spans.iter().filter(|span| is_sampled(span)) {
        assert!(names.contains(&function(span)), "{span:#?}");
    }
}

/// The work of most requests has its span, and `also` is all else that may have one.
fn check(mode: &str, also: &[&str]) {
    let Some(_turn) = require_bpf(mode) else {
        return;
    };
    check_those(&run("hardship", mode), mode, also, |_| true);
}

/// The same of those requests that can be asked for it, of which there must be many.
fn check_those(scene: &Scene, mode: &str, also: &[&str], can_be_asked: fn(&Call) -> bool) {
    let work = format!("work_in_{mode}");
    check_names(scene, &[&[work.as_str(), SERVE], also].concat());
    let has_span = |call: &&Call| {
        let mut spans = scene.outcome.spans.iter();
        spans.any(|span| function(span) == work && span.trace_id == call.trace_id)
    };
    assert_eq!(scene.calls.len(), COUNT);
    let asked: Vec<&Call> = scene
        .calls
        .iter()
        .filter(|call| can_be_asked(call))
        .collect();
    let (found, missing): (Vec<&Call>, Vec<&Call>) = asked.iter().partition(|call| has_span(call));
    eprintln!("  {} of {} calls of {work}", found.len(), asked.len());
    for call in missing {
        tell(scene, call);
    }
    assert!(asked.len() * 2 >= COUNT, "{asked:#?}");
    assert!(
        found.len() * 10 >= asked.len() * 9,
        "{}",
        scene.outcome.stderr
    );
}

/// What a request has in place of its work's span.
fn tell(scene: &Scene, call: &Call) {
    eprintln!("  without its span: {call:?}");
    let spans = scene.outcome.spans.iter();
    for span in spans.filter(|span| span.trace_id == call.trace_id) {
        eprintln!("    {span:?}");
    }
}

#[test]
fn threads_by_the_thousand() {
    let Some(_turn) = require_bpf("threads by the thousand") else {
        return;
    };
    let scene = run("hardship", "threads");
    check_those(&scene, "threads", &[], |_| true);
    check_waits(&scene);
}

/// Brief waits for one thread after the other are no long one.
fn check_waits(scene: &Scene) {
    for span in &scene.outcome.spans {
        let mut calls = scene.calls.iter();
        let call = calls.find(|call| call.trace_id == span.trace_id);
        let waited_ns = call.and_then(|call| call.number("waited_ns")).unwrap();
        if span.name == "wait.lock" {
            let told_ns = (span.end_ns - span.start_ns) as f64;
            assert!(
                told_ns <= waited_ns * (1.0 + AROUND_A_WAIT) + BRIEF_NS,
                "of {waited_ns} ns: {span:?}"
            );
        }
    }
}

#[test]
fn libraries_that_come_and_go() {
    check("libraries", &["hs_library", "libraries"]);
}

#[test]
fn children_by_the_dozen() {
    check("forks", &[]);
}

#[test]
fn code_that_is_made_at_run_time() {
    check("generated", &[]);
}

#[test]
fn code_without_unwind_information() {
    check("assembly", &["without_tables"]);
}

/// A request that got no CPU on its way down is seen there, in a recursion whose stacks are cut at any depth: that looks
/// like a loop, in which nothing is named.
#[test]
fn the_last_pages_of_a_stack() {
    let Some(_turn) = require_bpf("the last pages of a stack") else {
        return;
    };
    check_those(&run("hardship", "deep"), "deep", &["deep"], |call| {
        call.number("reached_ns") < Some(REACHED_NS)
    });
}

#[test]
fn out_of_stack_again_and_again() {
    check("overflow", &["endless", "overflowed"]);
}

/// Functions without symbols are no spans' names; the request's time stays without one.
#[test]
fn a_program_without_symbols() {
    let Some(_turn) = require_bpf("a program without symbols") else {
        return;
    };
    let scene = run("hardship-stripped", "assembly");
    assert_eq!(scene.calls.len(), COUNT);
    check_names(&scene, &[]);
}
