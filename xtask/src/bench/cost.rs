//! What the agent costs the service, and itself, beside the tools that people would use instead.
//!
//! CPU time: two services alike, one of them watched, get the same requests at the same time, so that whatever else the
//! machine does, and drifts, meets both; then the other one is watched. Throughput and latency: rounds of one
//! service, each between two without, as the watcher's own CPU time is to tell there.
//! One of the watchers is nobody: what it appears to cost is what this measurement can't tell from nothing.

use std::{path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result, anyhow};
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

/// As many as keep two cores busy.
const AT_ONCE: usize = 8;
/// Of those, each service's, when both get some.
const OF_EACH: usize = AT_ONCE / 2;

/// What the services are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Work {
    /// Requests of some 6 ms: every endpoint in turn.
    Brief,
    /// Requests of 0.1 s and more, which compute nearly all the time.
    Long,
}

/// How much of it at a time.
struct Portions {
    /// The n-th request.
    path: fn(usize) -> String,
    /// Requests in a round: a second or two. Seeds repeat from round to round, so that all do the same work.
    round: usize,
    /// Requests that both services get at the same time, for one ratio of their CPU times.
    block: usize,
    /// Such ratios, beside a round. The solvers' own work differs by 15 % from one block of brief requests to the next, so it takes
    /// some 160 pairs of them to know the median to 2 %.
    blocks: usize,
    /// Requests that a watcher meets before it is measured: what it does once is not what it costs.
    first: usize,
}

impl Work {
    fn portions(self) -> Portions {
        match self {
            Self::Brief => Portions {
                path: load::mixed,
                round: 240,
                block: 48,
                blocks: 40,
                first: 60,
            },
            Self::Long => Portions {
                path: load::long,
                round: 48,
                block: 12,
                blocks: 20,
                first: 60,
            },
        }
    }
}

