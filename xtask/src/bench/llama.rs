//! A decode loop of llama.cpp: tokens a second with the agent against without.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use hotspan_tests::{agent::Attach, llama, paths, python::Venv, service::Batch};
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_secs(120);
/// Generations of a round.
const GENERATIONS: usize = 4;

/// Rounds in pairs, one after the other, so that other load on the machine hits both.
pub fn run(pairs: usize) -> Result<()> {
    let venv = Venv::get("llama")?;
    let dir = TempDir::new().context("failed to make a temporary folder")?;
    let model = llama::model(&venv, dir.path())?;
    let mut command = Command::new(venv.python());
    command
        .args(["batch.py", "llama_decode"])
        .env("MODEL", &model)
        .current_dir(paths::targets());
    let mut batch = Batch::start(&mut command)?;
    round(&mut batch)?;
    let mut slower = Vec::new();
    let mut rates = (Vec::new(), Vec::new());
    for _ in 0..pairs.max(1) {
        let alone = round(&mut batch)?;
        let agent = Attach::pid(batch.pid()).start()?;
        let attached = round(&mut batch)?;
        agent.stop()?;
        slower.push((alone - attached) / alone * 100.0);
        rates.0.push(alone);
        rates.1.push(attached);
    }
    batch.finish()?;
    println!(
        "tokens a second, at the median of {} pairs: {:.0} alone, {:.0} attached",
        slower.len(),
        quartile(&mut rates.0, 2),
        quartile(&mut rates.1, 2),
    );
    println!(
        "slower by {:.1} % at the median, quartiles {:.1} and {:.1} %",
        quartile(&mut slower, 2),
        quartile(&mut slower, 1),
        quartile(&mut slower, 3),
    );
    Ok(())
}

/// Tokens a second of a round, by the target's own account.
fn round(batch: &mut Batch) -> Result<f64> {
    let before = batch.truth()?.len();
    batch.work(GENERATIONS, TIMEOUT)?;
    let calls = batch.truth()?;
    let (mut tokens, mut seconds) = (0.0, 0.0);
    for call in calls.iter().skip(before) {
        tokens += call.number("tokens").unwrap_or_default();
        seconds += call.duration_ns() as f64 / 1e9;
    }
    ensure!(seconds > 0.0 && tokens > 0.0, "nothing was generated");
    Ok(tokens / seconds)
}

fn quartile(values: &mut [f64], number: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get(last * number / 4).copied().unwrap_or_default()
}
