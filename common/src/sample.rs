//! Stacks and waits, as the kernel programs send them.

use crate::{MAX_KERNEL_FRAMES, MAX_PYTHON_FRAMES, Parent, wire_enum};

wire_enum! {
    /// Why a stack was taken.
    SampleReason: u32 {
        /// The sampler's timer fired while the thread ran.
        Timer = 1,
        /// The thread entered an outermost region (`crossing` is the one it entered).
        Entry = 2,
        /// The thread was off the CPU from `time_ns` to `end_ns`; the stack is that of the switch-out.
        Off = 3,
        /// A coroutine was suspended from `time_ns` to `end_ns`; the frames are those of its chain of awaits.
        Await = 4,
        /// A task that was made of what was read from a socket works for the parent; it has no stack.
        Arrival = 5,
    }
}

/// Bits of [`SampleEvent::flags`].
pub struct SampleFlags;

impl SampleFlags {
    /// The walk through the Python frames ended before the thread's first frame.
    pub const PYTHON_CUT: u32 = 1;
    /// The stack copy ended before the stack did: unwinding wants more than the entry's size.
    pub const STACK_CUT: u32 = 2;
    /// The thread was in the kernel (a system call or a fault) when the sample was taken.
    pub const IN_KERNEL: u32 = 4;
    /// [`SampleReason::Off`]: it waited for a CPU, it was not blocked.
    pub const RUN_QUEUE: u32 = 8;
    /// [`SampleReason::Off`]: it waited on a futex inside of the GIL's structure.
    pub const GIL: u32 = 16;
    /// `crossing` is the one that the thread descends from, not one on its own stack.
    pub const BY_LINEAGE: u32 = 32;
    /// The Python frames end at one whose code is no code object: the layout does not fit, or the sample
    /// came while a frame was being made.
    pub const PYTHON_BROKEN: u32 = 64;
    /// One of the Python frames is the body of a module or a class that another one has run: its code
    /// object is freed when it is done, so the names are to be read soon.
    pub const PYTHON_RUNS_ONCE: u32 = 128;
    /// [`SampleReason::Off`]: the kernel counts the wait as one for a block device (`in_iowait`).
    pub const BLOCK_IO: u32 = 256;
}

/// Sizes of the stack copies that samples come with, in bytes.
pub const STACK_SIZES: [u32; 3] = [8 << 10, 16 << 10, 64 << 10];

/// What [`PythonFrame::checksum`] is of a code object: its `co_firstlineno`, `co_flags` and `co_argcount`.
pub const fn code_checksum(first_line: u32, flags: u32, argument_count: u32) -> u32 {
    // Lines differ in their low bits, so those of the others are moved away from them.
    first_line.wrapping_mul(0x9e37_79b1) ^ flags.rotate_left(8) ^ argument_count.rotate_left(24)
}

/// A Python frame, as it stood in the interpreter.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PythonFrame {
    /// Address of the code object.
    pub code: u64,
    /// The instruction: an address inside of the code object (3.11 on), or an index (`f_lasti`) before.
    pub instruction: u64,
    /// First line, flags and argument counts of the code object, folded: it may be freed, and another
    /// be there, before the agent reads it.
    pub checksum: u32,
    /// 1 if the interpreter entered this frame by a new C call of the eval loop: where native and
    /// Python stacks meet.
    pub is_entry: u32,
}

/// A task of asyncio's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Task {
    /// Its address.
    pub address: u64,
    /// Process id in the root pid namespace.
    pub tgid: u32,
    /// Zero.
    pub reserved: u32,
}

/// When a task's work came in. All zero: not known.
///
/// A task's, where [`SampleEvent::idle_until_ns`] is a thread's: a loop goes on for whoever comes, so that it was idle
/// proves nothing of any one of them, and most of what it does next is for others. And what comes in is there when the loop
/// is woken up, while a thread that is handed work begins where it runs again, however long no CPU was free.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// In nanoseconds of `CLOCK_MONOTONIC`. [`SampleReason::Arrival`]: when the data came in that the task was made of, as
    /// the kernel saw it at the socket. `Await`: when its event loop, which had waited for descriptors, was woken up last
    /// before the first step of the task that was seen.
    pub at_ns: u64,
    /// When its first step was known to be over, or was still under way; 0: it is under way.
    pub stepped_ns: u64,
}

/// A task that is suspended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suspended {
    /// When its last step was known to be over, in nanoseconds of `CLOCK_MONOTONIC`.
    pub since_ns: u64,
    /// The Python context of that step; 0: none.
    pub context: u64,
    /// Thread id of its event loop's thread, in the target's own pid namespace.
    pub ns_tid: u32,
    /// Zero.
    pub reserved: u32,
    /// When its work came in.
    pub arrival: Arrival,
}

/// Bytes of a span's name that are read in the kernel; a longer one is the agent's to read.
pub const MAX_SPAN_NAME: usize = 96;

/// What a span object of the target's SDK says of itself.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanText {
    /// Its start, in nanoseconds since the Unix epoch; 0: it was not read.
    pub start_ns: u64,
    /// Characters of its name.
    pub name_len: u32,
    /// The state of the `str` that the name is: whether it is ASCII, whose bytes `name` holds.
    pub name_state: u32,
    /// Its name.
    pub name: [u8; MAX_SPAN_NAME],
}

impl Default for SpanText {
    fn default() -> Self {
        Self {
            start_ns: 0,
            name_len: 0,
            name_state: 0,
            name: [0; MAX_SPAN_NAME],
        }
    }
}

