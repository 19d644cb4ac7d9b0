//! Attach, run, detach, kill: the target goes on, the kernel is clean.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use hotspan_tests::{
    agent::{Attach, Outcome},
    collector::Receiver,
    gate::require_bpf,
    judge::{Case, judge, span_for},
    kernel_state, load, native, paths,
    process::{Process, descendants},
    python::Venv,
    service::{Options, Server},
    truth,
};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::scene::{EXPECT_FROM_NS, excused};

#[test]
fn ctrl_c_leaves_the_kernel_clean_and_the_target_running() {
    let Some(_turn) = require_bpf("clean detach") else {
        return;
    };
    let before = kernel_state::now().unwrap();
    let service = Options::default().start().unwrap();
    let agent = Attach::pid(service.pid()).start().unwrap();
    assert!(
        kernel_state::held_by(agent.pid()).len() > 3,
        "no program is loaded while attached"
    );
    load::send(service.port, 24, 8, load::mixed).unwrap();
    let outcome = agent.stop().unwrap();
    assert_eq!(outcome.code, Some(0));
    // How long it takes is for `cargo xtask bench lifecycle` to say.
    kernel_state::wait_until_clean(&before, Duration::from_secs(20)).unwrap();
    load::send(service.port, 24, 8, load::mixed).unwrap();
}

#[test]
fn sigkill_leaves_the_kernel_clean() {
    let Some(_turn) = require_bpf("SIGKILL") else {
        return;
    };
    let before = kernel_state::now().unwrap();
    let service = Options::default().start().unwrap();
    let mut agent = Attach::pid(service.pid()).start().unwrap();
    load::send(service.port, 12, 4, load::mixed).unwrap();
    let killed = Instant::now();
    agent.process().signal(Signal::KILL).unwrap();
    agent.process().wait(Duration::from_secs(5)).unwrap();
    // How long it takes is for `cargo xtask bench lifecycle` to say.
    kernel_state::wait_until_clean(&before, Duration::from_secs(20)).unwrap();
    let took = killed.elapsed();
    eprintln!("  clean {took:?} after SIGKILL");
    load::send(service.port, 12, 4, load::mixed).unwrap();
}

#[test]
fn attach_again_and_again() {
    let Some(_turn) = require_bpf("attach again") else {
        return;
    };
    let receiver = Receiver::start().unwrap();
    let options = Options {
        exports_to: Some(receiver.endpoint()),
        ..Options::default()
    };
    let service = options.start().unwrap();
    for round in 0..3 {
        let begun = service.truth().unwrap().len();
        let agent = Attach::pid(service.pid()).start().unwrap();
        load::send(service.port, 12, 4, load::mixed).unwrap();
        let outcome = agent.stop().unwrap();
        let calls = &service.truth().unwrap()[begun..];
        let exported = receiver.wait_for_calls(calls).unwrap();
        let case = Case {
            spans: &outcome.spans,
            calls,
            exported: &exported,
            expect_from_ns: EXPECT_FROM_NS,
        };
        let complaints = excused(judge(&case).complaints(), &outcome.stderr);
        assert!(
            complaints.is_empty(),
            "round {round}: {}\n{}",
            complaints.join("\n"),
            outcome.stderr
        );
    }
}

