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
        /// Where asyncio makes a task, which is the first argument.
        Created = 7,
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

/// Where a function's result is at an exit: in a register, or it is a small number that the code behind the exit puts
/// into `rax`. The low four bits are the register's place in the kernel's `pt_regs`, in words, or that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResultAt(u8);

impl ResultAt {
    const BITS: u32 = 6;
    const NUMBER: u8 = 1 << 5;
    /// Only the low 32 bits count, the others are 0.
    const HALF: u8 = 1 << 4;
    const LOW: u8 = Self::HALF - 1;
    /// `pt_regs` begins with fifteen registers of the program.
    const WORDS: u8 = 15;

    /// Where it is at the `ret`.
    pub const RAX: Self = Self(10);

    /// In the register at this place of `pt_regs` (0: `r15`, 14: `rdi`); `None` if none is there.
    pub const fn register(word: u8) -> Option<Self> {
        if word < Self::WORDS {
            Some(Self(word))
        } else {
            None
        }
    }

    /// This very number; `None` if it does not fit.
    pub const fn number(number: i64) -> Option<Self> {
        if number < -8 || number > 7 {
            return None;
        }
        Some(Self(Self::NUMBER | number as u8 & Self::LOW))
    }

    /// The low 32 bits of it, extended by zeros.
    #[must_use]
    pub const fn half(self) -> Self {
        Self(self.0 | Self::HALF)
    }

    /// Whether it is in a register.
    pub const fn is_register(self) -> bool {
        self.0 & Self::NUMBER == 0
    }

    /// The register's place in `pt_regs`, in words, if it is in one.
    #[inline]
    pub const fn word(self) -> usize {
        (self.0 & Self::LOW) as usize
    }

    /// The result, from what that register holds.
    #[inline]
    pub const fn of(self, register: u64) -> u64 {
        let low = 64 - Self::HALF.trailing_zeros();
        let whole = if self.is_register() {
            register
        } else {
            (((self.0 as u64) << low) as i64 >> low) as u64
        };
        if self.0 & Self::HALF == 0 {
            whole
        } else {
            whole as u32 as u64
        }
    }
}

/// The attach cookie, from the low bits on: region (16 bits), stack pointer (16), kind (4), condition (5), result (6),
/// one bit that is zero, generation (16).
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
    /// For an exit: where the result is.
    pub result: ResultAt,
    /// The generation of links that the probe belongs to; see `RegionSpec::generation`.
    pub generation: u16,
}

const _: () = assert!(crate::MAX_REGIONS <= 1 << 16);

impl Cookie {
    const KIND: u32 = 32;
    const CONDITION: u32 = Self::KIND + 4;
    const RESULT: u32 = Self::CONDITION + 5;
    const GENERATION: u32 = 48;

    /// As `bpf_get_attach_cookie` returns it.
    pub const fn pack(self) -> u64 {
        self.region as u16 as u64
            | (self.sp.0 as u64) << 16
            | (self.kind as u64) << Self::KIND
            | (self.condition as u64) << Self::CONDITION
            | (self.result.0 as u64) << Self::RESULT
            | (self.generation as u64) << Self::GENERATION
    }

    /// The inverse of [`Cookie::pack`].
    pub const fn unpack(cookie: u64) -> Self {
        Self {
            region: cookie as u16 as u32,
            sp: ReturnSp((cookie >> 16) as u16),
            kind: (cookie >> Self::KIND) as u8 & 0xf,
            condition: (cookie >> Self::CONDITION) as u8 & 0x1f,
            result: ResultAt((cookie >> Self::RESULT) as u8 & ((1 << ResultAt::BITS) - 1)),
            generation: (cookie >> Self::GENERATION) as u16,
        }
    }
}
