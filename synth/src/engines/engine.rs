//! An engine's request: its queue and its forward passes.

use crate::{
    crossings::{
        item::{End, Key},
        known::Anchor,
        regions::KnownRegion,
    },
    region::{Region, Stage},
    spans::{attributes::AttributeList, making::Draft},
    synth::Synth,
    time::KernelTime,
};

/// The engine calls around a span's children.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Within {
    /// In a call that may be numbered.
    pub numbered: bool,
    /// The outermost engine's request.
    pub request: Option<Key>,
    /// In a forward pass for it.
    pub forward: bool,
}

impl Within {
    /// What a span under this one is in.
    pub fn of(around: Option<Anchor>) -> Self {
        around.map_or_else(Self::default, |around| around.within)
    }

    /// The same for children of this region's span.
    pub fn enter(self, region: &Region, key: Key) -> Self {
        let arrives = region.meaning.stage == Some(Stage::Request);
        Self {
            numbered: self.numbered || region.meaning.numbered,
            request: self.request.or(arrives.then_some(key)),
            forward: self.forward || region.meaning.stage == Some(Stage::Forward),
        }
    }

    /// The request that a pass of this region was made for, unless it is part of another pass.
    fn passes_for(self, region: &Region) -> Option<Key> {
        let is_pass = region.meaning.stage == Some(Stage::Forward) && !self.forward;
        self.request.filter(|_| is_pass)
    }
}

/// A forward pass, or several that one span stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    begun: KernelTime,
    busy_ns: u64,
}

/// The forward passes of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ForwardPasses {
    first: Option<KernelTime>,
    sum_ns: u64,
    /// One of them is not known, or not how long it took.
    has_gap: bool,
}

impl ForwardPasses {
    /// Takes in a pass; `None`: there was one of which not enough is known.
    pub fn add(&mut self, pass: Option<Pass>) {
        let Some(pass) = pass else {
            self.has_gap = true;
            return;
        };
        let first = self.first.unwrap_or(pass.begun);
        self.first = Some(first.min(pass.begun));
        self.sum_ns = self.sum_ns.saturating_add(pass.busy_ns);
    }
}

impl Synth {
    /// Tells the engine's request around a span that is complete of its forward passes.
    pub(crate) fn pass(&mut self, draft: &Draft, end: &End) {
        let within = Within::of(draft.around);
        let Some(request) = within.passes_for(&draft.region.region) else {
            return;
        };
        let busy_ns = (draft.folded.as_ref()).map_or_else(
            || end.exit.since(draft.item.entry),
            |folded| folded.busy_ns(),
        );
        let pass = end.is_exact().then_some(Pass {
            begun: draft.item.entry,
            busy_ns,
        });
        self.making.add_pass(request, pass);
    }

    /// Tells it of a crossing that got no span.
    pub(crate) fn miss(&mut self, region: &KnownRegion, around: Option<Anchor>) {
        if let Some(request) = Within::of(around).passes_for(&region.region) {
            self.making.add_pass(request, None);
        }
    }
}

/// The engine's queue, from the arrival to the first forward pass, and the passes together. Both or
/// neither: half of the evidence says nothing about which of them was longer.
pub(crate) fn describe(list: &mut AttributeList<'_>, draft: &Draft, end: &End) {
    let is_request = draft.region.meaning().stage == Some(Stage::Request)
        && Within::of(draft.around).request.is_none();
    let passes = draft.passes;
    let Some(first) = passes.first.filter(|_| is_request && !passes.has_gap) else {
        return;
    };
    if end.is_exact() {
        let waited_ns = first.since(draft.item.entry);
        list.add("ml.inference.queue_wait_ms", milliseconds(waited_ns));
        list.add("ml.inference.forward_pass_ms", milliseconds(passes.sum_ns));
    }
}

fn milliseconds(ns: u64) -> f64 {
    ns as f64 / 1e6
}
