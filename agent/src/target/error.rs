//! Why a process cannot be a target.

use std::{io, path::PathBuf};

use super::{Bitness, Candidate};

/// Why a process cannot be a target; the message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// There is no process with this id.
    #[error("no process {pid}: it ended, or it is in a pid namespace that is not visible here")]
    NoSuchProcess {
        /// The id.
        pid: u32,
    },
    /// The id is that of a thread.
    #[error("{tid} is a thread of process {pid}: use --pid {pid}")]
    Thread {
        /// The id that was given.
        tid: u32,
        /// The process it belongs to.
        pid: u32,
    },
    /// The process is one of the kernel's own threads.
    #[error("process {pid} ({name}) is a kernel thread: name a process that runs a program")]
    KernelThread {
        /// Its pid.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// The process has ended and waits for its parent.
    #[error("process {pid} ({name}) has ended and only waits for its parent {parent} to notice")]
    Zombie {
        /// Its pid.
        pid: u32,
        /// Its name.
        name: String,
        /// Its parent's pid.
        parent: u32,
    },
    /// The process ended while it was looked at.
    #[error("process {pid} ended while it was looked at")]
    Ended {
        /// Its pid.
        pid: u32,
    },
    /// The program is of another word size.
    #[error("process {pid} runs a {bitness} program ({exe}): only 64-bit programs can be traced")]
    Bitness {
        /// Its pid.
        pid: u32,
        /// The program's.
        bitness: Bitness,
        /// The program.
        exe: PathBuf,
    },
    /// The program is for another processor.
    #[error(
        "process {pid} runs a program for another processor (ELF machine {machine}, {exe}): only x86-64 programs can be traced"
    )]
    Architecture {
        /// Its pid.
        pid: u32,
        /// `e_machine`.
        machine: u16,
        /// The program.
        exe: PathBuf,
    },
    /// The process is hotspan.
    #[error("process {pid} is hotspan itself: name another process")]
    Itself {
        /// Its pid.
        pid: u32,
    },
    /// Access was refused.
    #[error("no permission to look at process {pid} ({path}): run hotspan as root")]
    NotPermitted {
        /// Its pid.
        pid: u32,
        /// What could not be read.
        path: PathBuf,
    },
    /// Nothing matches.
    #[error("no process {what}")]
    NoMatch {
        /// What was looked for, as the rest of a sentence.
        what: String,
    },
    /// Someone listens on the port, and the kernel does not say who.
    #[error(
        "someone listens on port {port}, but not every process can be looked at: run hotspan as root"
    )]
    UnreadableOwner {
        /// The port.
        port: u16,
    },
    /// Several processes match, and none of them is an ancestor of the others.
    #[error("{} processes {what}; choose one with --pid:\n{}", candidates.len(), list(candidates))]
    Several {
        /// What was looked for, as the rest of a sentence.
        what: String,
        /// The processes, by pid.
        candidates: Vec<Candidate>,
    },
    /// hotspan runs in a pid namespace of its own, where ids are not those that the kernel reports.
    #[error(
        "hotspan runs in a pid namespace of its own: run it in the host's (hostPID: true, or docker run --pid=host)"
    )]
    AgentPidNamespace,
    /// Something about the process could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl TargetError {
    /// The error for a failed read of `path`, a file that belongs to process `pid`.
    pub(super) fn reading(pid: u32, path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted { pid, path },
            // What is gone under /proc/PID is gone with the process.
            io::ErrorKind::NotFound => Self::Ended { pid },
            _ if source.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                Self::Ended { pid }
            }
            _ => Self::Read { path, source },
        }
    }
}

fn list(candidates: &[Candidate]) -> String {
    let lines: Vec<String> = candidates
        .iter()
        .map(|candidate| format!("  {candidate}"))
        .collect();
    lines.join("\n")
}
