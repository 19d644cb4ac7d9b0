//! Ways to leave a function that a pair of probes must survive, on real programs.

use std::{fs, process::Command, time::Duration};

use hotspan_tests::{
    agent::Attach, gate::require_bpf, judge::span_for, native, otlp::Span, paths, python::Venv,
    service::Batch, truth::Call,
};
use rustix::process::Signal;

use crate::scene::{self, Scene};

const COUNT: usize = 50;
/// Widest distance of a plain return from the target's own clock that a single span may have here;
/// one in ten may have more.
const BOUND_NS: u64 = 1_000_000;

fn attach(pid: u32) -> Attach {
    Attach::pid(pid).with([
        std::ffi::OsString::from("--regions"),
        native::catalogue("torture").into(),
    ])
}

fn command(mode: &str) -> Command {
    let mut command = Command::new(native::program("torture").unwrap());
    command
        .arg(mode)
        .env("LATE_LIBRARY", native::library().unwrap());
    command
}

fn run(mode: &str) -> Scene {
    scene::batch(&mut command(mode), attach, COUNT)
}

/// Each call of the truth has its span, with its bounds and its parent; `plain` says whether it must
/// have ended by a plain return or must not.
fn check(mode: &str, region: &str, plain: bool) {
    let Some(_turn) = require_bpf(mode) else {
        return;
    };
    let scene = run(mode);
    let calls: Vec<&Call> = scene
        .calls
        .iter()
        .filter(|call| call.region == region)
        .collect();
    assert!(
        calls.len() >= COUNT - 1,
        "{} calls of {region}",
        calls.len()
    );
    let mut far = Vec::new();
    for &call in &calls {
        let span = span_for(&scene.outcome.spans, call)
            .unwrap_or_else(|| panic!("no span for {call:?}\n{}", scene.outcome.stderr));
        assert_eq!(
            (&span.trace_id, outer(&scene, span)),
            (&call.trace_id, call.span_id.as_str()),
            "{span:?}"
        );
        assert_eq!(span.text("hotspan.exit").is_none(), plain, "{span:?}");
        let early = call.end_ns.saturating_sub(span.end_ns);
        let is_far = span.start_ns.abs_diff(call.start_ns) >= BOUND_NS
            || span.end_ns.saturating_sub(call.end_ns) >= BOUND_NS
            || (plain && early >= BOUND_NS);
        if is_far {
            far.push((span, call));
        }
    }
    // The target may lose its CPU between an end and the reading of its clock.
    assert!(far.len() * 10 <= calls.len(), "{far:#?}");
    assert!(scene.judge().wrong.is_empty(), "{:?}", scene.judge().wrong);
}

/// The first parent that is no synthetic span.
fn outer<'a>(scene: &'a Scene, span: &'a Span) -> &'a str {
    &scene.above(span).last().unwrap_or(span).parent
}

#[test]
fn a_plain_return() {
    check("plain", "torture.plain", true);
}

#[test]
fn an_exception_caught_outside() {
    check("throws_late", "torture.throws_late", false);
}

#[test]
fn the_call_after_an_exception_is_right() {
    check("throws_late", "torture.plain", true);
}

#[test]
fn an_exception_sets_the_status() {
    let Some(_turn) = require_bpf("exception status") else {
        return;
    };
    let scene = run("throws_late");
    for span in scene.named("torture.throws_late") {
        assert_eq!(span.status, 2, "{span:?}");
        assert!(span.text("error.type").is_some(), "{span:?}");
        assert!(
            span.events.iter().any(|(name, _)| name == "exception"),
            "{span:?}"
        );
    }
}

#[test]
fn longjmp() {
    check("longjmp", "torture.longjmp", false);
}

#[test]
fn the_call_after_a_longjmp_is_right() {
    check("longjmp", "torture.plain", true);
}

/// The thread enters no region again, and hotspan stays: what the call left behind tells.
#[test]
fn a_longjmp_is_told_of_while_its_thread_idles() {
    let Some(_turn) = require_bpf("the last longjmp") else {
        return;
    };
    let mut batch = Batch::start(&mut command("longjmp_last")).unwrap();
    let agent = attach(batch.pid()).start().unwrap();
    batch.work(1, scene::WORK_TIMEOUT).unwrap();
    scene::wait_until("its span", || {
        let spans = agent.spans_so_far().unwrap();
        let mut exits = spans.iter().map(|span| span.text("hotspan.exit"));
        exits.any(|exit| exit == Some("unwound"))
    });
    let outcome = agent.stop().unwrap();
    let calls = batch.finish().unwrap();
    let span = span_for(&outcome.spans, &calls[0]).unwrap();
    assert_eq!(span.name, "torture.longjmp");
    assert_eq!(outcome.spans.len(), 1, "{:?}", outcome.spans);
}

