//! Steps that an engine makes for several requests at once, on a thread of its own: each request gets its
//! share of them, if a region says which sequence is whose.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use rustc_hash::FxHashMap;

use crate::{
    attributes::AttributeList,
    clock::Instant,
    event::{Ending, Member},
    identity,
    ids::{RegionId, SpanId, TargetId, TraceId},
    item::{End, Item},
    making::Draft,
    region::{Region, Role},
    span::{Dropped, Link, Span, Status},
    spans::PROBE_ERROR_NS,
    steps::Steps,
    summary::Noted,
    synth::{Sink, Synth},
    time::{KernelTime, UnixTime},
    values::Slots,
};

/// Requests that have ended and that later ones may link to.
const ENDED: usize = 256;

/// A step.
#[derive(Debug)]
struct Step {
    region: RegionId,
    thread: u32,
    entry: KernelTime,
    exit: KernelTime,
    members: Vec<Member>,
}

/// A request that held a sequence.
#[derive(Debug)]
struct Holder {
    sequence: u64,
    entry: KernelTime,
    exit: KernelTime,
    trace_id: TraceId,
    span_id: SpanId,
}

/// What one target's engine did lately, for requests that have not ended yet.
#[derive(Debug, Default)]
struct Engine {
    steps: VecDeque<Step>,
    ended: VecDeque<Holder>,
    /// Of requests that began before, steps may be missing.
    lacks_until: KernelTime,
}

/// All targets' engines.
#[derive(Debug, Default)]
pub(crate) struct SharedSteps {
    by_target: FxHashMap<TargetId, Engine>,
    /// For the ids of spans that are no crossing's.
    serial: u64,
}

/// The steps of one phase of a request.
#[derive(Debug, Default)]
struct Share {
    steps: Steps,
    tokens: u64,
    results: u64,
    begun: KernelTime,
    ended: KernelTime,
    thread: u32,
    region: Option<RegionId>,
    others: BTreeSet<u64>,
}

impl Share {
    fn add(&mut self, step: &Step, own: Member) {
        if self.steps.count == 0 {
            (self.begun, self.thread, self.region) = (step.entry, step.thread, Some(step.region));
        }
        self.ended = self.ended.max(step.exit);
        self.steps.add(step.exit.since(step.entry));
        self.tokens += own.tokens;
        self.results += own.wanted;
        let others = step.members.iter().map(|member| member.sequence);
        self.others
            .extend(others.filter(|other| *other != own.sequence));
    }
}

impl Engine {
    /// Whether it is known of every step in a time whom it served.
    fn knows_all(&self, entry: KernelTime, exit: KernelTime) -> bool {
        let is_unknown = |member: &Member| member.sequence == Member::UNKNOWN;
        let within = |step: &&Step| step.exit >= entry && step.entry <= exit;
        let mut within = self.steps.iter().filter(within);
        let has_unknown = within.any(|step| step.members.iter().any(is_unknown));
        entry >= self.lacks_until && !has_unknown
    }

    /// The steps for a sequence in a time: those up to the first from which a result of it was wanted (its
    /// prompt), and those after.
    fn shares(&self, sequence: u64, entry: KernelTime, exit: KernelTime) -> [Share; 2] {
        let mut shares = [Share::default(), Share::default()];
        let mut phase = 0;
        let within = |step: &&Step| step.entry >= entry && step.exit <= exit;
        for step in self.steps.iter().filter(within) {
            let own = step
                .members
                .iter()
                .find(|member| member.sequence == sequence);
            if let Some(own) = own {
                shares[phase].add(step, *own);
                if own.wanted > 0 {
                    phase = 1;
                }
            }
        }
        shares
    }

    /// Spans of the requests that were served by the same steps, as far as they are known by now.
    fn links(&self, share: &Share) -> Vec<Link> {
        let was_served = |holder: &&Holder| {
            share.others.contains(&holder.sequence)
                && holder.entry <= share.ended
                && holder.exit >= share.begun
        };
        let served = self.ended.iter().filter(was_served);
        let link = |holder: &Holder| Link {
            trace_id: holder.trace_id,
            span_id: holder.span_id,
            attributes: Vec::new(),
        };
        served.map(link).collect()
    }
}

impl Synth {
    /// Keeps a step that nobody's request is known of.
    pub(crate) fn keep_step(&mut self, item: &Item) {
        let Some(end) = &item.end else { return };
        if end.members.is_empty() || end.ending != Ending::Returned {
            return;
        }
        let engine = self.shared.by_target.entry(item.key.target).or_default();
        if engine.steps.len() >= self.settings.limits.shared_steps as usize {
            let oldest = engine.steps.pop_front();
            engine.lacks_until = oldest.map_or(engine.lacks_until, |step| step.exit);
            self.tally.noted(Noted::SharedSteps, 1);
        }
        engine.steps.push_back(Step {
            region: item.region,
            thread: item.thread,
            entry: item.entry,
            exit: end.exit,
            members: end.members.clone(),
        });
    }

    /// Steps are not followed for a while: of none of the requests is it known that they had no others.
    pub(crate) fn miss_steps(&mut self, target: TargetId) {
        let engine = self.shared.by_target.entry(target).or_default();
        engine.lacks_until = KernelTime(u64::MAX);
    }

