//! Evidence with the interval that it stands for: what spans are made of.

use super::{
    evidence::Evidence,
    sides::{End, SideError, Start},
};
use crate::{
    event::Frame,
    ids::FunctionId,
    inference::{evidence::waits::Cause, functions::frames::Stack},
    time::KernelTime,
};

/// Evidence with the interval that it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub start: KernelTime,
    pub end: KernelTime,
    /// How far the sides of what it shows at work may be off; those of a wait itself are exact.
    pub start_error: SideError,
    pub end_error: SideError,
    /// 0 for waits.
    pub samples: u32,
    /// How much earlier a wait may have begun, or what begins at an edge that may be late.
    pub early_ns: u64,
    /// A wait that becomes a span.
    pub wait: Option<Cause>,
    /// A wait that does not.
    pub lost: Option<Cause>,
    pub frames: Stack,
    /// Where the thread was in the kernel.
    pub kernel: Vec<Frame>,
    /// The stack was taken without who called its outermost function.
    pub is_cut: bool,
    /// Nothing is known of the time before it.
    pub after_hole: bool,
    /// Nothing is known of the time after it.
    pub before_hole: bool,
    /// It lies beside a wait or between two: the thread ran, and they show where.
    pub is_between: bool,
}

impl Piece {
    pub fn function(&self, depth: usize) -> Option<FunctionId> {
        self.frames.get(depth).map(|frame| frame.function)
    }

    pub fn duration_ns(&self) -> u64 {
        self.end.since(self.start)
    }

    /// Whether it shows its functions at work, and not only that they waited.
    pub fn has_worked(&self) -> bool {
        self.samples > 0 || self.is_between
    }

    /// What a piece of evidence shows from its start to its end.
    pub(super) fn new(here: &Evidence, start: &Start, end: &End) -> Self {
        Self {
            start: start.at,
            end: end.at.max(start.at),
            start_error: start.error,
            end_error: end.error,
            samples: u32::from(!here.is_wait()),
            early_ns: here.early_ns,
            wait: None,
            lost: None,
            frames: here.stack.clone(),
            kernel: here.kernel.clone(),
            is_cut: here.is_cut,
            after_hole: start.after_hole,
            before_hole: end.before_hole,
            is_between: false,
        }
    }

    /// The time between two waits on a thread, in what their stacks have in common.
    pub(super) fn between(first: &Evidence, second: &Evidence) -> Self {
        let both = first.stack.iter().zip(&*second.stack);
        let common = both.take_while(|(a, b)| a.function == b.function);
        Self {
            start: first.end,
            end: second.start,
            start_error: SideError::of_all(0),
            end_error: SideError::of_all(0),
            samples: 0,
            early_ns: 0,
            wait: None,
            lost: None,
            frames: common.map(|(frame, _)| *frame).collect(),
            kernel: Vec::new(),
            is_cut: false,
            after_hole: false,
            before_hole: false,
            is_between: true,
        }
    }
}
