//! What the targets themselves wrote of their native calls: see `tests/targets/truth.py`.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

/// One native call.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// The span name that hotspan should give it.
    pub region: String,
    /// Where in the service it was.
    pub route: String,
    /// Of the active span; zeros for none.
    pub trace_id: String,
    /// The innermost active span; zeros for none.
    pub span_id: String,
    /// Its sampled flag.
    pub sampled: bool,
    /// In the target's own namespace.
    pub pid: u32,
    /// In the target's own namespace.
    pub tid: i64,
    /// Unix time just before.
    pub start_ns: u64,
    /// Unix time just after.
    pub end_ns: u64,
    /// What the library said.
    pub facts: Value,
}

impl Call {
    /// Whether a sampled span was active: only then may spans be made of the call.
    pub fn has_parent(&self) -> bool {
        self.sampled && self.span_id.bytes().any(|byte| byte != b'0')
    }

    /// Its length in nanoseconds.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// Unix time right before and right after the native call, where the target reads the clock there and not in
    /// Python: no wait for the interpreter's lock lies between.
    pub fn native_ns(&self) -> Option<(u64, u64)> {
        let fact = |name| self.facts.get(name).and_then(Value::as_u64);
        fact("native_start_ns").zip(fact("native_end_ns"))
    }

    /// A number that the library said.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.facts.get(name).and_then(Value::as_f64)
    }
}

/// All lines of a truth file; a file that does not exist yet has none.
pub fn read(path: &Path) -> Result<Vec<Call>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("no line of truth: {line}")))
        .collect()
}
