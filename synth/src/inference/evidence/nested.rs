//! Spans of the target that it opened within another of its own: functions entered before such a span began
//! are not in it, and take no part in what is inferred of it.
//!
//! Two things show them. A crossing whose parent is another span, and which holds the evidence, was entered before:
//! so were the functions down to its own. And what the same thread's stacks under a span around it, earlier
//! and later, have in common with its stacks did not end meanwhile: down to the function that was at another
//! line, which holds both.

use std::{collections::VecDeque, ops::RangeInclusive, sync::Arc};

use rustc_hash::FxHashMap;

use super::{
    instants::Instants,
    lane::Lane,
    neighbours,
    requests::{LaneKey, Requests},
};
use crate::{
    crossings::{item::Key, known::KnownCrossings, parents::RequestKey, regions::KnownRegion},
    event::Frame,
    ids::TargetId,
    inference::functions::{Functions, frames::Stack},
    latest::Latest,
    time::KernelTime,
};

/// Stacks that are remembered, and crossings.
const STACKS: usize = 16_384;
const CROSSINGS: usize = 8_192;
/// Outermost frames that are kept of a stack.
const FRAMES: usize = 64;
/// Stacks that are looked at on either side of a span for one of a span around it.
const LOOKED_AT: usize = 64;

type Place = ((TargetId, LaneKey), KernelTime);

/// What may lie around a span.
#[derive(Debug, Default)]
pub(in crate::inference) struct Nested {
    by_lane: FxHashMap<(TargetId, LaneKey), Instants<Seen>>,
    /// Stacks in all.
    stacks: usize,
    order: VecDeque<Place>,
    crossings: Latest<Key, Crossed>,
}

#[derive(Debug)]
struct Seen {
    key: RequestKey,
    stack: Stack,
}

#[derive(Debug, Default)]
struct Crossed {
    /// `None`: not known yet.
    region: Option<Arc<KnownRegion>>,
    /// At its entry.
    stack: Stack,
}

impl Nested {
    /// A thread worked for a request at this instant, with this stack.
    pub fn saw(&mut self, lane: LaneKey, key: RequestKey, at: KernelTime, stack: &Stack) {
        if stack.is_empty() {
            return;
        }
        let lane = (key.0, lane);
        let seen = self.by_lane.entry(lane).or_default();
        // Of a row of one request, its ends are enough.
        if let Some([(_, before), (last, latest)]) = seen.last_two()
            && *last < at
            && (before.key, latest.key) == (key, key)
        {
            seen.pop_last();
            self.stacks -= 1;
        }
        let stack = outermost(stack);
        if seen.insert(at, Seen { key, stack }) {
            self.stacks += 1;
            self.order.push_back((lane, at));
        }
        self.forget();
    }

    /// Lets the oldest go.
    fn forget(&mut self) {
        while self.stacks > STACKS
            && let Some((lane, at)) = self.order.pop_front()
        {
            let Some(seen) = self.by_lane.get_mut(&lane) else {
                continue;
            };
            self.stacks -= usize::from(seen.remove(at));
            if seen.is_empty() {
                self.by_lane.remove(&lane);
            }
        }
        // What went from the middle of rows is let go all at once.
        if self.order.len() > 2 * STACKS {
            let by_lane = &self.by_lane;
            let is_there = |(lane, at): &Place| {
                let seen = by_lane.get(lane);
                seen.is_some_and(|seen| seen.contains(*at))
            };
            self.order.retain(is_there);
        }
    }

    /// The stack at the entry of a crossing.
    pub fn entered(&mut self, crossing: Key, stack: &Stack) {
        self.crossings.entry(crossing, CROSSINGS).stack = Stack::clone(stack);
    }

    /// A crossing's region.
    pub fn named(&mut self, crossing: Key, region: &Arc<KnownRegion>) {
        self.crossings.entry(crossing, CROSSINGS).region = Some(Arc::clone(region));
    }

