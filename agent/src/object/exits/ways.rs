//! Points in the making: by which of its ways a jump leaves, and why a `ret` is kept.

use hotspan_common::ReturnSp;

/// Why a `ret` is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Code runs on into the straight code before it.
    Continued(u64),
    /// A call that may take long does.
    LongCall(u64),
    /// A jump leads there that the kernel single-steps, or whose condition is no flag.
    Stepped(u64),
    /// It can be reached in ways that no jump tells of.
    Entered(u64),
    /// The stack pointer does not follow from `rsp` or `rbp`.
    UnknownSp(u64),
    /// The point is passed again and again.
    Loop(u64),
    /// More points than are worth it.
    TooMany,
    /// The same point is two exits with different stack pointers.
    Conflict(u64),
}

/// A point in the making: the stack pointer where it leaves by jumping, and by going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ways {
    pub jumping: Option<ReturnSp>,
    pub going_on: Option<ReturnSp>,
}

impl Ways {
    /// Whether the point leaves in one case and stays in the other; then which of both stays.
    pub(super) fn staying(self) -> Option<Stays> {
        match (self.jumping, self.going_on) {
            (Some(_), None) => Some(Stays::GoingOn),
            (None, Some(_)) => Some(Stays::Jumping),
            _ => None,
        }
    }

    /// The stack pointer that the entry had, if it is one.
    pub(super) fn sp(self) -> Option<ReturnSp> {
        match (self.jumping, self.going_on) {
            (Some(one), Some(other)) => (one == other).then_some(one),
            (one, other) => one.or(other),
        }
    }

    /// Both together; `None` if their stack pointers differ.
    pub(super) fn and(self, other: Self) -> Option<Self> {
        let ways = Self {
            jumping: self.jumping.or(other.jumping),
            going_on: self.going_on.or(other.going_on),
        };
        ways.sp().map(|_| ways)
    }
}

/// What a conditional jump does that does not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    Jumping,
    GoingOn,
}

/// A point that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub condition: u8,
    pub sp: ReturnSp,
}
