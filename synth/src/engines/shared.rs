//! Steps that an engine makes for several requests at once, on a thread of its own: each request gets its
//! share of them, if a region says which sequence is whose. `batches.rs` has the steps' own spans.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use rustc_hash::FxHashMap;

use super::batches::{self, Batches};
use crate::{
    clock::Instant,
    crossings::item::{End, Item},
    event::{Ending, Member},
    folding::steps::Steps,
    ids::{RegionId, SpanId, TargetId, TraceId},
    region::{Region, Role},
    span::{Dropped, Link, Span, Status},
    spans::{
        attributes::AttributeList, finish::PROBE_ERROR_NS, identity, making::Draft, values::Slots,
    },
    summary::Noted,
    synth::{Sink, Synth},
    time::{KernelTime, UnixTime},
};

/// Requests that have ended and that later ones may link to.
const ENDED: usize = 256;
/// Links of a span.
const LINKS: usize = 128;

/// A step.
#[derive(Debug)]
pub(crate) struct Step {
    pub region: RegionId,
    pub thread: u32,
    pub entry: KernelTime,
    pub exit: KernelTime,
    /// The engine's context that it was made in.
    pub context: Option<u64>,
    /// Number of the batch that it is of: steps for the same sequences, one after the other.
    pub batch: u64,
    pub members: Vec<Member>,
}

impl Step {
    /// The sequences, in their order.
    pub fn sequences(&self) -> BTreeSet<u64> {
        sequences(&self.members)
    }
}

pub(crate) fn sequences(members: &[Member]) -> BTreeSet<u64> {
    members.iter().map(|member| member.sequence).collect()
}

/// A request that held a sequence.
#[derive(Debug)]
struct Holder {
    context: Option<u64>,
    sequence: u64,
    entry: KernelTime,
    exit: KernelTime,
    trace_id: TraceId,
    span_id: SpanId,
}

/// What one target's engines did lately, for requests that have not ended yet.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub steps: VecDeque<Step>,
    pub batches: Batches,
    ended: VecDeque<Holder>,
    /// Of requests that began before, steps may be missing.
    lacks_until: KernelTime,
}

/// All targets' engines.
#[derive(Debug, Default)]
pub(crate) struct SharedSteps {
    pub by_target: FxHashMap<TargetId, Engine>,
    /// For the ids of spans that are no crossing's.
    pub serial: u64,
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
    /// The batches that its steps were of, as far as others were served by them too.
    batches: BTreeSet<u64>,
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
        if step.members.len() > 1 {
            self.batches.insert(step.batch);
        }
        let others = step.members.iter().map(|member| member.sequence);
        self.others
            .extend(others.filter(|other| *other != own.sequence));
    }
}

/// A request's own in an engine: whose context, which sequence, and how long.
#[derive(Clone, Copy, Debug)]
struct Held {
    context: Option<u64>,
    sequence: u64,
    entry: KernelTime,
    exit: KernelTime,
}

impl Engine {
    /// The contexts of all steps in a time.
    fn contexts(&self, entry: KernelTime, exit: KernelTime) -> BTreeSet<Option<u64>> {
        let within = |step: &&Step| step.exit >= entry && step.entry <= exit;
        (self.steps.iter().filter(within))
            .map(|step| step.context)
            .collect()
    }

    /// Whether it is known of every step of its context whom it served.
    fn knows_all(&self, held: &Held) -> bool {
        let is_unknown = |member: &Member| member.sequence == Member::UNKNOWN;
        let mut within = self.steps.iter().filter(|step| {
            step.context == held.context && step.exit >= held.entry && step.entry <= held.exit
        });
        let has_unknown = within.any(|step| step.members.iter().any(is_unknown));
        held.entry >= self.lacks_until && !has_unknown
    }

