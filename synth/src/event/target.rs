//! Targets and the lives of their threads.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{CrossingId, TargetId},
    span::Value,
    time::KernelTime,
};

/// A process under observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Identity.
    pub id: TargetId,
    /// Process id in its own pid namespace.
    pub ns_pid: u32,
    /// Executable, as the kernel names it.
    pub executable: String,
    /// Resource attributes for its spans.
    pub resource: Vec<(String, Value)>,
    /// Whether engines' calls for which no span is active begin traces of their own, up to the first for
    /// which one is.
    #[serde(default)]
    pub begins_traces: bool,
}

/// A thread that was born under a crossing, or while its creator worked for a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadEnded {
    /// Target.
    pub target: TargetId,
    /// Thread id in the target's own pid namespace.
    pub thread: u32,
    /// The crossing it was born under, transitively; `None`: under none.
    pub birth: Option<CrossingId>,
    /// Start.
    pub started: KernelTime,
    /// End.
    pub ended: KernelTime,
    /// Waiting for a CPU, in nanoseconds, over its life.
    pub runqueue_ns: u64,
    /// Blocked, in nanoseconds, over its life.
    pub blocked_ns: u64,
    /// Waiting for a CPU, in nanoseconds, since its last stack.
    #[serde(default)]
    pub queued_ns: u64,
}
