//! Options of the commands that trace.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use clap::Args;

use crate::kernel::StackRules;

/// How to trace.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tracing")]
pub struct TraceArgs {
    /// Stop so long after the probes are armed, e.g. `30s`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Leave out calls shorter than this, e.g. `1ms`; replaces the catalogue's own limits.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub min_duration: Option<Duration>,
    /// Catalogue file to use besides those built in; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub regions: Vec<PathBuf>,
    /// Keep regions armed however often they are hit. This can slow the process down a lot.
    #[arg(long)]
    pub no_rate_guard: bool,
    /// Take stacks so many times a second on each CPU, of threads that work for a request (1 to 999); of young
    /// requests up to ten times as often, within a budget.
    #[arg(long, value_name = "HZ", default_value = "99", value_parser = frequency)]
    pub frequency: NonZeroU32,
    /// Take no stacks: only the regions of the catalogue become spans.
    #[arg(long, conflicts_with = "frequency")]
    pub no_sampling: bool,
    /// Follow stacks into the kernel: what it did for a thread that was sampled, or waited, there. Its functions stand in
    /// the `code.stacktrace` of waits, as of `[kernel]`, and in folded stacks, with `_[k]` behind their names.
    #[arg(long, conflicts_with = "no_sampling")]
    pub kernel_frames: bool,
    /// Probe only what the catalogue names. Else a native function that stacks find at work again and again
    /// gets probes, and loses them when it is called too often.
    #[arg(long)]
    pub no_promotion: bool,
    /// Make span ids from this number instead of at random, so that two runs can be compared.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
}

impl TraceArgs {
    /// The stacks that are taken; `None`: none.
    pub fn stacks(&self) -> Option<StackRules> {
        (!self.no_sampling).then_some(StackRules {
            frequency: self.frequency,
            kernel_frames: self.kernel_frames,
        })
    }

    /// Whether native functions that stacks find again and again get probes.
    pub fn promotes(&self) -> bool {
        !self.no_promotion && !self.no_sampling
    }
}

/// Beyond it, taking stacks would cost the process more than it is worth.
const MAX_FREQUENCY: u32 = 999;

pub(super) fn frequency(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .ok()
        .filter(|frequency: &NonZeroU32| frequency.get() <= MAX_FREQUENCY)
        .ok_or_else(|| format!("a number from 1 to {MAX_FREQUENCY} is expected"))
}
