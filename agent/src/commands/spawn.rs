//! `hotspan run`'s child.

use std::{
    ffi::OsString,
    io::{self, PipeReader, PipeWriter, Read as _, Write as _, pipe},
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    process::{Child, Command},
    sync::Arc,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, anyhow};

use crate::{args::AgentError, run::Held, target::Process};

/// A child between its birth and its program's first instruction. Should hotspan end meanwhile, it
/// goes on without.
pub struct HeldChild {
    program: OsString,
    process: Arc<Process>,
    go: PipeWriter,
    starting: JoinHandle<io::Result<Child>>,
}

/// Starts a child that waits before it executes `command`.
///
/// # Errors
/// No command, or no more processes.
pub fn hold(command: &[OsString]) -> anyhow::Result<HeldChild> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| AgentError::Usage("name a program after `--`".into()))?;
    let failed = || format!("failed to start {}", program.display());
    let (mut births, birth) = pipe().with_context(failed)?;
    let (gate, go) = pipe().with_context(failed)?;
    let mut command = Command::new(program);
    command.args(arguments);
    wait_before_exec(&mut command, birth, gate, &go);
    // `spawn` comes back when the program runs.
    let starting = thread::Builder::new()
        .name("starter".to_owned())
        .spawn(move || command.spawn())
        .with_context(failed)?;
    let mut pid = [0; size_of::<u32>()];
    if births.read_exact(&mut pid).is_err() {
        joined(starting).with_context(failed)?;
        return Err(anyhow!("its birth went unnoticed")).with_context(failed);
    }
    Ok(HeldChild {
        program: program.clone(),
        process: Arc::new(Process::open(u32::from_ne_bytes(pid))?),
        go,
        starting,
    })
}

impl Held for HeldChild {
    fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process)
    }

    fn release(mut self: Box<Self>) -> anyhow::Result<()> {
        let failed = || format!("failed to start {}", self.program.display());
        self.go.write_all(&[1]).with_context(failed)?;
        joined(self.starting).with_context(failed)?;
        Ok(())
    }
}

/// The child tells its id and waits for a byte, or for the end of the agent.
#[expect(
    unsafe_code,
    reason = "a child that waits before its program does so between fork and exec"
)]
fn wait_before_exec(command: &mut Command, birth: PipeWriter, gate: PipeReader, go: &PipeWriter) {
    let go = go.as_raw_fd();
    let wait = move || {
        // With it open, the agent's end would not be noticed.
        // SAFETY: the child's own copy of a descriptor that nothing in the child uses, and that has its number
        // still: the agent keeps it open until the child has told its id.
        unsafe { rustix::io::close(go) };
        rustix::io::write(&birth, &std::process::id().to_ne_bytes())?;
        while rustix::io::read(&gate, &mut [0; 1]) == Err(rustix::io::Errno::INTR) {}
        Ok(())
    };
    // SAFETY: between fork and exec, `wait` makes system calls alone: no memory, no locks.
    unsafe { command.pre_exec(wait) };
}

fn joined(starting: JoinHandle<io::Result<Child>>) -> io::Result<Child> {
    starting
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread that starts it panicked")))
}
