//! The types that cross the boundary between the kernel programs and the agent.
//!
//! Everything here is `#[repr(C)]`, has no implicit padding, and is valid for every bit pattern,
//! so that a map value or a ring entry can be read as it lies. Sizes are asserted at compile time.
#![no_std]

mod context;
mod cookie;
mod counters;
mod counts;
mod event;
mod region;
mod resources;
mod sample;
mod thread;

pub use context::{
    Active, AttributeStore, ContextOutcome, CoroutineLayout, Parent, ParentSource,
    PythonFramesLayout, PythonLayout, StackTop, ThreadContextLayout, TlsKind, Trail,
};
pub use cookie::{Cookie, PointKind, ResultAt, ReturnSp};
pub use counters::Counter;
pub use counts::KeyCounts;
pub use event::{ControlEvent, ControlKind, CrossingEvent, Ending, RecordKind, ThreadEvent};
pub use region::{Base, ReadSpec, ReadWhen, RegionFlags, RegionSpec, ValueKind};
pub use resources::Resources;
pub use sample::{
    Arrival, Change, MAX_SPAN_NAME, PythonFrame, STACK_SIZES, SampleEvent, SampleFlags,
    SampleReason, SpanText, Suspended, Task, code_checksum,
};
pub use thread::{
    ACCOUNT_SAVINGS_NS, Account, Frame, FrameFlags, PythonThread, Target, TargetFlags, ThreadState,
};

/// Open crossings that one thread can have at once; deeper ones are counted and not followed. A power
/// of two: the programs bound a slot by a mask.
pub const MAX_DEPTH: usize = 16;
/// Values that a crossing can carry, one slot each.
pub const MAX_VALUES: usize = 16;
/// Bytes of the one text that a crossing can carry.
pub const TEXT_LEN: usize = 64;
/// Reads that a region can ask for at its entry and its exit together.
pub const MAX_READS: usize = 16;
/// Python frames that a sample carries; outer ones are cut off, and said to be.
pub const MAX_PYTHON_FRAMES: usize = 128;
/// Kernel addresses that a sample carries; outer ones are cut off.
pub const MAX_KERNEL_FRAMES: usize = 32;
/// The slot of a tally's count; the last, which reads can't fill there.
pub const TALLY_SLOT: u32 = MAX_VALUES as u32 - 1;
/// Tokens of a step that are looked at to know whom it serves.
pub const MAX_TOKENS: usize = 512;
/// Values by which a burst's entries are counted; entries with further ones are counted together.
pub const MAX_KEYS: usize = 32;
/// Bursts whose entries are counted by a value, over all targets.
pub const MAX_KEYED: usize = 2048;
/// Entries of a tally further apart than this many nanoseconds are different bursts.
pub const TALLY_GAP_NS: u64 = 10_000_000;
/// Pointers that one read can follow.
pub const MAX_HOPS: usize = 5;
/// Regions over all targets of one agent; each target has its own numbers, and so its own guard.
pub const MAX_REGIONS: usize = 4096;
/// Targets of one agent.
pub const MAX_TARGETS: usize = 256;
/// Crossings that a full ring leaves for the agent's sweep.
pub const MAX_PARKED: usize = 1024;
/// Open crossings under which a thread was born, over all targets.
pub const MAX_BIRTHS: usize = 4096;
/// Threads with state, over all targets.
pub const MAX_THREADS: usize = 16_384;
/// Threads that are sampled, over all targets.
pub const MAX_WORKERS: usize = 8192;

/// Fieldless enums that travel as an integer: the constant, the way back, and nothing invented.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident: $repr:ty { $($(#[$vmeta:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr($repr)]
        pub enum $name { $($(#[$vmeta])* $variant = $value,)+ }

        impl $name {
            /// Every value, in wire order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value that `wire` stands for; `None` for a number this build does not know.
            pub const fn from_wire(wire: $repr) -> Option<Self> {
                match wire { $($value => Some(Self::$variant),)+ _ => None }
            }

            /// The number on the wire.
            pub const fn wire(self) -> $repr { self as $repr }
        }
    };
}
use wire_enum;
