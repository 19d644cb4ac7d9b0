//! A request: what was seen of it, by thread.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    lane::{Exact, Lane},
    requests::{Ended, LaneKey},
};
use crate::{
    crossings::{item::Key, known::KnownCrossings},
    event::Parent,
    inference::{
        segments::Between,
        timeline::{Bound, Edge},
    },
    settings::Inference,
    time::KernelTime,
};

/// Waits of a request's tasks for other threads that are remembered.
const MAX_HANDED: usize = 64;

/// What was seen of a request.
#[derive(Debug)]
pub(crate) struct Request {
    pub parent: Parent,
    pub lanes: BTreeMap<LaneKey, Lane>,
    /// Native threads that descend from its crossings.
    pub workers: BTreeMap<u32, Lane>,
    /// Spans of probes, by thread.
    pub exact: Vec<(u32, Exact)>,
    /// The same of workers.
    pub workers_exact: Vec<(u32, Exact)>,
    /// Crossings that were announced before their end, by thread.
    pub open: BTreeSet<(u32, Key)>,
    /// Threads whose tasks waited for others, from and until when: as a rule, for a handler that a
    /// framework runs on a thread of its pool.
    pub handed: Vec<(u32, KernelTime, KernelTime)>,
    /// Until when spans of an earlier part of it have been made.
    pub resumed: Option<KernelTime>,
    pub(super) begun: KernelTime,
    pub(super) touched: KernelTime,
    /// When it was touched last as far as the order of all goes.
    pub(super) ordered: KernelTime,
    pub(super) held: usize,
    pub(super) samples: usize,
}

impl Request {
    /// One that begins at `now`, or goes on after it had `ended`.
    pub fn new(parent: Parent, now: KernelTime, ended: Option<&mut Ended>) -> Self {
        Self {
            parent,
            lanes: BTreeMap::new(),
            workers: BTreeMap::new(),
            exact: Vec::new(),
            workers_exact: Vec::new(),
            resumed: ended.as_ref().map(|ended| ended.until),
            open: ended.map_or_else(BTreeSet::new, |ended| std::mem::take(&mut ended.open)),
            handed: Vec::new(),
            begun: now,
            touched: now,
            ordered: now,
            held: 0,
            samples: 0,
        }
    }

    /// The lane of a piece of evidence.
    pub fn lane(&mut self, key: LaneKey) -> &mut Lane {
        self.lanes.entry(key).or_default()
    }

    /// Gives the spans of probes to the lanes that they were crossed in, and puts all of it into the
    /// order of time.
    pub fn sort(&mut self) {
        self.exact
            .sort_by_key(|(thread, exact)| (*thread, exact.entry, Reverse(exact.exit), exact.key));
        let mut around: Option<(LaneKey, KernelTime)> = None;
        for (thread, exact) in std::mem::take(&mut self.exact) {
            let same = around.filter(|(key, exit)| key.0 == thread && exact.exit <= *exit);
            let key = match same {
                Some((key, _)) => key,
                None => self.lane_of(thread, &exact),
            };
            if same.is_none() {
                around = Some((key, exact.exit));
            }
            self.lane(key).exact.push(exact);
        }
        // Of a worker that no sample hit, nothing is inferred.
        for (thread, exact) in std::mem::take(&mut self.workers_exact) {
            if let Some(lane) = self.workers.get_mut(&thread) {
                lane.exact.push(exact);
            }
        }
        for lane in self.lanes.values_mut().chain(self.workers.values_mut()) {
            lane.sort();
        }
    }

    /// Crossings that evidence was found in, or in threads that descend from them.
    pub fn inside(&self) -> impl Iterator<Item = (u32, Key)> {
        let own = self.lanes.iter().map(|((thread, _), lane)| (*thread, lane));
        let workers = self.workers.iter().map(|(thread, lane)| (*thread, lane));
        own.chain(workers)
            .flat_map(|(thread, lane)| lane.inside.iter().map(move |key| (thread, *key)))
    }

    /// The lane whose stacks show the crossing, else the first of its thread.
    fn lane_of(&self, thread: u32, exact: &Exact) -> LaneKey {
        let mut lanes = self.lanes.range((thread, 0)..=(thread, u64::MAX));
        let has = |lane: &Lane| {
            lane.inside.contains(&exact.key)
                || lane
                    .entries
                    .iter()
                    .any(|(entered, _)| *entered == exact.key)
        };
        let first = lanes.clone().next().map(|(key, _)| *key);
        let showing = lanes.find(|(_, lane)| has(lane)).map(|(key, _)| *key);
        showing.or(first).unwrap_or((thread, 0))
    }

