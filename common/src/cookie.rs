//! What an attach cookie says: which region, and what kind of point was hit.

use crate::wire_enum;

wire_enum! {
    /// The kind of instruction a probe sits on.
    PointKind: u8 {
        /// The first instruction of the region's function.
        Entry = 0,
        /// An instruction after which the region's frame is gone.
        Exit = 1,
        /// An entry that only adds values to the crossing around it; it has no exit.
        Note = 2,
        /// `__cxa_begin_catch`: crossings at or below its stack pointer are over.
        Catch = 3,
        /// Where asyncio begins a step of a task; the first argument is an object that holds the task.
        Resume = 4,
        /// Where the dynamic loader says that it has mapped something.
        Loaded = 5,
        /// [`PointKind::Resume`], and the first argument is the task itself.
        Woken = 6,
    }
}

/// The attach cookie: region in the low 32 bits, then the kind, the condition, the generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Index into the regions map.
    pub region: u32,
    /// A [`PointKind`].
    pub kind: u8,
    /// 0: always. Else 1 + the x86 condition code (0 to 15) under which the instruction leaves.
    pub condition: u8,
    /// The generation of links that the probe belongs to; see `RegionSpec::generation`.
    pub generation: u16,
}

impl Cookie {
    /// As `bpf_get_attach_cookie` returns it.
    pub const fn pack(self) -> u64 {
        self.region as u64
            | (self.kind as u64) << 32
            | (self.condition as u64) << 40
            | (self.generation as u64) << 48
    }

    /// The inverse of [`Cookie::pack`].
    pub const fn unpack(cookie: u64) -> Self {
        Self {
            region: cookie as u32,
            kind: (cookie >> 32) as u8,
            condition: (cookie >> 40) as u8,
            generation: (cookie >> 48) as u16,
        }
    }
}