/// When the Python functions of a thread gave way to others between two of its stacks, as the timer's ticks saw it: the
/// outermost function that only the first has was met until `after_ns`, the outermost that only the second has from
/// `by_ns` on, and no tick lies between the two.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// When the first stack was taken, in nanoseconds of `CLOCK_MONOTONIC`; 0: nothing is known.
    pub since_ns: u64,
    /// The last tick before it.
    pub after_ns: u64,
    /// The first tick after it.
    pub by_ns: u64,
    /// Python frames of the second stack that the first does not have, all of them its innermost.
    pub frames: u32,
    /// Zero.
    pub reserved: u32,
}

/// A stack at an instant. In the ring, `stack_len` bytes of user stack from `sp` upwards follow it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SampleEvent {
    /// `RecordKind::Sample`.
    pub kind: u32,
    /// A [`SampleReason`].
    pub reason: u32,
    /// Process id in the root pid namespace.
    pub tgid: u32,
    /// Thread id in the root pid namespace.
    pub tid: u32,
    /// Thread id in the target's own pid namespace.
    pub ns_tid: u32,
    /// [`SampleFlags`].
    pub flags: u32,
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// `Timer`: the time for which the thread had run since it was last looked at, in nanoseconds. `Off`,
    /// `Await`: the end's time.
    pub period_or_end_ns: u64,
    /// `Timer`: how long it will run until it is looked at again, in nanoseconds.
    pub next_ns: u64,
    /// `Timer`: for how long the thread could have run and did not since its last stack, or since its birth, in
    /// nanoseconds.
    pub queued_ns: u64,
    /// When the thread last ran again after a wait in which it worked for nobody; 0: not known. When the work itself came in
    /// is an [`Arrival`].
    pub idle_until_ns: u64,
    /// `Timer`: when what the thread does changed since its last stack.
    pub change: Change,
    /// `Await`: how much earlier than `time_ns` the coroutine may have been suspended, in nanoseconds.
    pub early_ns: u64,
    /// `Await`, `Arrival`: when the task's work came in.
    pub arrival: Arrival,
    /// The innermost open crossing of the thread, or the one that it descends from; 0: none.
    pub crossing: u64,
    /// The thread's Python context pointer; 0: none.
    pub context: u64,
    /// Address of the SDK's span object that the parent was read from; 0: none was.
    pub span_object: u64,
    /// User instruction pointer.
    pub ip: u64,
    /// User stack pointer.
    pub sp: u64,
    /// User frame pointer.
    pub bp: u64,
    /// `rbx` of the user, in which hand-written code keeps the stack pointer that it began with.
    pub bx: u64,
    /// System call that the thread is in; `u64::MAX`: none.
    pub syscall: u64,
    /// First argument of that system call; of `poll` and `ppoll` the second, how many descriptors.
    pub syscall_arg: u64,
    /// Python frames in use.
    pub python_len: u32,
    /// Bytes of user stack that follow.
    pub stack_len: u32,
    /// Pages of it that were not in memory, and are zeros here: bit n is the n-th page from the stack pointer's
    /// on. What reserves a large frame need not touch all of it.
    pub stack_holes: u32,
    /// Kernel addresses in use.
    pub kernel_len: u32,
    /// The parent in whose service the thread is.
    pub parent: Parent,
    /// What the parent says of itself: with the first stack that is taken for it.
    pub span_text: SpanText,
    /// Where the thread was in the kernel, innermost first, if that was asked for.
    pub kernel: [u64; MAX_KERNEL_FRAMES],
    /// Python frames, innermost first, unless [`SampleEvent::begins_outermost`].
    pub python: [PythonFrame; MAX_PYTHON_FRAMES],
}

impl SampleEvent {
    /// Whether its Python frames begin with the outermost: those of a suspended task are read from what awaits to what it
    /// awaits.
    pub fn begins_outermost(&self) -> bool {
        self.reason == SampleReason::Await.wire()
    }
}

/// A stack of nothing, in no system call.
impl Default for SampleEvent {
    fn default() -> Self {
        Self {
            kind: 0,
            reason: 0,
            tgid: 0,
            tid: 0,
            ns_tid: 0,
            flags: 0,
            time_ns: 0,
            period_or_end_ns: 0,
            next_ns: 0,
            queued_ns: 0,
            idle_until_ns: 0,
            change: Change::default(),
            early_ns: 0,
            arrival: Arrival::default(),
            crossing: 0,
            context: 0,
            span_object: 0,
            ip: 0,
            sp: 0,
            bp: 0,
            bx: 0,
            syscall: u64::MAX,
            syscall_arg: 0,
            python_len: 0,
            stack_len: 0,
            stack_holes: 0,
            kernel_len: 0,
            parent: Parent::default(),
            span_text: SpanText::default(),
            kernel: [0; MAX_KERNEL_FRAMES],
            python: [PythonFrame::default(); MAX_PYTHON_FRAMES],
        }
    }
}

const _: () = assert!(size_of::<Task>() == 16);
const _: () = assert!(size_of::<Suspended>() == 40);
const _: () = assert!(size_of::<PythonFrame>() == 24);
const _: () = assert!(size_of::<SpanText>() == 16 + MAX_SPAN_NAME);
const _: () = assert!(
    size_of::<SampleEvent>()
        == 24
            + 136
            + 32
            + 16
            + 32
            + 16
            + MAX_SPAN_NAME
            + 8 * MAX_KERNEL_FRAMES
            + 24 * MAX_PYTHON_FRAMES
);
