//! A request's share of the steps that an engine made for several at once: its spans.

use std::{collections::BTreeSet, sync::Arc};

use super::{batches, shared::Step};
use crate::{
    clock::Instant,
    crossings::regions::KnownRegion,
    event::Member,
    folding::steps::Steps,
    ids::RegionId,
    region::{Region, Role},
    span::{Attributes, Dropped, Link, Span, Status},
    spans::{
        attributes::AttributeList, finish::PROBE_ERROR_NS, identity, making::Draft, values::Slots,
    },
    synth::{Sink, Synth},
    time::KernelTime,
};

/// Links of a span.
const LINKS: usize = 128;

/// The steps of one phase of a request.
#[derive(Debug, Default)]
pub(super) struct Share {
    pub steps: Steps,
    tokens: u64,
    pub results: u64,
    pub begun: KernelTime,
    pub ended: KernelTime,
    thread: u32,
    region: Option<RegionId>,
    pub others: BTreeSet<u64>,
    /// The batches that its steps were of, as far as others were served by them too.
    pub batches: BTreeSet<u64>,
}

impl Share {
    pub fn add(&mut self, step: &Step, own: Member) {
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

/// What is to be said of a share.
struct Told<'a> {
    share: &'a Share,
    /// Results that came out of its steps; `None`: it is the prompt's.
    results: Option<u64>,
    face: Arc<KnownRegion>,
    start: Instant,
    end: Instant,
}

impl Synth {
    /// Sends a share's span. `results`: those that came out of its steps; `None`: it is the prompt's.
    pub(super) fn send_share(
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
        let duration_ns = end.unix.0.saturating_sub(start.unix.0);
        let source = draft.parent.source_name();
        self.tally
            .span(draft.item.key.target, &face, source, duration_ns);
        self.tally.shares += 1;
        let told = Told {
            share,
            results,
            face,
            start,
            end,
        };
        out.span(self.share_span(draft, &told, links));
    }

    fn share_span(&mut self, draft: &Draft, told: &Told<'_>, mut links: Vec<Link>) -> Span {
        let (attributes, dropped) = self.share_attributes(draft, told);
        let dropped_links = links.len().saturating_sub(LINKS);
        links.truncate(LINKS);
        self.shared.serial += 1;
        Span {
            target: draft.item.key.target,
            trace_id: draft.parent.trace_id,
            span_id: identity::share_span_id(self.settings.seed, self.shared.serial),
            parent_span_id: draft.span_id,
            parent_is_synthetic: true,
            parent_is_remote: false,
            name: Arc::clone(&told.face.name),
            start: told.start.unix,
            end: told.end.unix.max(told.start.unix),
            attributes,
            events: Vec::new(),
            links,
            status: Status::Unset,
            dropped: Dropped {
                attributes: dropped,
                links: u32::try_from(dropped_links).unwrap_or(u32::MAX),
                events: 0,
            },
        }
    }

    fn share_attributes(&mut self, draft: &Draft, told: &Told<'_>) -> (Attributes, u32) {
        let region = &told.face.region;
        let mut list = AttributeList::new(&self.settings.limits);
        list.add("hotspan.origin", "probe");
        list.add("hotspan.parent.source", draft.parent.source_name());
        let error_ns = told.start.error_ns.max(told.end.error_ns) + PROBE_ERROR_NS;
        list.add_number("hotspan.error_ns", error_ns);
        list.add("code.function.name", region.function.as_str());
        list.add("thread.id", i64::from(told.share.thread));
        describe(&mut list, told.share, region, told.results);
        list.finish(&mut self.tally)
    }
}

/// What is the request's own of its steps, and how long they took for all whom they served.
fn describe(list: &mut AttributeList<'_>, share: &Share, face: &Region, results: Option<u64>) {
    batches::describe_steps(list, &share.steps);
    list.add_number("hotspan.shared_with", share.others.len() as u64);
    let Some(fold) = &face.meaning.fold else {
        return;
    };
    let Some(opening) = &fold.opening else { return };
    // Of what is read in a step, its length alone is known for each of the sequences.
    let own = [(opening.length, share.tokens)];
    let slots = Slots {
        values: &own,
        text: None,
    };
    list.add_decoded(&face.meaning.attributes, slots);
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
