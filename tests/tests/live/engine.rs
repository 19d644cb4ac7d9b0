//! What spans of engines say of the request: how often it was tried, how long it queued.

use std::{collections::BTreeMap, ffi::OsString, process::Command};

use hotspan_tests::{
    agent::Attach, gate::require_bpf, judge::span_for, load::quantile, native, otlp::Span, paths,
    python::Venv, service::Options, truth::Call,
};

use crate::scene::{self, Scene};

const ROUNDS: usize = 9;
const REQUESTS_A_ROUND: usize = 4;
/// What the figures may differ from the engine's own.
const OFF_BY_MS: f64 = 5.0;

const QUEUE: &str = "ml.inference.queue_wait_ms";
const FORWARD: &str = "ml.inference.forward_pass_ms";

#[test]
fn solves_that_are_silently_made_again() {
    let Some(_turn) = require_bpf("revalidation") else {
        return;
    };
    let repeats = [0, 1, 2, 0, 2, 1];
    let scene = scene::service(&Options::default(), |service| {
        for (seed, times) in repeats.iter().enumerate() {
            let path = format!("/revalidated?times={times}&seed={}", seed + 1);
            service.get(&path).unwrap();
        }
    });
    scene.must_be_perfect(12);
    let mut by_request: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    for span in scene.named("cpsat.solve") {
        by_request.entry(&span.parent).or_default().push(span);
    }
    assert_eq!(by_request.len(), repeats.len());
    let mut found = Vec::new();
    for spans in by_request.values_mut() {
        spans.sort_by_key(|span| span.start_ns);
        let said: Vec<_> = spans
            .iter()
            .map(|span| (span.int("hotspan.attempt"), span.int("hotspan.attempts")))
            .collect();
        found.push((spans[0].start_ns, said));
    }
    found.sort_unstable();
    let found: Vec<_> = found.into_iter().map(|(_, said)| said).collect();
    let expected = repeats.map(|times| match times {
        0 => vec![(None, None)],
        1 => vec![(Some(1), None), (Some(2), Some(2))],
        _ => vec![(Some(1), None), (Some(2), None), (Some(3), Some(3))],
    });
    assert_eq!(found, expected);
    let others = scene.outcome.spans.iter().filter(|span| {
        span.name != "cpsat.solve" && span.attributes.contains_key("hotspan.attempt")
    });
    assert_eq!(others.count(), 0, "only the outermost call is numbered");
}

#[test]
fn the_query_for_requests_that_queued() {
    let Some(_turn) = require_bpf("an engine with a queue") else {
        return;
    };
    let mut command = Command::new(Venv::get("cython").unwrap().python());
    command
        .args(["batch.py", "engine"])
        .env("ENGINE", native::program("libengine.so").unwrap())
        .current_dir(paths::targets());
    let regions = native::catalogue("engine");
    let attach = |pid| {
        let options = ["--no-sampling".into(), "--regions".into(), regions.into()];
        Attach::pid(pid).with::<OsString>(options)
    };
    let scene = scene::batch(&mut command, attach, ROUNDS);
    scene.must_be_perfect(ROUNDS * REQUESTS_A_ROUND);
    let (mut selected, mut expected) = (0, 0);
    let mut off: Vec<f64> = Vec::new();
    for call in &scene.calls {
        let span = span_for(&scene.outcome.spans, call).unwrap();
        let (queued, computed) = (span.number(QUEUE), span.number(FORWARD));
        if call.number("where") == Some(2.0) {
            // The engine's own thread works for whoever comes: nothing says for whom.
            assert_eq!((queued, computed), (None, None), "{span:?}");
            continue;
        }
        let own = ["queued_ms", "computed_ms"].map(|fact| call.number(fact).unwrap());
        let (queued, computed) = (queued.unwrap(), computed.unwrap());
        off.extend([(queued - own[0]).abs(), (computed - own[1]).abs()]);
        // Who comes late finds the slot free earlier: what was to be found is as the engine says.
        if (own[0] - own[1]).abs() > OFF_BY_MS {
            assert_eq!(queued > computed, own[0] > own[1], "{span:?}");
            selected += usize::from(queued > computed);
            expected += 1;
        }
    }
    off.sort_unstable_by(f64::total_cmp);
    let [nearly_all, most] = [0.9, 1.0].map(|q| quantile(&off, q).unwrap());
    eprintln!(
        "  {selected} of {expected} requests queued longer than they computed, off by {nearly_all:.2} ms in nine of \
         ten, {most:.2} ms at most"
    );
    // A thread may lose its CPU between the engine's own reading of the clock and the probe beside it.
    assert!(nearly_all < OFF_BY_MS, "off by {nearly_all} ms");
    // In each round of a known thread one request finds the slot free, and who comes behind two others queues.
    let rounds = ROUNDS / 3 * 2;
    assert!(
        (rounds..expected).contains(&selected),
        "{selected} of {expected}"
    );
}

