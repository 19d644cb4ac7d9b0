//! Whose child a crossing is, and whether that is known yet.

use super::{
    fate::Fate,
    item::{Item, Key},
    known::{Anchor, Known},
    parents::{Verdict, judge},
    queue::Turn,
};
use crate::{
    summary::{Dropped, Noted},
    synth::Synth,
};

/// What a crossing has from the one around it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inherited {
    /// The synthetic span around it.
    pub anchor: Option<Anchor>,
    /// The synthetic span for its threads and events.
    pub pool: Option<Anchor>,
    pub is_summed: bool,
}

impl Inherited {
    /// A crossing on another thread came by the creation of threads: it lies under what the pool
    /// works for, not under the worker that happened to create its thread.
    pub fn by(thread: u32, around: &Known) -> Self {
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
}
