//! `hotspan run`: a program under observation from its first instruction.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use hotspan_tests::{
    agent::{Attach, Outcome},
    gate::require_bpf,
    judge::{Case, judge, span_for},
    kernel_state, native, paths,
    process::{Process, descendants},
    python::Venv,
    truth,
};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::scene::{EXPECT_FROM_NS, excused};

/// Runs the torture program in this mode from birth: what it left, and what it did.
fn run_from_birth(mode: &str) -> (Outcome, Vec<truth::Call>) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("truth.jsonl");
    let agent = Attach::run()
        .with([
            // Its crossings are counted.
            std::ffi::OsString::from("--no-sampling"),
            "--regions".into(),
            native::catalogue("torture").into(),
            "--".into(),
        ])
        .with([
            native::program("torture").unwrap().into_os_string(),
            mode.into(),
        ])
        .env("TRUTH_FILE", file.to_str().unwrap())
        .start()
        .unwrap();
    let outcome = agent.ended().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    (outcome, truth::read(&file).unwrap())
}

#[test]
fn run_sees_the_only_call_of_a_short_program() {
    let Some(_turn) = require_bpf("run") else {
        return;
    };
    let (outcome, calls) = run_from_birth("once");
    let verdict = judge(&Case {
        spans: &outcome.spans,
        calls: &calls,
        exported: &[],
        expect_from_ns: 0,
    });
    assert!(
        verdict.is_perfect() && verdict.expected() == 1,
        "{:?}\n{}",
        verdict.complaints(),
        outcome.stderr
    );
}

#[test]
fn run_sees_calls_from_the_first_instruction() {
    let Some(_turn) = require_bpf("run from the first instruction") else {
        return;
    };
    let (outcome, calls) = run_from_birth("again");
    let has_span = |call: &truth::Call| span_for(&outcome.spans, call).is_some();
    let without = calls.iter().take_while(|call| !has_span(call)).count();
    eprintln!("  {without} calls before the parent could be read");
    // A new program's calls are seen at once; whose they are is known some milliseconds later, as
    // that stands in memory which its loader has yet to set up. They are counted, and nothing else is missed.
    // On a machine that is busy with other things it takes longer: for that the bound is wide.
    assert!(
        calls[without].start_ns - calls[0].start_ns < 300_000_000,
        "{without} calls without a span\n{}",
        outcome.stderr
    );
    let verdict = judge(&Case {
        spans: &outcome.spans,
        calls: &calls[without..],
        exported: &[],
        expect_from_ns: 0,
    });
    assert!(
        verdict.is_perfect() && verdict.expected() == calls.len() - without,
        "{:?}\n{}",
        verdict.complaints(),
        outcome.stderr
    );
    let begun = format!(
        "hotspan: {} spans from {} crossings",
        calls.len() - without,
        calls.len()
    );
    assert!(
        outcome.stderr.contains(&begun),
        "not {begun}\n{}",
        outcome.stderr
    );
}

#[test]
fn run_sees_the_first_solve_after_its_import() {
    let Some(_turn) = require_bpf("run of a Python program") else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("truth.jsonl");
    let mut agent = Attach::run()
        .with([
            "--".into(),
            Venv::get("solver").unwrap().python().into_os_string(),
        ])
        .with([
            paths::targets().join("batch.py").into_os_string(),
            "ortools".into(),
        ])
        .env("TRUTH_FILE", file.to_str().unwrap())
        .start()
        .unwrap();
    // The target has its input from the agent, which does not read it.
    agent.process().tell("3").unwrap();
    agent
        .process()
        .wait_stdout("done", Duration::from_secs(60))
        .unwrap();
    agent.process().close_input();
    let outcome = agent.ended().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let calls = truth::read(&file).unwrap();
    let verdict = judge(&Case {
        spans: &outcome.spans,
        calls: &calls,
        exported: &[],
        expect_from_ns: EXPECT_FROM_NS,
    });
    eprintln!("  {}", verdict.summary());
    let complaints = excused(verdict.complaints(), &outcome.stderr);
    assert!(
        complaints.is_empty() && verdict.expected() > 0,
        "{}\n{}",
        complaints.join("\n"),
        outcome.stderr
    );
}

#[test]
fn a_held_program_goes_on_when_the_agent_is_killed() {
    let Some(_turn) = require_bpf("SIGKILL while the program is held") else {
        return;
    };
    let before = kernel_state::now().unwrap();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("ran");
    let mut agent = Process::start(
        Command::new(paths::agent().unwrap())
            .args(["run", "--", "touch"])
            .arg(&file),
    )
    .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    // Before that, the dynamic loader is asked what the program needs: another child.
    let is_held = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "starter\n")
    };
    while !descendants(agent.pid()).iter().any(is_held) {
        assert!(Instant::now() < deadline, "no child");
        std::thread::yield_now();
    }
    agent.signal(Signal::KILL).unwrap();
    agent.wait(Duration::from_secs(20)).unwrap();
    while !file.exists() {
        assert!(Instant::now() < deadline, "the program did not run");
        std::thread::sleep(Duration::from_millis(5));
    }
    kernel_state::wait_until_clean(&before, Duration::from_secs(20)).unwrap();
}

#[test]
fn run_of_no_program_says_so() {
    let Some(_turn) = require_bpf("run of no program") else {
        return;
    };
    let (code, _, err) =
        hotspan_tests::agent::run(["run", "--", "no-program-has-this-name"]).unwrap();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("no-program-has-this-name"), "{err}");
}