    /// The request of a crossing that held a sequence is over: its share of the steps becomes spans.
    pub(crate) fn share_steps(&mut self, draft: &Draft, end: &End, out: &mut impl Sink) {
        let Some(slot) = draft.region.region.sequence else {
            return;
        };
        let (Some(sequence), true) = (end.slots().bits(slot), end.is_exact()) else {
            return;
        };
        let target = draft.item.key.target;
        let Some(engine) = self.shared.by_target.get(&target) else {
            return;
        };
        if !engine.knows_all(draft.item.entry, end.exit) {
            self.tally.noted(Noted::SharesUnknown, 1);
            return;
        }
        let shares = engine.shares(sequence, draft.item.entry, end.exit);
        let links = [0, 1].map(|phase: usize| engine.links(&shares[phase]));
        // Each result that was wanted is one that comes out, the prompt's among them.
        let all = shares.iter().map(|share| share.results).sum();
        for ((share, links), results) in shares.iter().zip(links).zip([None, Some(all)]) {
            if share.steps.count > 0 {
                self.send_share(draft, share, results, links, out);
            }
        }
        self.end_holder(draft, end, sequence);
    }

    fn end_holder(&mut self, draft: &Draft, end: &End, sequence: u64) {
        let engine = self
            .shared
            .by_target
            .entry(draft.item.key.target)
            .or_default();
        if engine.ended.len() >= ENDED {
            engine.ended.pop_front();
        }
        engine.ended.push_back(Holder {
            sequence,
            entry: draft.item.entry,
            exit: end.exit,
            trace_id: draft.parent.trace_id,
            span_id: draft.span_id,
        });
    }

    fn send_share(
        &mut self,
        draft: &Draft,
        share: &Share,
        results: Option<u64>,
        links: Vec<Link>,
        out: &mut impl Sink,
    ) {
        let region = share.region.and_then(|region| self.regions.get(region));
        let (Some(region), Some(around)) = (region, self.known.get(draft.item.key)) else {
            return;
        };
        let Some(anchor) = around.anchor else { return };
        let instants = [share.begun, share.ended].map(|time| self.clock.convert(time));
        let [Some(start), Some(end)] = instants else {
            return;
        };
        if let Err(limit) = self.admit(Role::Span, &draft.parent, Some(anchor)) {
            self.tally.dropped(limit);
            return;
        }
        let face = region.opening.as_ref().filter(|_| results.is_none());
        let face = Arc::clone(face.unwrap_or(&region));
        let mut list = AttributeList::new(&self.settings.limits);
        list.add("hotspan.origin", "probe");
        list.add("hotspan.parent.source", draft.parent.source_name());
        let error_ns = start.error_ns.max(end.error_ns) + PROBE_ERROR_NS;
        list.add_number("hotspan.error_ns", error_ns);
        list.add("code.function.name", region.region.function.as_str());
        list.add("thread.id", i64::from(share.thread));
        describe(&mut list, share, &face.region, results);
        let (attributes, dropped) = list.finish(&mut self.tally);
        self.shared.serial += 1;
        let duration_ns = end.unix.0.saturating_sub(start.unix.0);
        let source = draft.parent.source_name();
        let target = draft.item.key.target;
        self.tally.span(target, &face, source, duration_ns);
        self.tally.shares += 1;
        out.span(Span {
            target,
            trace_id: draft.parent.trace_id,
            span_id: identity::share_span_id(self.settings.seed, self.shared.serial),
            parent_span_id: draft.span_id,
            parent_is_synthetic: true,
            name: Arc::clone(&face.name),
            start: start.unix,
            end: end_after(start, end),
            attributes,
            events: Vec::new(),
            links,
            status: Status::Unset,
            dropped: Dropped {
                attributes: dropped,
                ..Dropped::default()
            },
        });
    }
}

fn end_after(start: Instant, end: Instant) -> UnixTime {
    end.unix.max(start.unix)
}

/// What is the request's own of its steps, and how long they took for all whom they served.
fn describe(list: &mut AttributeList<'_>, share: &Share, face: &Region, results: Option<u64>) {
    list.add_number("hotspan.count", share.steps.count);
    list.add_number("hotspan.busy_ns", share.steps.sum_ns);
    list.add_number("hotspan.step.p50_ns", share.steps.percentile_ns(50));
    list.add_number("hotspan.step.p99_ns", share.steps.percentile_ns(99));
    list.add_number("hotspan.step.max_ns", share.steps.slowest_ns);
    list.add_number("hotspan.shared_with", share.others.len() as u64);
    let Some(fold) = &face.fold else { return };
    let Some(opening) = &fold.opening else { return };
    // Of what is read in a step, its length alone is known for each of the sequences.
    let own = [(opening.length, share.tokens)];
    let slots = Slots {
        values: &own,
        text: None,
    };
    list.add_decoded(&face.attributes, slots);
    let (Some(key), Some(results)) = (&opening.until_count, results) else {
        return;
    };
    list.add_number(key, results);
    let rate = fold
        .rate
        .as_ref()
        .filter(|rate| rate.slot == opening.length);
    let lasted_s = share.ended.since(share.begun) as f64 / 1e9;
    if let Some(rate) = rate
        && lasted_s > 0.0
    {
        list.add(&rate.key, share.tokens as f64 / lasted_s);
    }
}
