//! What an agent leaves in the kernel: nothing, once it is gone.
//!
//! Others may use BPF on this machine meanwhile, so counts say nothing. What counts is an object that
//! is new and that no living process holds.

use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A program, link or map, by kind and id.
pub type Object = (&'static str, u64);

/// How `bpftool` names the kinds, and how a file descriptor's `fdinfo` does.
const KINDS: [(&str, &str); 3] = [
    ("prog", "prog_id:"),
    ("link", "link_id:"),
    ("map", "map_id:"),
];

/// Every program, link and map that the kernel has now.
pub fn now() -> Result<BTreeSet<Object>> {
    let mut all = BTreeSet::new();
    for (kind, _) in KINDS {
        let output = Command::new("bpftool")
            .args(["--json", kind, "list"])
            .output()
            .context("bpftool is missing")?;
        // An object may vanish while it is listed: bpftool then ends with an error after a valid list.
        let list: Value = serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "bpftool {kind} list: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
        let ids = list
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| entry["id"].as_u64());
        all.extend(ids.map(|id| (kind, id)));
    }
    Ok(all)
}

/// What a process holds, by its file descriptors.
pub fn held_by(pid: u32) -> BTreeSet<Object> {
    let mut held = BTreeSet::new();
    // A process or descriptor that ends meanwhile holds nothing.
    let Ok(infos) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return held;
    };
    for info in infos.flatten() {
        let text = fs::read_to_string(info.path()).unwrap_or_default();
        for line in text.lines() {
            for (kind, key) in KINDS {
                let id = line
                    .strip_prefix(key)
                    .and_then(|rest| rest.trim().parse().ok());
                held.extend(id.map(|id| (kind, id)));
            }
        }
    }
    held
}

/// Waits until nothing is there that is new since `before` and that nobody holds; how long that took.
pub fn wait_until_clean(before: &BTreeSet<Object>, timeout: Duration) -> Result<Duration> {
    let started = Instant::now();
    loop {
        let new: BTreeSet<Object> = now()?.difference(before).copied().collect();
        let held = if new.is_empty() {
            BTreeSet::new()
        } else {
            held_by_anybody()
        };
        let left: Vec<Object> = new.difference(&held).copied().collect();
        if left.is_empty() {
            return Ok(started.elapsed());
        }
        if started.elapsed() > timeout {
            bail!("left in the kernel after {timeout:?}: {left:?}");
        }
        // The kernel announces no end of a program; each look takes some milliseconds itself.
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn held_by_anybody() -> BTreeSet<Object> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.flat_map(held_by).collect()
}
