//! The command line: what was typed.
//!
//! What it means (which exporters, which catalogue, which process) is decided by those who use it.

mod command;
mod exit;
mod export;
mod help;
mod selector;
mod trace;

pub use command::{
    AttachArgs, Cli, Command, DoctorArgs, RecordArgs, RegionsArgs, ReplayArgs, RunArgs, TopArgs,
};
pub use exit::{AgentError, Exit};
pub use export::{ExportArgs, OtlpEndpoint};
pub use selector::{SelectorArgs, TargetArgs};
pub use trace::TraceArgs;

#[cfg(test)]
mod tests;