    /// Lets go what lies in crossings that are still open: their spans are not there to hang it
    /// under. Returns how many samples and waits that were.
    pub fn cut(&mut self, known: &KnownCrossings) -> usize {
        let mut cut = 0;
        let mut open = std::mem::take(&mut self.open);
        open.extend(self.inside());
        for (thread, key) in open {
            let open = known.get(key).filter(|known| known.exit.is_none());
            let Some(entry) = open.map(|known| known.entry) else {
                continue;
            };
            let lanes = self.lanes.range_mut((thread, 0)..=(thread, u64::MAX));
            cut += lanes.map(|(_, lane)| lane.cut(entry)).sum::<usize>();
            let worker = self.workers.get_mut(&thread);
            cut += worker.map_or(0, |lane| lane.cut(entry));
        }
        cut
    }

    /// When a task of the request began to wait for the work of this thread, and when it went on: the
    /// only such wait around the lane's evidence.
    pub fn handed(&self, thread: u32, lane: &Lane) -> Option<(KernelTime, KernelTime)> {
        let (first, last) = (lane.first()?, lane.ended()?);
        let is_around = |(other, start, end): &&(u32, KernelTime, KernelTime)| {
            *other != thread && *start <= first && last <= *end
        };
        // Tasks that await a task wait for the same: the innermost says most.
        let around = self.handed.iter().filter(is_around);
        let (_, start, end) = around.min_by_key(|(_, start, end)| end.since(*start))?;
        Some((*start, *end))
    }

    /// The time that spans are made of: from the request's start, if that is known, or from where
    /// its earlier part ended; of one that is not over, to the last that was seen.
    pub fn between(&self, start: Option<KernelTime>, is_early: bool) -> Between {
        let resumed = self.resumed.unwrap_or_default();
        let end = self.over(is_early).unwrap_or(KernelTime(u64::MAX));
        Between {
            start: start.map_or(Edge::plain(resumed, Bound::Open), |start| {
                Edge::plain(start, Bound::Start)
            }),
            end: Edge::plain(end, Bound::Open),
        }
    }

    /// A task of the request waited on a thread, in nothing but a framework.
    pub fn hand(&mut self, thread: u32, start: KernelTime, end: KernelTime) {
        if self.handed.len() < MAX_HANDED {
            self.handed.push((thread, start, end));
        }
    }

    /// The same for a thread's lane: narrower, if the thread had waited for work, or a task waited for what it did. The request
    /// `begun` then, if that is known.
    pub fn between_of(
        &self,
        (thread, lane): (u32, &Lane),
        whole: Between,
        begun: Option<KernelTime>,
        rules: &Inference,
    ) -> Between {
        let handed = self.handed(thread, lane);
        let idle_until = lane.idle_until.filter(|idle_until| {
            *idle_until >= whole.start.time && lane.first().is_none_or(|first| *idle_until <= first)
        });
        let start = match (idle_until, handed) {
            (Some(idle_until), _) => Edge::plain(idle_until, Bound::Idle),
            (None, Some((start, _))) if start >= whole.start.time => {
                handed_at(start, &whole.start, begun, rules)
            }
            _ => whole.start,
        };
        let end = handed.filter(|(_, end)| *end < whole.end.time);
        Between {
            start,
            end: end.map_or(whole.end, |(_, end)| Edge::plain(end, Bound::Handed)),
        }
    }

    /// Up to when a request that is not over was seen.
    pub(super) fn over(&self, is_early: bool) -> Option<KernelTime> {
        let ends = self.lanes.values().flat_map(|lane| {
            let exits = lane.exact.iter().map(|exact| exact.exit);
            exits.chain(lane.evidence.iter().map(|evidence| evidence.end))
        });
        let last = ends.max();
        let past = |last: KernelTime| KernelTime(last.0.saturating_add(1));
        last.map(past).filter(|_| is_early)
    }

    /// The earliest instant that is known of it.
    pub fn first(&self) -> Option<KernelTime> {
        self.lanes.values().filter_map(Lane::first).min()
    }

    /// The latest.
    pub fn last(&self) -> Option<KernelTime> {
        self.lanes.values().filter_map(Lane::last).max()
    }
}

/// Where a task began to wait for a thread. It may have gone on for a while after it had handed its work over: for an interval,
/// and no longer than since the request began. Where nothing else was seen of the request before, that alone bounds it.
fn handed_at(time: KernelTime, whole: &Edge, begun: Option<KernelTime>, rules: &Inference) -> Edge {
    let since_ns = begun.map_or(u64::MAX, |begun| time.since(begun));
    let early_ns = match whole.bound {
        Bound::Start => since_ns,
        _ => since_ns.min(rules.interval_ns()),
    };
    Edge {
        early_ns,
        ..Edge::plain(time, Bound::Handed)
    }
}
