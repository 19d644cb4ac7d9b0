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

/// The stack pointer that a function has at its `ret`, at an instruction before it: a register there plus an
/// offset. The high bit says that the register is `rbp` and not `rsp`, the others hold the offset in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReturnSp(u16);

impl ReturnSp {
    const FROM_RBP: u16 = 1 << 15;
    const WORD: i64 = 8;

    /// `rsp` as it is, which is so at the `ret`.
    pub const HERE: Self = Self(0);

    /// `rbp` or `rsp`, plus `offset` bytes; `None` if that is no whole number of words, negative, or more than 255 KiB.
    pub const fn new(from_rbp: bool, offset: i64) -> Option<Self> {
        let words = offset / Self::WORD;
        if offset % Self::WORD != 0 || words < 0 || words >= Self::FROM_RBP as i64 {
            return None;
        }
        let base = if from_rbp { Self::FROM_RBP } else { 0 };
        Some(Self(base | words as u16))
    }

    /// The stack pointer at the `ret`.
    #[inline]
    pub const fn at(self, rsp: u64, rbp: u64) -> u64 {
        let base = if self.0 & Self::FROM_RBP != 0 {
            rbp
        } else {
            rsp
        };
        let words = self.0 & !Self::FROM_RBP;
        base.wrapping_add(words as u64 * Self::WORD as u64)
    }
}

/// The attach cookie: region in the low 16 bits, then the stack pointer, the kind, the condition, the generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Index into the regions map.
    pub region: u32,
    /// For an exit: where the stack pointer is that its entry had.
    pub sp: ReturnSp,
    /// A [`PointKind`].
    pub kind: u8,
    /// 0: always. Else 1 + the x86 condition code (0 to 15) under which the instruction leaves.
    pub condition: u8,
    /// The generation of links that the probe belongs to; see `RegionSpec::generation`.
    pub generation: u16,
}

const _: () = assert!(crate::MAX_REGIONS <= 1 << 16);

impl Cookie {
    /// As `bpf_get_attach_cookie` returns it.
    pub const fn pack(self) -> u64 {
        self.region as u16 as u64
            | (self.sp.0 as u64) << 16
            | (self.kind as u64) << 32
            | (self.condition as u64) << 40
            | (self.generation as u64) << 48
    }

    /// The inverse of [`Cookie::pack`].
    pub const fn unpack(cookie: u64) -> Self {
        Self {
            region: cookie as u16 as u32,
            sp: ReturnSp((cookie >> 16) as u16),
            kind: (cookie >> 32) as u8,
            condition: (cookie >> 40) as u8,
            generation: (cookie >> 48) as u16,
        }
    }
}
