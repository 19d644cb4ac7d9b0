//! What goes in. A recording is a list of these.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{CrossingId, RegionId, SpanId, TargetId, TraceId},
    region::Region,
    span::Value,
    time::{ClockAnchor, KernelTime},
};

/// Everything that a live run feeds to the core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The clocks were compared.
    Clock(ClockAnchor),
    /// A target was attached to, or what is known of it has changed (its resource became readable).
    Target(Target),
    /// A region can be crossed from now on.
    Region(Region),
    /// A crossing ended.
    Crossing(Crossing),
    /// A crossing has been open for a while; its children need not wait for its end.
    Open(OpenCrossing),
    /// A thread that was born under a crossing ended.
    ThreadEnded(ThreadEnded),
    /// Time has passed; every event of the kernel before `now` has been delivered.
    Tick {
        /// The instant.
        now: KernelTime,
    },
    /// A counter of the kernel programs or of the agent, as it stands.
    Counter {
        /// Name, as the summary shows it.
        name: String,
        /// Total since the start.
        total: u64,
    },
}

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
}

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
    /// Decoded values by slot.
    pub values: Vec<(u32, u64)>,
    /// The decoded text and its slot.
    pub text: Option<(u32, String)>,
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

/// What was read of the parent at a crossing's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParentRead {
    /// A span context.
    Found(Parent),
    /// None; the reason, as `hotspan_common::ContextOutcome` names it in `snake_case`.
    None(String),
}

/// A span context of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parent {
    /// Trace.
    pub trace_id: TraceId,
    /// Span.
    pub span_id: SpanId,
    /// The W3C "sampled" flag.
    pub sampled: bool,
    /// Whether it names a span of another process.
    pub remote: bool,
    /// How it was found at the outermost crossing.
    pub source: ParentSource,
    /// Whether it came to this thread through the creation of threads.
    pub by_lineage: bool,
}

/// How a parent was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ParentSource {
    /// OTEP 4947's thread context record.
    #[serde(rename = "otel.thread_context")]
    ThreadContext,
    /// CPython's contextvars.
    #[serde(rename = "otel.python")]
    Python,
}

/// A thread that was born under a crossing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadEnded {
    /// Target.
    pub target: TargetId,
    /// Thread id in the target's own pid namespace.
    pub thread: u32,
    /// The crossing it was born under, transitively.
    pub birth: CrossingId,
    /// Start.
    pub started: KernelTime,
    /// End.
    pub ended: KernelTime,
    /// Waiting for a CPU, in nanoseconds, over its life.
    pub runqueue_ns: u64,
    /// Blocked, in nanoseconds, over its life.
    pub blocked_ns: u64,
}
