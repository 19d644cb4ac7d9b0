//! Services that run their server themselves, and have OpenTelemetry carry spans from thread to thread.

use std::collections::BTreeMap;

use hotspan_tests::{
    gate::require_bpf,
    judge::span_for,
    otlp::Span,
    service::{App, Options, Server, Service},
    truth::Call,
};

use crate::scene::{self, Scene};

const ROUNDS: usize = 8;
/// Calls from this length on must have a span.
const EXPECT_FROM_NS: u64 = 20_000_000;
/// What is at work when a request ends may be seen for half an interval longer, and longer where its thread has no CPU.
const LATE_NS: u64 = 50_000_000;

fn drive(service: &Service) {
    for _ in 0..ROUNDS {
        service.get("/work/python?ms=80").unwrap();
        service.get("/handed/python?ms=80").unwrap();
        service.get("/await").unwrap();
    }
}

fn scene(event_loop: &str) -> Option<Scene> {
    let _turn = require_bpf(&format!(
        "a program with a server of its own on {event_loop}"
    ))?;
    let options = Options {
        app: App::Dark,
        server: Server::Own,
        uvloop: event_loop == "uvloop",
        threads: true,
        ..Options::default()
    };
    Some(scene::service(&options, drive))
}

fn check(scene: &Scene) {
    let expected = |call: &&Call| call.has_parent() && call.duration_ns() >= EXPECT_FROM_NS;
    let expected: Vec<&Call> = scene.calls.iter().filter(expected).collect();
    assert_eq!(expected.len(), 7 * ROUNDS);
    let is_under_its_own = |call: &Call, span: &Span| {
        let top = scene.above(span).last().unwrap_or(span);
        (&top.trace_id, &top.parent) == (&call.trace_id, &call.span_id)
    };
    let missing: Vec<_> = expected
        .iter()
        .filter(|call| {
            let span = span_for(&scene.outcome.spans, call);
            !span.is_some_and(|span| is_under_its_own(call, span))
        })
        .collect();
    eprintln!(
        "  {} of {} calls have no span",
        missing.len(),
        expected.len()
    );
    assert!(
        missing.len() * 10 <= expected.len(),
        "{missing:#?}\n{:#?}\n{}",
        scene.outcome.spans,
        scene.outcome.stderr
    );
    assert_eq!(scene.named("main").count(), 0, "{}", scene.outcome.stderr);
    let waits = scene.named("wait.thread").count();
    assert!(waits * 10 >= ROUNDS * 9, "{waits} awaits of threads");
}

/// A pool's thread has the span for good in which it was made, but does not work for it between its jobs.
fn check_ends(scene: &Scene) {
    let servers = scene.exported.iter().filter(|span| span.parent.is_empty());
    let ends: BTreeMap<&str, u64> = servers
        .map(|span| (span.trace_id.as_str(), span.end_ns))
        .collect();
    assert!(ends.len() >= 3 * ROUNDS);
    let late = scene.outcome.spans.iter().filter(|span| {
        let end = ends.get(span.trace_id.as_str());
        end.is_none_or(|end| span.end_ns > end + LATE_NS)
    });
    let late: Vec<_> = late.collect();
    assert!(late.is_empty(), "{late:#?}");
    assert!(
        scene.outcome.stderr.contains("waits.of_pools"),
        "{}",
        scene.outcome.stderr
    );
}

#[test]
fn who_runs_an_asyncio_server_is_in_no_request() {
    let Some(scene) = scene("asyncio") else {
        return;
    };
    check(&scene);
    check_ends(&scene);
}

#[test]
fn who_runs_a_uvloop_server_is_in_no_request() {
    let Some(scene) = scene("uvloop") else {
        return;
    };
    check(&scene);
    check_ends(&scene);
}
