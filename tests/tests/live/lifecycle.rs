//! Attach, run, detach, kill: the target goes on, the kernel is clean.

use std::time::{Duration, Instant};

use hotspan_tests::{
    agent::Attach,
    collector::Receiver,
    gate::require_bpf,
    judge::{Case, judge},
    kernel_state, load,
    service::{Options, Server},
};
use rustix::process::Signal;

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
    agent.process().wait(Duration::from_secs(20)).unwrap();
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
