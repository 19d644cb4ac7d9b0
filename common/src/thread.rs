//! State that the kernel programs keep for targets and threads.

use crate::{
    Active, CoroutineLayout, CrossingEvent, MAX_DEPTH, Parent, PythonFramesLayout, PythonLayout,
    ThreadContextLayout, Trail,
};

/// Bits of [`Target::flags`].
pub struct TargetFlags;

impl TargetFlags {
    /// The process can switch stacks under one thread (greenlet, swapcontext): stack pointers of
    /// different crossings prove nothing about each other.
    pub const SWITCHES_STACKS: u32 = 1;
    /// The sampler's ticks are taken on each of its threads, also on those that work for nobody known.
    pub const SAMPLES_ALL: u32 = 2;
    /// Most of its requests are of kinds that are known, or nothing is left to spend on new ones: one that is not sampled
    /// densely waits for its thread's turn, and is not looked at before just because it is another one.
    pub const KINDS_ARE_KNOWN: u32 = 4;
    /// When the work of its tasks came in is wanted: a task's first suspension is told of however short it was.
    pub const TELLS_ARRIVALS: u32 = 8;
}

/// Bits of [`Frame::flags`].
pub struct FrameFlags;

impl FrameFlags {
    /// A crossing inside this one was sent, so this one must be too.
    pub const HAS_CHILDREN: u32 = 1;
    /// A thread was born under it: its end must be made known to those threads.
    pub const HAS_BIRTHS: u32 = 2;
    /// Another crossing had the same thread and stack pointer: which exit is whose is unknown.
    pub const AMBIGUOUS: u32 = 4;
    /// A burst of entries that are counted: it has no exit, and ends with whatever else happens on
    /// its thread.
    pub const BURST: u32 = 8;
}

/// What the kernel programs know of a target. Key: its process id in the root pid namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Target {
    /// Device of the target's pid namespace file (`/proc/PID/ns/pid`).
    pub pidns_dev: u64,
    /// Inode of the target's pid namespace file.
    pub pidns_ino: u64,
    /// [`TargetFlags`].
    pub flags: u32,
    /// Bytes of user stack that a sample takes: one of [`STACK_SIZES`](crate::STACK_SIZES), or 0.
    pub stack_bytes: u32,
    /// Of a thread's ticks of the sampler's timer, one of so many (more or less) is taken; 0 and 1: each.
    pub ticks_per_sample: u32,
    /// Ticks a second that may be taken beyond that, of requests that are young.
    pub dense_per_s: u32,
    /// What a tick of the sampler's timer stands for, in nanoseconds.
    pub tick_ns: u64,
    /// By so much the next stack of a thread may come later than its ticks say, as the timer is about to slow down, in
    /// nanoseconds.
    pub late_ns: u64,
    /// How to read the parent out of CPython.
    pub python: PythonLayout,
    /// How to read Python frames.
    pub frames: PythonFramesLayout,
    /// How to read suspended coroutines.
    pub coroutines: CoroutineLayout,
    /// How to read the parent out of the thread context record.
    pub thread_context: ThreadContextLayout,
}

/// What an [`Account`] begins with, and the most that it can save up, in nanoseconds.
pub const ACCOUNT_SAVINGS_NS: i64 = 200_000_000;

/// What the timer's stacks may still take of a target's time. Key: its process id in the root pid namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What is left, in nanoseconds; less than zero: so much is owed.
    pub left_ns: i64,
    /// When that was counted, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// The target's CPU time since it began, as the ticks tell, in nanoseconds.
    pub ran_ns: u64,
    /// Of that, the time of threads of which stacks may be taken more often than usual: not of those that only help.
    pub asked_ns: u64,
    /// And of that, the time in regions that nobody asks what they do inside.
    pub opaque_ns: u64,
}