#[test]
fn a_duration_ends_the_agent() {
    let Some(_turn) = require_bpf("--duration") else {
        return;
    };
    let service = Options::default().start().unwrap();
    let agent = Attach::pid(service.pid())
        .with(["--duration", "1s"])
        .start()
        .unwrap();
    let outcome = agent.ended().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[test]
fn by_name_and_by_port() {
    let Some(_turn) = require_bpf("selectors") else {
        return;
    };
    let service = Options::default().start().unwrap();
    let port = service.port.to_string();
    for selector in [["--port", port.as_str()], ["--name", "solver_service:app"]] {
        let agent = Attach::default()
            .with(["attach"])
            .with(selector)
            .start()
            .unwrap();
        assert!(
            agent
                .attached_line
                .contains(&format!("attached to {}", service.pid())),
            "{}",
            agent.attached_line
        );
        assert_eq!(agent.stop().unwrap().code, Some(0));
    }
}

#[test]
fn a_master_is_named_by_its_port_and_its_new_workers_are_covered() {
    let Some(_turn) = require_bpf("new workers") else {
        return;
    };
    let service = Options {
        server: Server::Gunicorn(1),
        ..Options::default()
    }
    .start()
    .unwrap();
    let mut agent = Attach::pid(service.pid()).start().unwrap();
    load::send(service.port, 12, 2, load::mixed).unwrap();
    let old = service.truth().unwrap().last().unwrap().pid;
    // The master replaces a worker that dies.
    let pid = rustix::process::Pid::from_raw(old as i32).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let new = loop {
        // Until the new worker listens, requests fail: that is what is waited for.
        if let Ok(answer) = service.get("/ping") {
            break answer["pid"].as_u64().unwrap();
        }
        assert!(Instant::now() < deadline, "no new worker");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_ne!(new, u64::from(old));
    eprintln!("  {}", agent.wait_attached(new as u32).unwrap());
    // It has just started: what it has mapped meanwhile is armed while these are answered.
    load::send(service.port, 12, 2, load::mixed).unwrap();
    let begun = service.truth().unwrap().len();
    load::send(service.port, 24, 2, load::mixed).unwrap();
    let outcome = agent.stop().unwrap();
    let calls = &service.truth().unwrap()[begun..];
    let first = calls.iter().map(|call| call.start_ns).min().unwrap();
    let spans: Vec<_> = outcome
        .spans
        .iter()
        .filter(|span| span.start_ns >= first)
        .cloned()
        .collect();
    let verdict = judge(&Case {
        spans: &spans,
        calls,
        exported: &[],
        expect_from_ns: EXPECT_FROM_NS,
    });
    eprintln!("  {}", verdict.summary());
    let complaints = excused(verdict.complaints(), &outcome.stderr);
    assert!(
        complaints.is_empty(),
        "{}\n{}",
        complaints.join("\n"),
        outcome.stderr
    );
}

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
    agent.wait(Duration::from_secs(5)).unwrap();
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

#[test]
fn regions_lists_what_it_finds() {
    let Some(_turn) = require_bpf("regions") else {
        return;
    };
    let service = Options::default().start().unwrap();
    let pid = service.pid().to_string();
    let (code, out, err) = hotspan_tests::agent::run(["regions", "--pid", &pid]).unwrap();
    assert_eq!(code, Some(0), "{err}");
    for name in [
        "cpsat.solve",
        "cpsat.presolve",
        "cpsat.search",
        "cpsat.worker",
        "routing.solve",
        "mp.solve",
        "blas.gemm",
        "python.regex",
    ] {
        assert!(out.contains(name), "{name} is not listed:\n{out}");
    }
    let (code, out, err) = hotspan_tests::agent::run(["regions", "--json", "--pid", &pid]).unwrap();
    assert_eq!(code, Some(0), "{err}");
    serde_json::from_str::<serde_json::Value>(&out).unwrap();
}

#[test]
fn doctor_knows_a_healthy_service() {
    let Some(_turn) = require_bpf("doctor --pid") else {
        return;
    };
    let service = Options {
        exports_to: None,
        ..Options::default()
    }
    .start()
    .unwrap();
    let pid = service.pid().to_string();
    let (code, out, err) = hotspan_tests::agent::run(["doctor", "--pid", &pid]).unwrap();
    assert!(matches!(code, Some(0 | 1)), "{code:?}\n{out}\n{err}");
    assert!(
        out.to_lowercase().contains("exporter"),
        "says nothing of the exporter, which is `none`:\n{out}"
    );
}

/// `python.regex` as it is in the catalogue, but each match counts, however short.
const EVERY_MATCH: &str = r#"
library = "python"

[[region]]
name = "python.regex"
symbols = ["_sre_SRE_Pattern_match"]
min_duration = "0ns"
max_rate = 1000000
"#;

#[test]
fn doctor_sees_a_context_that_gets_lost() {
    let Some(_turn) = require_bpf("doctor --watch") else {
        return;
    };
    let service = Options::default().start().unwrap();
    let pid = service.pid().to_string();
    let watch = |path: fn(usize) -> String, regions: &[&str]| {
        let mut doctor = Process::start(
            Command::new(paths::agent().unwrap())
                .args(["doctor", "--pid", &pid, "--watch", "5m"])
                .args(regions),
        )
        .unwrap();
        doctor
            .wait_stderr("hotspan: attached", Duration::from_secs(20))
            .unwrap();
        load::send(service.port, 12, 2, path).unwrap();
        // However long that took: it has seen enough.
        doctor.signal(Signal::INT).unwrap();
        doctor.wait(Duration::from_secs(20)).unwrap();
        let said = doctor.stdout();
        // A mark, the check's name, what was found.
        let is_check = |line: &&str| line.split_whitespace().nth(1) == Some("threads");
        let line = said.lines().find(is_check);
        line.unwrap_or_else(|| panic!("nothing of threads:\n{said}"))
            .to_owned()
    };
    let kept = watch(|seed| format!("/to_thread?seed={seed}"), &[]);
    assert!(kept.contains("an active span at each of"), "{kept}");
    let lost = watch(|seed| format!("/executor?seed={seed}"), &[]);
    assert!(
        lost.contains("without an active span (cpsat.") && lost.contains("run_in_executor"),
        "{lost}"
    );
    // A route is looked for before a request has a span: no thread has lost that, however long it took.
    let dir = TempDir::new().unwrap();
    let every_match = dir.path().join("match.toml");
    std::fs::write(&every_match, EVERY_MATCH).unwrap();
    let before = watch(
        |seed| format!("/to_thread?seed={seed}"),
        &["--regions", every_match.to_str().unwrap()],
    );
    assert!(
        before.contains("an active span at each of")
            && before.contains("on the main thread had none (python.regex)"),
        "{before}"
    );
}