    /// Takes the frames of functions away from a request's lane that were entered before its span began.
    pub fn strip(
        &self,
        (place, lane): (LaneKey, &mut Lane),
        key: RequestKey,
        requests: &Requests,
        known: &KnownCrossings,
        functions: &Functions,
    ) {
        let stacks = self.around(place, lane, key, requests);
        let is_anothers = |crossing: &&Key| {
            let anchor = known.get(**crossing).and_then(|known| known.anchor);
            anchor.is_some_and(|anchor| anchor.context != key.1)
        };
        let crossings = lane.inside.iter().filter(is_anothers);
        let crossings: Vec<&Crossed> = crossings
            .filter_map(|crossing| self.crossings.get(*crossing))
            .collect();
        let above = |stack: &[Frame]| {
            let entered = crossings
                .iter()
                .map(|crossing| crossing.frames(stack, functions));
            let held = stacks.iter().map(|around| held(around, stack));
            entered.chain(held).max().unwrap_or(0)
        };
        let of_evidence = lane.evidence.iter_mut().map(|evidence| &mut evidence.stack);
        let of_entries = lane.entries.iter_mut().map(|(_, stack)| stack);
        for stack in of_evidence.chain(of_entries) {
            let above = above(stack);
            if above > 0 {
                *stack = stack[above..].into();
            }
        }
    }

    /// Instants at which a task was at work for other spans of a span's trace, from shortly before until shortly after.
    pub fn others(
        &self,
        place: LaneKey,
        key: RequestKey,
        during: RangeInclusive<KernelTime>,
    ) -> Vec<KernelTime> {
        let Some(seen) = self.by_lane.get(&(key.0, place)) else {
            return Vec::new();
        };
        let instant = |(at, seen): &(KernelTime, Seen)| (*at, seen.key);
        let (first, last) = during.into_inner();
        neighbours::of_trace(
            key,
            seen.before(first).map(instant),
            seen.between(first, last).map(instant),
            seen.from(last).map(instant),
        )
    }

    /// The stacks nearest to the lane of a span that provably lies around this one: it was at work on the same
    /// thread later, and had been before, or had begun before by the target's own record.
    fn around(
        &self,
        place: LaneKey,
        lane: &Lane,
        key: RequestKey,
        requests: &Requests,
    ) -> Vec<&[Frame]> {
        let (Some(first), Some(last)) = (lane.first(), lane.ended()) else {
            return Vec::new();
        };
        let Some(seen) = self.by_lane.get(&(key.0, place)) else {
            return Vec::new();
        };
        let is_same_trace = |(_, seen): &&(KernelTime, Seen)| {
            seen.key != key && seen.key.1.trace_id == key.1.trace_id
        };
        let earlier = seen.before(first).take(LOOKED_AT).filter(is_same_trace);
        let mut later = seen.from(last).take(LOOKED_AT).filter(is_same_trace);
        let begun = |key: RequestKey| requests.span(key).map(|span| span.start);
        let is_around = |other: RequestKey| {
            let was_begun = begun(other).zip(begun(key)).is_some_and(|(a, b)| a < b);
            was_begun || earlier.clone().any(|(_, seen)| seen.key == other)
        };
        let Some((_, after)) = later.find(|(_, seen)| is_around(seen.key)) else {
            return Vec::new();
        };
        let mut earlier = earlier.clone();
        let before = earlier.find(|(_, seen)| seen.key == after.key);
        let before = before.map(|(_, seen)| &*seen.stack);
        before.into_iter().chain([&*after.stack]).collect()
    }
}

impl Crossed {
    /// Frames of a stack in the crossing that are its callers' and its own.
    fn frames(&self, stack: &[Frame], functions: &Functions) -> usize {
        let same = stack.iter().zip(&*self.stack);
        let shown = same.take_while(|(a, b)| a.function == b.function).count();
        let is_it = |frame: &Frame| {
            let function = functions.get(frame.function).map(|known| &known.function);
            (self.region.as_ref().zip(function))
                .is_some_and(|(region, function)| region.is_function(function))
        };
        let own = stack.iter().position(is_it).map_or(0, |own| own + 1);
        shown.max(own)
    }
}

/// What is kept of a stack.
fn outermost(stack: &Stack) -> Stack {
    match stack.get(..FRAMES) {
        Some(outermost) if outermost.len() < stack.len() => outermost.into(),
        _ => Stack::clone(stack),
    }
}

/// Frames of the functions that were on the stack in both, without an end between.
fn held(around: &[Frame], stack: &[Frame]) -> usize {
    let mut held = 0;
    for (a, b) in around.iter().zip(stack) {
        if a.function != b.function {
            break;
        }
        held += 1;
        if a.line != b.line {
            break;
        }
    }
    held
}
