//! llama-cpp-python's server with one request and with four at once: bounds, counts, and the time to the first
//! token.

use std::{collections::BTreeMap, thread};

use anyhow::{Context, Result, ensure};
use hotspan_tests::{
    agent::Attach,
    http::Streamed,
    judge::span_for,
    llama::{self, EventLoop, Server},
    load::quantile,
    otlp::Span,
    truth::Call,
};

/// Requests at a time: one after the other, and several that the server lets queue.
const AT_ONCE: [usize; 2] = [1, 4];
/// What bounds may be off.
const BOUND_MS: f64 = 1.0;
/// What the time to the first token may differ from the client's.
const FIRST_TOKEN_MS: f64 = 2.0;

/// A request, as the client saw it.
struct Asked {
    trace_id: String,
    streamed: Streamed,
}

/// Prints how near the spans come to what server and clients say.
pub fn run(rounds: usize) -> Result<()> {
    for event_loop in [EventLoop::Asyncio, EventLoop::Uvloop] {
        println!("on {}:", event_loop.name());
        on_loop(event_loop, rounds)?;
    }
    Ok(())
}

fn on_loop(event_loop: EventLoop, rounds: usize) -> Result<()> {
    let server = Server::start(event_loop)?;
    // The first request of a process pays for its imports.
    ask(server.port, 0, 0)?;
    for at_once in AT_ONCE {
        println!("{at_once} at once:");
        let warm = server.truth()?.len();
        let agent = Attach::pid(server.pid()).start()?;
        // So does the first of an agent's.
        ask(server.port, 0, 1)?;
        let asked = requests(server.port, rounds.max(1), at_once)?;
        let calls = server.truth()?.split_off(warm);
        let outcome = agent.stop()?;
        compare(&calls, &outcome.spans)?;
        first_tokens(&asked, &calls, &outcome.spans)?;
    }
    Ok(())
}

/// Four in each round.
fn requests(port: u16, rounds: usize, at_once: usize) -> Result<Vec<Asked>> {
    let mut asked = Vec::new();
    for round in 1..=rounds * 4 / at_once {
        let answers: Vec<Result<Asked>> = thread::scope(|scope| {
            let clients: Vec<_> = (0..at_once)
                .map(|number| scope.spawn(move || ask(port, round * 8 + at_once, number)))
                .collect();
            (clients.into_iter())
                .map(|client| client.join().unwrap_or_else(|_| panic!("a client failed")))
                .collect()
        });
        for answer in answers {
            asked.push(answer?);
        }
    }
    Ok(asked)
}

fn ask(port: u16, round: usize, number: usize) -> Result<Asked> {
    let trace_id = format!("{:032x}", (round + 1) << 8 | number);
    // Of 300 tokens and more: three chunks. All differ from their first byte on.
    let prompt = format!("{round}{number}{}", "prompt ".repeat(42 + number));
    let streamed = llama::stream(port, &trace_id, &prompt, 30 + number)?;
    Ok(Asked { trace_id, streamed })
}

/// Bounds and counts of every phase.
fn compare(calls: &[Call], spans: &[Span]) -> Result<()> {
    let (mut off, mut counted, mut missing) = (Vec::new(), 0, 0);
    let phases = calls.iter().filter(|call| call.region != "llama.sample");
    for call in phases.clone() {
        let Some(span) = span_for(spans, call) else {
            missing += 1;
            continue;
        };
        off.push(span.start_ns.abs_diff(call.start_ns) as f64 / 1e6);
        off.push(span.end_ns.abs_diff(call.end_ns) as f64 / 1e6);
        counted += usize::from(counts_right(call, span));
    }
    let phases = phases.count();
    ensure!(phases > 0, "the server wrote nothing");
    off.sort_by(f64::total_cmp);
    let within = off.iter().filter(|ms| **ms <= BOUND_MS).count();
    println!(
        "prefill and decode of {phases} phases, {missing} without a span: {within} of {} bounds within {BOUND_MS} ms, {}",
        off.len(),
        spread(&off)?
    );
    println!("token counts right on {counted} of {phases}");
    Ok(())
}

fn counts_right(call: &Call, span: &Span) -> bool {
    let pairs = [
        ("hotspan.count", "calls"),
        ("llama.tokens", "tokens"),
        ("gen_ai.usage.output_tokens", "sampled"),
    ];
    pairs.iter().all(|(key, fact)| {
        call.facts[fact]
            .as_i64()
            .is_none_or(|fact| span.int(key) == Some(fact))
    })
}

/// The time to the first token, and where the client's is longer: until what hotspan's counts from, and from the sampled
/// token, which the server notes itself, to the client's socket.
fn first_tokens(asked: &[Asked], calls: &[Call], spans: &[Span]) -> Result<()> {
    let mut parts: [Vec<f64>; 4] = Default::default();
    let mut since: BTreeMap<&str, usize> = BTreeMap::new();
    for Asked { trace_id, streamed } in asked {
        let prefill =
            (spans.iter()).find(|span| span.name == "llama.prefill" && span.trace_id == *trace_id);
        let said = prefill.and_then(|span| span.number("gen_ai.server.time_to_first_token"));
        let fact = |region, name| {
            (calls.iter())
                .filter(|call| call.region == region && call.trace_id == *trace_id)
                .find_map(|call| call.number(name))
        };
        let begun = fact("llama.prefill", "request_start_ns");
        let sampled = fact("llama.sample", "first_end_ns");
        let (Some(said), Some(begun), Some(sampled)) = (said, begun, sampled) else {
            continue;
        };
        let text = prefill.and_then(|span| span.text("hotspan.request.since"));
        *since.entry(text.unwrap_or("unknown")).or_default() += 1;
        let (sent, first) = (streamed.sent_ns as f64, streamed.first_ns as f64);
        parts[0].push((first - sent) / 1e6 - said * 1e3);
        parts[1].push((sampled - sent) / 1e6 - said * 1e3);
        parts[2].push((first - sampled) / 1e6);
        parts[3].push((begun - sent) / 1e6);
    }
    let known = parts[0].len();
    ensure!(known > 0, "no span says when its first token was there");
    for part in &mut parts {
        part.sort_by(f64::total_cmp);
    }
    let within = (parts[0].iter()).filter(|ms| ms.abs() <= FIRST_TOKEN_MS);
    println!(
        "time to the first token, the client's less hotspan's: {} of {known} within {FIRST_TOKEN_MS} ms, {}; {} not known",
        within.count(),
        spread(&parts[0])?,
        asked.len() - known
    );
    println!(
        "  until what hotspan's counts from: {}; {since:?}",
        spread(&parts[1])?
    );
    println!(
        "  from the sampled token to the client: {}",
        spread(&parts[2])?
    );
    println!("until the server's span begins: {}", spread(&parts[3])?);
    Ok(())
}

fn spread(sorted: &[f64]) -> Result<String> {
    let at = |q| quantile(sorted, q).context("nothing was measured");
    Ok(format!(
        "{:.2} ms at the median, {:.2} in nine of ten, {:.2} at most",
        at(0.5)?,
        at(0.9)?,
        at(1.0)?
    ))
}
