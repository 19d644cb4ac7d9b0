//! `cargo xtask bench`: the figures that the project promises, each with the command that shows it.

mod cost;
mod coverage;
mod crossings;
mod cuda;
mod imports;
mod lifecycle;
mod llama;
mod llama_requests;
mod onnx;
mod parents;
mod ratios;
mod sockets;
mod stacks;
mod usage;
mod watchers;

use std::path::PathBuf;

use anyhow::Result;
use hotspan_tests::paths;

use crate::cargo;
use watchers::Watcher;

/// `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Arguments {
    /// What to measure; all of it unless given.
    #[arg(value_enum)]
    what: Vec<What>,
    /// Requests of the parents' figure.
    #[arg(long, default_value_t = 2000)]
    requests: usize,
    /// Rounds with each tool, beside those without, of the cost's and llama.cpp's figures.
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Requests of each kind, of the coverage's figure.
    #[arg(long, default_value_t = 10)]
    each: usize,
    /// Who watches in the cost's figure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Watcher::ALL)]
    watchers: Vec<Watcher>,
    /// Of the coverage's figure: only these endpoints, by a part of their path.
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Of the coverage's figure: only these ways to attach.
    #[arg(long, value_enum)]
    setting: Vec<coverage::Setting>,
    /// Of the coverage's figure: what lies where a phase is not named right.
    #[arg(long)]
    explain: bool,
    /// The binary to measure, as it is, instead of one that is built for that.
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// What the service does in the cost's figure.
    #[arg(long, value_enum, default_value_t = cost::Work::Brief)]
    work: cost::Work,
    /// Catalogue files for the cost's figure, besides those built in.
    #[arg(long, value_name = "FILE")]
    regions: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Spans under the right span, and their bounds.
    Parents,
    /// The service's throughput and latency with the agent against without.
    Cost,
    /// How much of each request has a name, with an empty catalogue and with the built-in one.
    Coverage,
    /// Start to armed, and SIGKILL to a clean kernel.
    Lifecycle,
    /// Solves right after OR-Tools is imported: how many have a span.
    Imports,
    /// How many crossings a second the kernel allows.
    Crossings,
    /// What a process pays that is no target and maps the same library.
    Bystander,
    /// What everybody's sockets pay while a target's are followed.
    Sockets,
    /// Launches of a stub of the CUDA runtime: counted right, and at which cost.
    Cuda,
    /// How many stacks reach the thread's start, and why the others do not.
    Stacks,
    /// llama.cpp: the spans of four requests at once against what server and clients say; tokens a second of
    /// a decode loop with the agent against without.
    Llama,
    /// ONNX Runtime: how many runs have a span, and whether operators are named right.
    Onnx,
}

const ALL: &[What] = &[
    What::Parents,
    What::Cost,
    What::Coverage,
    What::Lifecycle,
    What::Imports,
    What::Crossings,
    What::Bystander,
    What::Sockets,
    What::Cuda,
    What::Stacks,
    What::Llama,
    What::Onnx,
];

/// Measures.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.agent {
        Some(agent) => paths::use_agent(agent.clone())?,
        None => {
            cargo::release_agent()?;
        }
    }
    let wanted = if arguments.what.is_empty() {
        ALL
    } else {
        &arguments.what
    };
    for what in wanted {
        let command = format!("cargo xtask bench {what:?}").to_lowercase();
        cargo::say(&command);
        match what {
            What::Parents => parents::run(arguments.requests)?,
            What::Cost => cost::run(
                arguments.work,
                arguments.rounds,
                &arguments.watchers,
                &arguments.regions,
            )?,
            What::Coverage => coverage::run(&coverage::Plan {
                requests: arguments.each,
                only: &arguments.only,
                settings: &arguments.setting,
                explain: arguments.explain,
            })?,
            What::Lifecycle => lifecycle::run()?,
            What::Imports => imports::run()?,
            What::Crossings => crossings::rate()?,
            What::Bystander => crossings::bystander()?,
            What::Sockets => sockets::run()?,
            What::Cuda => cuda::run()?,
            What::Stacks => stacks::run()?,
            What::Llama => {
                llama_requests::run(arguments.rounds)?;
                llama::run(arguments.rounds)?;
            }
            What::Onnx => onnx::run()?,
        }
    }
    Ok(())
}