#[test]
fn pthread_exit() {
    check("pthread_exit", "torture.pthread_exit", false);
}

#[test]
fn a_tail_call() {
    check("tail", "torture.tail", true);
}

#[test]
fn a_cold_part() {
    check("cold", "torture.cold", true);
}

#[test]
fn a_handler_on_an_alternate_stack() {
    check("signals", "torture.handler", true);
}

#[test]
fn a_function_that_a_signal_interrupts() {
    check("signals", "torture.interrupted", true);
}

#[test]
fn a_library_that_is_opened_late() {
    let Some(_turn) = require_bpf("late library") else {
        return;
    };
    // One call after the other, from the very microsecond after dlopen.
    let scene = scene::batch(&mut command("late"), attach, 4000);
    let has_span = |call: &&Call| span_for(&scene.outcome.spans, call).is_some();
    let unseen = scene
        .calls
        .iter()
        .take_while(|call| !has_span(call))
        .count();
    let seen = &scene.calls[unseen..];
    let missed = seen.iter().filter(|call| !has_span(call)).count();
    let said = late_by_ms(&scene.outcome.stderr);
    eprintln!("  armed within {said} ms of its mapping, {unseen} calls before that");
    // What comes before the arming is unobserved, and how long that was is said. Nothing is missed then.
    assert!(
        missed == 0 && seen.len() > COUNT,
        "{missed} missed of {}\n{}",
        seen.len(),
        scene.outcome.stderr
    );
    // The last of them began before the arming, and may have lasted longer.
    let last = scene.calls[..unseen].last();
    let unobserved = last.map_or(0, |call| call.start_ns - scene.calls[0].start_ns);
    assert!(
        unobserved as f64 / 1e6 <= said + 1.0,
        "{unobserved} ns are unobserved\n{}",
        scene.outcome.stderr
    );
}

