//! Where two stacks of a thread part, and when what the one shows gave way to what the other shows.

use super::{evidence::Evidence, sides::SideError};
use crate::{
    event::{Change, Frame},
    inference::functions::Functions,
    time::KernelTime,
};

/// What ticks between two stacks tell of the functions in which these differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parting {
    change: Change,
    /// Frames that both stacks begin with.
    depth: usize,
    /// Whether the first's function at that depth was there until the change,
    ends: bool,
    /// and the second's from then on.
    begins: bool,
}

impl Parting {
    /// `None` where the change was of other functions than those in which the stacks differ: what is native has no tick of
    /// its own, and a function may be called again by another call of its caller. `time` is the second stack's.
    pub fn of(
        change: Change,
        (first, second): (&[Frame], &[Frame]),
        time: KernelTime,
        functions: &Functions,
    ) -> Option<Self> {
        let is_python = |frame: &Frame| functions.is_python(frame.function);
        let both = first.iter().zip(second);
        let depth = both.take_while(|(a, b)| a.function == b.function).count();
        let (gone, new) = (first.get(depth..)?, second.get(depth..)?);
        let count = new.iter().filter(|frame| is_python(frame)).count();
        if count != usize::try_from(change.frames).ok()? {
            return None;
        }
        let ends = gone.first().is_some_and(is_python);
        // What the stack shows that was taken at the change has only now taken the other's place.
        let begins = new
            .first()
            .is_some_and(|frame| is_python(frame) || ends && change.by == time);
        (ends || begins).then_some(Self {
            change,
            depth,
            ends,
            begins,
        })
    }

    /// Whether it is the one of these two stacks.
    pub fn is_between(&self, first: &Evidence, second: &Evidence) -> bool {
        !first.is_wait()
            && first.start == self.change.since
            && first.end <= self.change.after
            && self.change.after < self.change.by
            && self.change.by <= second.start
    }

    /// The middle of the time in which it was.
    pub fn at(&self) -> KernelTime {
        KernelTime(self.change.after.0 + self.ticks_ns() / 2)
    }

    fn ticks_ns(&self) -> u64 {
        self.change.by.since(self.change.after)
    }

    /// How much earlier or later what the first stack shows may have ended. Functions that the one which gave way has called were
    /// over by then, and may have been since that stack.
    pub fn end_error(&self, first: &Evidence) -> SideError {
        let at = self.at();
        SideError {
            ns: at.since(first.end).max(self.change.by.since(at)),
            sharp: self.ends.then_some((self.depth, self.ticks_ns())),
        }
    }

    /// How much earlier or later what the second stack shows may have begun.
    pub fn start_error(&self, first: &Evidence, second: &Evidence) -> SideError {
        let at = self.at();
        let earliest = if self.begins {
            self.change.after
        } else {
            first.end
        };
        SideError {
            ns: at.since(earliest).max(second.start.since(at)),
            sharp: self.begins.then_some((self.depth, self.ticks_ns())),
        }
    }
}
