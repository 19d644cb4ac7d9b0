//! A decode loop of llama.cpp: tokens a second with the agent against without, for two sizes of models.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use hotspan_tests::{
    agent::Attach,
    llama::{self, Size},
    load::quantile,
    paths,
    python::Venv,
    service::Batch,
};
use tempfile::TempDir;

use super::ratios::Ratios;

const TIMEOUT: Duration = Duration::from_secs(120);
/// What the loop may be slower by.
const GOAL: f64 = 0.02;

/// A model, and how many generations of 300 tokens take some seconds.
struct Model {
    size: Size,
    generations: usize,
}

const MODELS: [Model; 2] = [
    Model {
        size: Size::Tiny,
        generations: 24,
    },
    Model {
        size: Size::Small,
        generations: 1,
    },
];

/// How to attach.
const WATCHERS: [(&str, &[&str]); 2] = [
    ("hotspan --no-sampling", &["--no-sampling"]),
    ("hotspan --frequency 99", &[]),
];

/// Rounds in turn, so that other load on the machine hits all of them.
pub fn run(rounds: usize) -> Result<()> {
    for model in &MODELS {
        of_model(model, rounds.max(1))?;
    }
    Ok(())
}

fn of_model(model: &Model, rounds: usize) -> Result<()> {
    let venv = Venv::get("llama")?;
    let dir = TempDir::new().context("failed to make a temporary folder")?;
    let mut command = Command::new(venv.python());
    command
        .args(["batch.py", "llama_decode"])
        .env("MODEL", llama::model(&venv, model.size, dir.path())?)
        .current_dir(paths::targets());
    let mut batch = Batch::start(&mut command)?;
    token_ns(&mut batch, 1)?;
    let mut alone = Vec::new();
    let mut watched: [(Ratios, Vec<f64>); 2] = Default::default();
    for _ in 0..rounds {
        let unwatched = token_ns(&mut batch, model.generations)?;
        alone.push(unwatched);
        for ((_, options), (ratios, more)) in WATCHERS.iter().zip(&mut watched) {
            let agent = Attach::pid(batch.pid()).with(*options).start()?;
            // The first generation is under way while the agent still looks around in the process.
            token_ns(&mut batch, 1)?;
            let token = token_ns(&mut batch, model.generations)?;
            agent.stop()?;
            ratios.add(token / unwatched);
            more.push(token - unwatched);
        }
    }
    batch.finish()?;
    let token = median(&mut alone)?;
    println!(
        "the {} model: {:.0} tokens a second, {:.2} ms a token, at the median of {rounds} rounds",
        model.size.name(),
        1e9 / token,
        token / 1e6
    );
    for ((name, _), (ratios, mut more)) in WATCHERS.iter().zip(watched) {
        println!("  {name}: a token takes {}", ratios.change()?);
        // Where a token takes long, what is added is far below the rounds' own differences.
        if model.size == Size::Tiny {
            let more = median(&mut more)?;
            println!(
                "    {:.0} us a token: {:.0} % up to {:.0} tokens a second and thread",
                more / 1e3,
                GOAL * 100.0,
                GOAL * 1e9 / more.max(1.0)
            );
        }
    }
    Ok(())
}

/// Nanoseconds a token of a round, by the target's own account.
fn token_ns(batch: &mut Batch, generations: usize) -> Result<f64> {
    let before = batch.truth()?.len();
    batch.work(generations, TIMEOUT)?;
    let calls = batch.truth()?;
    let (mut tokens, mut ns) = (0.0, 0.0);
    for call in calls.iter().skip(before) {
        tokens += call.number("tokens").unwrap_or_default();
        ns += call.duration_ns() as f64;
    }
    ensure!(ns > 0.0 && tokens > 0.0, "nothing was generated");
    Ok(ns / tokens)
}

fn median(values: &mut [f64]) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    quantile(values, 0.5).context("nothing was measured")
}
