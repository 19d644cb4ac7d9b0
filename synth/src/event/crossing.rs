//! Crossings, as the kernel programs tell of them.

use serde::{Deserialize, Serialize};

use super::ParentRead;
use crate::{
    ids::{CrossingId, RegionId, TargetId},
    time::KernelTime,
};

/// One entry of a region on a thread, until its exit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// Identity.
    pub id: CrossingId,
    /// Target.
    pub target: TargetId,
    /// Region.
    pub region: RegionId,
    /// Thread id in the target's own pid namespace.
    pub thread: u32,
    /// The crossing around it, on its thread or by lineage.
    pub enclosing: Option<CrossingId>,
    /// Entry.
    pub entry: KernelTime,
    /// End; for an end that is not exact, the latest that it can be.
    pub exit: KernelTime,
    /// The last instant at which it was known to be open.
    pub proven: KernelTime,
    /// How it ended.
    pub ending: Ending,
    /// Waiting for a CPU, in nanoseconds.
    pub runqueue_ns: u64,
    /// Blocked, in nanoseconds.
    pub blocked_ns: u64,
    /// The parent read at the entry, or inherited.
    pub parent: ParentRead,
    /// What it used besides time; `None`: not known.
    #[serde(default)]
    pub resources: Option<Resources>,
    /// Decoded values by slot.
    pub values: Vec<(u32, u64)>,
    /// The decoded text and its slot.
    pub text: Option<(u32, String)>,
    /// For a burst of counted entries: what was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<Called>,
    /// For a step that nobody's request is known of: the sequences that it was made for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
}

/// A sequence that a batched step works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its number, in the engine.
    pub sequence: u64,
    /// Tokens of the step that are its.
    pub tokens: u64,
    /// Of those, from how many a result is wanted.
    pub wanted: u64,
}

impl Member {
    /// Number of the sequence of tokens of which nobody knows whose they are.
    pub const UNKNOWN: u64 = u64::MAX;
}

/// How often what was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// Names with their numbers of calls.
    pub names: Vec<(String, u64)>,
    /// Calls of others, which were too many to be told apart.
    pub beyond: u64,
}

/// What has changed from a crossing's entry to its exit. Switches and faults are its thread's, memory
/// and threads the whole process's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Resident memory, in bytes.
    pub resident_bytes: i64,
    /// Page faults that had to wait for a disk.
    pub major_faults: u64,
    /// Switches because the thread could not go on.
    pub voluntary: u64,
    /// Switches because somebody else was to run.
    pub involuntary: u64,
    /// When the thread first stopped for want of memory, by the kernel's own account of such stalls.
    pub stalled: Option<KernelTime>,
    /// Threads at the exit.
    pub threads: u32,
}

/// A crossing that has not ended yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenCrossing {
    /// Identity.
    pub id: CrossingId,
    /// Target.
    pub target: TargetId,
    /// Region.
    pub region: RegionId,
    /// Thread id in the target's own pid namespace.
    pub thread: u32,
    /// The crossing around it.
    pub enclosing: Option<CrossingId>,
    /// Entry.
    pub entry: KernelTime,
    /// Seen open at.
    pub seen: KernelTime,
    /// The parent read at the entry, or inherited.
    pub parent: ParentRead,
}

/// How a crossing ended; see `hotspan_common::Ending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// By its own exit: exact.
    Returned,
    /// By an exception, caught at `exit`.
    Caught,
    /// A new entry at the same stack pointer replaced it.
    Replaced,
    /// Its frame was found gone.
    Unwound,
    /// Its thread ended.
    ThreadExit,
    /// The region was disarmed while it was open.
    Disarmed,
    /// hotspan detached while it was open.
    Detached,
}
