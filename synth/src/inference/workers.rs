//! What native threads did for a crossing that they descend from.
//!
//! They work beside the thread that made them: their spans lie under the span that they descend from, and none of
//! their time is counted as the request's.

use std::{cmp::Reverse, collections::BTreeMap, ops::Range};

use super::{
    choice::{
        choose::{Chooser, EXPLAINS_PERCENT},
        findings::{Finding, Summed},
        place::Place,
        tree::kids,
    },
    end::Part,
    evidence::lane::Lane,
    functions::{Functions, Layer, frames::Stack},
    segments::Between,
    timeline::{Bound, Edge, Piece},
};
use crate::{
    event::{Frame, ThreadEnded},
    ids::{FunctionId, TargetId},
    latest::Latest,
    time::KernelTime,
};

/// Threads whose lives are remembered; of more, the latest that ended.
const LIVES: usize = 4_096;

/// When threads began and ended.
#[derive(Debug, Default)]
pub(super) struct Lives {
    by_thread: Latest<(TargetId, u32), Life>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    from: KernelTime,
    to: KernelTime,
    /// For how long it could have run and did not at its end, since its last stack.
    queued_ns: u64,
}

impl Lives {
    /// A thread has ended.
    pub fn ended(&mut self, thread: &ThreadEnded) {
        let key = (thread.target, thread.thread);
        let life = Life {
            from: thread.started,
            to: thread.ended,
            queued_ns: thread.queued_ns,
        };
        self.by_thread.insert(key, life, LIVES);
    }

    /// Whether a thread has ended that was seen so.
    pub fn knows(&self, target: TargetId, thread: u32, lane: &Lane) -> bool {
        self.of(target, thread, lane).is_some()
    }

    fn of(&self, target: TargetId, thread: u32, lane: &Lane) -> Option<Life> {
        let (first, last) = (lane.first()?, lane.ended()?);
        let life = self.by_thread.get((target, thread)).copied();
        life.filter(|life| life.from <= first && last <= life.to)
    }

    /// The time that a worker's spans are made of: its life, if that is known and holds all that was seen of it.
    pub fn between(&self, target: TargetId, thread: u32, lane: &Lane) -> Between {
        let Some(life) = self.of(target, thread, lane) else {
            return Between {
                start: Edge::plain(KernelTime(0), Bound::Open),
                end: Edge::plain(KernelTime(u64::MAX), Bound::Open),
            };
        };
        Between {
            start: Edge::plain(life.from, Bound::Life),
            end: Edge {
                queued_ns: life.queued_ns,
                ..Edge::plain(life.to, Bound::Life)
            },
        }
    }
}

/// The frames of a worker's stack, from the outermost function that a person would name: above it are those that
/// start threads, run pools and call what they are given.
pub(super) fn frames(stack: &Stack, functions: &Functions) -> Stack {
    let is_own = |frame: &Frame| {
        functions.is_probeable(frame.function)
            || functions.layer(frame.function, None) == Layer::User
    };
    let from = stack.iter().position(is_own).unwrap_or(stack.len());
    if from == 0 {
        return Stack::clone(stack);
    }
    stack[from..].into()
}

/// What all of a worker's time has in common.
struct Trunk {
    /// Frames of it.
    depth: usize,
    /// Which of them names what lies below.
    named: Option<usize>,
    /// Whether functions part below it.
    parts: bool,
}

impl Chooser<'_> {
    /// The spans of a worker: where its functions part, those that are called there; where none of them lasts, the
    /// one that calls them. One that only ever calls the same goes by its outermost function.
    pub fn workers(&self) -> Vec<Finding> {
        let trunk = self.trunk();
        let mut found = Vec::new();
        let mut start = 0;
        for index in 1..=self.pieces.len() {
            if self.pieces.get(index).is_none_or(|piece| piece.after_hole) {
                found.extend(self.stretch_of_worker(&trunk, start..index));
                start = index;
            }
        }
        found
    }

    fn trunk(&self) -> Trunk {
        let whole: u64 = self.pieces.iter().map(Piece::duration_ns).sum();
        let mut on: Vec<&Piece> = self.pieces.iter().collect();
        let (mut depth, mut outermost, mut innermost) = (0, None, None);
        loop {
            let mut times: BTreeMap<FunctionId, u64> = BTreeMap::new();
            for piece in &on {
                if let Some(function) = piece.function(depth) {
                    *times.entry(function).or_default() += piece.duration_ns();
                }
            }
            let most = times.iter().max_by_key(|(_, ns)| **ns);
            match most {
                Some((function, ns))
                    if ns.saturating_mul(100) >= whole.saturating_mul(EXPLAINS_PERCENT) =>
                {
                    if self.is_nameable(*function) {
                        outermost = outermost.or(Some(depth));
                        innermost = Some(depth);
                    }
                    on.retain(|piece| piece.function(depth) == Some(*function));
                    depth += 1;
                }
                _ => {
                    let called = times.keys().filter(|function| self.is_nameable(**function));
                    let parts = called.count() > 1;
                    return Trunk {
                        depth,
                        named: if parts { innermost } else { outermost },
                        parts: parts || outermost.is_none(),
                    };
                }
            }
        }
    }

    fn is_nameable(&self, function: FunctionId) -> bool {
        let is_own = self.functions.layer(function, None) == Layer::User
            && self
                .functions
                .traits(function)
                .is_some_and(|traits| traits.has_name);
        is_own || self.functions.is_probeable(function)
    }

    fn stretch_of_worker(&self, trunk: &Trunk, all: Range<usize>) -> Vec<Finding> {
        let mut found = Vec::new();
        if trunk.parts {
            found = self.inside(
                &kids(self.pieces, all.clone(), trunk.depth),
                Place::OUTERMOST,
            );
        }
        let pieces = self.pieces.get(all.clone()).unwrap_or_default();
        let Some((depth, frame)) = trunk.named.and_then(|depth| {
            let mut frames = pieces.iter().filter_map(|piece| piece.frames.get(depth));
            // A stretch may be none of the trunk's.
            let named = frames.find(|frame| self.is_nameable(frame.function))?;
            Some((depth, *named))
        }) else {
            return found;
        };
        let name = self.name(frame.function);
        if !found.is_empty() {
            let rest = self.rest(&name, Some(frame), all, &found);
            found.extend(rest);
            found.sort_by_key(|finding| finding.start);
        } else if self.is_enough(all.clone()) {
            let first = pieces.first().and_then(|piece| piece.frames.get(..=depth));
            found.push(Finding {
                frame: Some(frame),
                stack: (first.unwrap_or_default().iter().copied())
                    .chain(self.in_kernel_below(all.clone(), depth + 1))
                    .collect(),
                ..self.of_pieces(name, all)
            });
        }
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
