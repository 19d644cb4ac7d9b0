//! Parents and bounds, against the service's own record.

use anyhow::Result;
use hotspan_tests::{
    agent::Attach,
    collector::Receiver,
    judge::{Case, Verdict, judge},
    load,
    service::Options,
};

/// Calls from this length on must have a span.
const EXPECT_FROM_NS: u64 = 1_000_000;

/// Parents at 8 requests at once; bounds there, and one at a time, where the service's own clock does
/// not also count its wait for the interpreter's lock.
pub fn run(requests: usize) -> Result<()> {
    let busy = measure(requests, 8)?;
    report(
        &format!("{requests} requests on mixed endpoints, 8 at once"),
        &busy,
    );
    let calm = measure(requests / 5, 1)?;
    report(&format!("{} requests, one at a time", requests / 5), &calm);
    Ok(())
}

fn measure(requests: usize, at_once: usize) -> Result<Verdict> {
    let receiver = Receiver::start()?;
    let service = Options {
        exports_to: Some(receiver.endpoint()),
        ..Options::default()
    }
    .start()?;
    let agent = Attach::pid(service.pid()).start()?;
    load::send(service.port, requests, at_once, load::mixed)?;
    let outcome = agent.stop()?;
    let exported = receiver.wait_for_calls(&service.truth()?)?;
    let calls = service.stop()?;
    Ok(judge(&Case {
        spans: &outcome.spans,
        calls: &calls,
        exported: &exported,
        expect_from_ns: EXPECT_FROM_NS,
    }))
}

fn report(what: &str, verdict: &Verdict) {
    println!("{what}: {}", verdict.summary());
    for complaint in verdict.complaints().iter().take(20) {
        println!("    {complaint}");
    }
}
