//! Why a function can't be followed.

use thiserror::Error;

/// Levels of tail calls that are followed; a function that needs more is refused.
pub(super) const MAX_LEVELS: u8 = 3;

/// A reason, for people. Addresses are those of the object file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// Neither the symbol nor unwind information says where it ends.
    #[error("no bounds: the symbol has no size and no unwind entry covers {0:#x}")]
    NoBounds(u64),
    /// The bytes are not in the file or not executable.
    #[error("no code in the file at {0:#x}")]
    NoCode(u64),
    /// The bytes are no instructions.
    #[error("no valid instruction at {0:#x}")]
    NotCode(u64),
    /// It is `STT_GNU_IFUNC`.
    #[error("an indirect function: the symbol is its resolver")]
    Indirect,
    /// A loop or a tail recursion to the entry probe.
    #[error("jumps to its own entry at {0:#x}: a new call can't be told from a turn of the loop")]
    JumpsToItself(u64),
    /// A jump out of it, and no unwind information there.
    #[error(
        "jumps out of its bounds at {0:#x}, where no unwind entry says whether its frame is gone"
    )]
    NoUnwindInfo(u64),
    /// A jump out of it into something without bounds.
    #[error("jumps at {at:#x} to {target:#x}, which has no bounds")]
    UnknownTarget {
        /// The jump.
        at: u64,
        /// Where it leads.
        target: u64,
    },
    /// A tail jump through a register or memory.
    #[error("leaves by a tail jump through a pointer at {0:#x}: its end can't be seen")]
    TailPointer(u64),
    /// A tail jump into another object.
    #[error("leaves by a tail jump to {name} of another object at {at:#x}: its end can't be seen")]
    TailImport {
        /// The jump.
        at: u64,
        /// Symbol.
        name: String,
    },
    /// More levels of tail calls than are followed.
    #[error("leaves by more than {MAX_LEVELS} levels of tail jumps at {at:#x}")]
    TailTooDeep {
        /// The jump.
        at: u64,
    },
    /// `jrcxz`, `loop`: their conditions are no flags.
    #[error("leaves by a jump at {0:#x} whose condition can't be evaluated")]
    UnknownCondition(u64),
    /// A prefix that the kernel refuses to probe.
    #[error("the kernel can't probe the instruction at {0:#x}")]
    Unprobeable(u64),
    /// It runs past its end into what follows.
    #[error("runs past its end at {0:#x}")]
    FallsThrough(u64),
    /// More exits or fragments than are worth probing.
    #[error("more than {0} exits or fragments")]
    TooMany(usize),
    /// It has no exit at all.
    #[error("has no exit")]
    NoExit,
}
