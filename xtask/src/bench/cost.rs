//! What the agent costs the service, and itself.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use hotspan_tests::{
    agent::Attach,
    load::{self, Load, quantile},
    service::{Options, Service},
};

use super::usage;

/// Requests in a round: some seconds. Seeds repeat from round to round, so that all do the same work.
const REQUESTS: usize = 720;
const AT_ONCE: usize = 8;

/// Rounds without and with the agent, in turn, so that what else the machine does meets both alike.
pub fn run(rounds: usize, regions: &[PathBuf]) -> Result<()> {
    let service = Options::default().start()?;
    round(&service)?;
    let (mut throughputs, mut tails, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let mut agents = Vec::new();
    for number in 0..rounds {
        // Which one comes first changes too.
        let (without, with) = if number % 2 == 0 {
            let without = round(&service)?;
            (without, attached(&service, regions)?)
        } else {
            let with = attached(&service, regions)?;
            (round(&service)?, with)
        };
        throughputs.push(with.round.load.throughput() / without.load.throughput());
        tails.push(with.round.p99_s() / without.p99_s());
        times.push(with.round.cpu.as_secs_f64() / without.cpu.as_secs_f64());
        agents.push(with);
    }
    let share = |ratios: &mut Vec<f64>| -> Result<String> {
        ratios.sort_by(f64::total_cmp);
        let at = |q| {
            quantile(ratios, q)
                .context("no rounds")
                .map(|ratio: f64| (ratio - 1.0) * 100.0)
        };
        Ok(format!(
            "{:+.1} % (quartiles {:+.1} % to {:+.1} %)",
            at(0.5)?,
            at(0.25)?,
            at(0.75)?
        ))
    };
    println!(
        "{rounds} pairs of rounds of {REQUESTS} requests, {AT_ONCE} at once, attached against not:"
    );
    println!("throughput {}", share(&mut throughputs)?);
    println!("p99 latency {}", share(&mut tails)?);
    println!("the service's CPU time {}", share(&mut times)?);
    let cpu: Duration = agents.iter().map(|agent| agent.cpu).sum();
    let time: Duration = agents.iter().map(|agent| agent.round.load.took).sum();
    let peak = agents
        .iter()
        .map(|agent| agent.peak_mib)
        .fold(0.0, f64::max);
    println!(
        "agent: {:.2} % of one core, {peak:.0} MiB at most",
        100.0 * cpu.as_secs_f64() / time.as_secs_f64()
    );
    Ok(())
}

/// A round of requests, and the CPU time that the service took for it: less at the mercy of what else the
/// machine does than the time that passed.
struct Round {
    load: Load,
    cpu: Duration,
}

impl Round {
    fn p99_s(&self) -> f64 {
        self.load.quantile(0.99).as_secs_f64()
    }
}

struct Attached {
    round: Round,
    cpu: Duration,
    peak_mib: f64,
}

fn round(service: &Service) -> Result<Round> {
    let before = usage::cpu(service.pid())?;
    let load = load::send(service.port, REQUESTS, AT_ONCE, load::mixed)?;
    let cpu = usage::cpu(service.pid())?.saturating_sub(before);
    Ok(Round { load, cpu })
}

fn attached(service: &Service, regions: &[PathBuf]) -> Result<Attached> {
    let files = regions
        .iter()
        .flat_map(|file| ["--regions".into(), file.clone().into_os_string()]);
    let agent = Attach::pid(service.pid()).with::<OsString>(files).start()?;
    // Its start is not what is measured here.
    let before = usage::cpu(agent.pid())?;
    let round = round(service)?;
    let cpu = usage::cpu(agent.pid())?.saturating_sub(before);
    let peak_mib = usage::peak_mib(agent.pid())?;
    agent.stop()?;
    Ok(Attached {
        round,
        cpu,
        peak_mib,
    })
}
