//! Stacks and waits: what spans that no probe saw are inferred from.

use serde::{Deserialize, Serialize};

use super::ParentRead;
use crate::{
    ids::{CrossingId, FunctionId, TargetId},
    time::KernelTime,
};

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
    /// When the thread last ran again after a wait in which it worked for nobody, if that is known. When the work itself
    /// came in is a [`Wakeup`] or an [`Arrival`].
    #[serde(default)]
    pub idle_until: Option<KernelTime>,
    /// When what the thread does changed since its last stack, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
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

/// When the Python functions of a thread gave way to others between two of its stacks: the outermost that only the first has was
/// there until `after`, the outermost that only the second has from `by` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When the first stack was taken.
    pub since: KernelTime,
    /// Then, all was as in the first.
    pub after: KernelTime,
    /// Then, it was not any more.
    pub by: KernelTime,
    /// Python frames of the second that the first does not have, all of them its innermost.
    pub frames: u32,
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
    /// When the thread last ran again after a wait in which it worked for nobody, if that is known. When the work itself
    /// came in is a [`Wakeup`] or an [`Arrival`].
    #[serde(default)]
    pub idle_until: Option<KernelTime>,
    /// It ran again.
    pub end: KernelTime,
    /// What shows why.
    pub evidence: WaitEvidence,
    /// The kernel counts it as a wait for a block device: a page that is read in, a file's metadata.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_block_device: bool,
    /// The innermost crossing around it.
    pub enclosing: Option<CrossingId>,
    /// The parent in whose service it waited.
    pub parent: ParentRead,
    /// Which Python context was current; 0: none.
    pub context: u64,
    /// Frames, outermost first.
    pub stack: Vec<Frame>,
    /// For a suspended coroutine: what its task may have come from, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wakeup: Option<Wakeup>,
}

/// A task's work came in between these, but for what was sent ahead: the event loop had waited for descriptors and was woken
/// up, and did not wait again before the first step of the task that was seen.
///
/// A task's, where [`Sample::idle_until`] is a thread's: a loop goes on for whoever comes, so that it was idle proves
/// nothing of any one of them. And what comes in is there when the loop is woken up, while a thread that is handed work
/// begins where it runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wakeup {
    /// The loop was woken up.
    pub woken: KernelTime,
    /// That step was over, at the latest.
    pub stepped: KernelTime,
}

/// A task that was made of what a socket brought works for a span. Whether it was made for that is for the span's start to
/// tell: a task may serve several requests, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Target.
    pub target: TargetId,
    /// The span that the task works for.
    pub parent: ParentRead,
    /// The data came in that the task was made of, as the kernel saw it at the socket.
    pub came: KernelTime,
    /// The task's first step was over, at the latest, or was still under way.
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
