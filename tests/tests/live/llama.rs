//! llama-cpp-python's own server under OpenTelemetry: prefill, decode and sampling of each request.

use std::{ffi::OsString, fs, process::Command, thread};

use hotspan_tests::{
    agent::Attach,
    gate::require_bpf,
    http::{self, Streamed},
    judge::span_for,
    llama::{self, EventLoop, Server, Size, model},
    otlp::Span,
    paths,
    python::Venv,
    truth::Call,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scene::{self, EXPECT_FROM_NS, Scene};

const REQUESTS: usize = 4;
const ROUNDS: usize = 3;
/// Requests that come in while the loop is held.
const HELD: usize = 8;
/// The server does not write down its routes' patterns, whose match takes long where the CPU is taken from it.
const NO_REGEX: &str =
    "library = \"python\"\n[[region]]\nname = \"python.regex\"\nenabled = false\n";
/// What bounds may be off in nine of ten cases. The truth is taken in Python, around the call, and
/// the call returns to Python only when no other request holds the interpreter.
const BOUND_NS: u64 = 1_000_000;
/// What a span may stick out of its call: the clocks' error and a probe's.
const STICKS_OUT_NS: u64 = 50_000;

/// One completion; what the server counted.
fn complete(port: u16, prompt: &str, max_tokens: usize) -> Value {
    let body = json!({"prompt": prompt, "max_tokens": max_tokens, "temperature": 1.0});
    let answer = http::post(&http::client(), port, "/v1/completions", &body).unwrap();
    answer["usage"].clone()
}

#[test]
fn each_request_has_its_prefill_and_its_decode() {
    let Some(_turn) = require_bpf("llama.cpp") else {
        return;
    };
    let server = Server::start(EventLoop::Asyncio).unwrap();
    let dir = TempDir::new().unwrap();
    let regions = dir.path().join("regions.toml");
    fs::write(&regions, NO_REGEX).unwrap();
    let options = ["--regions".into(), regions.into_os_string()];
    let attach = Attach::pid(server.pid()).with::<OsString>(options);
    let agent = attach.start().unwrap();
    eprintln!("  {} (after {:?})", agent.attached_line, agent.armed_after);
    let mut prompt_tokens: Vec<i64> = Vec::new();
    for round in 0..ROUNDS {
        thread::scope(|scope| {
            let clients: Vec<_> = (0..REQUESTS)
                .map(|number| {
                    let port = server.port;
                    // Of 300 tokens and more: three chunks. All differ from their first byte on.
                    let prompt = format!("{round}{number}{}", "prompt ".repeat(42 + number));
                    scope.spawn(move || complete(port, &prompt, 30 + number))
                })
                .collect();
            for client in clients {
                let usage = client.join().unwrap();
                prompt_tokens.push(usage["prompt_tokens"].as_i64().unwrap());
            }
        });
    }
    let outcome = agent.stop().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let calls = server.truth().unwrap();
    let scene = Scene {
        outcome,
        calls,
        exported: Vec::new(),
    };
    scene.must_be_perfect(3 * REQUESTS * ROUNDS);
    let mut input: Vec<i64> = scene
        .named("llama.prefill")
        .map(|span| span.int("gen_ai.usage.input_tokens").unwrap())
        .collect();
    input.sort_unstable();
    prompt_tokens.sort_unstable();
    assert_eq!(input, prompt_tokens, "what the clients were told");
    compare(&scene);
}

/// One request after the other, and four at once: the server's loop sleeps before each of the first, and is busy with
/// the others of the rest. It takes more steps for the tokens than are followed.
#[test]
fn the_first_token_counts_from_what_came_in() {
    let Some(_turn) = require_bpf("llama.cpp, time to the first token") else {
        return;
    };
    for event_loop in [EventLoop::Asyncio, EventLoop::Uvloop] {
        first_tokens_count(event_loop);
    }
}

fn first_tokens_count(event_loop: EventLoop) {
    let server = warm_server(event_loop);
    let warm = server.truth().unwrap().len();
    let agent = Attach::pid(server.pid()).start().unwrap();
    let mut asked: Vec<_> = (1..13).map(|number| ask(server.port, number)).collect();
    asked.extend(thread::scope(|scope| {
        let port = server.port;
        let clients: Vec<_> = (20..24)
            .map(|number| scope.spawn(move || ask(port, number)))
            .collect();
        let answers = clients.into_iter().map(|client| client.join().unwrap());
        answers.collect::<Vec<_>>()
    }));
    let outcome = agent.stop().unwrap();
    let calls = server.truth().unwrap().split_off(warm);
    let mut off: Vec<_> = (asked.iter())
        .map(|asked| {
            let (came_ns, sent_ns) = came_in(&outcome.spans, &calls, asked);
            came_ns - sent_ns
        })
        .collect();
    off.sort_by(f64::total_cmp);
    eprintln!("  {event_loop:?}: off by {off:?} ns");
    // Nothing comes in before it is sent.
    assert!(off[0] >= -(STICKS_OUT_NS as f64), "{off:?}");
}

/// The loop is held while a request comes in: it lies in its socket for as long.
#[test]
fn the_first_token_counts_from_what_lay_in_the_socket() {
    let Some(_turn) = require_bpf("llama.cpp, a loop that is busy") else {
        return;
    };
    for event_loop in [EventLoop::Asyncio, EventLoop::Uvloop] {
        what_lay_in_the_socket_counts(event_loop);
    }
}

fn what_lay_in_the_socket_counts(event_loop: EventLoop) {
    let server = warm_server(event_loop);
    let warm = server.truth().unwrap().len();
    let agent = Attach::pid(server.pid()).start().unwrap();
    let held: Vec<_> = (1..=HELD).map(|number| ask_held(&server, number)).collect();
    let outcome = agent.stop().unwrap();
    let calls = server.truth().unwrap().split_off(warm);
    for (asked, released_ns) in &held {
        let released_ns = *released_ns;
        let begun = call(&calls, "llama.prefill", &asked.0);
        let start_ns = begun.number("request_start_ns").unwrap();
        assert!(start_ns >= released_ns, "{begun:?}");
        let (came_ns, sent_ns) = came_in(&outcome.spans, &calls, asked);
        eprintln!(
            "  came in {} us after it was sent, and {} ms before the loop went on",
            (came_ns - sent_ns) / 1e3,
            (released_ns - came_ns) / 1e6
        );
        let sticks_out = sent_ns - came_ns;
        assert!(sticks_out <= STICKS_OUT_NS as f64, "{sticks_out}");
        assert!(came_ns <= released_ns, "{came_ns} {released_ns}");
    }
}

/// The first request of a process pays for its imports.
fn warm_server(event_loop: EventLoop) -> Server {
    let server = Server::start(event_loop).unwrap();
    ask(server.port, 0);
    server
}

/// What a request was answered that came in while the loop was held, and when that was let go.
fn ask_held(server: &Server, number: usize) -> ((String, Streamed), f64) {
    let hold = server.hold().unwrap();
    let (trace_id, prompt) = request(number);
    let posted = llama::send(server.port, &trace_id, &prompt, 10).unwrap();
    let released_ns = hold.release().unwrap();
    ((trace_id, posted.events().unwrap()), released_ns)
}

/// A request's trace, and what it asks for.
fn request(number: usize) -> (String, String) {
    let trace_id = format!("{:032x}", number + 1);
    (trace_id, format!("{number}{}", "prompt ".repeat(42)))
}

fn ask(port: u16, number: usize) -> (String, Streamed) {
    let (trace_id, prompt) = request(number);
    let streamed = llama::stream(port, &trace_id, &prompt, 10).unwrap();
    (trace_id, streamed)
}

/// When a request came in at its socket, by the time to its first token and when the server itself says that this was
/// there, and when the client sent it.
fn came_in(spans: &[Span], calls: &[Call], asked: &(String, Streamed)) -> (f64, f64) {
    let (trace_id, streamed) = asked;
    let prefill = (spans.iter())
        .find(|span| span.name == "llama.prefill" && span.trace_id == *trace_id)
        .unwrap_or_else(|| panic!("no prefill of {trace_id}"));
    assert_eq!(
        prefill.text("hotspan.request.since"),
        Some("socket"),
        "{prefill:?}"
    );
    let said_s = prefill.number("gen_ai.server.time_to_first_token").unwrap();
    let first_end_ns = call(calls, "llama.sample", trace_id).number("first_end_ns");
    let came_ns = first_end_ns.unwrap() - said_s * 1e9;
    (came_ns, streamed.sent_ns as f64)
}

fn call<'a>(calls: &'a [Call], region: &str, trace_id: &str) -> &'a Call {
    let mut calls = calls.iter();
    calls
        .find(|call| call.region == region && call.trace_id == trace_id)
        .unwrap()
}

