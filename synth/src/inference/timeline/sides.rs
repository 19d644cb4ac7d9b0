//! Where a piece begins and ends: beside other evidence, or at the edge of its segment.

use super::{
    edge::{Bound, Edge},
    evidence::{Evidence, Kind},
};
use crate::{settings::Inference, time::KernelTime};

/// Where a piece begins.
pub(super) struct Start {
    pub at: KernelTime,
    pub error_ns: u64,
    /// Nothing is known of the time before it.
    pub after_hole: bool,
}

impl Start {
    fn new(at: KernelTime, error_ns: u64) -> Self {
        Self {
            at,
            error_ns,
            after_hole: false,
        }
    }
}

/// Where a piece ends.
pub(super) struct End {
    pub at: KernelTime,
    pub error_ns: u64,
}

/// What lies between two pieces of evidence.
pub(super) enum Between {
    /// They stand for all of it, and meet here.
    Meet { at: KernelTime, error_ns: u64 },
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
    let distance = second.start.since(first.end);
    let at = match (first.shows_around(), second.shows_around()) {
        // What runs until a wait begins, or from its end on, is not the wait.
        (false, true) => first.end,
        (true, false) => second.start,
        _ => KernelTime(first.end.0 + distance / 2),
    };
    Between::Meet {
        at,
        error_ns: distance,
    }
}

impl Between {
    pub fn start_of_second(&self, second: &Evidence, rules: &Inference) -> Start {
        let (at, error_ns) = match (self, second.kind) {
            (Self::Meet { at, error_ns }, _) if second.shows_around() => (*at, *error_ns),
            (Self::Meet { error_ns, .. }, _) => (second.start, *error_ns),
            (Self::Hole, Kind::Wait(_)) => (second.start, rules.interval_ns()),
            (Self::Hole, Kind::Sample { before_ns, .. }) => (second.half_before(), before_ns),
        };
        Start {
            at,
            error_ns,
            after_hole: matches!(self, Self::Hole),
        }
    }

    pub fn end_of_first(&self, first: &Evidence, rules: &Inference) -> End {
        let (at, error_ns) = match (self, first.kind) {
            (Self::Meet { at, error_ns }, _) if first.shows_around() => (*at, *error_ns),
            (Self::Meet { error_ns, .. }, _) => (first.end, *error_ns),
            (Self::Hole, Kind::Wait(_)) => (first.end, rules.interval_ns()),
            (Self::Hole, Kind::Sample { after_ns, .. }) => (first.reach(), after_ns),
        };
        End { at, error_ns }
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
    match here.kind {
        Kind::Wait(_) if here.shows_around() && is_near(left, distance, rules) => {
            Start::new(here.not_before(left.time), distance)
        }
        Kind::Wait(_) => Start::new(here.start, beside(left, distance, rules)),
        Kind::Sample { .. }
            if left.bound != Bound::Open
                && distance.saturating_sub(queued_ns) <= here.before_hole_ns(rules) =>
        {
            Start::new(here.not_before(left.time), distance)
        }
        Kind::Sample { before_ns, .. } => Start::new(here.half_before().max(left.time), before_ns),
    }
}

/// Where the last piece of a segment ends.
pub(super) fn last(here: &Evidence, right: &Edge, rules: &Inference) -> End {
    let distance = right.time.since(here.end);
    let (at, error_ns) = match here.kind {
        Kind::Wait(_) if here.shows_around() && is_near(right, distance, rules) => {
            (here.not_after(right.time), distance)
        }
        Kind::Wait(_) => (here.end, beside(right, distance, rules)),
        Kind::Sample { .. }
            if right.bound != Bound::Open
                && distance.saturating_sub(right.queued_ns) <= here.after_hole_ns(rules) =>
        {
            (here.not_after(right.time), distance)
        }
        Kind::Sample { after_ns, .. } => (here.reach().min(right.time), after_ns),
    };
    End { at, error_ns }
}

/// How much earlier or later than a wait its functions may have begun or ended.
fn beside(edge: &Edge, distance_ns: u64, rules: &Inference) -> u64 {
    if is_near(edge, distance_ns, rules) {
        distance_ns
    } else {
        rules.interval_ns()
    }
}

/// Whether nothing need have been seen between a wait and an edge.
fn is_near(edge: &Edge, distance_ns: u64, rules: &Inference) -> bool {
    edge.bound != Bound::Open && distance_ns <= rules.hole_ns
}
