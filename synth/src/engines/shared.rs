//! Steps that an engine makes for several requests at once, on a thread of its own: each request gets its
//! share of them, if a region says which sequence is whose. `batches.rs` has the steps' own spans.

use std::collections::{BTreeSet, VecDeque};

use rustc_hash::FxHashMap;

use super::{batches::Batches, share::Share};
use crate::{
    crossings::item::{End, Item},
    event::{Ending, Member},
    ids::{RegionId, SpanId, TargetId, TraceId},
    span::Link,
    spans::making::Draft,
    summary::Noted,
    synth::{Sink, Synth},
    time::KernelTime,
};

/// Requests that have ended and that later ones may link to.
const ENDED: usize = 256;

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
            .and_then(|region| region.meaning().fold.as_ref());
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
        let Some(slot) = draft.region.meaning().sequence else {
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
        let said = draft.region.meaning().engine;
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
}
