//! `hotspan run`'s child.

use std::{
    ffi::OsString,
    process::{Child, Command},
};

use anyhow::Context as _;
use hotspan_common::Target;

use crate::{args::AgentError, kernel::Kernel};

/// Starts `command` under the kernel programs' eyes from its first instruction: for that moment the
/// agent is a target itself, so that its child is one from birth.
pub fn watched(kernel: &mut Kernel, command: &[OsString]) -> anyhow::Result<Child> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| AgentError::Usage("name a program after `--`".into()))?;
    let agent = std::process::id();
    kernel.set_target(agent, Target::default())?;
    let child = Command::new(program).args(arguments).spawn();
    kernel.remove_target(agent)?;
    child.with_context(|| format!("failed to start {}", program.display()))
}
