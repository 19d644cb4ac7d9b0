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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Function;
    use crate::event::Language;
    use crate::ids::FunctionId;

    const HANDLER: u32 = 0;
    const BUILD: u32 = 1;
    const CHECK: u32 = 2;
    const SORT: u32 = 3;
    const MAP: u32 = 4;

    fn functions() -> Functions {
        let mut functions = Functions::default();
        for id in [HANDLER, BUILD, CHECK, SORT, MAP] {
            let function = Function {
                id: FunctionId(id),
                language: if id < SORT {
                    Language::Python
                } else {
                    Language::Native
                },
                name: id.to_string(),
                qualified: id.to_string(),
                file: String::new(),
                object: String::new(),
            };
            assert!(functions.announce(function, 10));
        }
        functions
    }

    /// What is told where the second stack has so many frames that the first has not.
    fn parting(first: &[u32], second: &[u32], frames: u32) -> Option<(usize, bool, bool)> {
        let change = Change {
            since: KernelTime(1),
            after: KernelTime(3),
            by: KernelTime(4),
            frames,
        };
        let stack = |ids: &[u32]| -> Vec<Frame> {
            let frame = |id: &u32| Frame {
                function: FunctionId(*id),
                line: 0,
            };
            ids.iter().map(frame).collect()
        };
        let stacks = (&*stack(first), &*stack(second));
        let parting = Parting::of(change, stacks, KernelTime(4), &functions())?;
        Some((parting.depth, parting.ends, parting.begins))
    }

    #[test]
    fn a_python_function_gives_way_to_whatever_comes_next() {
        let by_python = parting(&[HANDLER, BUILD], &[HANDLER, CHECK], 1);
        assert_eq!(by_python, Some((1, true, true)));
        let by_its_caller = parting(&[HANDLER, BUILD], &[HANDLER], 0);
        assert_eq!(by_its_caller, Some((1, true, false)));
        let by_native_code = parting(&[HANDLER, BUILD], &[HANDLER, SORT], 0);
        assert_eq!(by_native_code, Some((1, true, true)));
    }

    #[test]
    fn native_code_may_be_over_before_what_comes_next_begins() {
        let by_python = parting(&[HANDLER, SORT], &[HANDLER, CHECK], 1);
        assert_eq!(by_python, Some((1, false, true)));
        let by_native_code = parting(&[HANDLER, SORT, BUILD], &[HANDLER, MAP, BUILD], 1);
        assert_eq!(by_native_code, None);
    }

    #[test]
    fn a_change_of_other_functions_tells_nothing() {
        // The first call of BUILD gave way to a second.
        let called_again = parting(&[HANDLER, BUILD, CHECK], &[HANDLER, BUILD, SORT], 1);
        assert_eq!(called_again, None);
        let same = parting(&[HANDLER, BUILD], &[HANDLER, BUILD], 0);
        assert_eq!(same, None);
    }
}
