//! What the agent costs the service, and itself, beside the tools that people would use instead.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use hotspan_tests::{
    load::{self, Load, quantile},
    service::{Options, Service},
};

use super::{
    usage,
    watchers::{Usage, Watcher},
};
use crate::cargo;

/// Requests in a round: some seconds. Seeds repeat from round to round, so that all do the same work.
const REQUESTS: usize = 720;
/// As many as keep two cores busy.
const AT_ONCE: usize = 8;

/// Rounds without and with each watcher, in turn, so that what else the machine does meets all alike.
pub fn run(rounds: usize, regions: &[PathBuf]) -> Result<()> {
    let watchers = there();
    let service = Options::default().start()?;
    // What is slow once (imports, the first solve) is not what is measured.
    round(&service)?;
    let mut results: Vec<Compared> = watchers.iter().map(|_| Compared::default()).collect();
    for number in 0..rounds {
        for turn in 0..watchers.len() {
            // Who comes first, and whether it comes before or after the round without, changes too.
            let index = (number + turn) % watchers.len();
            let watcher = watchers[index];
            let (without, with) = if (number + turn).is_multiple_of(2) {
                let without = round(&service)?;
                (without, watched(&service, watcher, regions)?)
            } else {
                let with = watched(&service, watcher, regions)?;
                (round(&service)?, with)
            };
            results[index].add(&without, &with);
        }
    }
    println!(
        "{rounds} pairs of rounds of {REQUESTS} requests each, {AT_ONCE} at once, watched against not; \
         median (quartiles):"
    );
    for (watcher, result) in watchers.iter().zip(&mut results) {
        result.print(*watcher)?;
    }
    Ok(())
}

/// Those that can be had here. Whoever is missing is said to be.
fn there() -> Vec<Watcher> {
    let mut there = Watcher::ALL.to_vec();
    there.retain(|watcher| match watcher.missing() {
        Some(why) => {
            cargo::say(&format!("NOT MEASURED: {}: {why}", watcher.name()));
            false
        }
        None => true,
    });
    there
}

/// Ratios, each of a round with the watcher to the one beside it without.
#[derive(Default)]
struct Compared {
    throughputs: Vec<f64>,
    tails: Vec<f64>,
    times: Vec<f64>,
    own: Duration,
    took: Duration,
    peak_mib: f64,
}

impl Compared {
    fn add(&mut self, without: &Round, with: &Watched) {
        let Watched { round, usage } = with;
        self.throughputs
            .push(round.load.throughput() / without.load.throughput());
        self.tails.push(round.p99_s() / without.p99_s());
        self.times
            .push(round.cpu.as_secs_f64() / without.cpu.as_secs_f64());
        self.own += usage.cpu;
        self.took += round.load.took;
        self.peak_mib = self.peak_mib.max(usage.peak_mib);
    }

    fn print(&mut self, watcher: Watcher) -> Result<()> {
        println!("{}", watcher.name());
        println!("  the service's CPU time  {}", share(&mut self.times)?);
        println!(
            "  throughput              {}",
            share(&mut self.throughputs)?
        );
        println!("  p99 latency             {}", share(&mut self.tails)?);
        println!(
            "  itself                  {:.2} % of one core, {:.0} MiB at most",
            100.0 * self.own.as_secs_f64() / self.took.as_secs_f64(),
            self.peak_mib
        );
        Ok(())
    }
}

fn share(ratios: &mut [f64]) -> Result<String> {
    ratios.sort_by(f64::total_cmp);
    let at = |q| {
        quantile(ratios, q)
            .context("no rounds")
            .map(|ratio: f64| (ratio - 1.0) * 100.0)
    };
    Ok(format!(
        "{:+.1} % ({:+.1} % to {:+.1} %)",
        at(0.5)?,
        at(0.25)?,
        at(0.75)?
    ))
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

struct Watched {
    round: Round,
    usage: Usage,
}

fn round(service: &Service) -> Result<Round> {
    let before = usage::cpu(service.pid())?;
    let load = load::send(service.port, REQUESTS, AT_ONCE, load::mixed)?;
    let cpu = usage::cpu(service.pid())?.saturating_sub(before);
    Ok(Round { load, cpu })
}

fn watched(service: &Service, watcher: Watcher, regions: &[PathBuf]) -> Result<Watched> {
    let watching = watcher.start(service.pid(), regions)?;
    let round = round(service)?;
    let usage = watching.usage()?;
    watching.stop()?;
    Ok(Watched { round, usage })
}