#[test]
fn a_model_that_is_loaded_in_a_request() {
    let Some(_turn) = require_bpf("llama.cpp, loads") else {
        return;
    };
    let venv = Venv::get("llama").unwrap();
    let dir = TempDir::new().unwrap();
    let mut command = Command::new(venv.python());
    command
        .args(["batch.py", "llama"])
        .env("MODEL", model(&venv, Size::Tiny, dir.path()).unwrap())
        .current_dir(paths::targets());
    let scene = scene::batch(&mut command, Attach::pid, 10);
    scene.must_be_perfect(5);
    for call in &scene.calls {
        // A model that is cut short is found out at once, maybe in less than a span's least time.
        let Some(span) = span_for(&scene.outcome.spans, call) else {
            assert!(call.duration_ns() < EXPECT_FROM_NS, "{call:?}");
            continue;
        };
        let cold = span.attributes.get("hotspan.cold_start");
        assert_eq!(cold, Some(&true.into()), "{span:?}");
        let failed = call.facts["failed"].as_bool().unwrap();
        let expected = failed.then_some("LLAMA_LOAD_FAILED");
        assert_eq!(span.text("error.type"), expected, "{call:?}");
        let size = span.int("llama.kv_cache.size_tokens");
        let cells = fact(call, "size");
        assert_eq!(size, cells, "{span:?}");
        // Its own log has two decimals.
        let mib = |bytes: i64| (bytes as f64 / f64::from(1 << 20) * 100.0).round() / 100.0;
        let bytes = span.int("llama.kv_cache.size_bytes");
        assert_eq!(bytes.map(mib), call.number("mib"), "{span:?}");
    }
}

