//! What a crossing becomes, and whose child it is.

use std::sync::Arc;

use crate::{
    clock::Instant,
    crossings::{
        item::{End, Item, Key},
        known::{Anchor, Bounds, Known},
        parents::{Verdict, judge},
        queue::Turn,
        regions::KnownRegion,
        threads::cpu_ns,
    },
    engines::engine::{ForwardPasses, Within},
    event::Parent,
    folding::fold::{Placement, SequenceKey},
    region::Role,
    spans::{
        identity::span_id,
        limits::Candidate,
        making::{Draft, Pool},
    },
    summary::{Dropped, Noted},
    synth::Synth,
    time::UnixTime,
};

/// What a crossing has from the one around it.
#[derive(Clone, Copy, Debug, Default)]
struct Inherited {
    /// The synthetic span around it.
    anchor: Option<Anchor>,
    /// The synthetic span for its threads and events.
    pool: Option<Anchor>,
    is_summed: bool,
}

impl Inherited {
    /// A crossing on another thread came by the creation of threads: it lies under what the pool
    /// works for, not under the worker that happened to create its thread.
    fn by(thread: u32, around: &Known) -> Self {
        let same_thread = around.thread == thread;
        Self {
            anchor: if same_thread {
                around.anchor
            } else {
                around.pool
            },
            pool: around.pool,
            is_summed: same_thread && around.is_summed,
        }
    }
}

/// What a crossing becomes.
enum Fate {
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
        if self.end.is_none() && region.region.fold.is_some() {
            return false;
        }
        let slots = self.end.as_ref().map(End::slots);
        let condition = region.region.only_if.as_ref();
        condition.is_none_or(|condition| slots.is_some_and(|slots| slots.meets(condition)))
    }
}

impl Item {
    /// Whether it was sent for what it did to a device's memory alone.
    fn is_brief(&self, region: &KnownRegion) -> bool {
        let memory = region.region.memory.as_ref();
        self.end.is_some() && memory.is_some_and(|memory| self.duration_ns() < memory.min_ns)
    }
}

impl Synth {
    /// Decides a crossing, or lets it wait. True if what waits for it can be decided now. Keys of
    /// spans that are complete go to `complete`.
    pub(crate) fn decide(&mut self, item: Item, turn: Turn, complete: &mut Vec<Key>) -> bool {
        let key = item.key;
        if self
            .known
            .get(key)
            .is_some_and(|known| known.exit.is_some())
        {
            // An announcement that its own end has overtaken says nothing new.
            if item.end.is_some() {
                self.tally.dropped(Dropped::Duplicate);
            }
            return false;
        }
        if self.making.contains(key) {
            self.go_on(item, complete);
            return false;
        }
        let inherited = match self.inherited(&item, turn) {
            Ok(inherited) => inherited,
            Err(enclosing) => {
                self.pending.park(enclosing, item);
                return false;
            }
        };
        self.settle(item, inherited, complete);
        true
    }

    /// More of an announced crossing that is a span in the making.
    fn go_on(&mut self, item: Item, complete: &mut Vec<Key>) {
        let key = item.key;
        match item.end {
            Some(end) => {
                self.known.close(key, end.exit);
                self.making.end(key, end);
                complete.push(key);
            }
            None => self.making.seen(key, item.seen),
        }
    }

    /// What is known of the crossing around; else the crossing to wait for.
    fn inherited(&mut self, item: &Item, turn: Turn) -> Result<Inherited, Key> {
        let Some(enclosing) = item.enclosing else {
            return Ok(Inherited::default());
        };
        if let Some(known) = self.known.get(enclosing) {
            return Ok(Inherited::by(item.thread, known));
        }
        match turn {
            // Whoever is around it, it becomes nothing that could be a child.
            Turn::MayWait
                if !matches!(judge(&item.parent), Verdict::Named(_))
                    && !self.own_traces.has(item.key.target) => {}
            Turn::MayWait => return Err(enclosing),
            Turn::Overdue => self.tally.noted(Noted::EnclosingLost, 1),
            Turn::MakeRoom => self.tally.noted(Noted::WaitingCrossings, 1),
        }
        let ancestor = self.known.covering(item);
        Ok(ancestor
            .map(|known| Inherited::by(item.thread, known))
            .unwrap_or_default())
    }

    fn settle(&mut self, item: Item, inherited: Inherited, complete: &mut Vec<Key>) {
        let fate = self.fate(&item, inherited, complete);
        let is_final = item.end.is_some() || matches!(fate, Fate::Span { .. });
        let mut known = Known {
            thread: item.thread,
            entry: item.entry,
            latest: item.latest(),
            exit: item.end.as_ref().map(|end| end.exit),
            anchor: inherited.anchor,
            pool: inherited.pool,
            is_summed: inherited.is_summed,
            bounds: None,
        };
        let key = item.key;
        if is_final {
            self.tally.crossings += 1;
            self.apply(item, fate, &mut known, complete);
        }
        self.known.insert(key, known);
        if let Some(threads) = self.threads.take(key) {
            self.add_threads(known.pool.map(|around| around.key), threads);
        }
    }

