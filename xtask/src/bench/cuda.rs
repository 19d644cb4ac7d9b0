//! Launches at a given rate, on a stub with the CUDA runtime's ABI: what is counted, and what it costs.

use std::{
    fmt::{self, Display, Formatter},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use hotspan_tests::{
    agent::{Attach, Outcome},
    load::quantile,
    native, paths,
    python::Venv,
    service::Batch,
    truth::Call,
};

const RATES: [u64; 4] = [1_000, 10_000, 100_000, 200_000];
/// Half a second of launches each.
const ROUNDS: usize = 6;
const TIMEOUT: Duration = Duration::from_secs(120);

/// Prints a line for each rate without an agent, with shedding off, and with it on.
pub fn run() -> Result<()> {
    println!(
        "launches a second: asked for, reached; nanoseconds of a launch; counted of those made"
    );
    for rate in RATES {
        let before = cost(&alone(rate)?)?;
        println!("{rate:>7}  alone          {before}");
        for (label, options) in [
            ("exact", &["--no-rate-guard", "--no-sampling"][..]),
            ("with shedding", &["--no-sampling"][..]),
        ] {
            let (calls, outcome) = attached(rate, options)?;
            let cost = cost(&calls)?;
            println!(
                "{rate:>7}  {label:<13}  {cost}, {:.2} % of a core; {} of {}, {}",
                (cost.launch_ns - before.launch_ns) * cost.rate / 1e7,
                counted(&outcome, &calls),
                launched(&calls),
                shed(&outcome),
            );
        }
    }
    Ok(())
}

fn start(rate: u64) -> Result<Batch> {
    let mut command = Command::new(Venv::get("cuda")?.python());
    command
        .args(["batch.py", "cuda_at_rate"])
        .env("CUDART", native::program("libcudart_stub.so")?)
        .env("RATE", rate.to_string())
        .current_dir(paths::targets());
    Batch::start(&mut command)
}

fn alone(rate: u64) -> Result<Vec<Call>> {
    let mut batch = start(rate)?;
    batch.work(ROUNDS, TIMEOUT)?;
    batch.finish()
}

fn attached(rate: u64, options: &[&str]) -> Result<(Vec<Call>, Outcome)> {
    let mut batch = start(rate)?;
    let agent = Attach::pid(batch.pid()).with(options).start()?;
    batch.work(ROUNDS, TIMEOUT)?;
    let outcome = agent.stop()?;
    Ok((batch.finish()?, outcome))
}

fn launched(calls: &[Call]) -> i64 {
    let counts = calls.iter().filter_map(|call| call.facts["count"].as_i64());
    counts.sum()
}

/// What launching came to, at the median of the rounds.
struct Cost {
    /// Launches a second.
    rate: f64,
    /// Nanoseconds of one, by the target's own clock.
    launch_ns: f64,
}

impl Display for Cost {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>9.0} a second, {:>6.0} ns each",
            self.rate, self.launch_ns
        )
    }
}

fn cost(calls: &[Call]) -> Result<Cost> {
    let median = |of: &dyn Fn(&Call) -> Option<f64>| {
        let mut values: Vec<f64> = calls.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        quantile(&values, 0.5).context("the target launched nothing")
    };
    let count = |call: &Call| call.number("count");
    Ok(Cost {
        rate: median(&|call| Some(count(call)? * 1e9 / call.duration_ns() as f64))?,
        launch_ns: median(&|call| Some(call.number("inside_ns")? / count(call)?))?,
    })
}

fn counted(outcome: &Outcome, calls: &[Call]) -> i64 {
    let is_of = |parent: &str| calls.iter().any(|call| call.span_id == parent);
    let spans = outcome.spans.iter();
    spans
        .filter(|span| span.name == "cuda.launch" && is_of(&span.parent))
        .filter_map(|span| span.int("hotspan.count"))
        .sum()
}

/// What the summary says of hits beyond the limit.
fn shed(outcome: &Outcome) -> String {
    let mut lines = outcome.stderr.lines();
    let line = lines.find(|line| line.trim_start().starts_with("kernel.over_rate"));
    line.map_or_else(
        || "none shed".to_owned(),
        |line| line.split_whitespace().collect::<Vec<_>>().join(" "),
    )
}