/// One step of an engine serves several requests: each has its own share of it, by the sequence it holds. The
/// sequences of two engines have the same numbers.
#[test]
fn steps_that_serve_several_requests() {
    let Some(_turn) = require_bpf("an engine that batches") else {
        return;
    };
    let mut command = Command::new(Venv::get("cython").unwrap().python());
    command
        .args(["batch.py", "batching"])
        .env("ENGINE", native::program("libbatching.so").unwrap())
        .current_dir(paths::targets());
    let regions = native::catalogue("batching");
    let attach = |pid| {
        let options = ["--no-sampling".into(), "--regions".into(), regions.into()];
        Attach::pid(pid).with::<OsString>(options)
    };
    let scene = scene::batch(&mut command, attach, ROUNDS);
    let spans = &scene.outcome.spans;
    let own = |call: &Call| {
        let of_request = |span: &&Span| span.name == call.region && span.trace_id == call.trace_id;
        spans.iter().filter(of_request).collect::<Vec<_>>()
    };
    let (mut linked, mut phases) = (0, 0);
    let mut off = Vec::new();
    for call in scene
        .calls
        .iter()
        .filter(|call| call.region.starts_with("llama."))
    {
        let found = own(call);
        assert_eq!(found.len(), 1, "{call:?}\n{}", scene.outcome.stderr);
        let span = found[0];
        let around = spans.iter().find(|around| around.span_id == span.parent);
        assert_eq!(around.unwrap().name, "batching.generate");
        // The engine reads its clock around each step.
        let error_ns = span.int("hotspan.error_ns").unwrap() as u64;
        assert!(
            call.start_ns <= span.start_ns + error_ns && span.end_ns <= call.end_ns + error_ns,
            "{call:?} {span:?}"
        );
        off.extend([
            span.start_ns.abs_diff(call.start_ns),
            span.end_ns.abs_diff(call.end_ns),
        ]);
        for (key, fact) in [
            ("hotspan.count", "calls"),
            ("llama.tokens", "tokens"),
            ("gen_ai.usage.output_tokens", "sampled"),
        ] {
            assert_eq!(
                span.int(key),
                call.facts[fact].as_i64(),
                "{key} of {span:?}"
            );
        }
        assert!(span.int("hotspan.shared_with").unwrap() <= 2);
        phases += 1;
        let others = linked_to(span, spans);
        let named = |name: &str| others.iter().filter(|other| other.name == name).count();
        linked += usize::from(named("batching.generate") > 0);
        let is_shared = span.int("hotspan.shared_with") > Some(0);
        assert_eq!(named("llama.batch") > 0, is_shared, "{span:?}");
        for other in others {
            assert_ne!(other.trace_id, span.trace_id);
            assert!(other.start_ns <= span.end_ns && span.start_ns <= other.end_ns);
        }
    }
    eprintln!("  {phases} phases, {linked} linked to requests that their steps served before");
    off.sort_unstable();
    // Between its reading and the probe, the engine's thread may lose its CPU.
    let nearly_all = quantile(&off, 0.9).unwrap();
    assert!(nearly_all < 1_000_000, "off by {nearly_all} ns");
    assert_eq!(phases, ROUNDS * 5 * 2);
    assert!(linked >= ROUNDS, "{linked} of {phases}");
    check_batches(&scene);
    // The engine's own steps are nobody's in particular.
    let stderr = &scene.outcome.stderr;
    assert!(
        stderr.contains("llama.decode (not_a_python_thread)"),
        "{stderr}"
    );
}

fn linked_to<'a>(span: &Span, spans: &'a [Span]) -> Vec<&'a Span> {
    let of_id = |id: &String| spans.iter().find(|span| span.span_id == *id).unwrap();
    span.links.iter().map(of_id).collect()
}

/// The steps themselves: each that served several requests is in one span, which begins a trace of its own.
fn check_batches(scene: &Scene) {
    let batches: Vec<&Span> = scene.named("llama.batch").collect();
    let steps: i64 = (batches.iter())
        .filter_map(|batch| batch.int("hotspan.count"))
        .sum();
    let said = (scene.calls.iter().rev())
        .find_map(|call| call.facts["steps"].as_i64())
        .unwrap();
    assert_eq!(steps, said, "steps for several requests");
    for batch in batches {
        assert!(batch.parent.is_empty(), "{batch:?}");
        assert!(batch.int("hotspan.sequences") > Some(1), "{batch:?}");
        let in_trace = scene
            .outcome
            .spans
            .iter()
            .filter(|span| span.trace_id == batch.trace_id);
        assert_eq!(in_trace.count(), 1);
    }
}
