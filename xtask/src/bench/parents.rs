//! Parents and bounds, against the service's own record.

use anyhow::{Context, Result};
use hotspan_tests::{
    agent::Attach,
    collector::Receiver,
    judge::{Case, Verdict, judge, span_for},
    load::{self, quantile},
    native_clock::{Distances, stamped},
    otlp::Span,
    service::Options,
    truth::Call,
};

/// Calls from this length on must have a span.
const EXPECT_FROM_NS: u64 = 1_000_000;

/// Parents at 8 requests at once; bounds there, and one at a time.
pub fn run(requests: usize) -> Result<()> {
    report(requests, 8)?;
    report(requests / 5, 1)
}

/// What one run showed.
struct Measured {
    verdict: Verdict,
    solver: SolverTimer,
    native_clock: Distances,
}

/// How far lengths of `cpsat.solve` lie from those that the solver's own C++ timer gives, and how far those
/// of the service's clock do, which reads the time in Python: in nanoseconds, sorted.
struct SolverTimer {
    spans_ns: Vec<u64>,
    service_ns: Vec<u64>,
}

impl SolverTimer {
    fn compare(spans: &[Span], calls: &[Call]) -> Self {
        let (mut spans_ns, mut service_ns) = (Vec::new(), Vec::new());
        for call in calls {
            let Some(wall_s) = call.number("wall_s") else {
                continue;
            };
            let measured_ns = (wall_s * 1e9) as u64;
            if let Some(span) = span_for(spans, call) {
                spans_ns.push(span.duration_ns().abs_diff(measured_ns));
                service_ns.push(call.duration_ns().abs_diff(measured_ns));
            }
        }
        spans_ns.sort_unstable();
        service_ns.sort_unstable();
        Self {
            spans_ns,
            service_ns,
        }
    }

    fn summary(&self) -> Result<String> {
        let spread = |sorted: &[u64]| -> Result<String> {
            let at = |q| {
                quantile(sorted, q)
                    .context("no solve has a span")
                    .map(|ns| ns / 1000)
            };
            Ok(format!(
                "{} us at the median, {} us at p99",
                at(0.5)?,
                at(0.99)?
            ))
        };
        Ok(format!(
            "against the timer of {} solves themselves: spans' lengths off by {}; the service's clock by {}",
            self.spans_ns.len(),
            spread(&self.spans_ns)?,
            spread(&self.service_ns)?
        ))
    }
}

fn measure(requests: usize, at_once: usize) -> Result<Measured> {
    let receiver = Receiver::start()?;
    let service = Options {
        stamps: true,
        exports_to: Some(receiver.endpoint()),
        ..Options::default()
    }
    .start()?;
    let agent = Attach::pid(service.pid()).start()?;
    load::send(service.port, requests, at_once, load::mixed)?;
    let outcome = agent.stop()?;
    let exported = receiver.wait_for_calls(&service.truth()?)?;
    let calls = service.stop()?;
    Ok(Measured {
        verdict: judge(&Case {
            spans: &outcome.spans,
            calls: &calls,
            exported: &exported,
            expect_from_ns: EXPECT_FROM_NS,
        }),
        solver: SolverTimer::compare(&outcome.spans, &calls),
        native_clock: Distances::of(&stamped(&outcome.spans, &calls)),
    })
}

fn report(requests: usize, at_once: usize) -> Result<()> {
    let measured = measure(requests, at_once)?;
    let verdict = &measured.verdict;
    println!(
        "{requests} requests on mixed endpoints, {at_once} at once: {}",
        verdict.summary()
    );
    println!("    calls that have a span: {}", verdict.found_by_name());
    println!(
        "    bounds above are by Python's clock, which is read when the interpreter's lock is held again"
    );
    println!(
        "    by the clock right around the native solve: {}",
        measured.native_clock.summary()
    );
    println!("    {}", measured.solver.summary()?);
    for complaint in verdict.complaints().iter().take(20) {
        println!("    {complaint}");
    }
    Ok(())
}
