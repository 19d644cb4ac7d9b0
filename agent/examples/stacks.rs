//! What resolving the stacks of a process costs, and how many reach the thread's start.
//!
//! `stacks PID COUNT BYTES`: samples its running threads by ptrace, which stops each for a moment; hotspan
//! itself takes samples in the kernel. The process must not be one that matters.

use std::{fs, sync::Arc, time::Instant};

use anyhow::{Context as _, bail};
use hotspan::{stack::Stacks, target::Process};

#[path = "../tests/stacks/capture.rs"]
mod capture;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<usize> = std::env::args()
        .skip(1)
        .map(|argument| argument.parse())
        .collect::<Result<_, _>>()?;
    let [pid, count, bytes] = arguments[..] else {
        bail!("usage: stacks PID COUNT BYTES");
    };
    let pid = pid as u32;
    let mut samples = Vec::new();
    while samples.len() < count {
        for thread in running(pid)? {
            samples.push(capture::capture(pid, thread, bytes));
        }
    }
    let mut stacks = Stacks::default();
    stacks.adopt(pid, Arc::new(Process::open(pid)?));
    let before = resident()?;
    for round in ["cold", "warm"] {
        let mut times: Vec<u128> = samples
            .iter()
            .map(|sample| {
                let start = Instant::now();
                stacks.resolve(sample, capture::now());
                start.elapsed().as_nanos()
            })
            .collect();
        times.sort_unstable();
        let total: u128 = times.iter().sum();
        println!(
            "{round}: {} samples, mean {:.1} us, median {:.1}, p99 {:.1}, longest {:.1}",
            times.len(),
            total as f64 / times.len() as f64 / 1e3,
            times[times.len() / 2] as f64 / 1e3,
            times[times.len() * 99 / 100] as f64 / 1e3,
            times[times.len() - 1] as f64 / 1e3,
        );
    }
    println!("{:?}", stacks.counters().collect::<Vec<_>>());
    println!(
        "unwind information and symbols: {} KiB; resident memory grew by {} KiB",
        stacks.size() >> 10,
        resident()? - before
    );
    Ok(())
}

/// Threads that run, by their state.
fn running(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut threads = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?;
        let stat = fs::read_to_string(task.path().join("stat"))?;
        if stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" R"))
        {
            threads.extend(task.file_name().to_string_lossy().parse::<u32>());
        }
    }
    Ok(threads)
}

/// Resident memory of this process, in KiB.
fn resident() -> anyhow::Result<i64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let value = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(value.parse()?)
}