    fn fate(&mut self, item: &Item, inherited: Inherited, complete: &mut Vec<Key>) -> Fate {
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
            let nearest = inherited.pool.filter(is_same).map(|around| around.key);
            let around = match &region.region.event_of {
                Some(name) => nearest.and_then(|key| self.making.nearest_named(key, name)),
                None => nearest,
            };
            return match around {
                Some(around) => Fate::Event {
                    region,
                    around,
                    time,
                },
                None => Fate::Dropped(Dropped::EventWithoutSpan),
            };
        }
        if inherited.is_summed {
            self.miss(&region, inherited.anchor);
            return Fate::Dropped(Dropped::InSummedWorker);
        }
        let around = inherited.anchor.filter(is_same);
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
                start: time,
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

    fn apply(&mut self, item: Item, fate: Fate, known: &mut Known, complete: &mut Vec<Key>) {
        match fate {
            Fate::Span {
                region,
                parent,
                around,
                start,
                sequence,
            } => {
                let mut draft = self.draft(item, region, parent, around, start, known);
                self.number(&mut draft);
                if let (Some(sequence), Some(anchor)) = (sequence, known.anchor) {
                    let folded = self.start_folding(sequence, &draft, anchor);
                    draft.folded = Some(Box::new(folded));
                } else if draft.item.end.is_some() {
                    complete.push(draft.item.key);
                } else {
                    let (thread, key) = (draft.item.thread, draft.item.key);
                    if !draft.parent.begins_trace() {
                        self.inference.opened(thread, draft.parent, key, self.now);
                    }
                }
                let (key, on_device) = (draft.item.key, draft.region.region.on_device);
                self.making.insert(draft);
                if on_device {
                    self.making.on_device(key);
                }
            }
            Fate::Joined(anchor) => {
                (known.anchor, known.pool) = (Some(anchor), Some(anchor));
                self.join(anchor, &item);
            }
            Fate::Event {
                region,
                around,
                time,
            } => self.attach(&item, &region, around, time),
            Fate::Unattributed { region, reason } => {
                self.tally.unattributed.add(&region, &reason, &item);
            }
            Fate::Dropped(reason) => {
                if reason == Dropped::WorkersPerParent {
                    self.sum(&item, known);
                }
                self.tally.dropped(reason);
            }
        }
    }

    /// Starts a span, and says in `known` that it may be named.
    fn draft(
        &self,
        item: Item,
        region: Arc<KnownRegion>,
        parent: Parent,
        around: Option<Anchor>,
        start: Instant,
        known: &mut Known,
    ) -> Box<Draft> {
        let span_id = span_id(self.settings.seed, item.key);
        let anchor = Anchor {
            span_id,
            key: item.key,
            context: parent.context(),
            depth: around.map_or(1, |around| around.depth.saturating_add(1)),
            within: Within::of(around).enter(&region.region, item.key),
        };
        known.anchor = Some(anchor);
        if region.region.role == Role::Span {
            known.pool = Some(anchor);
        }
        known.bounds = Some(Bounds {
            start: start.unix,
            end: None,
            latest_child: UnixTime::default(),
            error_ns: start.error_ns,
        });
        Box::new(Draft {
            item,
            region,
            span_id,
            parent,
            around,
            start,
            pool: Pool::default(),
            events: std::collections::VecDeque::new(),
            dropped_events: 0,
            attempt: None,
            passes: ForwardPasses::default(),
            pages_inside: None,
            folded: None,
            on_device: false,
            device_bytes: None,
        })
    }

    fn attach(&mut self, item: &Item, region: &KnownRegion, around: Key, time: Instant) {
        let Some(end) = &item.end else { return };
        let event = crate::spans::finish::event(
            &region.region,
            end,
            time,
            &self.settings.limits,
            &mut self.tally,
        );
        match self
            .making
            .add_event(around, event, &self.settings.limits, &mut self.tally)
        {
            Ok(()) => self.tally.span_events += 1,
            Err(reason) => self.tally.dropped(reason),
        }
    }

    /// Sums a worker's crossing on its parent.
    fn sum(&mut self, item: &Item, known: &mut Known) {
        known.is_summed = true;
        let (Some(around), Some(end)) = (known.anchor, &item.end) else {
            return;
        };
        let ns = item.duration_ns();
        let cpu = cpu_ns(ns, end.runqueue_ns, end.blocked_ns);
        let pool = Pool {
            summed: 1,
            summed_ns: ns,
            summed_cpu_ns: cpu,
            ..Pool::default()
        };
        // A parent that has gone out already, or none: the summary alone counts it.
        self.making.add_pool(around.key, pool);
    }
}
