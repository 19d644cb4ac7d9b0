//! Why parents cannot be read from CPython.

use thiserror::Error;

use super::layout::Version;
use crate::context::{memory::MemoryError, task::TaskUnknown};

/// Why no parent can be read from a process's contextvars.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ContextRefusal {
    /// No mapped file contains an interpreter.
    #[error("no CPython interpreter in this process")]
    NotPython,
    /// The interpreter's version could not be told.
    #[error("{0} is a CPython of unknown version")]
    VersionNotFound(String),
    /// A version whose layout is not in the table.
    #[error("CPython {0} is not known to this version of hotspan (3.8 to 3.15 are)")]
    UnknownVersion(Version),
    /// A build without the GIL: its objects have another header.
    #[error("CPython {0} is a free-threaded build, which is not supported")]
    FreeThreaded(Version),
    /// The interpreter is starting or ending.
    #[error("the interpreter is not initialised (yet)")]
    NotInitialised,
    /// The process's memory is not where the table says.
    #[error("this build of CPython {version} is laid out otherwise than the released ones: {what}")]
    LayoutMismatch {
        /// Which version it says it is.
        version: Version,
        /// What was not found in its place.
        what: &'static str,
    },
    /// Neither of the ways to tell the current thread is there.
    #[error("CPython up to 3.10 needs the thread's FS base, and {0}")]
    ThreadsNotTold(TaskUnknown),
    /// The memory could not be opened.
    #[error("the process's memory cannot be opened: {0}")]
    Memory(String),
    /// A read failed.
    #[error(transparent)]
    Read(#[from] MemoryError),
}

impl ContextRefusal {
    /// Whether it may be otherwise a moment later, with the target running on.
    pub fn may_change(&self) -> bool {
        matches!(self, Self::NotPython | Self::NotInitialised | Self::Read(_))
    }
}
