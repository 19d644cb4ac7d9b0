//! Points in the making: by which of its ways a jump leaves, and with what.

use hotspan_common::{ResultAt, ReturnSp};

/// What is known of the `ret` at a point before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub sp: ReturnSp,
    /// Where its result is; `rax` where nothing reads that.
    pub result: ResultAt,
}

impl Left {
    /// At the `ret` itself.
    pub(super) const HERE: Self = Self {
        sp: ReturnSp::HERE,
        result: ResultAt::RAX,
    };
}

/// A point in the making: what it leaves with by jumping, and by going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ways {
    pub jumping: Option<Left>,
    pub going_on: Option<Left>,
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

    /// What it leaves with, if that is one.
    pub(super) fn left(self) -> Option<Left> {
        match (self.jumping, self.going_on) {
            (Some(one), Some(other)) => (one == other).then_some(one),
            (one, other) => one.or(other),
        }
    }

    /// Both together; `None` if they differ.
    pub(super) fn and(self, other: Self) -> Option<Self> {
        let ways = Self {
            jumping: self.jumping.or(other.jumping),
            going_on: self.going_on.or(other.going_on),
        };
        ways.left().map(|_| ways)
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
    pub left: Left,
}
