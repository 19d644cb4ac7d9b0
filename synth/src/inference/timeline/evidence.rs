//! The vocabulary of evidence: what was seen of a thread, and how far around it that reaches.

use super::parting::Parting;
use crate::{
    event::{Frame, Sample},
    inference::{
        evidence::waits::Cause,
        functions::{
            Functions,
            frames::{Stack, kernel_frames},
        },
    },
    settings::Inference,
    time::KernelTime,
};

/// Sampling intervals without evidence after which nothing is said of the time between.
const HOLE_INTERVALS: u64 = 3;

/// What was seen of a thread.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub start: KernelTime,
    /// The same as the start for a sample.
    pub end: KernelTime,
    pub kind: Kind,
    /// For how long the thread could have run and did not before a sample, since its last stack or its birth.
    pub queued_ns: u64,
    /// How much earlier a wait may have begun.
    pub early_ns: u64,
    /// Outermost first, from where the chain above the handler ends.
    pub stack: Stack,
    /// Where it was in the kernel, outermost first, if that is known.
    pub kernel: Vec<Frame>,
    /// Whether the stack was taken without what called its outermost function.
    pub is_cut: bool,
    /// When what the stack before it shows gave way to what this one shows.
    pub parting: Option<Parting>,
    /// When the thread last served another request before it.
    pub earliest: Option<KernelTime>,
    /// When it next did.
    pub latest: Option<KernelTime>,
}

/// What kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The thread had been looked at so long before, and was to be so long after, in nanoseconds.
    Sample {
        before_ns: u64,
        after_ns: u64,
    },
    Wait(Cause),
}

impl Kind {
    /// A stack; 0 after it: as before it.
    pub fn sample(before_ns: u64, after_ns: u64) -> Self {
        let after_ns = if after_ns == 0 { before_ns } else { after_ns };
        Self::Sample {
            before_ns,
            after_ns,
        }
    }
}

impl Evidence {
    /// A whole stack that the timer took, so long after the thread was looked at before.
    pub fn tick(sample: &Sample, before_ns: u64, stack: Stack, functions: &Functions) -> Self {
        Self {
            start: sample.time,
            end: sample.time,
            kind: Kind::sample(before_ns, sample.next_ns),
            queued_ns: sample.queued_ns,
            early_ns: 0,
            stack,
            kernel: kernel_frames(&sample.stack, functions),
            is_cut: false,
            parting: None,
            earliest: None,
            latest: None,
        }
    }

    pub fn is_wait(&self) -> bool {
        matches!(self.kind, Kind::Wait(_))
    }

    /// Whether it shows what ran right before it and right after it: as a sample does, and a wait on others that run, which
    /// hits a thread wherever it is.
    pub(super) fn shows_around(&self) -> bool {
        match self.kind {
            Kind::Sample { .. } => true,
            Kind::Wait(cause) => cause.is_contention() && !self.is_cut && !self.stack.is_empty(),
        }
    }

    /// For how long the thread ran before a sample, since it was last looked at.
    pub fn before_ns(&self) -> u64 {
        self.distances_ns().0
    }

    fn distances_ns(&self) -> (u64, u64) {
        match self.kind {
            Kind::Sample {
                before_ns,
                after_ns,
            } => (before_ns, after_ns),
            Kind::Wait(_) => (0, 0),
        }
    }

    /// The earliest instant that it stands for.
    pub(super) fn half_before(&self) -> KernelTime {
        let half = KernelTime(self.start.0.saturating_sub(self.distances_ns().0 / 2));
        self.not_before(half)
    }

    pub(super) fn not_before(&self, time: KernelTime) -> KernelTime {
        self.earliest.map_or(time, |earliest| time.max(earliest))
    }

    pub(super) fn not_after(&self, time: KernelTime) -> KernelTime {
        self.latest.map_or(time, |latest| time.min(latest))
    }

    /// The latest instant that it stands for.
    pub fn reach(&self) -> KernelTime {
        self.not_after(KernelTime(
            self.end.0.saturating_add(self.distances_ns().1 / 2),
        ))
    }

    pub(super) fn before_hole_ns(&self, rules: &Inference) -> u64 {
        hole_ns(self.distances_ns().0, rules)
    }

    pub(super) fn after_hole_ns(&self, rules: &Inference) -> u64 {
        hole_ns(self.distances_ns().1, rules)
    }
}

/// What may lie between two stacks, of which the one tells this distance.
fn hole_ns(distance_ns: u64, rules: &Inference) -> u64 {
    distance_ns
        .saturating_mul(HOLE_INTERVALS)
        .max(rules.hole_ns)
}
