//! How many spans may still go out.

use std::hash::Hash;

use crate::{
    crossings::parents::SpanContext,
    ids::TraceId,
    latest::Latest,
    settings::Limits,
    summary::{Dropped, Noted, Tally},
    time::KernelTime,
};

const SECOND_NS: u64 = 1_000_000_000;

/// Counts by key, of the latest keys only.
#[derive(Debug)]
struct Counts<K> {
    by_key: Latest<K, u32>,
    capacity: usize,
}

impl<K: Copy + Eq + Hash> Counts<K> {
    fn new(capacity: u32) -> Self {
        Self {
            by_key: Latest::default(),
            capacity: capacity as usize,
        }
    }

    fn of(&self, key: K) -> u32 {
        self.by_key.get(key).copied().unwrap_or(0)
    }

    fn add(&mut self, key: K, tally: &mut Tally) {
        if let Some(count) = self.by_key.get_mut(key) {
            *count += 1;
        } else if self.by_key.insert(key, 1, self.capacity) {
            tally.noted(Noted::TracesForgotten, 1);
        }
    }
}

/// What has gone out, by trace, by second and by parent of workers.
#[derive(Debug)]
pub(crate) struct Budget {
    traces: Counts<TraceId>,
    workers: Counts<SpanContext>,
    second: u64,
    in_second: u32,
}

/// A span that asks to go out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Its parent.
    pub parent: SpanContext,
    /// 1 for a child of the target's own span.
    pub depth: u32,
    pub is_worker: bool,
}

impl Budget {
    pub fn new(limits: &Limits) -> Self {
        Self {
            traces: Counts::new(limits.traces),
            workers: Counts::new(limits.traces),
            second: 0,
            in_second: 0,
        }
    }

    /// Takes what the span needs, or says which limit it meets and takes nothing.
    pub fn admit(
        &mut self,
        candidate: Candidate,
        now: KernelTime,
        limits: &Limits,
        tally: &mut Tally,
    ) -> Result<(), Dropped> {
        let second = now.0 / SECOND_NS;
        if second != self.second {
            (self.second, self.in_second) = (second, 0);
        }
        let Candidate {
            parent,
            depth,
            is_worker,
        } = candidate;
        if depth > limits.depth {
            return Err(Dropped::Depth);
        }
        if is_worker && self.workers.of(parent) >= limits.workers_per_parent {
            return Err(Dropped::WorkersPerParent);
        }
        if self.traces.of(parent.trace_id) >= limits.spans_per_trace {
            return Err(Dropped::SpansPerTrace);
        }
        if self.in_second >= limits.spans_per_second {
            return Err(Dropped::SpansPerSecond);
        }
        self.in_second += 1;
        self.traces.add(parent.trace_id, tally);
        if is_worker {
            self.workers.add(parent, tally);
        }
        Ok(())
    }
}
