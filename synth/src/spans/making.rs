//! Spans in the making: admitted, their ids promised to their children, not gone out yet.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use rustc_hash::FxHashMap;

use crate::{
    clock::Instant,
    crossings::{
        item::{End, Item, Key},
        known::Anchor,
        regions::KnownRegion,
    },
    engines::{
        attempts::Attempt,
        engine::{ForwardPasses, Pass},
    },
    event::Parent,
    folding::{folded::Folded, requests::Begun},
    ids::SpanId,
    settings::Limits,
    span::SpanEvent,
    summary::{Dropped, Noted, Tally},
    time::{KernelTime, UnixTime},
};

/// A span without its end.
#[derive(Debug)]
pub(crate) struct Draft {
    pub item: Item,
    pub region: Arc<KnownRegion>,
    pub span_id: SpanId,
    /// The parent that was read.
    pub parent: Parent,
    /// The synthetic span to name instead of it.
    pub around: Option<Anchor>,
    pub start: Instant,
    pub pool: Pool,
    pub events: VecDeque<SpanEvent>,
    pub dropped_events: u32,
    /// Its number among the engine's calls in one request, if they are counted.
    pub attempt: Option<Attempt>,
    /// The forward passes in it.
    pub passes: ForwardPasses,
    /// When paging began in a span under it.
    pub pages_inside: Option<KernelTime>,
    /// Set if it stands for many crossings.
    pub folded: Option<Box<Folded>>,
    /// It works with a device, or something in it does.
    pub on_device: bool,
    /// Bytes of the device's memory that the target held at its end.
    pub device_bytes: Option<u64>,
}

/// What worked for a span on other threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pool {
    /// Threads that were created under it and have ended.
    pub threads: u64,
    /// Their CPU time over their lives.
    pub threads_cpu_ns: u64,
    /// Workers' crossings that got no span of their own.
    pub summed: u64,
    /// Their durations.
    pub summed_ns: u64,
    /// Their CPU time.
    pub summed_cpu_ns: u64,
}

impl Pool {
    pub fn add(&mut self, other: Self) {
        self.threads = self.threads.saturating_add(other.threads);
        self.threads_cpu_ns = self.threads_cpu_ns.saturating_add(other.threads_cpu_ns);
        self.summed = self.summed.saturating_add(other.summed);
        self.summed_ns = self.summed_ns.saturating_add(other.summed_ns);
        self.summed_cpu_ns = self.summed_cpu_ns.saturating_add(other.summed_cpu_ns);
    }
}

/// All drafts.
#[derive(Debug, Default)]
pub(crate) struct Making {
    by_key: FxHashMap<Key, Box<Draft>>,
    /// Those that have been announced only, by when they were last seen.
    open: BTreeSet<(KernelTime, Key)>,
    held_events: usize,
}

