//! What the kernel programs send.

use crate::{MAX_VALUES, Parent, Resources, TEXT_LEN, wire_enum};

wire_enum! {
    /// First field of every entry of the crossings and samples rings.
    RecordKind: u32 {
        /// A [`CrossingEvent`].
        Crossing = 1,
        /// A [`ThreadEvent`].
        Thread = 2,
        /// A [`SampleEvent`](crate::SampleEvent), on the samples ring.
        Sample = 3,
    }
}

wire_enum! {
    /// How a crossing ended.
    Ending: u32 {
        /// By one of the region's own exits.
        Returned = 0,
        /// A `catch` at or above its frame proved it gone.
        Caught = 1,
        /// A new entry at the same stack pointer replaced it.
        Replaced = 2,
        /// A new entry or an enclosing exit found its frame gone.
        Unwound = 3,
        /// Its thread ended.
        ThreadExit = 4,
        /// The region was disarmed while it was open.
        Disarmed = 5,
        /// The agent detached while it was open.
        Detached = 6,
    }
}

/// A crossing, sent once, at its end. Times are nanoseconds of `CLOCK_MONOTONIC`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CrossingEvent {
    /// `RecordKind::Crossing`.
    pub kind: u32,
    /// Index into the regions map.
    pub region: u32,
    /// Process id in the root pid namespace.
    pub tgid: u32,
    /// Thread id in the root pid namespace.
    pub tid: u32,
    /// Thread id in the target's own pid namespace.
    pub ns_tid: u32,
    /// An [`Ending`].
    pub ending: u32,
    /// Identity: entry time shifted by 22 bits, thread id in the low bits.
    pub id: u64,
    /// The crossing around this one: on this thread, or the one that created the thread; 0: none.
    pub enclosing: u64,
    /// Entry time.
    pub entry_ns: u64,
    /// End: exact for `Returned`; else the latest instant it can have ended.
    pub exit_ns: u64,
    /// The last instant at which it was known to be open (equal to `exit_ns` for `Returned`).
    pub proven_ns: u64,
    /// While open: the thread's counters at the entry. When sent: waiting for a CPU, in nanoseconds.
    pub runqueue_ns: u64,
    /// While open: the thread's counters at the entry. When sent: blocked, in nanoseconds.
    pub blocked_ns: u64,
    /// The function's result, where the region reads it.
    pub result: u64,
    /// Bit n: `values[n]` (or the text that marks slot n) was read. Bit 31: [`CrossingEvent::COUNTED`].
    pub valid: u32,
    /// Bytes of `text` in use.
    pub text_len: u32,
    /// The parent, read at the entry.
    pub parent: Parent,
    /// What it used besides time.
    pub resources: Resources,
    /// Decoded values.
    pub values: [u64; MAX_VALUES],
    /// The decoded text.
    pub text: [u8; TEXT_LEN],
}

impl CrossingEvent {
    /// In `valid`: a map has the entries of this burst by what they were called with.
    pub const COUNTED: u32 = 1 << 31;
}

/// A thread that was born under a crossing has ended.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ThreadEvent {
    /// `RecordKind::Thread`.
    pub kind: u32,
    /// Process id in the root pid namespace.
    pub tgid: u32,
    /// Thread id in the root pid namespace.
    pub tid: u32,
    /// Thread id in the target's own pid namespace.
    pub ns_tid: u32,
    /// The crossing it was born under; 0: in none, but while its creator worked for a request.
    pub birth_crossing: u64,
    /// Start time.
    pub started_ns: u64,
    /// End time.
    pub ended_ns: u64,
    /// Waiting for a CPU, in nanoseconds, over its life.
    pub runqueue_ns: u64,
    /// Blocked, in nanoseconds, over its life.
    pub blocked_ns: u64,
    /// Waiting for a CPU, in nanoseconds, since its last stack.
    pub queued_ns: u64,
}

wire_enum! {
    /// What a control event reports.
    ControlKind: u32 {
        /// The target mapped something executable.
        Mapped = 1,
        /// The target (or a watched child) executed another program.
        Exec = 2,
        /// The target created a child process; `value` is its pid in the root namespace.
        Fork = 3,
        /// The guard of region `region` tripped; `value` is the thread id.
        Guard = 4,
        /// Conditional exits of region `region` are passed too often by calls that go on; `value` is the thread id.
        Passed = 5,
    }
}

/// Rare and urgent: on a ring of its own, so that no flood of crossings hides it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ControlEvent {
    /// A [`ControlKind`].
    pub kind: u32,
    /// Process id in the root pid namespace.
    pub tgid: u32,
    /// Index into the regions map, for `Guard` and `Passed`.
    pub region: u32,
    /// See [`ControlKind`].
    pub value: u32,
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub time_ns: u64,
}

const _: () =
    assert!(size_of::<CrossingEvent>() == 24 + 64 + 8 + 32 + 48 + 8 * MAX_VALUES + TEXT_LEN);
const _: () = assert!(size_of::<ThreadEvent>() == 64);
const _: () = assert!(size_of::<ControlEvent>() == 24);
