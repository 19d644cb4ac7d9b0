//! What the agent costs the service, and itself, beside the tools that people would use instead.
//!
//! Rounds without anybody lie between those with each watcher, and each of these is compared with the two
//! beside it, so that what else the machine does, and drifts, meets all alike. One of the watchers is nobody:
//! what it appears to cost is what this measurement can't tell from nothing.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use hotspan_tests::{
    load::{self, Load, quantile},
    service::{Options, Service},
};

use super::{
    ratios::Ratios,
    usage,
    watchers::{Watcher, Watching},
};
use crate::cargo;

/// Requests in a round: a second or two. Seeds repeat from round to round, so that all do the same work.
const REQUESTS: usize = 240;
/// Requests that a watcher meets before it is measured: what it does once is not what it costs.
const FIRST: usize = 60;
/// As many as keep two cores busy.
const AT_ONCE: usize = 8;

/// `rounds` rounds with each watcher, each between two without.
pub fn run(rounds: usize, wanted: &[Watcher], regions: &[PathBuf]) -> Result<()> {
    let watchers = there(wanted);
    let service = Options::default().start()?;
    // What is slow once (imports, the first solve) is not what is measured.
    send(&service, 3 * FIRST)?;
    let mut compared: Vec<Compared> = watchers.iter().map(|_| Compared::default()).collect();
    let mut before = round(&service)?;
    for number in 0..rounds {
        cargo::say(&format!("round {} of {rounds}", number + 1));
        for turn in 0..watchers.len() {
            // Who comes first changes, too.
            let index = (number + turn) % watchers.len();
            let watched = watched(&service, watchers[index], regions)?;
            let after = round(&service)?;
            compared[index].add(watched, [&before, &after]);
            before = after;
        }
    }
    println!(
        "{rounds} rounds of {REQUESTS} requests with each, {AT_ONCE} at once, each round against the two beside it \
         without; median (where it lies with 95 % confidence):"
    );
    for (watcher, compared) in watchers.iter().zip(&mut compared) {
        compared.print(*watcher)?;
    }
    Ok(())
}

/// Those that can be had here. Whoever is missing is said to be.
fn there(wanted: &[Watcher]) -> Vec<Watcher> {
    let mut there = wanted.to_vec();
    there.retain(|watcher| match watcher.missing() {
        Some(why) => {
            cargo::say(&format!("NOT MEASURED: {}: {why}", watcher.name()));
            false
        }
        None => true,
    });
    there
}

/// A watcher's rounds, each as ratios to those beside it.
#[derive(Default)]
struct Compared {
    times: Ratios,
    throughputs: Ratios,
    tails: Ratios,
    /// CPU time of the service for a request without, in seconds.
    request_s: Vec<f64>,
    /// All latencies with the watcher, and without.
    latencies: [Vec<Duration>; 2],
    own: Duration,
    took: Duration,
    peak_mib: f64,
    resident_mib: f64,
}

impl Compared {
    fn add(&mut self, Watched { round, own, memory }: Watched, beside: [&Round; 2]) {
        let mean = |of: fn(&Round) -> f64| f64::midpoint(of(beside[0]), of(beside[1]));
        self.times.add(round.cpu_s() / mean(Round::cpu_s));
        self.throughputs
            .add(round.load.throughput() / mean(|round| round.load.throughput()));
        self.tails.add(round.p99_s() / mean(Round::p99_s));
        self.request_s.push(mean(Round::cpu_s) / REQUESTS as f64);
        self.latencies[0].extend(&round.load.latencies);
        self.latencies[1].extend(beside.iter().flat_map(|round| &round.load.latencies));
        self.own += own;
        self.took += round.load.took;
        let (peak_mib, resident_mib) = memory;
        self.peak_mib = self.peak_mib.max(peak_mib);
        self.resident_mib = self.resident_mib.max(resident_mib);
    }

    fn print(&mut self, watcher: Watcher) -> Result<()> {
        self.request_s.sort_by(f64::total_cmp);
        let request_s = quantile(&self.request_s, 0.5).context("no rounds")?;
        let [with, without] = self.latencies.each_mut().map(|latencies| {
            latencies.sort_unstable();
            quantile(latencies, 0.99).unwrap_or_default()
        });
        println!("{}", watcher.name());
        println!(
            "  the service's CPU time  {}, of {:.2} ms a request",
            self.times.change()?,
            1e3 * request_s
        );
        println!("  throughput              {}", self.throughputs.change()?);
        println!(
            "  p99 latency             {}; of all rounds {with:.1?} against {without:.1?}",
            self.tails.change()?
        );
        if watcher != Watcher::Nobody {
            println!(
                "  itself                  {:.2} % of one core, {:.0} MiB, {:.0} MiB at most",
                100.0 * self.own.as_secs_f64() / self.took.as_secs_f64(),
                self.resident_mib,
                self.peak_mib
            );
        }
        Ok(())
    }
}

/// A round of requests, and the CPU time that the service took for it: less at the mercy of what else the
/// machine does than the time that passed.
struct Round {
    load: Load,
    cpu: Duration,
}

impl Round {
    fn cpu_s(&self) -> f64 {
        self.cpu.as_secs_f64()
    }

    fn p99_s(&self) -> f64 {
        self.load.quantile(0.99).as_secs_f64()
    }
}

struct Watched {
    round: Round,
    /// The watcher's CPU time for it.
    own: Duration,
    /// The most memory that it had resident, and what it has now, in MiB.
    memory: (f64, f64),
}

fn send(service: &Service, requests: usize) -> Result<Load> {
    load::send(service.port, requests, AT_ONCE, load::mixed)
}

fn round(service: &Service) -> Result<Round> {
    let before = usage::cpu(service.pid())?;
    let load = send(service, REQUESTS)?;
    let cpu = usage::cpu(service.pid())?.saturating_sub(before);
    Ok(Round { load, cpu })
}

fn watched(service: &Service, watcher: Watcher, regions: &[PathBuf]) -> Result<Watched> {
    let watching = watcher.start(service.pid(), regions)?;
    send(service, FIRST)?;
    let before = own(watching.as_ref())?;
    let round = round(service)?;
    let own = own(watching.as_ref())?.saturating_sub(before);
    let memory = match &watching {
        Some(watching) => usage::memory_mib(watching.pid())?,
        None => (0.0, 0.0),
    };
    if let Some(watching) = watching {
        watching.stop()?;
    }
    Ok(Watched { round, own, memory })
}

fn own(watching: Option<&Watching>) -> Result<Duration> {
    watching.map_or(Ok(Duration::ZERO), |watching| usage::cpu(watching.pid()))
}
