//! Options of the commands that trace.

use std::{path::PathBuf, time::Duration};

use clap::Args;

/// How to trace.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tracing")]
pub struct TraceArgs {
    /// Stop after this long, e.g. `30s`.
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
    /// Make span ids from this number instead of at random, so that two runs can be compared.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
}
