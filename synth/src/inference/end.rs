//! The end of a request: what was gathered of it becomes spans.

use std::collections::BTreeMap;

use super::{
    Inference, coverage,
    emit::{Above, Emitter, Means},
    evidence::{
        lane::{Exact, Lane},
        request::Request,
    },
    longest,
    segments::{self, Found, Whose},
    workers,
};
use crate::{
    crossings::{
        item::Key,
        known::{Anchor, KnownCrossings},
        parents::RequestKey,
    },
    event::Parent,
    ids::TargetId,
    summary::{NotInferred, SampleUse},
    synth::{NativeWork, Sink},
    time::{KernelTime, UnixTime},
};

/// A thread's part of a request, and what is inferred of it.
pub(super) struct Part<'a> {
    pub thread: u32,
    pub lane: &'a Lane,
    pub found: Vec<Found>,
}

impl Inference {
    /// Emits what is inferred of a request; of one that is not over, not beyond what was seen.
    pub(super) fn end(
        &mut self,
        key: RequestKey,
        is_early: bool,
        known: &KnownCrossings,
        means: &mut Means<'_>,
        out: &mut impl Sink,
    ) {
        let limit = means.settings.limits.traces;
        let Some(mut request) = self.requests.take(key, limit, is_early, known) else {
            return;
        };
        self.narrow(key, &mut request, known, means);
        let start = self.start(key, &request, means);
        let mut parts = self.handlers_of(&request, start, is_early);
        let handlers = parts.len();
        parts.extend(self.workers_of(key.0, &request, known, means));
        self.keep_longest(&mut parts, means);
        let workers = parts.split_off(handlers);
        let span = self.requests.span(key);
        let name = span.map(|span| span.name.as_str());
        let all = parts.iter().flat_map(|part| &part.found);
        out.shape(
            key.0,
            self.shapes.met(key.0, name, all, self.rules.interval_ns()),
        );
        tell_of_natives(key.0, &parts, out);
        if let Some((begun, last)) = start.or(request.first()).zip(request.last()) {
            let is_new = request.resumed.is_none();
            let coverage = &mut means.tally.coverage;
            coverage.request(name, is_new, begun, last, leaves(&parts));
        }
        let start = span.map(|span| span.start);
        let root = Above::target(&request.parent, start.unwrap_or_default());
        let by_lineage = Parent {
            by_lineage: true,
            ..request.parent
        };
        let handlers = parts.iter().map(|part| (part, request.parent, root));
        let below = |part: &Part<'_>| part.above(known).unwrap_or(root);
        let workers = workers.iter().map(|part| (part, by_lineage, below(part)));
        for (part, parent, above) in handlers.chain(workers) {
            let emitter = Emitter {
                means,
                functions: &self.functions,
                target: key.0,
                parent,
                thread: part.thread,
                exact: &part.lane.exact,
                serial: &mut self.serial,
            };
            part.emit(emitter, above, out);
        }
    }

    /// Lets go what was seen of a request that is not known to be its own.
    fn narrow(
        &mut self,
        key: RequestKey,
        request: &mut Request,
        known: &KnownCrossings,
        means: &mut Means<'_>,
    ) {
        self.apart_from_others(key, request);
        let cut: usize = request.cut(known);
        means.tally.evidence(SampleUse::InOpenCrossing, cut);
        if let Some(folded) = &mut self.folded {
            let name = self.requests.span(key).map(|span| span.name.as_str());
            for lane in request.lanes.values() {
                folded.lane(name, lane, &self.functions);
            }
        }
        for (place, lane) in &mut request.lanes {
            let at = (*place, lane);
            self.nested
                .strip(at, key, &self.requests, known, &self.functions);
        }
    }

    /// Narrows what was seen of a request to the time in which its threads served nobody else.
    fn apart_from_others(&self, key: RequestKey, request: &mut Request) {
        for (place, lane) in &mut request.lanes {
            let Some((first, last)) = lane.first().zip(lane.ended()) else {
                continue;
            };
            let (thread, task) = *place;
            let is_on_loop = task != 0;
            let others = if is_on_loop {
                self.nested.others(*place, key, first..=last)
            } else {
                self.neighbours.others(thread, key, first..=last)
            };
            lane.elsewhere = lane.stays(&others);
            let before = self.neighbours.served_before(thread, key, first);
            if let Some(before) = before.filter(|_| !is_on_loop) {
                lane.idle_until = lane.idle_until.filter(|idle_until| *idle_until > before);
                lane.elsewhere.push((before, before));
                lane.elsewhere.sort_unstable();
            }
            for evidence in &mut lane.evidence {
                self.neighbours.narrow(thread, key, evidence);
            }
        }
    }

