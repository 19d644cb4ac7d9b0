//! How a process is named: by exactly one of its pid, its name, or the port it listens on.

use clap::Args;

use crate::target::Selector;

/// The process, if one is named.
#[derive(Debug, Args)]
#[group(id = "selector", multiple = false)]
pub struct SelectorArgs {
    /// Process id.
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    pub pid: Option<u32>,
    /// Part of the executable's, script's or module's name, or else of the command line.
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub name: Option<String>,
    /// TCP port that the process listens on, in any network namespace.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
}

impl SelectorArgs {
    /// The one that was given.
    pub fn selector(&self) -> Option<Selector> {
        self.pid
            .map(Selector::Pid)
            .or_else(|| self.name.clone().map(Selector::Name))
            .or(self.port.map(Selector::Port))
    }
}

/// The process; one must be named.
#[derive(Debug, Args)]
#[command(mut_group("selector", |group| group.required(true)))]
pub struct TargetArgs {
    /// How it is named.
    #[command(flatten)]
    pub by: SelectorArgs,
}

impl TargetArgs {
    /// The one that was given.
    ///
    /// `None` only for a value that clap did not make: the group is required.
    pub fn selector(&self) -> Option<Selector> {
        self.by.selector()
    }
}
