//! Crossings that have been decided, and whom their children may name.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::{
    crossings::{
        item::{Item, Key},
        parents::SpanContext,
    },
    engines::engine::Within,
    ids::{CrossingId, SpanId, TargetId},
    time::{KernelTime, UnixTime},
};

/// A synthetic span that children may name: it has gone out, or it will.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    pub span_id: SpanId,
    pub key: Key,
    /// The target's span that was read at its entry. A child of another one is not its child.
    pub context: SpanContext,
    /// 1 for a child of the target's own span.
    pub depth: u32,
    /// The engine calls that it is in, itself included.
    pub within: Within,
}

/// A decided crossing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub thread: u32,
    pub entry: KernelTime,
    /// The latest instant of which it was decided.
    pub latest: KernelTime,
    /// `None` while it is only announced.
    pub exit: Option<KernelTime>,
    /// The span of what it encloses on its thread: its own, else that of what is around it.
    pub anchor: Option<Anchor>,
    /// The span of threads created in it, and of span events: the same, but never a worker's. A
    /// pool whose workers create each other belongs to the crossing that created the first.
    pub pool: Option<Anchor>,
    /// Whether it was summed on its parent, and so is what it encloses on its thread.
    pub is_summed: bool,
    /// Bounds of its span, if it has one of its own.
    pub bounds: Option<Bounds>,
}

/// Start and, once it has gone out, end of a span, with their error in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub start: UnixTime,
    pub end: Option<UnixTime>,
    /// End of the latest child that has gone out before it.
    pub latest_child: UnixTime,
    pub error_ns: u64,
}

/// How many neighbours are looked at to find one that covers an interval.
const NEIGHBOURS: usize = 32;

/// All decided crossings that are open, and the latest of those that ended.
#[derive(Debug, Default)]
pub(crate) struct KnownCrossings {
    by_key: FxHashMap<Key, Known>,
    by_thread: FxHashMap<(TargetId, u32), Entered>,
    /// What may be forgotten, and the time that counts for it: crossings that ended, and announced
    /// ones that nobody may name.
    passed: VecDeque<(KernelTime, Key)>,
    /// Crossings that were closed without their end. It may come at any time, and must not make a
    /// second span, so they are forgotten for newer ones only.
    given_up: VecDeque<Key>,
}

impl KnownCrossings {
    pub fn get(&self, key: Key) -> Option<&Known> {
        self.by_key.get(&key)
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut Known> {
        self.by_key.get_mut(&key)
    }

    pub fn insert(&mut self, key: Key, known: Known) {
        let thread = self.by_thread.entry((key.target, known.thread));
        thread.or_default().add((known.entry, key.id));
        if let Some(passed) = known.passed() {
            self.passed.push_back((passed, key));
        }
        self.by_key.insert(key, known);
    }

    /// Says that an announced crossing has ended.
    pub fn close(&mut self, key: Key, exit: KernelTime) {
        if let Some(known) = self.by_key.get_mut(&key)
            && known.exit.is_none()
        {
            known.exit = Some(exit);
            self.passed.push_back((exit, key));
        }
    }

    /// Closes an announced crossing whose end has not come.
    pub fn give_up(&mut self, key: Key, seen: KernelTime) {
        if let Some(known) = self.by_key.get_mut(&key) {
            known.exit = Some(seen);
            self.given_up.push_back(key);
        }
    }

    /// The innermost known crossing on the same thread that was open all the time.
    pub fn covering(&self, item: &Item) -> Option<&Known> {
        let target = item.key.target;
        self.by_thread
            .get(&(target, item.thread))?
            .before((item.entry, item.key.id))
            .take(NEIGHBOURS)
            .filter_map(|id| self.by_key.get(&Key { target, id }))
            .find(|known| known.exit.is_none_or(|exit| exit >= item.latest()))
    }

    /// Forgets those beyond `limit`, and those that passed before `before`.
    pub fn forget(&mut self, limit: u32, before: KernelTime) {
        while let Some(&(passed, key)) = self.passed.front()
            && (self.passed.len() > limit as usize || passed < before)
        {
            self.passed.pop_front();
            // An announced crossing that ended meanwhile stands in the queue a second time.
            if self
                .by_key
                .get(&key)
                .is_some_and(|known| known.passed() == Some(passed))
            {
                self.remove(key);
            }
        }
        while self.given_up.len() > limit as usize
            && let Some(key) = self.given_up.pop_front()
        {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: Key) {
        let Some(known) = self.by_key.remove(&key) else {
            return;
        };
        let place = (key.target, known.thread);
        if let Some(thread) = self.by_thread.get_mut(&place)
            && thread.remove((known.entry, key.id))
        {
            self.by_thread.remove(&place);
        }
    }
}

/// A thread's crossings, by entry. They come in at the end and go at the front, but for a few.
#[derive(Debug, Default)]
struct Entered(VecDeque<(KernelTime, CrossingId)>);

impl Entered {
    fn add(&mut self, crossing: (KernelTime, CrossingId)) {
        if self.0.back().is_none_or(|last| *last < crossing) {
            self.0.push_back(crossing);
        } else if let Err(place) = self.0.binary_search(&crossing) {
            self.0.insert(place, crossing);
        }
    }

    /// Those before this one, the latest first.
    fn before(&self, crossing: (KernelTime, CrossingId)) -> impl Iterator<Item = CrossingId> {
        let place = self.0.partition_point(|other| *other < crossing);
        self.0.range(..place).rev().map(|(_, id)| *id)
    }

    /// Returns whether none is left.
    fn remove(&mut self, crossing: (KernelTime, CrossingId)) -> bool {
        if self.0.front() == Some(&crossing) {
            self.0.pop_front();
        } else if let Ok(place) = self.0.binary_search(&crossing) {
            self.0.remove(place);
        }
        self.0.is_empty()
    }
}

impl Known {
    fn passed(&self) -> Option<KernelTime> {
        self.exit.or(self.bounds.is_none().then_some(self.latest))
    }
}