/// One span for each phase, with its bounds and its counts.
fn compare(scene: &Scene) {
    let mut off = Vec::new();
    for call in &scene.calls {
        let of_request = |span: &&Span| span.name == call.region && span.parent == call.span_id;
        let spans = scene.outcome.spans.iter().filter(of_request).count();
        assert_eq!(spans, 1, "{} of {}", call.region, call.trace_id);
        let span = span_for(&scene.outcome.spans, call).unwrap();
        assert!(
            span.start_ns + STICKS_OUT_NS >= call.start_ns
                && span.end_ns <= call.end_ns + STICKS_OUT_NS,
            "{span:?} sticks out of {call:?}"
        );
        off.push(span.start_ns.abs_diff(call.start_ns));
        off.push(span.end_ns.abs_diff(call.end_ns));
        assert_eq!(span.int("hotspan.count"), fact(call, "calls"), "{call:?}");
        if call.region != "llama.sample" {
            assert_eq!(span.int("llama.tokens"), fact(call, "tokens"), "{call:?}");
        }
        if call.region == "llama.decode" {
            let held = span.int("llama.kv_cache.tokens");
            // What the cache held of the prompt already counts, too.
            let prompt = (scene.named("llama.prefill"))
                .find(|prompt| prompt.parent == span.parent)
                .and_then(|prompt| prompt.int("gen_ai.usage.input_tokens"));
            let both = prompt.zip(fact(call, "tokens"));
            assert_eq!(held, both.map(|(prompt, steps)| prompt + steps), "{span:?}");
            let sampled = span.int("gen_ai.usage.output_tokens");
            assert_eq!(sampled, fact(call, "sampled"), "{call:?}");
            assert!(span.number("llama.tokens_per_s").unwrap() > 0.0);
            let step = |name: &str| span.int(&format!("hotspan.step.{name}_ns")).unwrap();
            assert!(step("p50") <= step("p99") && step("p99") <= step("max"));
        }
    }
    off.sort_unstable();
    let at = |percent: usize| off[(off.len() - 1) * percent / 100];
    eprintln!(
        "  {} bounds, off by {} us at the median, {} us in nine of ten, {} us at most",
        off.len(),
        at(50) / 1_000,
        at(90) / 1_000,
        at(100) / 1_000
    );
    assert!(at(90) < BOUND_NS, "off by {} ns", at(90));
}

fn fact(call: &Call, name: &str) -> Option<i64> {
    call.facts[name].as_i64()
}
