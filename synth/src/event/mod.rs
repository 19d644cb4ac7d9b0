//! What goes in. A recording is a list of these.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{CrossingId, FunctionId, RegionId, SpanId, TargetId, TraceId},
    region::Region,
    span::Value,
    time::{ClockAnchor, KernelTime, UnixTime},
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
    /// A region was not followed for a while, from now on: what it was called for is not known.
    Paused {
        /// Target.
        target: TargetId,
        /// Region.
        region: RegionId,
    },
    /// A thread that was born under a crossing ended.
    ThreadEnded(ThreadEnded),
    /// Stacks may name a function from now on.
    Function(Function),
    /// A stack at an instant.
    Sample(Sample),
    /// A thread, or a coroutine, did not run for a while.
    Wait(Wait),
    /// More is known of a span of the target's own.
    Span(TargetSpan),
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
    /// Whether engines' calls for which no span is active begin traces of their own, up to the first for
    /// which one is.
    #[serde(default)]
    pub begins_traces: bool,
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

/// A function that stacks name by its number, announced before the first stack that has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Identity, unique over a run.
    pub id: FunctionId,
    /// What it is written in.
    pub language: Language,
    /// Short name, for spans: `build_model`, `Highs::run`; for a native function without a symbol,
    /// its object and offset.
    pub name: String,
    /// Qualified name, for `code.function.name`.
    pub qualified: String,
    /// Source file; empty: not known.
    pub file: String,
    /// File name of the object, or of the Python module's file.
    pub object: String,
}

/// What a function is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Python.
    Python,
    /// Compiled code with a name.
    Native,
    /// Compiled code of which only the place is known.
    Unnamed,
    /// The kernel.
    Kernel,
}

/// A frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// The function.
    pub function: FunctionId,
    /// Line in its file; 0: not known.
    pub line: u32,
}

/// A stack at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Target.
    pub target: TargetId,
    /// Thread id in the target's own pid namespace.
    pub thread: u32,
    /// When.
    pub time: KernelTime,
    /// Why it was taken.
    pub reason: SampleReason,
    /// How long the thread was to run, by the timer, until the next stack, in nanoseconds; 0: as long as before
    /// this one.
    #[serde(default)]
    pub next_ns: u64,
    /// For how long the thread could have run and did not since its last stack, or since its birth, in nanoseconds.
    #[serde(default)]
    pub queued_ns: u64,
    /// When the thread last went on after a wait in which it worked for nobody, if that is known.
    #[serde(default)]
    pub idle_until: Option<KernelTime>,
    /// The thread's innermost open crossing, or the one that it descends from.
    pub enclosing: Option<CrossingId>,
    /// The parent read at that instant, or inherited.
    pub parent: ParentRead,
    /// Which Python context was current (tells the requests on one event loop apart); 0: none.
    pub context: u64,
    /// Frames, outermost first; the interpreter's own are folded away.
    pub stack: Vec<Frame>,
    /// Whether the stack reaches the thread's start.
    pub is_complete: bool,
}

/// Why a stack was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleReason {
    /// By the timer, while the thread ran; it had run for so many nanoseconds since it was last looked at.
    Timer(u64),
    /// The thread entered the region of this crossing at this instant.
    Entry(CrossingId),
}

/// A thread or a coroutine that did not run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// Target.
    pub target: TargetId,
    /// Thread id in the target's own pid namespace.
    pub thread: u32,
    /// It stopped.
    pub start: KernelTime,
    /// How much earlier that may have been, in nanoseconds.
    #[serde(default)]
    pub early_ns: u64,
    /// When the thread last went on after a wait in which it worked for nobody, if that is known.
    #[serde(default)]
    pub idle_until: Option<KernelTime>,
    /// It ran again.
    pub end: KernelTime,
    /// What shows why.
    pub evidence: WaitEvidence,
    /// The innermost crossing around it.
    pub enclosing: Option<CrossingId>,
    /// The parent in whose service it waited.
    pub parent: ParentRead,
    /// Which Python context was current; 0: none.
    pub context: u64,
    /// Frames, outermost first.
    pub stack: Vec<Frame>,
    /// For a suspended coroutine: when its task's work came in, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<Arrival>,
}

/// Between when a task's work came in: the event loop had waited for descriptors and was woken up, and did not wait again
/// before the first step of the task that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The loop was woken up.
    pub woken: KernelTime,
    /// That step was over, at the latest.
    pub stepped: KernelTime,
}

/// What shows why something did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitEvidence {
    /// It could have run, and no CPU was free.
    RunQueue,
    /// It waited on the interpreter's own lock.
    Gil,
    /// It was blocked in this system call.
    Syscall {
        /// Name, as the kernel spells it.
        name: String,
        /// It asked for no descriptor at all: a `select` or `poll` that only sleeps.
        is_idle: bool,
    },
    /// It was blocked outside of a system call (a page fault).
    Fault,
    /// A coroutine was suspended; the stack is its chain of awaits.
    Suspended,
    /// Nothing does.
    Unknown,
}

/// A span of the target's own, read out of its SDK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetSpan {
    /// Target.
    pub target: TargetId,
    /// Trace.
    pub trace_id: TraceId,
    /// Span.
    pub span_id: SpanId,
    /// Name.
    pub name: String,
    /// Start, by the target's own clock.
    pub start: UnixTime,
}
