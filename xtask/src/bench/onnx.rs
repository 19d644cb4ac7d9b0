//! ONNX Runtime as its wheel is, stripped: runs that have a span, operators that are named right.

use std::{process::Command, time::Duration};

use anyhow::{Result, ensure};
use hotspan_tests::{
    agent::Attach, judge::span_for, otlp::Span, paths, python::Venv, service::Batch, truth::Call,
};

/// Rounds of so many runs.
const ROUNDS: usize = 10;
const RUNS: usize = 100;
/// Runs from this length on are to have a span.
const FROM_NS: u64 = 1_000_000;
const TIMEOUT: Duration = Duration::from_secs(60);
/// Runs with other operators that are shown.
const SHOWN: usize = 5;
/// Operators of the model, and how often a run calls each.
const OPERATORS: [&str; 2] = ["onnx.matmul", "onnx.tanh"];

/// Prints how many runs were found, and how many have the right operators.
pub fn run() -> Result<()> {
    let mut command = Command::new(Venv::get("onnx")?.python());
    command
        .args(["batch.py", "onnx"])
        .current_dir(paths::targets());
    let mut batch = Batch::start(&mut command)?;
    let agent = Attach::pid(batch.pid()).start()?;
    for _ in 0..ROUNDS {
        batch.work(RUNS, TIMEOUT)?;
    }
    let outcome = agent.stop()?;
    let calls = batch.finish()?;
    let runs: Vec<&Call> = (calls.iter())
        .filter(|call| call.region == "onnx.run" && call.duration_ns() >= FROM_NS)
        .collect();
    ensure!(!runs.is_empty(), "no run took long enough");
    let found: Vec<(&Call, &Span)> = (runs.iter())
        .filter_map(|call| Some((*call, span_for(&outcome.spans, call)?)))
        .collect();
    let (mut right, mut shown) = (0, 0);
    for (call, run) in &found {
        let inside = operators(run, &outcome.spans);
        if inside == expected(call) {
            right += 1;
        } else if shown < SHOWN {
            shown += 1;
            println!(
                "  run {:?}, {} ns: {inside:?}",
                call.facts["number"],
                run.duration_ns()
            );
        }
    }
    println!(
        "runs of 1 ms and more with a span: {} of {} ({:.2} %); with the right operators: {}",
        found.len(),
        runs.len(),
        found.len() as f64 / runs.len() as f64 * 100.0,
        right
    );
    Ok(())
}

/// The operators inside of a run, and how often each was called. What lies beside them (`onnx.run.before_...`) is
/// inferred, and none.
fn operators<'a>(run: &Span, spans: &'a [Span]) -> Vec<(&'a str, Option<i64>)> {
    let mut inside: Vec<_> = (spans.iter())
        .filter(|span| span.parent == run.span_id && span.text("hotspan.origin") == Some("probe"))
        .map(|span| (span.name.as_str(), span.int("hotspan.count")))
        .collect();
    inside.sort_unstable();
    inside
}

/// Exactly the model's, each as often as the model has it.
fn expected(call: &Call) -> [(&'static str, Option<i64>); 2] {
    let each = call.facts["matmuls"].as_i64();
    OPERATORS.map(|name| (name, each))
}
