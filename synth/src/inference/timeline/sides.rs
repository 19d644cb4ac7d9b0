//! Where a piece begins and ends: beside other evidence, or at the edge of its segment.

use super::{
    edge::{Bound, Edge},
    evidence::{Evidence, Kind},
};
use crate::{settings::Inference, time::KernelTime};

/// How far a side of what a piece shows may be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SideError {
    /// In nanoseconds.
    pub ns: u64,
    /// The depth of a function of which more is known, and how far its side may be off.
    pub sharp: Option<(usize, u64)>,
}

impl SideError {
    /// The same for all functions.
    pub fn of_all(ns: u64) -> Self {
        Self { ns, sharp: None }
    }

    /// Of the function at a depth, in nanoseconds.
    pub fn at(&self, depth: usize) -> u64 {
        let sharp = self.sharp.filter(|(sharp, _)| *sharp == depth);
        sharp.map_or(self.ns, |(_, ns)| ns)
    }
}

/// Where a piece begins.
pub(super) struct Start {
    pub at: KernelTime,
    pub error: SideError,
    /// Nothing is known of the time before it.
    pub after_hole: bool,
}

impl Start {
    fn new(at: KernelTime, error_ns: u64) -> Self {
        Self {
            at,
            error: SideError::of_all(error_ns),
            after_hole: false,
        }
    }
}

/// Where a piece ends.
pub(super) struct End {
    pub at: KernelTime,
    pub error: SideError,
    /// Nothing is known of the time after it.
    pub before_hole: bool,
}

impl End {
    fn new(at: KernelTime, error_ns: u64) -> Self {
        Self {
            at,
            error: SideError::of_all(error_ns),
            before_hole: false,
        }
    }
}

/// What lies between two pieces of evidence.
pub(super) enum Between {
    /// They stand for all of it, and meet here; how far what the first shows may have ended from there, and what the second
    /// shows begun.
    Meet {
        at: KernelTime,
        end: SideError,
        start: SideError,
    },
    /// Nothing is known of its middle.
    Hole,
}

/// Whether nothing is known of the middle of the time between two pieces of evidence.
pub(crate) fn is_hole(first: &Evidence, second: &Evidence, rules: &Inference) -> bool {
    let known_ns = first.after_hole_ns(rules).max(second.before_hole_ns(rules));
    // A thread that has only lost the CPU is where it was.
    let is_sampled = !first.is_wait() && !second.is_wait();
    let queued_ns = if is_sampled { second.queued_ns } else { 0 };
    second.start.since(first.end).saturating_sub(queued_ns) > known_ns
}

pub(super) fn between(first: &Evidence, second: &Evidence, rules: &Inference) -> Between {
    if is_hole(first, second, rules) {
        return Between::Hole;
    }
    if let Some(parting) = second
        .parting
        .filter(|parting| parting.is_between(first, second))
    {
        return Between::Meet {
            at: parting.at(),
            end: parting.end_error(first),
            start: parting.start_error(first, second),
        };
    }
    let distance = second.start.since(first.end);
    let at = match (first.shows_around(), second.shows_around()) {
        // What runs until a wait begins, or from its end on, is not the wait.
        (false, true) => first.end,
        (true, false) => second.start,
        _ => KernelTime(first.end.0 + distance / 2),
    };
    let error = SideError::of_all(distance);
    Between::Meet {
        at,
        end: error,
        start: error,
    }
}

impl Between {
    pub fn start_of_second(&self, second: &Evidence, rules: &Inference) -> Start {
        let of_all = SideError::of_all;
        let (at, error) = match (self, second.kind) {
            (Self::Meet { at, start, .. }, _) if second.shows_around() => (*at, *start),
            (Self::Meet { start, .. }, _) => (second.start, *start),
            (Self::Hole, Kind::Wait(_)) => (second.start, of_all(rules.interval_ns())),
            (Self::Hole, Kind::Sample { before_ns, .. }) => {
                (second.half_before(), of_all(before_ns))
            }
        };
        Start {
            at,
            error,
            after_hole: matches!(self, Self::Hole),
        }
    }

    pub fn end_of_first(&self, first: &Evidence, rules: &Inference) -> End {
        let of_all = SideError::of_all;
        let (at, error) = match (self, first.kind) {
            (Self::Meet { at, end, .. }, _) if first.shows_around() => (*at, *end),
            (Self::Meet { end, .. }, _) => (first.end, *end),
            (Self::Hole, Kind::Wait(_)) => (first.end, of_all(rules.interval_ns())),
            (Self::Hole, Kind::Sample { after_ns, .. }) => (first.reach(), of_all(after_ns)),
        };
        End {
            at,
            error,
            before_hole: matches!(self, Self::Hole),
        }
    }
}

/// Where the first piece of a segment begins.
pub(super) fn first(here: &Evidence, left: &Edge, rules: &Inference) -> Start {
    let distance = here.start.since(left.time);
    let queued_ns = if left.bound == Bound::Life {
        here.queued_ns
    } else {
        0
    };
    let beyond = Beyond::new(left, distance, queued_ns, here.before_hole_ns(rules));
    let start = match here.kind {
        _ if here.shows_around() && beyond == Beyond::Near => {
            Start::new(here.not_before(left.time), distance)
        }
        Kind::Wait(_) => Start::new(here.start, beyond.beside_wait_ns(distance, rules)),
        Kind::Sample { before_ns, .. } => Start::new(here.half_before().max(left.time), before_ns),
    };
    Start {
        after_hole: beyond == Beyond::Hole,
        ..start
    }
}

/// Where the last piece of a segment ends.
pub(super) fn last(here: &Evidence, right: &Edge, rules: &Inference) -> End {
    let distance = right.time.since(here.end);
    let queued_ns = if here.is_wait() { 0 } else { right.queued_ns };
    let beyond = Beyond::new(right, distance, queued_ns, here.after_hole_ns(rules));
    let end = match here.kind {
        _ if here.shows_around() && beyond == Beyond::Near => {
            End::new(here.not_after(right.time), distance)
        }
        Kind::Wait(_) => End::new(here.end, beyond.beside_wait_ns(distance, rules)),
        Kind::Sample { after_ns, .. } => End::new(here.reach().min(right.time), after_ns),
    };
    End {
        before_hole: beyond == Beyond::Hole,
        ..end
    }
}

/// What lies between the outermost evidence of a segment and its edge.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beyond {
    /// Nothing that need have been seen.
    Near,
    /// Nothing is known of its middle.
    Hole,
    /// It is not known where the edge is.
    Open,
}

impl Beyond {
    /// The thread waited for a CPU for so much of the distance; up to `known_ns` nothing else need have been seen.
    fn new(edge: &Edge, distance_ns: u64, queued_ns: u64, known_ns: u64) -> Self {
        if edge.bound == Bound::Open {
            Self::Open
        } else if distance_ns.saturating_sub(queued_ns) <= known_ns {
            Self::Near
        } else {
            Self::Hole
        }
    }

    /// How much earlier or later than a wait its functions may have begun or ended.
    fn beside_wait_ns(self, distance_ns: u64, rules: &Inference) -> u64 {
        if self == Self::Near {
            distance_ns
        } else {
            rules.interval_ns()
        }
    }
}