/// What the agent says of the library that came late.
fn late_by_ms(stderr: &str) -> f64 {
    let (_, rest) = stderr
        .split_once("libhsregions.so armed within ")
        .unwrap_or_else(|| panic!("does not say when the library was armed:\n{stderr}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn children_of_a_fork_and_what_they_execute() {
    let Some(_turn) = require_bpf("fork and exec") else {
        return;
    };
    let scene = scene::batch_for(&mut command("fork"), attach, 1);
    // The child works for some seconds before its exec and after it. Its first calls may come before it
    // is armed; its last ones, in both of its lives, must have their spans.
    let calls = &scene.calls;
    assert_eq!(calls.len(), 600);
    for call in calls[200..300].iter().chain(&calls[500..]) {
        let span = span_for(&scene.outcome.spans, call)
            .unwrap_or_else(|| panic!("no span for {call:?}\n{}", scene.outcome.stderr));
        assert_eq!(
            (&span.trace_id, &span.parent),
            (&call.trace_id, &call.span_id)
        );
    }
}

#[test]
fn recursion_nests() {
    let Some(_turn) = require_bpf("recursion") else {
        return;
    };
    let scene = run("recursive");
    let calls = scene
        .calls
        .iter()
        .filter(|call| call.region == "torture.recursive");
    for call in calls {
        let mut level: Vec<&Span> = scene
            .named("torture.recursive")
            .filter(|span| span.trace_id == call.trace_id)
            .collect();
        level.sort_by_key(|span| span.start_ns);
        assert_eq!(level.len(), 4, "{level:#?}");
        let mut above = &call.span_id;
        for span in level {
            assert_eq!(
                &span.parent, above,
                "each call hangs under the one that made it"
            );
            above = &span.span_id;
        }
    }
}

#[test]
fn coroutines_on_stacks_of_their_own() {
    let Some(_turn) = require_bpf("coroutines") else {
        return;
    };
    let mut command = Command::new(native::program("coroutines").unwrap());
    let scene = scene::batch(&mut command, attach, COUNT);
    let verdict = scene.judge();
    eprintln!("  {}", verdict.summary());
    assert!(
        verdict.wrong.is_empty() && verdict.unwanted.is_empty(),
        "{:?}",
        verdict.complaints()
    );
    // What is emitted is right on both ends; what cannot be told apart is counted, not emitted.
    for call in &scene.calls {
        let Some(span) =
            span_for(&scene.outcome.spans, call).filter(|span| span.trace_id == call.trace_id)
        else {
            continue;
        };
        assert!(
            span.start_ns.abs_diff(call.start_ns) < BOUND_NS,
            "{span:?} for {call:?}"
        );
        assert!(
            span.end_ns <= call.end_ns + BOUND_NS,
            "{span:?} for {call:?}"
        );
    }
}

#[test]
fn a_million_exceptions() {
    let Some(_turn) = require_bpf("a million exceptions") else {
        return;
    };
    let mut batch = Batch::start(&mut command("throws")).unwrap();
    let agent = attach(batch.pid()).start().unwrap();
    batch.work(1_000_000, Duration::from_secs(180)).unwrap();
    let outcome = agent.stop().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    batch.work(1000, Duration::from_secs(10)).unwrap();
    batch.finish().unwrap();
}

#[test]
fn detach_while_a_crossing_is_open() {
    let Some(_turn) = require_bpf("detach while open") else {
        return;
    };
    let mut batch = Batch::start(&mut command("waits")).unwrap();
    let agent = attach(batch.pid()).start().unwrap();
    batch.process().tell("1").unwrap();
    batch
        .process()
        .wait_stdout("open", Duration::from_secs(20))
        .unwrap();
    wait_for_read(batch.pid());
    let outcome = agent.stop().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    batch.process().tell("go on").unwrap();
    batch
        .process()
        .wait_stdout("done", Duration::from_secs(20))
        .unwrap();
    batch.finish().unwrap();
    let open: Vec<&Span> = outcome
        .spans
        .iter()
        .filter(|span| span.name == "torture.waits")
        .collect();
    let [span] = open[..] else {
        panic!("{open:?}\n{}", outcome.stderr);
    };
    assert_eq!(span.text("hotspan.exit"), Some("detached"), "{span:?}");
    // Where the time went is known once the thread is back.
    assert_eq!(span.int("hotspan.blocked_ns"), None, "{span:?}");
}

/// Waits until the process does, for input: `read` is the first system call of x86-64.
fn wait_for_read(pid: u32) {
    let reads = || {
        let call = fs::read_to_string(format!("/proc/{pid}/syscall"));
        call.is_ok_and(|call| call.starts_with("0 "))
    };
    scene::wait_until("its read", reads);
}

#[test]
fn a_target_that_dies_in_a_crossing() {
    let Some(_turn) = require_bpf("death in a crossing") else {
        return;
    };
    let mut batch = Batch::start(&mut command("waits")).unwrap();
    let agent = attach(batch.pid()).start().unwrap();
    batch.process().tell("1").unwrap();
    batch
        .process()
        .wait_stdout("open", Duration::from_secs(20))
        .unwrap();
    batch.process().signal(Signal::KILL).unwrap();
    let outcome = agent.ended().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[test]
fn a_python_callback_that_raises_under_highs() {
    let Some(_turn) = require_bpf("HiGHS callback") else {
        return;
    };
    // The callback raises after about as long as the catalogue's minimum.
    let scene = highs("highs_raises", |pid| {
        Attach::pid(pid)
            .with(["--min-duration", "100us"])
            .armed_ahead()
    });
    assert!(
        scene
            .calls
            .iter()
            .all(|call| call.facts["raised"] == "from the callback")
    );
    for call in &scene.calls {
        let span =
            span_for(&scene.outcome.spans, call).unwrap_or_else(|| panic!("no span for {call:?}"));
        assert_eq!(
            (span.status, outer(&scene, span)),
            (2, call.span_id.as_str()),
            "{span:?}"
        );
    }
}

#[test]
fn highs_runs() {
    let Some(_turn) = require_bpf("HiGHS") else {
        return;
    };
    highs("highs", |pid| Attach::pid(pid).armed_ahead()).must_be_perfect(6);
}

fn highs(kind: &str, attach: impl FnOnce(u32) -> Attach) -> Scene {
    let venv = Venv::get("highs").unwrap();
    let mut command = Command::new(venv.python());
    command.arg(paths::targets().join("batch.py")).arg(kind);
    scene::batch(&mut command, attach, 6)
}
