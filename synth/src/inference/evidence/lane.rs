//! A thread's part in a request: what was seen of it.

use std::{collections::BTreeSet, sync::Arc};

use super::thinning;
use crate::{
    crossings::{item::Key, regions::KnownRegion},
    event::{Change, Frame},
    ids::SpanId,
    inference::{
        functions::{Functions, frames::Stack},
        timeline::{Evidence, Parting},
    },
    time::{KernelTime, UnixTime},
};

/// Evidence that may have come between two stacks of a thread that follow each other: waits are told of when they are over.
const LATE: usize = 16;

/// A span of probes on the thread.
#[derive(Clone, Debug)]
pub(crate) struct Exact {
    pub key: Key,
    pub region: Arc<KnownRegion>,
    pub entry: KernelTime,
    pub exit: KernelTime,
    pub start: UnixTime,
    pub end: UnixTime,
    /// Synthetic spans from the target's to this one.
    pub depth: u32,
    pub span_id: SpanId,
    /// Whether it stands for many crossings: what lies in it need not lie in one of them.
    pub is_folded: bool,
}

/// A time that a thread spent with others, from the first instant to the last that shows it.
pub(super) type Stay = (KernelTime, KernelTime);

/// All that is known of one thread in one request.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub evidence: Vec<Evidence>,
    pub exact: Vec<Exact>,
    /// Stacks at the entries of crossings.
    pub entries: Vec<(Key, Stack)>,
    /// Crossings that samples were taken in.
    pub inside: BTreeSet<Key>,
    /// When its thread ran again before it, having waited for work.
    pub idle_until: Option<KernelTime>,
    /// When its thread provably served others, and nothing of the lane's own was seen.
    pub elsewhere: Vec<Stay>,
    /// When a crossing began that has not ended.
    pub(in crate::inference) open: Option<KernelTime>,
}

impl Lane {
    /// The earliest instant that is known of.
    pub fn first(&self) -> Option<KernelTime> {
        let entries = self.exact.iter().map(|exact| exact.entry);
        let starts = self.evidence.iter().map(|evidence| evidence.start);
        entries.chain(starts).min()
    }

    /// The latest, with the time that the last sample stands for.
    pub fn last(&self) -> Option<KernelTime> {
        let exits = self.exact.iter().map(|exact| exact.exit);
        let ends = self.evidence.iter().map(Evidence::reach);
        exits.chain(ends).max()
    }

    /// The latest instant that was seen.
    pub fn ended(&self) -> Option<KernelTime> {
        let exits = self.exact.iter().map(|exact| exact.exit);
        let ends = self.evidence.iter().map(|evidence| evidence.end);
        exits.chain(ends).max()
    }

    /// Before something that was seen of it, its thread ran again at this instant, having waited for work: of several, the
    /// first is before all of it.
    pub fn was_idle_until(&mut self, at: Option<KernelTime>) {
        self.idle_until = match (self.idle_until, at) {
            (Some(known), Some(at)) => Some(known.min(at)),
            (known, at) => known.or(at),
        };
    }

    /// Instants at which the thread served others, in the order of time, as stays: those that nothing of the lane's own
    /// lies between. Its waits say better what happened in them.
    pub fn stays(&self, others: &[KernelTime]) -> Vec<Stay> {
        let mut stays: Vec<Stay> = Vec::new();
        if others.is_empty() {
            return stays;
        }
        let crossed = self
            .exact
            .iter()
            .flat_map(|exact| [exact.entry, exact.exit]);
        let seen = self.evidence.iter();
        let seen = seen.flat_map(|evidence| [evidence.start, evidence.end]);
        let mut own: Vec<KernelTime> = crossed.chain(seen).collect();
        own.sort_unstable();
        let is_waited = |at: KernelTime| {
            let mut waits = self.evidence.iter();
            waits.any(|wait| wait.start < at && at < wait.end)
        };
        for &at in others.iter().filter(|at| !is_waited(**at)) {
            let before = |time: KernelTime| own.partition_point(|own| *own <= time);
            match stays.last_mut() {
                Some((_, last)) if before(*last) == before(at) => *last = at,
                _ => stays.push((at, at)),
            }
        }
        stays
    }

    /// Where a stack of this instant parts from the one before it, by what ticks saw between the two.
    pub fn parting(
        &self,
        change: Change,
        time: KernelTime,
        stack: &[Frame],
        functions: &Functions,
    ) -> Option<Parting> {
        let mut late = self.evidence.iter().rev().take(LATE);
        let first = late.find(|here| here.start == change.since && !here.is_wait())?;
        let stacks = (&*first.stack, stack);
        Parting::of(change, stacks, time, functions).filter(|_| !first.is_cut)
    }

    /// Puts everything into the order of time.
    pub fn sort(&mut self) {
        self.evidence
            .sort_by_key(|evidence| (evidence.start, evidence.end));
        self.exact
            .sort_by_key(|exact| (exact.entry, std::cmp::Reverse(exact.exit), exact.key));
    }

    /// Lets every other sample go; returns how many went.
    pub fn thin(&mut self) -> usize {
        thinning::thin(&mut self.evidence)
    }

    /// Lets what comes from `until` on go; returns how many samples and waits that were.
    pub fn cut(&mut self, until: KernelTime) -> usize {
        let before = self.evidence.len();
        self.open = Some(self.open.map_or(until, |open| open.min(until)));
        self.evidence.retain_mut(|evidence| {
            evidence.end = evidence.end.min(until);
            evidence.start < until
        });
        self.exact.retain(|exact| exact.entry < until);
        before - self.evidence.len()
    }

    /// For how long the thread ran, by its samples, in nanoseconds.
    pub fn ran_ns(&self) -> u64 {
        let ran = self.evidence.iter().map(Evidence::before_ns);
        ran.fold(0, u64::saturating_add)
    }

    /// The evidence that lies in a crossing.
    pub(in crate::inference) fn evidence_of(&self, exact: &Exact) -> &[Evidence] {
        let from = self
            .evidence
            .partition_point(|evidence| evidence.start < exact.entry);
        let to = self
            .evidence
            .partition_point(|evidence| evidence.start < exact.exit);
        self.evidence.get(from..to).unwrap_or_default()
    }
}
