//! What a crossing becomes: a span, an event, a part of either, or nothing.

use std::sync::Arc;

use super::{
    decide::Inherited,
    item::{End, Item, Key},
    known::Anchor,
    parents::{Verdict, judge},
    regions::KnownRegion,
};
use crate::{
    clock::Instant,
    event::Parent,
    folding::fold::{Placement, SequenceKey},
    region::Role,
    spans::limits::Candidate,
    summary::Dropped,
    synth::Synth,
};

/// What a crossing becomes.
pub(super) enum Fate {
    Span {
        region: Arc<KnownRegion>,
        parent: Parent,
        around: Option<Anchor>,
        start: Instant,
        /// Set if later crossings may join it.
        sequence: Option<SequenceKey>,
    },
    Joined(Anchor),
    Event {
        region: Arc<KnownRegion>,
        around: Key,
        time: Instant,
    },
    Unattributed {
        region: Arc<KnownRegion>,
        reason: String,
    },
    Dropped(Dropped),
}

impl Item {
    /// Whether it meets its region's condition. What is only announced has no slots yet, and cannot
    /// be promised to become a span, or one of its own.
    fn counts(&self, region: &KnownRegion) -> bool {
        if self.end.is_none() && region.meaning().fold.is_some() {
            return false;
        }
        let slots = self.end.as_ref().map(End::slots);
        let condition = region.meaning().only_if.as_ref();
        condition.is_none_or(|condition| slots.is_some_and(|slots| slots.meets(condition)))
    }

    /// Whether it was sent for what it did to a device's memory alone.
    fn is_brief(&self, region: &KnownRegion) -> bool {
        let memory = region.meaning().memory.as_ref();
        self.end.is_some() && memory.is_some_and(|memory| self.duration_ns() < memory.min_ns)
    }
}

impl Synth {
    /// What a crossing becomes. Keys of spans that are complete by it go to `complete`.
    pub(super) fn fate(
        &mut self,
        item: &Item,
        inherited: Inherited,
        complete: &mut Vec<Key>,
    ) -> Fate {
        let Some(region) = self.regions.get(item.region) else {
            return Fate::Dropped(Dropped::UnknownRegion);
        };
        if !item.counts(&region) {
            return Fate::Dropped(Dropped::ConditionNotMet);
        }
        let parent = match self.parent(item, &region, inherited.anchor) {
            Ok(parent) => parent,
            Err(reason) => {
                let reason = reason.to_owned();
                return Fate::Unattributed { region, reason };
            }
        };
        if item.is_brief(&region) {
            if let Some(around) = inherited.anchor {
                self.making.on_device(around.key);
            }
            return Fate::Dropped(Dropped::Brief);
        }
        let role = region.region.role;
        let time = if role == Role::SpanEvent {
            item.latest()
        } else {
            item.entry
        };
        let Some(time) = self.clock.convert(time) else {
            return Fate::Dropped(Dropped::NoClock);
        };
        // Another span of the target became active inside of the crossing around: that one is the
        // parent, and it is beside the synthetic span, not under it.
        let is_same = |around: &Anchor| around.context == parent.context();
        if role == Role::SpanEvent {
            return self.event_fate(region, inherited.pool.filter(is_same), time);
        }
        if inherited.is_summed {
            self.miss(&region, inherited.anchor);
            return Fate::Dropped(Dropped::InSummedWorker);
        }
        let around = inherited.anchor.filter(is_same);
        self.span_fate(item, region, parent, around, time, complete)
    }

    fn event_fate(&self, region: Arc<KnownRegion>, nearest: Option<Anchor>, time: Instant) -> Fate {
        let nearest = nearest.map(|around| around.key);
        let around = match &region.meaning().event_of {
            Some(name) => nearest.and_then(|key| self.making.nearest_named(key, name)),
            None => nearest,
        };
        match around {
            Some(around) => Fate::Event {
                region,
                around,
                time,
            },
            None => Fate::Dropped(Dropped::EventWithoutSpan),
        }
    }

    fn span_fate(
        &mut self,
        item: &Item,
        region: Arc<KnownRegion>,
        parent: Parent,
        around: Option<Anchor>,
        start: Instant,
        complete: &mut Vec<Key>,
    ) -> Fate {
        let role = region.region.role;
        let (region, sequence) = match self.place(item, &region, &parent, around, complete) {
            Some(Placement::Joins(anchor)) => return Fate::Joined(anchor),
            Some(Placement::Starts(face, sequence)) => (face, Some(sequence)),
            None => (region, None),
        };
        match self.admit(role, &parent, around) {
            Ok(()) => Fate::Span {
                region,
                parent,
                around,
                start,
                sequence,
            },
            Err(limit) => {
                self.miss(&region, around);
                Fate::Dropped(limit)
            }
        }
    }

    /// Whom it may name, or why nobody.
    fn parent<'a>(
        &mut self,
        item: &'a Item,
        region: &KnownRegion,
        around: Option<Anchor>,
    ) -> Result<Parent, &'a str> {
        let verdict = judge(&item.parent);
        if !matches!(verdict, Verdict::Nobody(_)) {
            self.own_traces.has_requests(item.key.target);
        }
        match verdict {
            Verdict::Named(parent) => Ok(parent),
            Verdict::Unsampled => Err("unsampled"),
            Verdict::Nobody(reason) => self.own_trace(item, region, reason, around).ok_or(reason),
        }
    }

    pub(crate) fn admit(
        &mut self,
        role: Role,
        read: &Parent,
        around: Option<Anchor>,
    ) -> Result<(), Dropped> {
        let mut parent = read.context();
        if let Some(around) = around {
            parent.span_id = around.span_id;
        }
        let depth = around.map_or(1, |around| around.depth.saturating_add(1));
        let candidate = Candidate {
            parent,
            depth,
            is_worker: role == Role::Worker,
        };
        self.budget
            .admit(candidate, self.now, &self.settings.limits, &mut self.tally)
    }
}