/// `rounds` rounds with each watcher of each of the two services.
pub fn run(work: Work, rounds: usize, wanted: &[Watcher], regions: &[PathBuf]) -> Result<()> {
    let portions = work.portions();
    let watchers = there(wanted);
    let services = [Options::default().start()?, Options::default().start()?];
    // What is slow once (imports, the first solve) is not what is measured.
    for service in &services {
        send(service, &portions, 3 * portions.first)?;
    }
    let mut compared: Vec<Compared> = watchers.iter().map(|_| Compared::default()).collect();
    for number in 0..2 * rounds {
        cargo::say(&format!("round {} of {}", number + 1, 2 * rounds));
        let place = Place {
            services: &services,
            watched: number % 2,
            portions: &portions,
        };
        let mut before = place.round()?;
        for turn in 0..watchers.len() {
            // Who comes first changes, too.
            let index = (number + turn) % watchers.len();
            let watched = place.watched(watchers[index], regions)?;
            let after = place.round()?;
            compared[index].add(place.watched, watched, [&before, &after]);
            before = after;
        }
    }
    println!(
        "{rounds} rounds of {} requests with each on each of two services, and {} times {} \
         requests to both at the same time, {AT_ONCE} at once; the middle (where it lies with 95 % confidence):",
        portions.round, portions.blocks, portions.block
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
    /// CPU times of the watched service to the other's, by which of them was watched.
    times: [Vec<f64>; 2],
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
    fn add(&mut self, which: usize, watched: Watched, beside: [&Round; 2]) {
        let Watched {
            times,
            round,
            own,
            memory,
        } = watched;
        let mean = |of: fn(&Round) -> f64| f64::midpoint(of(beside[0]), of(beside[1]));
        self.times[which].extend(times);
        self.throughputs
            .add(round.load.throughput() / mean(|round| round.load.throughput()));
        self.tails.add(round.p99_s() / mean(Round::p99_s));
        self.request_s.push(mean(Round::request_s));
        self.latencies[0].extend(&round.load.latencies);
        self.latencies[1].extend(beside.iter().flat_map(|round| &round.load.latencies));
        self.own += own;
        self.took += round.load.took;
        let (peak_mib, resident_mib) = memory;
        self.peak_mib = self.peak_mib.max(peak_mib);
        self.resident_mib = self.resident_mib.max(resident_mib);
    }

    /// One ratio of each service's together: what makes one of them the faster cancels out.
    fn paired_times(&self) -> Ratios {
        let [first, second] = &self.times;
        let mut pairs = Ratios::default();
        for (first, second) in first.iter().zip(second) {
            pairs.add((first * second).sqrt());
        }
        pairs
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
            self.paired_times().change()?,
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
    /// CPU time of a request.
    fn request_s(&self) -> f64 {
        self.cpu.as_secs_f64() / self.load.latencies.len() as f64
    }

    fn p99_s(&self) -> f64 {
        self.load.quantile(0.99).as_secs_f64()
    }
}

struct Watched {
    /// CPU times of the watched service, each to the other's.
    times: Vec<f64>,
    round: Round,
    /// The watcher's CPU time for it.
    own: Duration,
    /// The most memory that it had resident, and what it has now, in MiB.
    memory: (f64, f64),
}

fn send(service: &Service, portions: &Portions, requests: usize) -> Result<Load> {
    load::send(service.port, requests, AT_ONCE, portions.path)
}

/// The CPU time that a service takes for a block of requests, in seconds.
fn block(pid: u32, port: u16, portions: &Portions) -> Result<f64> {
    let before = usage::cpu(pid)?;
    load::send(port, portions.block, OF_EACH, portions.path)?;
    let cpu = usage::cpu(pid)?.saturating_sub(before);
    Ok(cpu.as_secs_f64())
}

/// Two services, and which of them is watched.
#[derive(Clone, Copy)]
struct Place<'a> {
    services: &'a [Service; 2],
    watched: usize,
    portions: &'a Portions,
}

impl Place<'_> {
    fn service(&self) -> &Service {
        &self.services[self.watched]
    }

    /// Requests, and the CPU time that the service took for them.
    fn round(&self) -> Result<Round> {
        let service = self.service();
        let before = usage::cpu(service.pid())?;
        let load = send(service, self.portions, self.portions.round)?;
        let cpu = usage::cpu(service.pid())?.saturating_sub(before);
        Ok(Round { load, cpu })
    }

    fn watched(&self, watcher: Watcher, regions: &[PathBuf]) -> Result<Watched> {
        let watching = watcher.start(self.service().pid(), regions)?;
        send(self.service(), self.portions, self.portions.first)?;
        let times = (0..self.portions.blocks)
            .map(|_| self.pair())
            .collect::<Result<_>>()?;
        let before = own(watching.as_ref())?;
        let round = self.round()?;
        let own = own(watching.as_ref())?.saturating_sub(before);
        let memory = match &watching {
            Some(watching) => usage::memory_mib(watching.pid())?,
            None => (0.0, 0.0),
        };
        if let Some(watching) = watching {
            watching.stop()?;
        }
        Ok(Watched {
            times,
            round,
            own,
            memory,
        })
    }

    /// A block of requests to both services at the same time; the watched one's CPU time to the other's.
    fn pair(&self) -> Result<f64> {
        let (watched, other) = (self.service(), &self.services[1 - self.watched]);
        let (pid, port, portions) = (other.pid(), other.port, self.portions);
        let (watched, other) = thread::scope(|scope| {
            let other = scope.spawn(move || block(pid, port, portions));
            (block(watched.pid(), watched.port, portions), other.join())
        });
        let other = other.map_err(|_| anyhow!("a load thread panicked"))??;
        Ok(watched? / other)
    }
}

fn own(watching: Option<&Watching>) -> Result<Duration> {
    watching.map_or(Ok(Duration::ZERO), |watching| usage::cpu(watching.pid()))
}