/// One open crossing: what is to be sent, and what pairs it with its exit.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The event in the making; at the exit it is completed and sent.
    pub event: CrossingEvent,
    /// Stack pointer at the entry; at a `ret` it is the same again.
    pub sp: u64,
    /// The return address at `sp`; if it is gone, so is the frame.
    pub return_address: u64,
    /// The Python context pointer at the entry; 0 if there is none.
    pub context: u64,
    /// Group of the region, for notes.
    pub group: u32,
    /// [`FrameFlags`].
    pub flags: u32,
    /// The region's epoch at the entry.
    pub epoch: u32,
    /// For a burst: that of its region.
    pub burst: u32,
    /// For a burst: the code of the object that its function is in, from here
    pub code_start: u64,
    /// to here.
    pub code_end: u64,
    /// What reads start from, by [`Base`](crate::Base): six argument registers and the stack pointer
    /// at the entry, the result register at the exit.
    pub bases: [u64; 8],
}

/// What finds a thread's `PyThreadState`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct PythonThread {
    /// Cached address of the thread's `PyThreadState`, validated at each use; 0: not known.
    pub state: u64,
    /// Thread id in the target's own pid namespace.
    pub ns_tid: u32,
    /// Why it has no context, a [`ContextOutcome`](crate::ContextOutcome), if the last look found none.
    pub outcome: u32,
    /// The way to its last active span.
    pub trail: Trail,
}

/// A thread of a target. Key: its thread id in the root pid namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ThreadState {
    /// Bit n: `frames[n]` is open. Not a depth: coroutines leave in any order.
    pub open: u32,
    /// Process id in the root pid namespace.
    pub tgid: u32,
    /// Thread id in the target's own pid namespace.
    pub ns_tid: u32,
    /// 1 when `birth_crossing` and `birth_parent` are inherited from a crossing.
    pub has_birth: u32,
    /// 1 while its switches count: it has a crossing open, or descends from one.
    pub watched: u32,
    /// Zero.
    pub reserved: u32,
    /// The crossing under which this thread was created, transitively; 0: none.
    pub birth_crossing: u64,
    /// Its side in the interpreter.
    pub python: PythonThread,
    /// Until then it is taken not to be one of the interpreter's threads, in nanoseconds of `CLOCK_MONOTONIC`.
    pub native_until_ns: u64,
    /// Time of the last switch out or wake-up, if it was watched then; 0 while the thread runs.
    pub off_since_ns: u64,
    /// 1 while off-CPU and blocked, 0 while runnable.
    pub blocked: u64,
    /// Run-queue wait while it was watched, cumulative, in nanoseconds.
    pub runqueue_ns: u64,
    /// Blocked time while it was watched, cumulative, in nanoseconds.
    pub blocked_ns: u64,
    /// Of the latter, the last time off the CPU, if that is still to be told apart from waiting for one.
    pub unsplit_ns: u64,
    /// The kernel's own account of its waits for a CPU, at its last switch out, in nanoseconds.
    pub run_delay_ns: u64,
    /// When this state was made, for a thread born under a crossing.
    pub started_ns: u64,
    /// The programs' search through `frames`: the best key so far. In the map, as the verifier would
    /// otherwise follow every possible outcome of the search on its own.
    pub search_key: u64,
    /// The slot that has it; `MAX_DEPTH` or more: none.
    pub search_slot: u64,
    /// The slot that the hit under way is about.
    pub stage_slot: u64,
    /// 1 if that crossing has none around it.
    pub stage_outermost: u64,
    /// What a note's reads start from, as in [`Frame::bases`].
    pub note_bases: [u64; 8],
    /// What is read for this hit: the programs' stack has no room for it.
    pub active: Active,
    /// Parent of the crossing under which this thread was created.
    pub birth_parent: Parent,
    /// Crossings; those in `open` are.
    pub frames: [Frame; MAX_DEPTH],
}

const _: () = assert!(size_of::<Frame>() == size_of::<CrossingEvent>() + 120);
const _: () = assert!(
    size_of::<ThreadState>()
        == 112 + size_of::<Trail>() + 32 + 64 + 48 + 32 + MAX_DEPTH * size_of::<Frame>()
);
