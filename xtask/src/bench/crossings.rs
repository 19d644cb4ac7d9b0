//! A region crossed as fast as two threads can, and a process that only maps the same library.

use std::{ffi::OsString, process::Command, time::Duration};

use anyhow::{Context, Result};
use hotspan_tests::{agent::Attach, native, process::Process, service::Batch};

use super::usage;

const MILLISECONDS: u64 = 3000;

/// Crossings a second, the rate guard off: what the target did, and what the agent says became of it.
pub fn rate() -> Result<()> {
    let mut batch = Batch::start(&mut Command::new(native::program("rate")?))?;
    let alone = crossings(&mut batch)?;
    let agent = attach(batch.pid())?;
    let armed = crossings(&mut batch)?;
    let (peak, _) = usage::memory_mib(agent.pid())?;
    let outcome = agent.stop()?;
    let per_second = |count: u64| count as f64 * 1000.0 / MILLISECONDS as f64;
    println!(
        "two threads, {:.0} crossings a second alone, {:.0} armed",
        per_second(alone),
        per_second(armed)
    );
    println!(
        "the target crossed {armed} times; {} spans were written; the agent had {peak:.0} MiB at most",
        outcome.spans.len()
    );
    println!("the agent's summary:\n{}", outcome.stderr);
    Ok(())
}

/// What armed probes cost a process that is no target.
pub fn bystander() -> Result<()> {
    let target = Batch::start(&mut Command::new(native::program("rate")?))?;
    let mut bystander = Batch::start(&mut Command::new(native::program("bystander")?))?;
    let before = figures(bystander.process())?;
    let agent = attach(target.pid())?;
    let armed = figures(bystander.process())?;
    agent.stop()?;
    let after = figures(bystander.process())?;
    println!("a bystander's nanoseconds a call, and a round trip of its threads");
    println!("before: {before}\narmed:  {armed}\nafter:  {after}");
    Ok(())
}

fn attach(pid: u32) -> Result<hotspan_tests::agent::Agent> {
    let regions: [OsString; 2] = ["--regions".into(), native::catalogue("rate").into()];
    Attach::pid(pid).with(regions).start()
}

fn crossings(batch: &mut Batch) -> Result<u64> {
    batch.process().tell(&MILLISECONDS.to_string())?;
    let line = batch.process().wait_stdout("", Duration::from_secs(60))?;
    line.trim()
        .parse()
        .context("the target did not say a number")
}

fn figures(process: &mut Process) -> Result<String> {
    process.tell("measure")?;
    process.wait_stdout("", Duration::from_secs(120))
}
