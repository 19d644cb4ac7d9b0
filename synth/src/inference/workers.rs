//! What native threads did for a crossing that they descend from.
//!
//! They work beside the thread that made them: their spans lie under the span that they descend from, and none of
//! their time is counted as the request's.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

use rustc_hash::FxHashMap;

use super::{
    choose::{Chooser, Place},
    end::Part,
    findings::{Finding, Summed},
    functions::{Functions, Layer},
    lane::{Between, Lane},
    timeline::{Bound, Edge},
    tree::kids,
};
use crate::{
    event::{Frame, ThreadEnded},
    ids::TargetId,
    time::KernelTime,
};

/// Threads whose lives are remembered; of more, the latest that ended.
const LIVES: usize = 4_096;

/// When threads began and ended.
#[derive(Debug, Default)]
pub(super) struct Lives {
    by_thread: FxHashMap<(TargetId, u32), (KernelTime, KernelTime)>,
    order: VecDeque<(TargetId, u32)>,
}

impl Lives {
    /// A thread has ended.
    pub fn ended(&mut self, thread: &ThreadEnded) {
        let key = (thread.target, thread.thread);
        let life = (thread.started, thread.ended);
        if self.by_thread.insert(key, life).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > LIVES
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_thread.remove(&oldest);
        }
    }

    /// Whether a thread has ended that was seen so.
    pub fn knows(&self, target: TargetId, thread: u32, lane: &Lane) -> bool {
        self.of(target, thread, lane).is_some()
    }

    fn of(&self, target: TargetId, thread: u32, lane: &Lane) -> Option<(KernelTime, KernelTime)> {
        let (first, last) = (lane.first()?, lane.ended()?);
        let life = self.by_thread.get(&(target, thread)).copied();
        life.filter(|(from, to)| *from <= first && last <= *to)
    }

    /// The time that a worker's spans are made of: its life, if that is known and holds all that was seen of it.
    pub fn between(&self, target: TargetId, thread: u32, lane: &Lane) -> Between {
        let (from, to, bound) = match self.of(target, thread, lane) {
            Some((from, to)) => (from, to, Bound::Life),
            None => (KernelTime(0), KernelTime(u64::MAX), Bound::Open),
        };
        Between {
            start: Edge::plain(from, bound),
            end: Edge::plain(to, bound),
        }
    }
}

/// The frames of a worker's stack, from the outermost function that a person would name: above it are those that
/// start threads, run pools and call what they are given.
pub(super) fn frames(stack: Vec<Frame>, functions: &Functions) -> Vec<Frame> {
    let is_own = |frame: &Frame| {
        functions.is_probeable(frame.function)
            || functions.layer(frame.function, None) == Layer::User
    };
    let from = stack.iter().position(is_own).unwrap_or(stack.len());
    stack.into_iter().skip(from).collect()
}

impl Chooser<'_> {
    /// The spans of a worker: where its functions part, those that are called there; where none of them lasts, the
    /// one that calls them.
    pub fn workers(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut start = 0;
        for index in 1..=self.pieces.len() {
            let parts = self.pieces.get(index).is_none_or(|piece| piece.after_hole);
            if parts {
                found.extend(self.stretch_of_worker(start..index));
                start = index;
            }
        }
        found
    }

    fn stretch_of_worker(&self, all: Range<usize>) -> Vec<Finding> {
        let tree = kids(self.pieces, all.clone(), 0);
        let mut below = tree.as_slice();
        let mut named = None;
        while let Some(only) = self.explaining_in(below, all.clone()) {
            named = Some(only)
                .filter(|node| self.functions.is_probeable(node.function))
                .or(named);
            below = &only.kids;
        }
        let mut found = self.inside(below, Place::OUTERMOST);
        let Some(node) = named else { return found };
        let mut own = self.finding(self.name(node.function), node);
        if found.is_empty() {
            own.stack = self.stack(node);
            return if self.is_enough(all) {
                vec![own]
            } else {
                Vec::new()
            };
        }
        let rest = self.rest(&own.name, own.frame, all, &found);
        found.extend(rest);
        found.sort_by_key(|finding| finding.start);
        found
    }
}

/// Of more workers than may have spans of their own, those with the fewest samples are summed: one span for all that
/// did the same for the longest time.
pub(super) fn sum(workers: &mut [Part<'_>], limit: usize) {
    workers.sort_by_key(|part| (Reverse(part.lane.evidence.len()), part.thread));
    let Some((_, rest)) = workers.split_at_mut_checked(limit) else {
        return;
    };
    let mut sums: BTreeMap<String, (usize, Finding)> = BTreeMap::new();
    for (at, part) in rest.iter_mut().enumerate() {
        let own = part.found.iter_mut().filter(|found| found.host.is_none());
        let all: Vec<Finding> = own
            .flat_map(|found| std::mem::take(&mut found.findings))
            .collect();
        let (Some(start), Some(end)) = (
            all.iter().map(|one| one.start).min(),
            all.iter().map(|one| one.end).max(),
        ) else {
            continue;
        };
        let Some(longest) = all.into_iter().max_by_key(Finding::duration_ns) else {
            continue;
        };
        let here = Summed {
            threads: 1,
            cpu_ns: part.lane.ran_ns(),
        };
        sums.entry(longest.name.clone())
            .and_modify(|(_, sum)| sum.join(&longest, (start, end), here))
            .or_insert_with(|| (at, longest.alone((start, end), here)));
    }
    for (at, sum) in sums.into_values() {
        let first = rest.get_mut(at).and_then(|part| part.found.first_mut());
        if let Some(first) = first {
            first.findings.push(sum);
        }
    }
}

impl Finding {
    fn alone(self, (start, end): (KernelTime, KernelTime), here: Summed) -> Self {
        Self {
            start,
            end,
            workers: Some(here),
            children: Vec::new(),
            ..self
        }
    }

    fn join(&mut self, other: &Self, (start, end): (KernelTime, KernelTime), here: Summed) {
        self.start = self.start.min(start);
        self.end = self.end.max(end);
        self.error_ns = self.error_ns.max(other.error_ns);
        self.samples = self.samples.saturating_add(other.samples);
        if let Some(sum) = &mut self.workers {
            sum.threads += here.threads;
            sum.cpu_ns = sum.cpu_ns.saturating_add(here.cpu_ns);
        }
    }
}
