//! llama-cpp-python's server with four requests at once: bounds, counts, and the time to the first token.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use hotspan_tests::{
    agent::Attach,
    judge::span_for,
    llama::{self, Server},
    load::quantile,
    otlp::Span,
    truth::Call,
};

const AT_ONCE: usize = 4;
/// What bounds may be off.
const BOUND_MS: f64 = 1.0;
/// What the time to the first token may differ from the client's.
const FIRST_TOKEN_MS: f64 = 2.0;

/// A request, as the client saw it.
struct Asked {
    trace_id: String,
    first_event: Duration,
}

/// Prints how near the spans come to what server and clients say.
pub fn run(rounds: usize) -> Result<()> {
    let server = Server::start()?;
    // The first request of a process pays for its imports.
    ask(server.port, 0, 0)?;
    let warm = server.truth()?.len();
    let agent = Attach::pid(server.pid()).start()?;
    let mut asked = Vec::new();
    for round in 1..=rounds.max(1) {
        let answers: Vec<Result<Asked>> = thread::scope(|scope| {
            let port = server.port;
            let clients: Vec<_> = (0..AT_ONCE)
                .map(|number| scope.spawn(move || ask(port, round, number)))
                .collect();
            (clients.into_iter())
                .map(|client| client.join().unwrap_or_else(|_| panic!("a client failed")))
                .collect()
        });
        for answer in answers {
            asked.push(answer?);
        }
    }
    let calls = server.truth()?.split_off(warm);
    let outcome = agent.stop()?;
    compare(&calls, &outcome.spans)?;
    first_tokens(&asked, &outcome.spans)
}

fn ask(port: u16, round: usize, number: usize) -> Result<Asked> {
    let trace_id = format!("{:032x}", (round + 1) << 8 | number);
    // Of 300 tokens and more: three chunks. All differ from their first byte on.
    let prompt = format!("{round}{number}{}", "prompt ".repeat(42 + number));
    let (first_event, _) = llama::stream(port, &trace_id, &prompt, 30 + number)?;
    Ok(Asked {
        trace_id,
        first_event,
    })
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

fn first_tokens(asked: &[Asked], spans: &[Span]) -> Result<()> {
    let (mut off, mut missing) = (Vec::new(), 0);
    for request in asked {
        let said = (spans.iter())
            .filter(|span| span.name == "llama.prefill" && span.trace_id == request.trace_id)
            .find_map(|span| span.number("gen_ai.server.time_to_first_token"));
        match said {
            Some(seconds) => off.push((request.first_event.as_secs_f64() - seconds) * 1e3),
            None => missing += 1,
        }
    }
    ensure!(
        !off.is_empty(),
        "no span says when its first token was there"
    );
    off.sort_by(f64::total_cmp);
    let within = off.iter().filter(|ms| ms.abs() <= FIRST_TOKEN_MS).count();
    println!(
        "time to the first token, the client's less hotspan's: {within} of {} within {FIRST_TOKEN_MS} ms, {}; {missing} not known",
        off.len(),
        spread(&off)?
    );
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
