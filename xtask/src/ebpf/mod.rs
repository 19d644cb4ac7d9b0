//! The kernel programs: built with a pinned toolchain, committed, and checked against their sources.

mod build;
mod provenance;
mod stack;

use std::fs;

use anyhow::{Context, Result, bail};

/// `cargo xtask ebpf`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only say whether the committed object is built from these sources. Needs no BPF toolchain.
    #[arg(long)]
    check: bool,
}

/// Rebuilds the object, or checks it.
pub fn run(arguments: &Arguments) -> Result<()> {
    let sources = provenance::of_sources()?;
    if !arguments.check {
        build::run(&sources)?;
    }
    let built_from = provenance::of_object()?;
    if built_from != sources {
        bail!(
            "{} is built from other sources ({built_from}) than these ({sources}): run `cargo xtask ebpf` and \
             commit the object",
            provenance::object_path().display()
        );
    }
    let object = provenance::object_path();
    let data = fs::read(&object).with_context(|| format!("failed to read {}", object.display()))?;
    stack::check(&data)?;
    println!(
        "{} is built from these sources: {sources}",
        object.display()
    );
    Ok(())
}
