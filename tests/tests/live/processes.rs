//! Engines in processes of their own, behind sockets: what is seen there is theirs, and the request's where an id that
//! came with it proves so.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use hotspan_tests::{
    agent::{Agent, Attach},
    collector::Receiver,
    gate::require_bpf,
    judge::span_for,
    otlp::Span,
    service::{App, Options, SERVICE_NAME, Service},
    truth::Call,
};

use crate::scene::Scene;

const ROUNDS: u32 = 6;
/// Regions of a process that has not mapped OR-Tools are fewer.
const WITHOUT_SOLVER: usize = 20;
/// How far two clocks that are set alike may be apart.
const CLOCKS_NS: u64 = 50_000;

/// The service with its engines, driven under an agent that is there before they are, or after.
fn split(engines_come: When, routes: &[&str]) -> Scene {
    let receiver = Receiver::start().unwrap();
    let service = Options {
        app: App::Split,
        exports_to: Some(receiver.endpoint()),
        ..Options::default()
    }
    .start()
    .unwrap();
    if engines_come == When::First {
        engines(&service);
    }
    // What is inferred around a span that the engine opens is for other tests.
    let attach = Attach::pid(service.pid()).with(["--no-sampling"]);
    let mut agent = attach.start().unwrap();
    for (kind, pid) in engines(&service) {
        eprintln!("  {}", wait_armed(&mut agent, &kind, pid));
    }
    for round in 0..ROUNDS {
        for route in routes {
            service.get(&format!("{route}?seed={}", round + 1)).unwrap();
        }
    }
    Scene::end(agent, &receiver, service)
}

/// Waits until an engine that has just started is known to have its solver, and OpenTelemetry if it uses that: the last
/// line that says what it is attached to.
fn wait_armed(agent: &mut Agent, kind: &str, pid: u32) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    // At first, and when there is more.
    let begins = [
        format!("hotspan: attached to {pid} "),
        format!("hotspan: now in {pid}: "),
    ];
    loop {
        let said = agent.process().stderr();
        let latest = said
            .lines()
            .rfind(|line| begins.iter().any(|begin| line.starts_with(begin)));
        if let Some(line) = latest
            && (kind != "traced" || line.contains("context otel.python"))
            && regions(line) > WITHOUT_SOLVER
        {
            return line.to_owned();
        }
        assert!(Instant::now() < deadline, "{pid} is not armed: {said}");
        // What is written to a pipe and kept by another thread is no event.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many regions are armed, by the line that says so.
fn regions(line: &str) -> usize {
    let (before, _) = line.split_once(" regions armed").unwrap();
    before.split_whitespace().last().unwrap().parse().unwrap()
}

/// When the engines that are programs of their own are started.
#[derive(Clone, Copy, PartialEq)]
enum When {
    First,
    Later,
}

/// Starts them unless they run; the process ids of all, by kind.
fn engines(service: &Service) -> Vec<(String, u32)> {
    let answer = service.get("/start").unwrap();
    let pids = answer.as_object().unwrap().iter();
    pids.map(|(kind, pid)| (kind.clone(), pid.as_u64().unwrap() as u32))
        .collect()
}

/// The solve's own span of each call of a route.
fn solves<'a>(scene: &'a Scene, route: &str) -> Vec<(&'a Call, &'a Span)> {
    let calls = scene.calls.iter().filter(|call| call.route == route);
    let with_span = |call| {
        let span = span_for(&scene.outcome.spans, call);
        (
            call,
            span.unwrap_or_else(|| panic!("no span of {call:?}\n{}", scene.outcome.stderr)),
        )
    };
    let solves: Vec<_> = calls.map(with_span).collect();
    assert_eq!(solves.len(), ROUNDS as usize);
    solves
}

fn service_name(span: &Span) -> &str {
    span.resource["service.name"].as_str().unwrap()
}

/// Whoever has no span active begins a trace with each call, and none of it is in anybody's request.
fn check_own_traces(scene: &Scene, route: &str, service: &str) {
    let requests: HashSet<&str> = scene.exported.iter().map(|span| &*span.trace_id).collect();
    let (mut traces, mut inside) = (HashSet::new(), 0);
    for (call, root) in solves(scene, route) {
        assert!(!call.has_parent(), "{call:?}");
        assert!(root.parent.is_empty(), "{root:?}");
        assert_eq!(root.text("hotspan.parent.source"), Some("none"));
        assert_eq!(service_name(root), service);
        let lies_in_call =
            call.start_ns <= root.start_ns + CLOCKS_NS && root.end_ns <= call.end_ns + CLOCKS_NS;
        assert!(lies_in_call, "{root:?} in {call:?}");
        assert!(!requests.contains(&*root.trace_id), "{root:?}");
        assert!(traces.insert(&root.trace_id), "two calls in a trace");
        let of_trace = |span: &&Span| span.trace_id == root.trace_id;
        for span in scene.outcome.spans.iter().filter(of_trace) {
            let top = scene.above(span).last().unwrap_or(span);
            assert_eq!(top.span_id, root.span_id, "{span:?}");
            inside += usize::from(span.parent == root.span_id);
        }
    }
    assert!(inside > 0, "the solves are opaque");
}

/// An engine without an SDK, and one that was forked with a copy of its starter's, which gets no context with its
/// requests: nothing says for whom they work.
#[test]
fn engines_that_know_of_no_request_have_traces_of_their_own() {
    let Some(_turn) = require_bpf("engines without a context") else {
        return;
    };
    for when in [When::First, When::Later] {
        let scene = split(when, &["/bare", "/forked"]);
        scene.must_be_perfect(0);
        check_own_traces(&scene, "/bare", "bare-engine");
        check_own_traces(&scene, "/forked", SERVICE_NAME);
    }
}

/// An engine that gets the request's context with it: its spans are the request's, across the processes.
#[test]
fn engines_that_get_the_context_are_the_requests() {
    let Some(_turn) = require_bpf("engines with a context") else {
        return;
    };
    for when in [When::First, When::Later] {
        let scene = split(when, &["/remote", "/local"]);
        let verdict = scene.must_be_perfect(2 * ROUNDS as usize);
        assert!(verdict.dangling.is_empty());
        let exported = |id: &str| scene.exported.iter().find(|span| span.span_id == id);
        for (call, span) in solves(&scene, "/remote") {
            // The span of another process, which that one has exported.
            let parent = exported(&span.parent).unwrap();
            assert_eq!(
                (&call.trace_id, &call.span_id),
                (&parent.trace_id, &parent.span_id)
            );
            assert!(span.parent_is_remote, "{span:?}");
            assert_eq!(span.attributes["hotspan.parent.remote"], true);
            assert_eq!(
                (service_name(parent), service_name(span)),
                (SERVICE_NAME, "traced-engine")
            );
        }
        for (_, span) in solves(&scene, "/local") {
            let parent = exported(&span.parent).unwrap();
            assert!(!span.parent_is_remote, "{span:?}");
            assert_eq!(
                (&*parent.name, service_name(parent)),
                ("engine.step", "traced-engine")
            );
            let above = exported(&parent.parent).unwrap();
            assert_eq!(service_name(above), SERVICE_NAME);
        }
    }
}
