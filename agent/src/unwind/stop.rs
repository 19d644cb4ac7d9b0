//! Why a walk ended.

/// Why a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stop {
    /// It reached the function that the thread began with.
    Start,
    /// No unwind information covers the address: hand-written assembly, an object without any.
    NoUnwindInfo,
    /// The unwind information needs a register that was not copied, or makes no sense.
    Unsupported,
    /// The stack goes on where the copy of it ends.
    Cut,
    /// A part of the stack that is needed was not in memory.
    Hole,
    /// The unwind information leads to a place that is no part of this stack.
    Outside,
    /// The same place again, a stack that shrinks, or more frames than are followed.
    Loop,
    /// An address in memory that is no file's: code made at run time.
    Unmapped,
}

impl Stop {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 8] = [
        Self::Start,
        Self::NoUnwindInfo,
        Self::Unsupported,
        Self::Cut,
        Self::Hole,
        Self::Outside,
        Self::Loop,
        Self::Unmapped,
    ];

    /// Its counter's name.
    pub fn counter(self) -> &'static str {
        match self {
            Self::Start => "stacks.complete",
            Self::NoUnwindInfo => "stacks.no_unwind_info",
            Self::Unsupported => "stacks.unsupported_unwind_info",
            Self::Cut => "stacks.cut",
            Self::Hole => "stacks.not_in_memory",
            Self::Outside => "stacks.outside",
            Self::Loop => "stacks.loop",
            Self::Unmapped => "stacks.unmapped_code",
        }
    }
}

/// How many walks ended for which reason.
#[derive(Clone, Debug, Default)]
pub struct StopCounts([u64; Stop::ALL.len()]);

impl StopCounts {
    /// One more.
    pub fn add(&mut self, stop: Stop) {
        self.0[stop as usize] += 1;
    }

    /// How many ended so.
    pub fn of(&self, stop: Stop) -> u64 {
        self.0[stop as usize]
    }

    /// Each counter by its name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Stop::ALL
            .into_iter()
            .map(|stop| (stop.counter(), self.of(stop)))
    }
}
