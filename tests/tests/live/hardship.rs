//! Targets that make sampling hard: it may name less, it must not name wrongly, and nobody may suffer.

use std::process::Command;

use hotspan_tests::{agent::Attach, catalogue, gate::require_bpf, native, otlp::Span, truth::Call};
use tempfile::TempDir;

use crate::scene::{self, Scene};

/// How long it takes at the most to get to the last pages of a stack, undisturbed.
const REACHED_NS: f64 = 1e6;
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
    check_those(mode, also, |_| true);
}

/// The same of those requests that can be asked for it, of which there must be many.
fn check_those(mode: &str, also: &[&str], can_be_asked: fn(&Call) -> bool) {
    let Some(_turn) = require_bpf(mode) else {
        return;
    };
    let scene = run("hardship", mode);
    let work = format!("work_in_{mode}");
    check_names(&scene, &[&[work.as_str(), SERVE], also].concat());
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
    let found = asked.iter().copied().filter(has_span).count();
    eprintln!("  {found} of {} calls of {work}", asked.len());
    assert!(asked.len() * 2 >= COUNT, "{asked:#?}");
    assert!(found * 10 >= asked.len() * 9, "{}", scene.outcome.stderr);
}

#[test]
fn threads_by_the_thousand() {
    check("threads", &[]);
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
    check("assembly", &[]);
}

/// A request that got no CPU on its way down is seen there, in a recursion whose stacks are cut at any depth: that looks
/// like a loop, in which nothing is named.
#[test]
fn the_last_pages_of_a_stack() {
    check_those("deep", &["deep"], |call| {
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
