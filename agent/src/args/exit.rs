//! Exit codes, and which error ends with which.

use std::process::{ExitCode, Termination};

use crate::{export::ConfigError, target::TargetError};

/// How hotspan ends. Scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Ended as asked.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage, or several processes match.
    Usage = 2,
    /// No permission, or the kernel lacks what is needed.
    NotPermitted = 3,
    /// No such process, or it ended before tracing began.
    NoSuchProcess = 4,
}

/// An error that is to end hotspan with a code of its own; any other ends it with 1.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The options ask for what cannot be. Code 2.
    #[error("{0}")]
    Usage(String),
    /// No permission, or the kernel lacks what is needed. Code 3.
    #[error("{0}")]
    NotPermitted(String),
    /// The process ended before tracing began. Code 4.
    #[error("process {pid} ended before it could be traced")]
    EndedBeforeAttach {
        /// Its pid.
        pid: u32,
    },
}

impl AgentError {
    /// The code for it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::NotPermitted(_) => Exit::NotPermitted,
            Self::EndedBeforeAttach { .. } => Exit::NoSuchProcess,
        }
    }
}

impl Exit {
    /// The code for `error`: that of the first [`AgentError`], [`TargetError`] or [`ConfigError`]
    /// (wrong usage) in its chain, contexts included; [`Exit::Failed`] if there is none.
    pub fn of(error: &anyhow::Error) -> Self {
        // anyhow finds what was attached by `context`; the chain finds what sits inside others.
        error
            .downcast_ref::<AgentError>()
            .map(AgentError::exit)
            .or_else(|| error.downcast_ref::<TargetError>().map(of_target))
            .or_else(|| error.downcast_ref::<ConfigError>().map(|_| Self::Usage))
            .or_else(|| error.chain().find_map(of_cause))
            .unwrap_or(Self::Failed)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    cause
        .downcast_ref::<AgentError>()
        .map(AgentError::exit)
        .or_else(|| cause.downcast_ref::<TargetError>().map(of_target))
        .or_else(|| cause.downcast_ref::<ConfigError>().map(|_| Exit::Usage))
}

/// The code for a process that cannot be a target.
fn of_target(error: &TargetError) -> Exit {
    match error {
        TargetError::NoSuchProcess { .. }
        | TargetError::NoMatch { .. }
        | TargetError::Zombie { .. }
        | TargetError::Ended { .. } => Exit::NoSuchProcess,
        TargetError::Itself { .. }
        | TargetError::Thread { .. }
        | TargetError::KernelThread { .. }
        | TargetError::Bitness { .. }
        | TargetError::Architecture { .. }
        | TargetError::Several { .. } => Exit::Usage,
        TargetError::NotPermitted { .. }
        | TargetError::UnreadableOwner { .. }
        | TargetError::AgentPidNamespace => Exit::NotPermitted,
        TargetError::Read { .. } => Exit::Failed,
    }
}
