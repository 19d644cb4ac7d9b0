//! The steps themselves that serve several requests: a span for those that follow each other for the same
//! sequences. It is nobody's in particular, so it begins a trace of its own, and goes out when the first
//! request that it served is over; the requests' shares link to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    crossings::regions::KnownRegion,
    engines::shared::{Step, sequences},
    event::Parent,
    folding::steps::Steps,
    ids::TargetId,
    region::Role,
    span::{Dropped, Link, Span, Status},
    spans::{attributes::AttributeList, finish::PROBE_ERROR_NS, identity, values::Slots},
    synth::{Sink, Synth},
    time::KernelTime,
};

/// Batches that have gone out and that later shares may link to.
const REMEMBERED: usize = 4_096;

/// A target's batches.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    latest: u64,
    /// What became of those that have gone out; `None`: a limit kept it back.
    sent: BTreeMap<u64, Option<Link>>,
}

impl Batches {
    /// Number of the batch of a step: that of the step before in its context, if that served the same
    /// sequences, not too long ago, and has not gone out.
    pub fn of(&mut self, step: &Step, before: Option<&Step>, idle_ns: u64) -> u64 {
        let goes_on = |before: &&Step| {
            before.region == step.region
                && step.entry.since(before.exit) <= idle_ns
                && before.sequences() == sequences(&step.members)
                && !self.sent.contains_key(&before.batch)
        };
        if let Some(before) = before.filter(goes_on) {
            return before.batch;
        }
        self.latest += 1;
        self.latest
    }
}

/// The steps of a batch together.
#[derive(Debug, Default)]
struct Batch {
    region: Option<Arc<KnownRegion>>,
    thread: u32,
    begun: KernelTime,
    ended: KernelTime,
    steps: Steps,
    tokens: u64,
    sequences: BTreeSet<u64>,
}

impl Batch {
    fn add(&mut self, step: &Step) {
        if self.steps.count == 0 {
            (self.begun, self.thread, self.sequences) = (step.entry, step.thread, step.sequences());
        }
        self.ended = self.ended.max(step.exit);
        self.steps.add(step.exit.since(step.entry));
        self.tokens += step.members.iter().map(|member| member.tokens).sum::<u64>();
    }
}

impl Synth {
    /// Links to the spans of these batches, which go out now unless they have.
    pub(crate) fn batch_links(
        &mut self,
        target: TargetId,
        batches: &BTreeSet<u64>,
        out: &mut impl Sink,
    ) -> Vec<Link> {
        let mut links = Vec::with_capacity(batches.len());
        for &number in batches {
            let Some(engine) = self.shared.by_target.get(&target) else {
                break;
            };
            if let Some(link) = engine.batches.sent.get(&number) {
                links.extend(link.clone());
                continue;
            }
            let link = self.send_batch(target, number, out);
            links.extend(link.clone());
            let engine = self.shared.by_target.entry(target).or_default();
            engine.batches.sent.insert(number, link);
            if engine.batches.sent.len() > REMEMBERED {
                engine.batches.sent.pop_first();
            }
        }
        links
    }

    fn send_batch(&mut self, target: TargetId, number: u64, out: &mut impl Sink) -> Option<Link> {
        let batch = self.batch(target, number)?;
        let face = batch.region.as_ref()?.batch.clone()?;
        let [start, end] = [batch.begun, batch.ended].map(|time| self.clock.convert(time));
        let (start, end) = (start?, end?);
        self.shared.serial += 1;
        let serial = self.shared.serial;
        let link = Link {
            trace_id: identity::batch_trace_id(self.settings.seed, serial),
            span_id: identity::share_span_id(self.settings.seed, serial),
            attributes: Vec::new(),
        };
        let own = Parent::begins(link.trace_id);
        if let Err(limit) = self.admit(Role::Span, &own, None) {
            self.tally.dropped(limit);
            return None;
        }
        let mut list = AttributeList::new(&self.settings.limits);
        list.add("hotspan.origin", "probe");
        list.add_number(
            "hotspan.error_ns",
            start.error_ns.max(end.error_ns) + PROBE_ERROR_NS,
        );
        list.add("code.function.name", face.region.function.as_str());
        list.add("thread.id", i64::from(batch.thread));
        describe(&mut list, &batch, &face);
        let (attributes, dropped) = list.finish(&mut self.tally);
        let end = end.unix.max(start.unix);
        self.tally.span(target, &face, "none", end.0 - start.unix.0);
        self.tally.shares += 1;
        out.span(Span {
            target,
            trace_id: link.trace_id,
            span_id: link.span_id,
            parent_span_id: own.span_id,
            parent_is_synthetic: false,
            parent_is_remote: false,
            name: Arc::clone(&face.name),
            start: start.unix,
            end,
            attributes,
            events: Vec::new(),
            links: Vec::new(),
            status: Status::Unset,
            dropped: Dropped {
                attributes: dropped,
                ..Dropped::default()
            },
        });
        Some(link)
    }

    fn batch(&self, target: TargetId, number: u64) -> Option<Batch> {
        let engine = self.shared.by_target.get(&target)?;
        let mut batch = Batch::default();
        for step in engine.steps.iter().filter(|step| step.batch == number) {
            batch.add(step);
            batch.region = batch.region.or_else(|| self.regions.get(step.region));
        }
        Some(batch)
    }
}

fn describe(list: &mut AttributeList<'_>, batch: &Batch, face: &KnownRegion) {
    describe_steps(list, &batch.steps);
    list.add_number("hotspan.sequences", batch.sequences.len() as u64);
    let fold = face.meaning().fold.as_ref();
    let Some(opening) = fold.and_then(|fold| fold.opening.as_ref()) else {
        return;
    };
    let own = [(opening.length, batch.tokens)];
    let slots = Slots {
        values: &own,
        text: None,
    };
    list.add_decoded(&face.meaning().attributes, slots);
}

/// How many steps, and how long they took.
pub(crate) fn describe_steps(list: &mut AttributeList<'_>, steps: &Steps) {
    list.add_number("hotspan.count", steps.count);
    list.add_number("hotspan.busy_ns", steps.sum_ns);
    list.add_number("hotspan.step.p50_ns", steps.percentile_ns(50));
    list.add_number("hotspan.step.p99_ns", steps.percentile_ns(99));
    list.add_number("hotspan.step.max_ns", steps.slowest_ns);
}