    /// The steps for a sequence in a time: those up to the first from which a result of it was wanted (its
    /// prompt), and those after.
    fn shares(&self, held: &Held) -> [Share; 2] {
        let mut shares = [Share::default(), Share::default()];
        let mut phase = 0;
        let within = self.steps.iter().filter(|step| {
            step.context == held.context && step.entry >= held.entry && step.exit <= held.exit
        });
        for step in within {
            let own = (step.members.iter()).find(|member| member.sequence == held.sequence);
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
    fn links(&self, context: Option<u64>, share: &Share) -> Vec<Link> {
        let was_served = |holder: &&Holder| {
            holder.context == context
                && share.others.contains(&holder.sequence)
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
        let region = self.regions.get(item.region);
        let fold = region
            .as_ref()
            .and_then(|region| region.region.fold.as_ref());
        let by = fold.and_then(|fold| fold.by);
        let idle_ns = fold.map_or(0, |fold| fold.idle_ns);
        let limit = self.settings.limits.shared_steps as usize;
        let engine = self.shared.by_target.entry(item.key.target).or_default();
        if engine.steps.len() >= limit {
            let oldest = engine.steps.pop_front();
            engine.lacks_until = oldest.map_or(engine.lacks_until, |step| step.exit);
            self.tally.noted(Noted::SharedSteps, 1);
        }
        let mut step = Step {
            region: item.region,
            thread: item.thread,
            entry: item.entry,
            exit: end.exit,
            context: by.and_then(|slot| end.slots().bits(slot)),
            batch: 0,
            members: end.members.clone(),
        };
        let before = (engine.steps.iter().rev()).find(|before| before.context == step.context);
        step.batch = engine.batches.of(&step, before, idle_ns);
        engine.steps.push_back(step);
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
        let (entry, exit) = (draft.item.entry, end.exit);
        let said = draft.region.region.engine;
        let context = match said {
            Some(slot) => end.slots().bits(slot),
            None => engine.contexts(entry, exit).into_iter().next().flatten(),
        };
        let held = Held {
            context,
            sequence,
            entry,
            exit,
        };
        let is_known = match said {
            Some(_) => context.is_some(),
            None => engine.contexts(entry, exit).len() <= 1,
        };
        if !is_known || !engine.knows_all(&held) {
            self.tally.noted(Noted::SharesUnknown, 1);
            return;
        }
        let shares = engine.shares(&held);
        let requests = [0, 1].map(|phase: usize| engine.links(held.context, &shares[phase]));
        // Each result that was wanted is one that comes out, the prompt's among them.
        let all = shares.iter().map(|share| share.results).sum();
        for ((share, requests), results) in shares.iter().zip(requests).zip([None, Some(all)]) {
            if share.steps.count > 0 {
                let mut links = self.batch_links(target, &share.batches, out);
                links.extend(requests);
                self.send_share(draft, share, results, links, out);
            }
        }
        self.end_holder(draft, &held);
    }

    fn end_holder(&mut self, draft: &Draft, held: &Held) {
        let engine = self
            .shared
            .by_target
            .entry(draft.item.key.target)
            .or_default();
        if engine.ended.len() >= ENDED {
            engine.ended.pop_front();
        }
        engine.ended.push_back(Holder {
            context: held.context,
            sequence: held.sequence,
            entry: held.entry,
            exit: held.exit,
            trace_id: draft.parent.trace_id,
            span_id: draft.span_id,
        });
    }

    fn send_share(
        &mut self,
        draft: &Draft,
        share: &Share,
        results: Option<u64>,
        mut links: Vec<Link>,
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
        let dropped_links = links.len().saturating_sub(LINKS);
        links.truncate(LINKS);
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
            parent_is_remote: false,
            name: Arc::clone(&face.name),
            start: start.unix,
            end: end_after(start, end),
            attributes,
            events: Vec::new(),
            links,
            status: Status::Unset,
            dropped: Dropped {
                attributes: dropped,
                links: u32::try_from(dropped_links).unwrap_or(u32::MAX),
                events: 0,
            },
        });
    }
}

fn end_after(start: Instant, end: Instant) -> UnixTime {
    end.unix.max(start.unix)
}

/// What is the request's own of its steps, and how long they took for all whom they served.
fn describe(list: &mut AttributeList<'_>, share: &Share, face: &Region, results: Option<u64>) {
    batches::describe_steps(list, &share.steps);
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
    list.add_number(key.clone(), results);
    let rate = fold
        .rate
        .as_ref()
        .filter(|rate| rate.slot == opening.length);
    let lasted_s = share.ended.since(share.begun) as f64 / 1e9;
    if let Some(rate) = rate
        && lasted_s > 0.0
    {
        list.add(rate.key.clone(), share.tokens as f64 / lasted_s);
    }
}
