//! Requests under way: what was seen of each, by the target's span that it was seen under.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use rustc_hash::FxHashMap;

use super::{
    lane::{Between, Exact, Lane},
    timeline::{Bound, Edge},
};
use crate::{
    crossings::{item::Key, known::KnownCrossings, parents::SpanContext},
    event::{Parent, TargetSpan},
    ids::TargetId,
    settings::Inference,
    time::KernelTime,
};

/// Waits of a request's tasks for other threads that are remembered.
const MAX_HANDED: usize = 64;

/// A span of the target, in whose service work was seen.
pub(crate) type RequestKey = (TargetId, SpanContext);

/// A thread, and on an event loop the Python context in which a task runs there.
pub(crate) type LaneKey = (u32, u64);

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
    begun: KernelTime,
    touched: KernelTime,
    held: usize,
    samples: usize,
}

impl Request {
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

    /// The same for a lane: narrower, if its thread had waited for work, or a task waited for what it did.
    pub fn between_of(
        &self,
        thread: u32,
        lane: &Lane,
        whole: Between,
        rules: &Inference,
    ) -> Between {
        let handed = self.handed(thread, lane);
        let woken = lane.woken.filter(|woken| {
            *woken >= whole.start.time && lane.first().is_none_or(|first| *woken <= first)
        });
        let start = match (woken, handed) {
            (Some(woken), _) => Edge::plain(woken, Bound::Woken),
            (None, Some((start, _))) if start >= whole.start.time => {
                handed_at(start, &whole.start, rules)
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
    fn over(&self, is_early: bool) -> Option<KernelTime> {
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

/// Where a task began to wait for a thread. It may have gone on for a while after it had handed its work over: but no longer
/// than since the request began.
fn handed_at(time: KernelTime, begun: &Edge, rules: &Inference) -> Edge {
    Edge {
        early_ns: match begun.bound {
            Bound::Start => time.since(begun.time),
            _ => rules.interval_ns(),
        },
        ..Edge::plain(time, Bound::Handed)
    }
}

/// What is remembered of a request that has ended, or of a part of it.
#[derive(Debug, Default)]
struct Ended {
    /// Until when spans were made of it.
    until: KernelTime,
    /// Crossings that had not ended: what comes of it later lies beside or in them.
    open: BTreeSet<(u32, Key)>,
}

/// All requests under way, and what is known of their spans.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    by_key: FxHashMap<RequestKey, Request>,
    order: BTreeSet<(KernelTime, TargetId, SpanContext)>,
    held: usize,
    spans: FxHashMap<RequestKey, TargetSpan>,
    spans_order: VecDeque<RequestKey>,
    ended: FxHashMap<RequestKey, Ended>,
    ended_order: VecDeque<RequestKey>,
}

impl Requests {
    /// The request of a span, begun if it is new; it is alive at `now`.
    pub fn touch(&mut self, key: RequestKey, parent: Parent, now: KernelTime) -> &mut Request {
        let ended = &mut self.ended;
        let request = self.by_key.entry(key).or_insert_with(|| Request {
            parent,
            lanes: BTreeMap::new(),
            workers: BTreeMap::new(),
            exact: Vec::new(),
            workers_exact: Vec::new(),
            resumed: ended.get(&key).map(|ended| ended.until),
            open: ended
                .get_mut(&key)
                .map(|ended| std::mem::take(&mut ended.open))
                .unwrap_or_default(),
            handed: Vec::new(),
            begun: now,
            touched: now,
            held: 0,
            samples: 0,
        });
        self.order.remove(&(request.touched, key.0, key.1));
        request.touched = request.touched.max(now);
        self.order.insert((request.touched, key.0, key.1));
        request
    }

    /// Until when spans have been made of a request that has ended.
    pub fn ended(&self, key: RequestKey) -> Option<KernelTime> {
        self.ended.get(&key).map(|ended| ended.until)
    }

    /// Counts evidence that was added to a request.
    pub fn hold(&mut self, key: RequestKey) {
        if let Some(request) = self.by_key.get_mut(&key) {
            request.held += 1;
            self.held += 1;
        }
    }

    /// The same for a sample. If there are more than `limit` of them, every other one goes, and
    /// the rest stands for twice its time; returns how many went.
    pub fn hold_sample(&mut self, key: RequestKey, limit: u32) -> usize {
        self.hold(key);
        let Some(request) = self.by_key.get_mut(&key) else {
            return 0;
        };
        request.samples += 1;
        if request.samples <= limit as usize {
            return 0;
        }
        let lanes = request
            .lanes
            .values_mut()
            .chain(request.workers.values_mut());
        let gone: usize = lanes.map(Lane::thin).sum();
        request.samples -= gone;
        request.held -= gone;
        self.held -= gone;
        gone
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Pieces of evidence held for all requests.
    pub fn held(&self) -> usize {
        self.held
    }

    /// The request that has been quiet longest, and since when.
    pub fn quietest(&self) -> Option<(KernelTime, RequestKey)> {
        let (touched, target, context) = *self.order.first()?;
        Some((touched, (target, context)))
    }

    pub fn get(&self, key: RequestKey) -> Option<&Request> {
        self.by_key.get(&key)
    }

    /// Ends a request; the last `limit` that have ended are remembered.
    pub fn take(
        &mut self,
        key: RequestKey,
        limit: u32,
        is_early: bool,
        known: &KnownCrossings,
    ) -> Option<Request> {
        let mut request = self.by_key.remove(&key)?;
        let is_open = |key: Key| known.get(key).is_some_and(|known| known.exit.is_none());
        request.open.retain(|(_, key)| is_open(*key));
        self.order.remove(&(request.touched, key.0, key.1));
        self.held -= request.held;
        request.sort();
        let last = request.over(is_early).or_else(|| request.last());
        let ended = Ended {
            until: last.max(request.resumed).unwrap_or_default(),
            open: request.open.clone(),
        };
        if self.ended.insert(key, ended).is_none() {
            self.ended_order.push_back(key);
        }
        while self.ended_order.len() > limit as usize
            && let Some(oldest) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        Some(request)
    }

    /// The requests that began before `before`, in the order of their keys.
    pub fn older(&self, before: KernelTime) -> Vec<RequestKey> {
        let old = self
            .by_key
            .iter()
            .filter(|(_, request)| request.begun < before);
        let mut keys: Vec<RequestKey> = old.map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys
    }

    /// Lets a request live on from `now`.
    pub fn keep(&mut self, key: RequestKey, now: KernelTime) {
        if let Some(parent) = self.by_key.get(&key).map(|request| request.parent) {
            self.touch(key, parent, now);
        }
    }

    /// Takes in what is known of a span, for at most `limit` of them.
    pub fn describe(&mut self, span: TargetSpan, limit: u32) {
        let context = SpanContext {
            trace_id: span.trace_id,
            span_id: span.span_id,
        };
        let key = (span.target, context);
        if self.spans.insert(key, span).is_none() {
            self.spans_order.push_back(key);
        }
        while self.spans_order.len() > limit.max(1) as usize
            && let Some(oldest) = self.spans_order.pop_front()
        {
            self.spans.remove(&oldest);
        }
    }

    /// What is known of the target's span.
    pub fn span(&self, key: RequestKey) -> Option<&TargetSpan> {
        self.spans.get(&key)
    }
}
