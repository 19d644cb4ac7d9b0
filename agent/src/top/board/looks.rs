//! What a look from user space shows.

use std::sync::Arc;

use hotspan_synth::{
    event::{Function, TargetSpan, WaitEvidence},
    ids::TargetId,
    time::{KernelTime, UnixTime},
    waits_for_work,
};

/// A thread of a target, as seen from user space.
#[derive(Clone, Debug)]
pub struct ThreadLook {
    /// Target.
    pub target: TargetId,
    /// Thread id in the target's own pid namespace.
    pub thread: u32,
    /// The name that it has given itself, or has from the one that created it.
    pub name: String,
    /// When it was born, to within a clock tick.
    pub born: UnixTime,
    /// How it stands still; `None`: it runs, or could.
    pub standstill: Option<Standstill>,
}

/// A task of an event loop that is suspended.
#[derive(Clone, Debug)]
pub struct TaskLook {
    /// Target.
    pub target: TargetId,
    /// The loop's thread, in the target's own pid namespace.
    pub thread: u32,
    /// The task's address.
    pub address: u64,
    /// Since when.
    pub since: KernelTime,
    /// In whose service.
    pub span: TargetSpan,
}

/// A thread that stood still at an instant.
#[derive(Clone, Debug)]
pub struct Standstill {
    /// It has stood there since then, or longer,
    pub since: KernelTime,
    /// and up to then; it may run again.
    pub seen: KernelTime,
    /// What shows why.
    pub evidence: WaitEvidence,
    /// In whose service.
    pub serves: Serves,
    /// Functions that it is in, outermost first; empty where no span is active.
    pub stack: Vec<Arc<Function>>,
}

impl Standstill {
    /// Whether it is a pool's thread without work.
    pub fn waits_for_work(&self) -> bool {
        waits_for_work(self.stack.iter().rev().map(Arc::as_ref))
    }
}

/// Whom a thread serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serves {
    /// The request with this span of the target's.
    Span(TargetSpan),
    /// No span is active on it.
    Nobody,
    /// It is not one of an interpreter's threads, or what it says could not be read.
    Unknown,
}
