//! Crossings that are not decided yet: those whose neighbours may still be on their way, and those
//! that wait for news of the crossing around them.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::{
    crossings::item::{Item, Key},
    time::KernelTime,
};

/// Crossings that wait for one enclosing crossing.
#[derive(Debug)]
struct Group {
    items: Vec<Item>,
    /// When the first of them has waited long enough; `None` while the enclosing crossing itself
    /// waits, which ends by itself.
    deadline: Option<KernelTime>,
}

/// All crossings that are not decided yet.
#[derive(Debug)]
pub(crate) struct Pending {
    wait_ns: u64,
    fresh: Vec<Item>,
    parked: FxHashMap<Key, Group>,
    /// How many parked items there are of a key (an announcement and its end are two).
    parked_keys: FxHashMap<Key, u32>,
    deadlines: BTreeSet<(KernelTime, Key)>,
    parked_items: usize,
}

impl Pending {
    pub fn new(wait_ns: u64) -> Self {
        Self {
            wait_ns,
            fresh: Vec::new(),
            parked: FxHashMap::default(),
            parked_keys: FxHashMap::default(),
            deadlines: BTreeSet::new(),
            parked_items: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.fresh.len() + self.parked_items
    }

    /// Takes in a crossing that has just been delivered.
    pub fn push(&mut self, item: Item) {
        self.fresh.push(item);
    }

    /// Takes out the crossings that everything inside has been delivered of: all that ended before
    /// `now`, and all announcements.
    pub fn settled(&mut self, now: KernelTime) -> impl Iterator<Item = Item> {
        let is_settled = move |item: &mut Item| item.end.as_ref().is_none_or(|end| end.exit < now);
        self.fresh.extract_if(.., is_settled)
    }

    /// Takes out all that were delivered, whether settled or not.
    pub fn unsettled(&mut self) -> impl Iterator<Item = Item> {
        self.fresh.drain(..)
    }

    /// Lets a crossing wait for `enclosing`.
    pub fn park(&mut self, enclosing: Key, item: Item) {
        let deadline = self.deadline(&item);
        self.parked_items += 1;
        *self.parked_keys.entry(item.key).or_default() += 1;
        let group = self.parked.entry(enclosing).or_insert_with(|| {
            self.deadlines.insert((deadline, enclosing));
            Group {
                items: Vec::new(),
                deadline: Some(deadline),
            }
        });
        group.items.push(item);
    }

    /// Takes out what waited for `enclosing`, which is decided now.
    pub fn wake(&mut self, enclosing: Key) -> Vec<Item> {
        let Some(group) = self.parked.remove(&enclosing) else {
            return Vec::new();
        };
        if let Some(deadline) = group.deadline {
            self.deadlines.remove(&(deadline, enclosing));
        }
        self.unpark(&group.items);
        group.items
    }

    /// Takes out what has waited long enough for an enclosing crossing of which nothing is known.
    pub fn expired(&mut self, now: KernelTime) -> Vec<Item> {
        let mut expired = Vec::new();
        while let Some(&(deadline, enclosing)) = self.deadlines.first()
            && deadline < now
        {
            self.deadlines.pop_first();
            self.expire(enclosing, now, &mut expired);
        }
        self.unpark(&expired);
        expired
    }

    /// Takes out the group that has waited longest. Empty only if nothing is parked.
    pub fn longest_waiting(&mut self) -> Vec<Item> {
        while let Some((_, enclosing)) = self.deadlines.pop_first() {
            let Some(group) = self.parked.get_mut(&enclosing) else {
                continue;
            };
            group.deadline = None;
            if !self.parked_keys.contains_key(&enclosing) {
                return self.wake(enclosing);
            }
        }
        Vec::new()
    }

    fn expire(&mut self, enclosing: Key, now: KernelTime, expired: &mut Vec<Item>) {
        let Some(group) = self.parked.get_mut(&enclosing) else {
            return;
        };
        group.deadline = None;
        if self.parked_keys.contains_key(&enclosing) {
            return;
        }
        let wait_ns = self.wait_ns;
        expired.extend(
            group
                .items
                .extract_if(.., |item| deadline(item, wait_ns) < now),
        );
        let Some(next) = group.items.iter().map(|item| deadline(item, wait_ns)).min() else {
            self.parked.remove(&enclosing);
            return;
        };
        group.deadline = Some(next);
        self.deadlines.insert((next, enclosing));
    }

    fn unpark(&mut self, items: &[Item]) {
        self.parked_items -= items.len();
        for item in items {
            if let Some(count) = self.parked_keys.get_mut(&item.key) {
                *count -= 1;
                if *count == 0 {
                    self.parked_keys.remove(&item.key);
                }
            }
        }
    }

    fn deadline(&self, item: &Item) -> KernelTime {
        deadline(item, self.wait_ns)
    }
}

fn deadline(item: &Item, wait_ns: u64) -> KernelTime {
    KernelTime(item.latest().0.saturating_add(wait_ns))
}
