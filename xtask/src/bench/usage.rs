//! What a process has used, as the kernel counts it.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// CPU time of a process so far.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .context("failed to read a process's times")?;
    // The command's name may hold anything; the fields follow its closing bracket.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
            .context("no such field")
    };
    // utime and stime are fields 14 and 15 of proc(5), the 12th and 13th after the name.
    let total = ticks(11)? + ticks(12)?;
    Ok(Duration::from_secs_f64(
        total as f64 / rustix::param::clock_ticks_per_second() as f64,
    ))
}

/// The most memory it has had resident, in MiB.
pub fn peak_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .context("failed to read a process's status")?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .context("no VmHWM")?;
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .context("VmHWM is no number")?;
    Ok(kib / 1024.0)
}
