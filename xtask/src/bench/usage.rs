//! What a process has used, as the kernel counts it.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use nix::{time::clock_getcpuclockid, unistd::Pid};

/// CPU time of a process so far.
pub fn cpu(pid: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed()))
        .context("failed to find a process's clock")?;
    let now = clock.now().context("failed to read a process's clock")?;
    Ok(now.into())
}

/// The most memory it has had resident, and what it has now, in MiB.
pub fn memory_mib(pid: u32) -> Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .context("failed to read a process's status")?;
    Ok((mib(&status, "VmHWM:")?, mib(&status, "VmRSS:")?))
}

fn mib(status: &str, name: &str) -> Result<f64> {
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|word| word.parse().ok())
        .with_context(|| format!("no {name}"))?;
    Ok(kib / 1024.0)
}
