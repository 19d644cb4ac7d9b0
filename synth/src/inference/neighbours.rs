//! What else a thread did: instants at which it provably served another request.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeInclusive,
};

use rustc_hash::FxHashMap;

use super::{requests::RequestKey, timeline::Evidence};
use crate::{ids::TargetId, time::KernelTime};

/// Instants that are remembered of a thread; of more, the latest.
const INSTANTS: usize = 1_024;
/// Threads that are remembered; of more, the latest that came up.
const THREADS: usize = 4_096;
/// Instants that are looked at for one of another request.
const LOOKED_AT: usize = 64;

/// All threads at work.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    by_thread: FxHashMap<(TargetId, u32), BTreeMap<KernelTime, RequestKey>>,
    order: VecDeque<(TargetId, u32)>,
}

impl Neighbours {
    /// A thread worked for a request at this instant.
    pub fn saw(&mut self, thread: u32, key: RequestKey, at: KernelTime) {
        let thread = (key.0, thread);
        let instants = self.by_thread.entry(thread).or_insert_with(|| {
            self.order.push_back(thread);
            BTreeMap::new()
        });
        let mut latest = instants.iter().rev();
        // Of a row of one request, its ends are enough.
        if let (Some((&last, last_key)), Some((_, before))) = (latest.next(), latest.next())
            && last < at
            && (*last_key, *before) == (key, key)
        {
            instants.remove(&last);
        }
        instants.insert(at, key);
        if instants.len() > INSTANTS {
            instants.pop_first();
        }
        if self.order.len() > THREADS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_thread.remove(&oldest);
        }
    }

    /// When a thread is last known to have served another request before an instant.
    pub fn served_before(
        &self,
        thread: u32,
        key: RequestKey,
        at: KernelTime,
    ) -> Option<KernelTime> {
        let instants = self.by_thread.get(&(key.0, thread))?;
        let before = instants.range(..at).rev().take(LOOKED_AT);
        let mut others = before.filter(|(_, other)| **other != key);
        others.next().map(|(at, _)| *at)
    }

    /// Instants at which a thread worked for other spans of a span's trace, from shortly before until shortly after.
    pub fn others(
        &self,
        thread: u32,
        key: RequestKey,
        during: RangeInclusive<KernelTime>,
    ) -> Vec<KernelTime> {
        let Some(instants) = self.by_thread.get(&(key.0, thread)) else {
            return Vec::new();
        };
        let instant = |(at, key): (&KernelTime, &RequestKey)| (*at, *key);
        let (first, last) = during.into_inner();
        let before = instants.range(..first).rev();
        let after = instants.range(last..);
        let during = instants.range(first..last);
        of_trace(
            key,
            before.map(instant),
            during.map(instant),
            after.map(instant),
        )
    }

    /// Narrows what a piece of evidence may stand for to the time in which its thread served nobody
    /// else, as far as that is known.
    pub fn narrow(&self, thread: u32, key: RequestKey, evidence: &mut Evidence) {
        let Some(instants) = self.by_thread.get(&(key.0, thread)) else {
            return;
        };
        let is_other = |entry: &(&KernelTime, &RequestKey)| *entry.1 != key;
        let before = instants.range(..=evidence.start).rev().take(LOOKED_AT);
        let after = instants.range(evidence.end..).take(LOOKED_AT);
        evidence.earliest = before.into_iter().find(is_other).map(|(at, _)| *at);
        evidence.latest = after.into_iter().find(is_other).map(|(at, _)| *at);
    }
}

/// Instants of other spans of a trace, in the order of time. Those `before` come latest first.
pub(super) fn of_trace(
    key: RequestKey,
    before: impl Iterator<Item = (KernelTime, RequestKey)>,
    during: impl Iterator<Item = (KernelTime, RequestKey)>,
    after: impl Iterator<Item = (KernelTime, RequestKey)>,
) -> Vec<KernelTime> {
    let is_same_trace = |(_, other): &(KernelTime, RequestKey)| other.1.trace_id == key.1.trace_id;
    let before = before.take(LOOKED_AT).take_while(is_same_trace);
    let after = after.take(LOOKED_AT).take_while(is_same_trace);
    let all = before.chain(during.filter(is_same_trace)).chain(after);
    let others = all.filter(|(_, other)| *other != key);
    let mut others: Vec<KernelTime> = others.map(|(at, _)| at).collect();
    others.sort_unstable();
    others
}
