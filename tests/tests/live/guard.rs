//! The rate guard: a region that is hit too often costs the target next to nothing.

use std::{process::Command, time::Duration};

use hotspan_tests::{
    agent::Attach,
    gate::require_bpf,
    judge::span_for,
    native,
    service::{Batch, Options},
};

/// Tiny matrix products in one request: at full speed, some 200,000 a second and more.
const CALLS: u32 = 400_000;

#[test]
fn tiny_matrix_products_disarm_their_region() {
    let Some(_turn) = require_bpf("rate guard on BLAS") else {
        return;
    };
    let service = Options::default().start().unwrap();
    let seconds = || {
        service.get(&format!("/tiny?calls={CALLS}")).unwrap();
        let call = service.truth().unwrap().pop().unwrap();
        // Its CPU time: what else the machine does is not the guard's doing.
        call.facts["cpu_s"].as_f64().unwrap()
    };
    seconds();
    let without = seconds();
    let mut agent = Attach::pid(service.pid()).start().unwrap();
    // The first request trips the guard; it must not last longer than that allows: 100 ms at the
    // price of the probes, and the rest at full speed.
    let tripping = seconds();
    agent
        .process()
        .wait_stderr("hotspan: ", Duration::from_secs(20))
        .unwrap();
    let after = seconds();
    let outcome = agent.stop().unwrap();
    eprintln!(
        "  {CALLS} calls: {without:.3} s of CPU alone, {tripping:.3} s while the guard trips, {after:.3} s after"
    );
    assert!(
        outcome.stderr.contains("blas.gemm"),
        "not announced:\n{}",
        outcome.stderr
    );
    assert!(
        tripping < without + 0.3,
        "{tripping} s against {without} s alone"
    );
    // With the probes it would be ten times as long; without, half as long again on a machine that others use.
    assert!(
        after < without * 2.0 + 0.1,
        "{after} s against {without} s alone"
    );
}

#[test]
fn a_native_region_at_full_speed_is_disarmed_and_the_agent_goes_on() {
    let Some(_turn) = require_bpf("rate guard on C") else {
        return;
    };
    let mut batch = Batch::start(&mut Command::new(native::program("rate").unwrap())).unwrap();
    let crossings = |batch: &mut Batch| -> f64 {
        batch.process().tell("500").unwrap();
        let line = batch
            .process()
            .wait_stdout("", Duration::from_secs(10))
            .unwrap();
        line.trim().parse().unwrap()
    };
    let alone = crossings(&mut batch);
    let regions = [
        std::ffi::OsString::from("--regions"),
        native::catalogue("guarded").into(),
    ];
    let agent = Attach::pid(batch.pid()).with(regions).start().unwrap();
    crossings(&mut batch);
    let guarded = crossings(&mut batch);
    let outcome = agent.stop().unwrap();
    eprintln!("  {alone:.0} crossings in 0.5 s alone, {guarded:.0} guarded");
    assert!(
        outcome.stderr.contains("torture.fast"),
        "not announced:\n{}",
        outcome.stderr
    );
    assert!(
        guarded > alone * 0.5,
        "{guarded} crossings against {alone} alone\n{}",
        outcome.stderr
    );
    batch.finish().unwrap();
}

/// What is called too often by one function need not be by another: it is armed again once that is over, and not after the
/// ten seconds that a pause takes.
#[test]
fn a_region_that_another_calls_too_often_is_armed_again_when_that_is_over() {
    let Some(_turn) = require_bpf("rate guard inside of a region") else {
        return;
    };
    let mut command = Command::new(native::program("torture").unwrap());
    let mut batch = Batch::start(command.arg("inside")).unwrap();
    let regions = [
        std::ffi::OsString::from("--regions"),
        native::catalogue("guarded").into(),
        "--no-sampling".into(),
    ];
    let mut agent = Attach::pid(batch.pid()).with(regions).start().unwrap();
    batch.work(1, Duration::from_secs(20)).unwrap();
    let process = agent.process();
    process
        .wait_stderr_ever("hotspan: torture.inner in process", Duration::from_secs(5))
        .unwrap();
    process
        .wait_stderr_ever(
            "hotspan: torture.inner is armed again",
            Duration::from_secs(8),
        )
        .unwrap();
    batch.work(1, Duration::from_secs(20)).unwrap();
    let outcome = agent.stop().unwrap();
    let calls = batch.finish().unwrap();
    for call in &calls {
        let span = span_for(&outcome.spans, call);
        assert!(span.is_some(), "no span for {call:?}\n{}", outcome.stderr);
    }
    assert_eq!(calls.len(), 2);
}