impl Making {
    pub fn insert(&mut self, draft: Box<Draft>) {
        if draft.item.end.is_none() {
            self.open.insert((draft.item.seen, draft.item.key));
        }
        self.by_key.insert(draft.item.key, draft);
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn contains(&self, key: Key) -> bool {
        self.by_key.contains_key(&key)
    }

    /// The nearest span of this name from `key` outwards, itself included.
    pub fn nearest_named(&self, key: Key, name: &str) -> Option<Key> {
        let mut draft = self.by_key.get(&key)?;
        while &*draft.region.name != name {
            draft = self.by_key.get(&draft.around?.key)?;
        }
        Some(draft.item.key)
    }

    /// An announced crossing was seen open again.
    pub fn seen(&mut self, key: Key, seen: KernelTime) {
        if let Some(draft) = self.by_key.get_mut(&key)
            && draft.item.end.is_none()
            && draft.item.seen < seen
        {
            self.open.remove(&(draft.item.seen, key));
            self.open.insert((seen, key));
            draft.item.seen = seen;
        }
    }

    /// An announced crossing has ended.
    pub fn end(&mut self, key: Key, end: End) {
        if let Some(draft) = self.by_key.get_mut(&key) {
            self.open.remove(&(draft.item.seen, key));
            draft.item.end = Some(end);
        }
    }

    /// Adds a crossing to the one span of many; false if it is gone.
    pub fn join(&mut self, key: Key, item: &Item, joined: &End) -> bool {
        let Some(draft) = self.by_key.get_mut(&key) else {
            return false;
        };
        let (Some(folded), Some(end)) = (&mut draft.folded, &mut draft.item.end) else {
            return false;
        };
        folded.join(&draft.region.region, end, item, joined);
        true
    }

    /// Counts a crossing of the region that a span of many waits for.
    pub fn mark(&mut self, key: Key) {
        if let Some(folded) = self.folded(key) {
            folded.marks += 1;
        }
    }

    /// Says when the first crossing of that region ended, and when the request began.
    pub fn first_mark(&mut self, key: Key, first: Option<UnixTime>, request: Option<Begun>) {
        if let Some(folded) = self.folded(key) {
            (folded.first_mark, folded.request) = (first, request);
        }
    }

    fn folded(&mut self, key: Key) -> Option<&mut Folded> {
        self.by_key.get_mut(&key)?.folded.as_deref_mut()
    }

    /// Takes out a draft to be completed.
    pub fn take(&mut self, key: Key) -> Option<Box<Draft>> {
        let draft = self.by_key.remove(&key)?;
        self.open.remove(&(draft.item.seen, key));
        self.held_events -= draft.events.len();
        Some(draft)
    }

    /// The announced crossing that was last seen longest ago, if more than `limit` are open.
    pub fn stalest(&self, limit: u32) -> Option<(KernelTime, Key)> {
        (self.open.len() > limit as usize).then(|| self.open.first().copied())?
    }

    /// Adds to what worked for a span; false if it is not in the making.
    pub fn add_pool(&mut self, key: Key, pool: Pool) -> bool {
        let Some(draft) = self.by_key.get_mut(&key) else {
            return false;
        };
        draft.pool.add(pool);
        true
    }

    /// Whether a span in the making has not ended by `at`; `None` if it is not in the making.
    pub fn lasts_to(&self, key: Key, at: KernelTime) -> Option<bool> {
        let end = self.by_key.get(&key)?.item.end.as_ref();
        Some(end.is_none_or(|end| end.exit > at))
    }

    /// Says when paging began in a span under this one.
    pub fn pages_inside(&mut self, key: Key, began: KernelTime) {
        if let Some(draft) = self.by_key.get_mut(&key) {
            let earliest = draft.pages_inside.unwrap_or(began);
            draft.pages_inside = Some(earliest.min(began));
        }
    }

    /// Says that a device is worked with in this span, and so in those around it.
    pub fn on_device(&mut self, key: Key) {
        let mut at = Some(key);
        while let Some(draft) = at.and_then(|key| self.by_key.get_mut(&key))
            && !draft.on_device
        {
            draft.on_device = true;
            at = draft.around.map(|around| around.key);
        }
    }

    /// Adds a forward pass to the engine's request that it was made for.
    pub fn add_pass(&mut self, request: Key, pass: Option<Pass>) {
        // One whose request is over already was not waited for: its own span says all of it.
        if let Some(draft) = self.by_key.get_mut(&request) {
            draft.passes.add(pass);
        }
    }

    /// Adds an event to a span; of too many, the latest stay.
    pub fn add_event(
        &mut self,
        key: Key,
        event: SpanEvent,
        limits: &Limits,
        tally: &mut Tally,
    ) -> Result<(), Dropped> {
        let draft = self.by_key.get_mut(&key).ok_or(Dropped::EventWithoutSpan)?;
        if draft.events.len() < limits.events_per_span as usize {
            if self.held_events >= limits.waiting_crossings as usize {
                return Err(Dropped::HeldEvents);
            }
            self.held_events += 1;
            draft.events.push_back(event);
            return Ok(());
        }
        draft.dropped_events = draft.dropped_events.saturating_add(1);
        tally.noted(Noted::EventsPerSpan, 1);
        if draft.events.pop_front().is_some() {
            draft.events.push_back(event);
        }
        Ok(())
    }
}
