//! How many stacks reach the thread's start, why the others end, and what one takes the agent.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use hotspan_tests::{
    agent::{Agent, Attach},
    http,
    service::{App, Options, Service},
};

/// Samples a second and CPU: no multiple of what timers beat.
const HERTZ: u32 = 499;
/// How long each kind of work is watched.
const WATCHED: Duration = Duration::from_secs(8);
/// The walk that reached the start.
const COMPLETE: &str = "stacks.complete";
/// What ends the walks of native frames, as the agent counts it.
const STOPS: [&str; 8] = [
    COMPLETE,
    "stacks.no_unwind_info",
    "stacks.unsupported_unwind_info",
    "stacks.cut",
    "stacks.not_in_memory",
    "stacks.outside",
    "stacks.loop",
    "stacks.unmapped_code",
];
/// What else is said of stacks.
const OTHERS: [&str; 6] = [
    "stacks.loosely_joined",
    "stacks.python_cut",
    "stacks.python_broken",
    "stacks.python_code_gone",
    "stacks.python_code_unreadable",
    "kernel.samples_lost",
];

/// A kind of work, the service that does it, and the least share that is promised.
struct Kind {
    name: &'static str,
    app: App,
    path: &'static str,
    promised: f64,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "CP-SAT, 1 worker",
        app: App::Solver,
        path: "/cpsat?workers=1&jobs=12&machines=12&limit=2",
        promised: 99.0,
    },
    Kind {
        name: "CP-SAT, 8 workers",
        app: App::Solver,
        path: "/cpsat?workers=8&jobs=12&machines=12&limit=2",
        promised: 99.0,
    },
    Kind {
        name: "OpenBLAS",
        app: App::Solver,
        path: "/gemm?size=1500",
        promised: 95.0,
    },
    Kind {
        name: "pure Python",
        app: App::Dark,
        path: "/work/python?ms=1000",
        promised: 95.0,
    },
];

/// Each kind of work by itself, with an agent of its own.
pub fn run() -> Result<()> {
    println!("{HERTZ} samples a second and CPU, {WATCHED:?} each:");
    for kind in &KINDS {
        let service = Options {
            app: kind.app,
            ..Options::default()
        }
        .start()?;
        // Imports are not what is measured.
        http::get(&http::client(), service.port, kind.path)?;
        let seen = watch(&service, kind)?;
        drop(service.stop()?);
        seen.print(kind)?;
    }
    Ok(())
}

/// What an agent saw of a kind of work.
struct Seen {
    counters: BTreeMap<String, u64>,
    /// CPU time of the thread that resolves stacks.
    resolver: Duration,
    /// CPU time of the whole agent.
    agent: Duration,
    took: Duration,
}

fn watch(service: &Service, kind: &Kind) -> Result<Seen> {
    let agent = Attach::pid(service.pid())
        .with(["--no-promotion", "--frequency", &HERTZ.to_string()])
        .start()?;
    let before = super::usage::cpu(agent.pid())?;
    let (client, started) = (http::client(), Instant::now());
    while started.elapsed() < WATCHED {
        http::get(&client, service.port, kind.path)?;
    }
    let took = started.elapsed();
    let resolver = resolver_time(&agent)?;
    let agent_time = super::usage::cpu(agent.pid())?.saturating_sub(before);
    let outcome = agent.stop()?;
    Ok(Seen {
        counters: counters(&outcome.stderr),
        resolver,
        agent: agent_time,
        took,
    })
}

impl Seen {
    fn of(&self, counter: &str) -> u64 {
        self.counters.get(counter).copied().unwrap_or(0)
    }

    fn print(&self, kind: &Kind) -> Result<()> {
        let walks: u64 = STOPS.iter().map(|stop| self.of(stop)).sum();
        if walks == 0 {
            bail!("{}: no stacks were taken", kind.name);
        }
        let share = |count: u64| 100.0 * count as f64 / walks as f64;
        println!(
            "{:<18} {:.1} % of {walks} reach the start, promised {} %; {:.1} µs of the resolver each, \
             the agent {:.2} % of one core",
            kind.name,
            share(self.of(COMPLETE)),
            kind.promised,
            self.resolver.as_secs_f64() * 1e6 / walks as f64,
            100.0 * self.agent.as_secs_f64() / self.took.as_secs_f64(),
        );
        for name in STOPS.iter().skip(1).chain(&OTHERS) {
            let count = self.of(name);
            if count != 0 {
                println!("    {name:<34} {count:>6}  {:.2} %", share(count));
            }
        }
        Ok(())
    }
}

/// The counters of the summary: lines of a name and a number.
fn counters(summary: &str) -> BTreeMap<String, u64> {
    let counter = |line: &str| {
        let (name, total) = line.trim().rsplit_once(' ')?;
        Some((name.trim().to_owned(), total.parse().ok()?))
    };
    summary.lines().filter_map(counter).collect()
}

/// CPU time of the agent's thread that resolves stacks, from its start on.
fn resolver_time(agent: &Agent) -> Result<Duration> {
    let tasks = format!("/proc/{}/task", agent.pid());
    for task in fs::read_dir(&tasks).context("the agent has ended")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim() == "resolver" {
            // Nanoseconds on a CPU come first (`Documentation/scheduler/sched-stats.rst` of Linux).
            let times = fs::read_to_string(task.join("schedstat"))?;
            let on_cpu = times.split_whitespace().next().context("no such field")?;
            return Ok(Duration::from_nanos(on_cpu.parse()?));
        }
    }
    bail!("the agent has no resolver")
}
