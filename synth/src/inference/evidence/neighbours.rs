//! What else a thread did: instants at which it provably served another request.

use std::ops::RangeInclusive;

use super::instants::Instants;
use crate::{
    crossings::parents::RequestKey, ids::TargetId, inference::timeline::Evidence, latest::Latest,
    time::KernelTime,
};

/// Instants that are remembered of a thread; of more, the latest.
const INSTANTS: usize = 1_024;
/// Threads that are remembered; of more, the latest that came up.
const THREADS: usize = 4_096;
/// Instants that are looked at for one of another request.
const LOOKED_AT: usize = 64;

/// All threads at work.
#[derive(Debug, Default)]
pub(in crate::inference) struct Neighbours {
    by_thread: Latest<(TargetId, u32), Instants<RequestKey>>,
}

impl Neighbours {
    /// A thread worked for a request at this instant.
    pub fn saw(&mut self, thread: u32, key: RequestKey, at: KernelTime) {
        let thread = (key.0, thread);
        let instants = self.by_thread.entry(thread, THREADS);
        // Of a row of one request, its ends are enough.
        if let Some([(_, before), (last, last_key)]) = instants.last_two()
            && *last < at
            && (*before, *last_key) == (key, key)
        {
            instants.pop_last();
        }
        instants.insert(at, key);
        if instants.len() > INSTANTS {
            instants.pop_first();
        }
    }

    /// When a thread is last known to have served another request before an instant.
    pub fn served_before(
        &self,
        thread: u32,
        key: RequestKey,
        at: KernelTime,
    ) -> Option<KernelTime> {
        let instants = self.by_thread.get((key.0, thread))?;
        let before = instants.before(at).take(LOOKED_AT);
        let mut others = before.filter(|(_, other)| *other != key);
        others.next().map(|(at, _)| *at)
    }

    /// Instants at which a thread worked for other spans of a span's trace, from shortly before until shortly after.
    pub fn others(
        &self,
        thread: u32,
        key: RequestKey,
        during: RangeInclusive<KernelTime>,
    ) -> Vec<KernelTime> {
        let Some(instants) = self.by_thread.get((key.0, thread)) else {
            return Vec::new();
        };
        let (first, last) = during.into_inner();
        of_trace(
            key,
            instants.before(first).copied(),
            instants.between(first, last).copied(),
            instants.from(last).copied(),
        )
    }

    /// Narrows what a piece of evidence may stand for to the time in which its thread served nobody
    /// else, as far as that is known.
    pub fn narrow(&self, thread: u32, key: RequestKey, evidence: &mut Evidence) {
        let Some(instants) = self.by_thread.get((key.0, thread)) else {
            return;
        };
        let is_other = |entry: &&(KernelTime, RequestKey)| entry.1 != key;
        let mut before = instants.up_to(evidence.start).take(LOOKED_AT);
        let mut after = instants.from(evidence.end).take(LOOKED_AT);
        evidence.earliest = before.find(is_other).map(|(at, _)| *at);
        evidence.latest = after.find(is_other).map(|(at, _)| *at);
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
