//! A decode loop of llama.cpp: tokens a second with the agent against without, for two sizes of models.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use hotspan_tests::{
    agent::Attach,
    llama::{self, Size},
    load::quantile,
    paths,
    python::Venv,
    service::Batch,
    truth::Call,
};
use tempfile::TempDir;

use super::ratios::{Middle, Ratios, middle};

const TIMEOUT: Duration = Duration::from_secs(120);
/// What the loop may be slower by.
const GOAL: f64 = 0.02;
/// Generations in which tokens go in pairs, each time: ten pairs in each.
const PAIRED: usize = 60;

/// A model, and how many generations of 300 tokens take some seconds.
struct Model {
    size: Size,
    generations: usize,
    /// Before they are measured, as long as the agent still looks around in the process and at what it does.
    warm_up: usize,
}

const MODELS: [Model; 2] = [
    Model {
        size: Size::Tiny,
        generations: 24,
        warm_up: 12,
    },
    Model {
        size: Size::Small,
        generations: 1,
        warm_up: 2,
    },
];

/// How to attach.
const WATCHERS: [(&str, &[&str]); 2] = [
    ("hotspan --no-sampling", &["--no-sampling"]),
    ("hotspan --frequency 99", &[]),
];

/// A decode loop, and what was measured of it.
struct Loop {
    model: &'static Model,
    batch: Batch,
    /// Nanoseconds a token without an agent.
    alone: Vec<f64>,
    watched: [Watched; 2],
}

/// What a token takes with an agent.
#[derive(Default)]
struct Watched {
    ratios: Ratios,
    more_ns: Vec<f64>,
}

/// Rounds in turn, of all models and ways to attach, so that other load on the machine hits all of them.
pub fn run(rounds: usize) -> Result<()> {
    let venv = Venv::get("llama")?;
    let dir = TempDir::new().context("failed to make a temporary folder")?;
    let mut loops = Vec::new();
    for model in &MODELS {
        loops.push(Loop::start(model, &venv, dir.path())?);
    }
    for _ in 0..rounds.max(1) {
        for decode in &mut loops {
            decode.round()?;
        }
    }
    for decode in loops {
        decode.finish()?;
    }
    pairs(&venv, dir.path())
}

impl Loop {
    fn start(model: &'static Model, venv: &Venv, dir: &Path) -> Result<Self> {
        let mut batch = start("llama_decode", model.size, venv, dir)?;
        token_ns(&mut batch, 1)?;
        Ok(Self {
            model,
            batch,
            alone: Vec::new(),
            watched: Default::default(),
        })
    }

    /// Each way to attach, between two measurements without.
    fn round(&mut self) -> Result<()> {
        let mut before = token_ns(&mut self.batch, self.model.generations)?;
        self.alone.push(before);
        for ((_, options), watched) in WATCHERS.iter().zip(&mut self.watched) {
            let agent = Attach::pid(self.batch.pid()).with(*options).start()?;
            token_ns(&mut self.batch, self.model.warm_up)?;
            let token = token_ns(&mut self.batch, self.model.generations)?;
            agent.stop()?;
            let after = token_ns(&mut self.batch, self.model.generations)?;
            let alone = f64::midpoint(before, after);
            watched.ratios.add(token / alone);
            watched.more_ns.push(token - alone);
            self.alone.push(after);
            before = after;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.batch.finish()?;
        self.alone.sort_by(f64::total_cmp);
        let token = quantile(&self.alone, 0.5).context("nothing was measured")?;
        println!(
            "the {} model: {:.0} tokens a second, {:.2} ms a token",
            self.model.size.name(),
            1e9 / token,
            token / 1e6
        );
        for ((name, _), watched) in WATCHERS.iter().zip(self.watched) {
            println!("  {name}: a token takes {}", watched.ratios.change()?);
            println!("    {}", cost(&middle(&watched.more_ns)?));
        }
        Ok(())
    }
}

/// What a token costs more, and, if that is certain, at which rate of tokens it is the goal.
fn cost(more_ns: &Middle) -> String {
    let Middle { is, least, most } = *more_ns;
    let [us, least_us, most_us] = [is, least, most].map(|ns| ns / 1e3);
    let more = format!("{us:+.1} us a token ({least_us:+.1} to {most_us:+.1})");
    if least <= 0.0 {
        return more;
    }
    let [rate, fast, slow] = [is, least, most].map(|ns| GOAL * 1e9 / ns);
    format!(
        "{more}: {:.0} % at {rate:.0} tokens a second and thread ({slow:.0} to {fast:.0})",
        GOAL * 100.0
    )
}

/// Of the tiny model, tokens by the functions that are probed and by those of a copy that are not, in turn and in one process: rounds
/// are far apart, and so is what the machine does meanwhile. What is not the probes' is not in it.
fn pairs(venv: &Venv, dir: &Path) -> Result<()> {
    let mut batch = start("llama_pairs", Size::Tiny, venv, dir)?;
    more_ns(&mut batch, 1)?;
    println!("the tiny model, tokens by probed functions against tokens by a copy's, in turn:");
    let alone = middle(&more_ns(&mut batch, PAIRED)?)?;
    println!(
        "  without an agent, which is taken off below: {}",
        cost(&alone)
    );
    for (name, options) in WATCHERS {
        let agent = Attach::pid(batch.pid()).with(options).start()?;
        more_ns(&mut batch, 1)?;
        let mut more = more_ns(&mut batch, PAIRED)?;
        for pair in &mut more {
            *pair -= alone.is;
        }
        agent.stop()?;
        println!("  {name}: {}", cost(&middle(&more)?));
    }
    batch.finish()?;
    Ok(())
}

fn start(kind: &str, size: Size, venv: &Venv, dir: &Path) -> Result<Batch> {
    let mut command = Command::new(venv.python());
    command
        .args(["batch.py", kind])
        .env("MODEL", llama::model(venv, size, dir)?)
        .current_dir(paths::targets());
    Batch::start(&mut command)
}

/// Nanoseconds a token of a round, by the target's own account.
fn token_ns(batch: &mut Batch, generations: usize) -> Result<f64> {
    let (mut tokens, mut ns) = (0.0, 0.0);
    for call in work(batch, generations)? {
        tokens += call.number("tokens").unwrap_or_default();
        ns += call.duration_ns() as f64;
    }
    ensure!(ns > 0.0 && tokens > 0.0, "nothing was generated");
    Ok(ns / tokens)
}

/// Of each pair, by how many nanoseconds a token took longer by the probed functions.
fn more_ns(batch: &mut Batch, generations: usize) -> Result<Vec<f64>> {
    let calls = work(batch, generations)?;
    let pairs = calls
        .iter()
        .filter_map(|call| call.facts["more_ns"].as_array());
    let more = pairs
        .flatten()
        .map(|more| more.as_f64().context("no number"));
    let more = more.collect::<Result<Vec<f64>>>()?;
    ensure!(!more.is_empty(), "nothing was generated");
    Ok(more)
}

fn work(batch: &mut Batch, generations: usize) -> Result<Vec<Call>> {
    let before = batch.truth()?.len();
    batch.work(generations, TIMEOUT)?;
    Ok(batch.truth()?.split_off(before))
}
