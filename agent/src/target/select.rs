//! From what was asked for to one process.

use std::collections::BTreeSet;

use super::{Candidate, Family, Process, TargetError, find_by_name, find_by_port};

/// How a process is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// By id, in hotspan's pid namespace.
    Pid(u32),
    /// By a part of its executable's, script's or module's name, or else of its command line.
    Name(String),
    /// By the TCP port that it listens on.
    Port(u16),
}

impl Selector {
    /// The one process that is meant. Of a master and its workers, it is the master.
    ///
    /// Errors: [`TargetError::NoMatch`], [`TargetError::Several`] with a list, or why the one that
    /// matches cannot be a target.
    pub fn open(&self) -> Result<Process, TargetError> {
        let (found, what) = match self {
            Self::Pid(pid) => return Process::open(*pid),
            Self::Name(name) => (find_by_name(name)?, format!("named `{name}`")),
            Self::Port(port) => (find_by_port(*port)?, format!("listening on port {port}")),
        };
        Process::open(choose(found, &Family::now()?, what)?)
    }
}

/// The one candidate, or the one from which all others descend.
pub(super) fn choose(
    candidates: Vec<Candidate>,
    family: &Family,
    what: String,
) -> Result<u32, TargetError> {
    if candidates.is_empty() {
        return Err(TargetError::NoMatch { what });
    }
    let pids: BTreeSet<u32> = candidates.iter().map(|candidate| candidate.pid).collect();
    family
        .common_root(&pids)
        .ok_or(TargetError::Several { what, candidates })
}
