//! Programs that import OR-Tools and solve at once: whether that first solve has its span.

use std::{process::Command, time::Duration};

use anyhow::Result;
use hotspan_tests::{
    agent::{Attach, Outcome},
    judge::span_for,
    paths,
    python::Venv,
    service::Batch,
    truth::{self, Call},
};
use tempfile::TempDir;

const ROUNDS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(60);
const KIND: &str = "ortools_at_once";

/// By a process that runs already, and by one that hotspan starts.
pub fn run() -> Result<()> {
    for (how, once) in [
        ("attach", attached as fn() -> Result<bool>),
        ("run", started),
    ] {
        let mut seen = 0;
        for _ in 0..ROUNDS {
            seen += usize::from(once()?);
        }
        println!("hotspan {how}: {seen} of {ROUNDS} solves right after their import have a span");
    }
    Ok(())
}

fn attached() -> Result<bool> {
    let mut command = Command::new(Venv::get("solver")?.python());
    command.arg(paths::targets().join("batch.py")).arg(KIND);
    let mut batch = Batch::start(&mut command)?;
    let agent = Attach::pid(batch.pid()).armed_ahead().start()?;
    batch.work(1, PATIENCE)?;
    Ok(have_spans(&agent.stop()?, &batch.finish()?))
}

fn started() -> Result<bool> {
    let dir = TempDir::new()?;
    let file = dir.path().join("truth.jsonl");
    let mut agent = Attach::run()
        .with(["--".into(), Venv::get("solver")?.python().into_os_string()])
        .with([
            paths::targets().join("batch.py").into_os_string(),
            KIND.into(),
        ])
        .env("TRUTH_FILE", &file.to_string_lossy())
        .start()?;
    // It does not wait for that: the line is there when it looks.
    agent.process().tell("1")?;
    agent.process().wait_stdout("done", PATIENCE)?;
    agent.process().close_input();
    Ok(have_spans(&agent.ended()?, &truth::read(&file)?))
}

fn have_spans(outcome: &Outcome, calls: &[Call]) -> bool {
    let has_span = |call: &Call| span_for(&outcome.spans, call).is_some();
    !calls.is_empty() && calls.iter().all(has_span)
}
