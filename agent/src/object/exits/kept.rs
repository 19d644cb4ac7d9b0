//! Why a `ret` is probed itself.

use thiserror::Error;

/// Why nothing can stand for a `ret`, or not for all ways to it. Addresses are those of the object file.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Kept {
    /// Code that writes, or that leads there otherwise.
    #[error("code that may write runs on into its return at {0:#x}")]
    Continued(u64),
    /// A call that may take long.
    #[error("a call that may take long is the last thing before its return, at {0:#x}")]
    LongCall(u64),
    /// A jump that the kernel single-steps, or whose condition is no flag.
    #[error("what leads to its return at {0:#x} is single-stepped itself")]
    Stepped(u64),
    /// It can be reached in ways that no jump tells of.
    #[error("not all that leads to {0:#x} is known")]
    Entered(u64),
    /// The stack pointer does not follow from `rsp` or `rbp`.
    #[error("the stack pointer at its return is not known at {0:#x}")]
    UnknownSp(u64),
    /// The result is read, and is in no register yet.
    #[error("its result is in no register yet at {0:#x}")]
    UnknownResult(u64),
    /// The point is passed again and again.
    #[error("a loop passes {0:#x} again and again")]
    Loop(u64),
    /// More points than are worth it.
    #[error("more conditional jumps lead there than are worth probing")]
    TooMany,
    /// The same point is two exits that differ.
    #[error("the jump at {0:#x} leads to two returns that differ")]
    Conflict(u64),
    /// Not all ways through the function are known.
    #[error("not all ways through it are known")]
    NotFollowed,
}
