//! What goes wrong meanwhile: a dead endpoint, a target that ends, an agent that is killed or stands still. It is said, and
//! nothing is left in the kernel.

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use hotspan_tests::{
    agent::Attach,
    gate::require_bpf,
    kernel_state, load, native,
    otlp::Span,
    paths,
    process::Process,
    service::{Batch, Options},
};
use rustix::process::Signal;

use crate::scene;

#[test]
fn a_dead_endpoint_does_not_stop_the_agent() {
    let Some(_turn) = require_bpf("dead endpoint") else {
        return;
    };
    let service = Options::default().start().unwrap();
    // Nobody listens there.
    let dead = format!(
        "http://127.0.0.1:{}",
        hotspan_tests::service::free_port().unwrap()
    );
    let agent = Attach::pid(service.pid())
        .with(["--export", "otlp", "--otlp-endpoint", &dead])
        .start()
        .unwrap();
    load::send(service.port, 48, 4, load::mixed).unwrap();
    let outcome = agent.stop().unwrap();
    // The other exporter has them all, and the summary says what was dropped.
    assert!(outcome.spans.len() > 20, "{} spans", outcome.spans.len());
    assert!(
        outcome.stderr.contains("cannot send to") && outcome.stderr.contains("dropped: not sent"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_process_that_ends_while_it_is_observed() {
    let Some(_turn) = require_bpf("end of target") else {
        return;
    };
    let before = kernel_state::now().unwrap();
    let mut command = Command::new(native::program("torture").unwrap());
    let batch = Batch::start(command.arg("plain")).unwrap();
    let regions = [
        std::ffi::OsString::from("--regions"),
        native::catalogue("torture").into(),
    ];
    let agent = Attach::pid(batch.pid()).with(regions).start().unwrap();
    batch.finish().unwrap();
    let outcome = agent.ended().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    kernel_state::wait_until_clean(&before, Duration::from_secs(20)).unwrap();
}

#[test]
fn a_process_that_ends_during_attach() {
    let Some(_turn) = require_bpf("end during attach") else {
        return;
    };
    let before = kernel_state::now().unwrap();
    let mut sleeper = Process::start(Command::new("sleep").arg("60")).unwrap();
    let pid = sleeper.pid();
    let mut agent = Process::start(Command::new(paths::agent().unwrap()).args([
        "attach",
        "--pid",
        &pid.to_string(),
    ]))
    .unwrap();
    // It is held by then, and the kernel's programs are still to be loaded, which takes far longer.
    scene::wait_until("its hold on the process", || holds(agent.pid(), pid));
    sleeper.signal(Signal::KILL).unwrap();
    sleeper.wait(Duration::from_secs(20)).unwrap();
    let status = agent.wait(Duration::from_secs(20)).unwrap();
    let said = agent.stderr();
    assert_eq!(status.code(), Some(4), "{said}");
    assert!(said.contains(&pid.to_string()), "{said}");
    kernel_state::wait_until_clean(&before, Duration::from_secs(20)).unwrap();
}

/// Whether `agent` has a pidfd of `pid`.
fn holds(agent: u32, pid: u32) -> bool {
    // Descriptors come and go while they are listed.
    let infos = fs::read_dir(format!("/proc/{agent}/fdinfo"));
    infos.into_iter().flatten().flatten().any(|info| {
        let text = fs::read_to_string(info.path()).unwrap_or_default();
        text.lines()
            .any(|line| line.split_whitespace().eq(["Pid:", &pid.to_string()]))
    })
}

#[test]
fn sigkill_at_any_moment_of_an_attach() {
    let Some(_turn) = require_bpf("SIGKILL while arming") else {
        return;
    };
    let before = kernel_state::now().unwrap();
    let service = Options::default().start().unwrap();
    // From the start of the program over the verifier and the arming to the first turns.
    for moment in (50..=500).step_by(50) {
        let mut agent = Process::start(Command::new(paths::agent().unwrap()).args([
            "attach",
            "--pid",
            &service.pid().to_string(),
        ]))
        .unwrap();
        // The moment itself is what is tested: no event marks it.
        std::thread::sleep(Duration::from_millis(moment));
        agent.signal(Signal::KILL).unwrap();
        agent.wait(Duration::from_secs(20)).unwrap();
        load::send(service.port, 4, 2, load::mixed).unwrap();
        kernel_state::wait_until_clean(&before, Duration::from_secs(20)).unwrap();
    }
    load::send(service.port, 12, 4, load::mixed).unwrap();
}

#[test]
fn a_ring_that_fills_up_while_the_agent_stands_still() {
    let Some(_turn) = require_bpf("full ring") else {
        return;
    };
    let mut batch = Batch::start(&mut Command::new(native::program("rate").unwrap())).unwrap();
    let crossings = |batch: &mut Batch, milliseconds: &str| -> u64 {
        batch.process().tell(milliseconds).unwrap();
        let line = batch.process().wait_stdout("", Duration::from_secs(60));
        line.unwrap().trim().parse().unwrap()
    };
    let regions: [std::ffi::OsString; 2] = ["--regions".into(), native::catalogue("rate").into()];
    let mut agent = Attach::pid(batch.pid()).with(regions).start().unwrap();
    agent.process().signal(Signal::STOP).unwrap();
    let unread = crossings(&mut batch, "2000");
    agent.process().signal(Signal::CONT).unwrap();
    let traces = |spans: &[Span]| -> BTreeSet<String> {
        spans.iter().map(|span| span.trace_id.clone()).collect()
    };
    // It has recovered when it makes spans of what it finds in the ring.
    scene::wait_until("a span", || {
        agent.spans_so_far().is_ok_and(|spans| !spans.is_empty())
    });
    let read = crossings(&mut batch, "100");
    let outcome = agent.stop().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    batch.finish().unwrap();
    let [sent, parked, lost] = ["kernel.sent", "kernel.parked", "kernel.crossings_lost"]
        .map(|name| counter(&outcome.stderr, name));
    eprintln!(
        "  {unread} crossings unread, {read} read: {sent} sent, {parked} parked, {lost} lost"
    );
    assert!(lost > 0, "the ring did not fill up\n{}", outcome.stderr);
    assert_eq!(sent + parked + lost, unread + read, "{}", outcome.stderr);
    // Each thread of both bursts has a trace of its own, whose one span everything is under.
    assert_eq!(traces(&outcome.spans).len(), 4, "{}", outcome.stderr);
    let ours: BTreeSet<_> = outcome.spans.iter().map(|span| &span.span_id).collect();
    let parents = outcome.spans.iter().map(|span| &span.parent);
    let theirs: BTreeSet<_> = parents.filter(|parent| !ours.contains(parent)).collect();
    assert_eq!(theirs.len(), 4, "{theirs:?}");
}

/// A counter of the summary; 0 if it is not there.
fn counter(summary: &str, name: &str) -> u64 {
    let line = summary
        .lines()
        .find_map(|line| line.trim().strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}
