//! What the agent costs the service, and itself.

use std::{
    ffi::OsString,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use hotspan_tests::{
    agent::Attach,
    load::{self, Load, quantile},
    service::{Options, Service},
};

use super::usage;

/// Requests in a round: some seconds.
const REQUESTS: usize = 360;
const AT_ONCE: usize = 8;

/// Rounds without and with the agent, in turn, so that what else the machine does meets both alike.
pub fn run(rounds: usize, regions: &[PathBuf]) -> Result<()> {
    let service = Options::default().start()?;
    round(&service)?;
    let (mut throughputs, mut tails, mut agents) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..rounds {
        // Which one comes first changes too.
        let (without, with) = if number % 2 == 0 {
            let without = round(&service)?;
            (without, attached(&service, regions)?)
        } else {
            let with = attached(&service, regions)?;
            (round(&service)?, with)
        };
        throughputs.push(with.load.throughput() / without.throughput());
        tails.push(with.load.quantile(0.99).as_secs_f64() / without.quantile(0.99).as_secs_f64());
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
    let cpu: Duration = agents.iter().map(|agent| agent.cpu).sum();
    let time: Duration = agents.iter().map(|agent| agent.load.took).sum();
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

struct Attached {
    load: Load,
    cpu: Duration,
    peak_mib: f64,
}

fn round(service: &Service) -> Result<Load> {
    load::send(service.port, REQUESTS, AT_ONCE, load::mixed)
}

fn attached(service: &Service, regions: &[PathBuf]) -> Result<Attached> {
    let files = regions
        .iter()
        .flat_map(|file| ["--regions".into(), file.clone().into_os_string()]);
    let agent = Attach::pid(service.pid()).with::<OsString>(files).start()?;
    // Its start is not what is measured here.
    let (before, started) = (usage::cpu(agent.pid())?, Instant::now());
    let mut load = round(service)?;
    load.took = load
        .took
        .max(Duration::from_nanos(1))
        .min(started.elapsed());
    let cpu = usage::cpu(agent.pid())?.saturating_sub(before);
    let peak_mib = usage::peak_mib(agent.pid())?;
    agent.stop()?;
    Ok(Attached {
        load,
        cpu,
        peak_mib,
    })
}
