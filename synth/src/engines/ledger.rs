//! How much of a device's memory each target holds, by the allocations and frees that were seen.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::{
    crossings::item::{End, Item},
    event::Ending,
    ids::{RegionId, TargetId},
    region::{MemoryEffect, MemoryRule},
    spans::{attributes::AttributeList, making::Draft},
    summary::Noted,
    synth::Synth,
    time::KernelTime,
};

/// Changes that are remembered, for spans that end before they are looked at.
const REMEMBERED: usize = 4_096;
const BYTES_PER_MB: f64 = 1e6;

/// The ledgers of all targets.
#[derive(Debug, Default)]
pub(crate) struct Ledgers {
    by_target: FxHashMap<TargetId, Ledger>,
}

#[derive(Clone, Copy, Debug)]
struct Allocation {
    bytes: u64,
    since: KernelTime,
}

/// One target's memory. Addresses of all its contexts and devices differ (CUDA: unified addressing).
#[derive(Debug, Default)]
struct Ledger {
    held: FxHashMap<u64, Allocation>,
    total: u64,
    /// When it changed, and to what.
    changes: VecDeque<(KernelTime, u64)>,
    /// Something happened to it that was not seen: from then on, nothing is known any more.
    void_since: Option<KernelTime>,
}

impl Ledger {
    fn allocate(&mut self, address: u64, bytes: u64, at: KernelTime) {
        // A place that is given out again was given back meanwhile: the news of that is on its way.
        let allocation = Allocation { bytes, since: at };
        let before = self.held.insert(address, allocation);
        let before = before.map_or(0, |allocation| allocation.bytes);
        self.total = (self.total - before).saturating_add(bytes);
        self.change(at);
    }

    fn free(&mut self, address: u64, begun: KernelTime, at: KernelTime) {
        // What is not known was there before hotspan. What is younger than the call is not what it freed.
        let is_meant = |held: &Allocation| held.since <= begun;
        if self.held.get(&address).is_some_and(is_meant)
            && let Some(freed) = self.held.remove(&address)
        {
            self.total -= freed.bytes;
            self.change(at);
        }
    }

    fn change(&mut self, at: KernelTime) {
        if self.changes.len() >= REMEMBERED {
            self.changes.pop_front();
        }
        let at = self
            .changes
            .back()
            .map_or(at, |(latest, _)| at.max(*latest));
        self.changes.push_back((at, self.total));
    }

    /// Spans that ended before may still ask.
    fn void(&mut self, since: KernelTime) {
        self.void_since = Some(since);
        self.held = FxHashMap::default();
    }

    /// What was held at an instant; `None`: not known, or nothing was ever allocated.
    fn at(&self, instant: KernelTime) -> Option<u64> {
        if self.void_since.is_some_and(|since| since <= instant) {
            return None;
        }
        let after = (self.changes).partition_point(|(changed, _)| *changed <= instant);
        let (_, total) = self.changes.get(after.checked_sub(1)?)?;
        Some(*total)
    }
}

impl Synth {
    /// Takes in what an ended crossing did to a device's memory, whoever it was done for.
    pub(crate) fn keep_ledger(&mut self, item: &Item) {
        let (Some(end), Some(region)) = (&item.end, self.regions.get(item.region)) else {
            return;
        };
        let Some(rule) = &region.meaning().memory else {
            return;
        };
        let ledger = self.ledgers.by_target.entry(item.key.target).or_default();
        if ledger.void_since.is_some() {
            return;
        }
        let limit = self.settings.limits.allocations as usize;
        if !record(ledger, rule, item, end) || ledger.held.len() > limit {
            ledger.void(item.entry);
            self.tally.noted(Noted::MemoryUnknown, 1);
        }
    }

    /// Calls of a region are not followed for a while.
    pub(crate) fn paused(&mut self, target: TargetId, region: RegionId) {
        let Some(region) = self.regions.get(region) else {
            return;
        };
        if region.meaning().memory.is_some() {
            self.void_ledger(target);
        }
        if region.opening.is_some() {
            self.miss_steps(target);
        }
    }

    /// Crossings were lost, nobody knows which.
    pub(crate) fn lost_crossings(&mut self) {
        let mut targets: Vec<TargetId> = self.ledgers.by_target.keys().copied().collect();
        targets.sort_unstable();
        for target in targets {
            self.void_ledger(target);
        }
    }

    fn void_ledger(&mut self, target: TargetId) {
        let ledger = self.ledgers.by_target.entry(target).or_default();
        if ledger.void_since.is_none() {
            ledger.void(KernelTime::default());
            self.tally.noted(Noted::MemoryUnknown, 1);
        }
    }

    /// Says what a span's target held at its end.
    pub(crate) fn weigh(&self, draft: &mut Draft, end: &End) {
        if draft.on_device && end.is_exact() {
            let ledger = self.ledgers.by_target.get(&draft.item.key.target);
            draft.device_bytes = ledger.and_then(|ledger| ledger.at(end.exit));
        }
    }
}

/// Takes in a call; false if it is not known what it did.
fn record(ledger: &mut Ledger, rule: &MemoryRule, item: &Item, end: &End) -> bool {
    let slots = end.slots();
    if end.ending == Ending::Caught {
        return true;
    }
    let result = slots.int(rule.result);
    if end.ending != Ending::Returned || result.is_none() {
        return false;
    }
    if result != Some(0) {
        return true;
    }
    match rule.effect {
        MemoryEffect::Allocates { address, bytes } => {
            let (Some(address), Some(bytes)) = (slots.bits(address), slots.bits(bytes)) else {
                return false;
            };
            if address != 0 {
                ledger.allocate(address, bytes, end.exit);
            }
            true
        }
        MemoryEffect::Frees { address } => slots.bits(address).is_some_and(|address| {
            ledger.free(address, item.entry, end.exit);
            true
        }),
        MemoryEffect::Resets => false,
    }
}

/// Adds it to a span's attributes.
pub(crate) fn describe(list: &mut AttributeList<'_>, draft: &Draft) {
    if let Some(bytes) = draft.device_bytes {
        list.add("ml.gpu.memory_allocated_mb", bytes as f64 / BYTES_PER_MB);
        list.add("ml.gpu.memory_allocated_since", "attach");
    }
}
