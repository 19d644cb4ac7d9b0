//! What `tests/targets/stacks.py` wrote of itself.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;

/// A stretch of time in which one function was the innermost.
#[derive(Clone, Debug, Deserialize)]
pub struct Stretch {
    /// What it did.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The functions around it, the nearest first.
    pub around: Vec<String>,
    /// In the target's own namespace.
    pub tid: u32,
    /// `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// `CLOCK_MONOTONIC`.
    pub end_ns: u64,
    /// CPU time of the thread since its stretch before.
    pub cpu_ns: u64,
    /// The active span.
    pub span_id: String,
}

/// What a function did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It computed.
    Runs,
    /// It computed, and often waited for the interpreter's lock.
    Contends,
    /// It waited, its thread with it.
    Waits,
    /// It was a coroutine and suspended.
    Awaits,
}

impl Stretch {
    /// Whether the instant lies within, and not near its ends, where the truth itself is made.
    pub fn holds(&self, tid: u32, time_ns: u64) -> bool {
        const EDGE_NS: u64 = 300_000;
        self.tid == tid
            && (self.start_ns + EDGE_NS..self.end_ns.saturating_sub(EDGE_NS)).contains(&time_ns)
    }
}

/// All lines of the file.
pub fn read(path: &Path) -> Result<Vec<Stretch>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("no stretch: {line}")))
        .collect()
}
