//! Calls of cargo.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use hotspan_tests::paths;

/// `cargo` at the repository's root, building into the same target folder as this binary.
pub fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(arguments)
        .current_dir(paths::root())
        .env("CARGO_TARGET_DIR", paths::build()?);
    Ok(command)
}

/// Builds the agent as users get it, and makes it the one under test.
pub fn release_agent() -> Result<PathBuf> {
    say("building hotspan (release)");
    let status = command(&["build", "--release", "--package", "hotspan"])?
        .stdin(Stdio::null())
        .status()
        .context("failed to start cargo")?;
    ensure!(status.success(), "hotspan does not build");
    let binary = paths::build()?.join("release/hotspan");
    paths::use_agent(binary.clone())?;
    Ok(binary)
}

/// One step of a longer command, on stderr.
pub fn say(step: &str) {
    eprintln!("==> {step}");
}