    /// What the request's own threads show. The first of them began with it.
    fn handlers_of<'r>(
        &self,
        request: &'r Request,
        start: Option<KernelTime>,
        is_early: bool,
    ) -> Vec<Part<'r>> {
        let first = request
            .lanes
            .iter()
            .min_by_key(|(key, lane)| (lane.first(), **key));
        let first = first.map(|(key, _)| *key);
        let mut parts = Vec::new();
        for (lane_key, lane) in &request.lanes {
            let own = start.filter(|_| Some(*lane_key) == first);
            let between = request.between(own, is_early);
            let between = request.between_of((lane_key.0, lane), between, start, &self.rules);
            let mut found = lane.infer(Whose::Handler, &between, &self.functions, &self.rules);
            if request.resumed.is_some() {
                segments::say_continued(&mut found);
            }
            parts.push(Part {
                thread: lane_key.0,
                lane,
                found,
            });
        }
        parts
    }

    /// What the threads show that descend from the request's crossings, those of one crossing together.
    fn workers_of<'r>(
        &self,
        target: TargetId,
        request: &'r Request,
        known: &KnownCrossings,
        means: &mut Means<'_>,
    ) -> Vec<Part<'r>> {
        let mut by_crossing: BTreeMap<Option<Key>, Vec<Part<'r>>> = BTreeMap::new();
        for (thread, lane) in &request.workers {
            // Born while its creator worked for the request: one that lives on may be anybody's by now.
            if lane.inside.is_empty() && !self.lives.knows(target, *thread, lane) {
                means
                    .tally
                    .evidence(SampleUse::Outlives, lane.evidence.len());
                continue;
            }
            let between = self.lives.between(target, *thread, lane);
            let part = Part {
                thread: *thread,
                lane,
                found: lane.infer(Whose::Worker, &between, &self.functions, &self.rules),
            };
            let around = part.around(known).map(|anchor| anchor.key);
            by_crossing.entry(around).or_default().push(part);
        }
        let limit = means.settings.limits.workers_per_parent as usize;
        let mut all = Vec::new();
        for (_, mut parts) in by_crossing {
            workers::sum(&mut parts, limit);
            all.extend(parts);
        }
        all
    }

    /// Lets go the shortest of too many spans.
    fn keep_longest(&self, parts: &mut [Part<'_>], means: &mut Means<'_>) {
        let limit = self.rules.spans_per_request as usize;
        let all = parts.iter_mut().flat_map(|part| &mut part.found);
        let left_out = longest::keep(all.map(|found| &mut found.findings), limit);
        if left_out > 0 {
            let what = NotInferred::SpansPerRequest;
            means.tally.not_inferred(what, left_out);
        }
    }

    /// When the request began, if the target's own record says so and this is its first part.
    fn start(&self, key: RequestKey, request: &Request, means: &Means<'_>) -> Option<KernelTime> {
        if request.resumed.is_some() {
            return None;
        }
        let start = means.clock.kernel_time(self.requests.span(key)?.start)?;
        // The target's clock and the kernel's differ by less than a span may be off.
        Some(start.min(request.first()?))
    }
}

impl Part<'_> {
    fn emit(&self, mut emitter: Emitter<'_, '_>, above: Above, out: &mut impl Sink) {
        for found in &self.found {
            let host = found.host.and_then(|host| self.lane.exact.get(host));
            let above = host.map_or(above, Above::crossing);
            for finding in &found.findings {
                emitter.emit(finding, above, out);
            }
        }
    }

    /// What hangs above a worker, if it descends from a span that has gone out.
    fn above(&self, known: &KnownCrossings) -> Option<Above> {
        Above::anchor(self.around(known)?, known)
    }

    /// The span that a worker descends from, if there is one.
    fn around(&self, known: &KnownCrossings) -> Option<Anchor> {
        let mut inside = self.lane.inside.iter();
        inside.find_map(|key| known.get(*key)?.pool)
    }
}

impl Above {
    /// A span of probes that has gone out.
    fn anchor(anchor: Anchor, known: &KnownCrossings) -> Option<Self> {
        let bounds = known.get(anchor.key)?.bounds?;
        Some(Self {
            span_id: anchor.span_id,
            is_synthetic: true,
            depth: anchor.depth,
            start: bounds.start,
            end: bounds.end?,
        })
    }

    fn crossing(exact: &Exact) -> Self {
        Self {
            span_id: exact.span_id,
            is_synthetic: true,
            depth: exact.depth,
            start: exact.start,
            end: exact.end,
        }
    }

    fn target(parent: &Parent, start: UnixTime) -> Self {
        Self {
            span_id: parent.span_id,
            is_synthetic: false,
            depth: 0,
            start,
            end: UnixTime(u64::MAX),
        }
    }
}

/// The time of the request that has a name.
fn leaves(parts: &[Part<'_>]) -> Vec<(KernelTime, KernelTime)> {
    let mut leaves = Vec::new();
    for part in parts {
        coverage::leaves(part.lane, &part.found, &mut leaves);
    }
    leaves
}

/// Native functions that were hot, for promotion.
fn tell_of_natives(target: TargetId, parts: &[Part<'_>], out: &mut impl Sink) {
    let found = parts.iter().flat_map(|part| &part.found);
    // What lies in a region is exact enough: its outermost function has probes.
    let own = found.filter(|found| found.host.is_none());
    let mut natives = Vec::new();
    own.flat_map(|found| &found.findings)
        .for_each(|finding| finding.natives(&mut natives));
    for (functions, length_ns) in natives {
        out.native(NativeWork {
            target,
            functions,
            length_ns,
        });
    }
}
