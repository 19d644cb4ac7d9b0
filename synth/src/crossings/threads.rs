//! Ended threads whose creating crossing is not decided yet, summed by that crossing.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::{crossings::item::Key, event::ThreadEnded, spans::making::Pool, time::KernelTime};

/// Sums, bounded in number.
#[derive(Debug, Default)]
pub(crate) struct EndedThreads {
    by_birth: FxHashMap<Key, Pool>,
    order: VecDeque<(KernelTime, Key)>,
}

impl EndedThreads {
    /// Keeps a thread until its creating crossing is decided.
    pub fn add(&mut self, birth: Key, ended: KernelTime, pool: Pool) {
        let sum = self.by_birth.entry(birth).or_insert_with(|| {
            self.order.push_back((ended, birth));
            Pool::default()
        });
        sum.add(pool);
    }

    /// Takes out the threads of a crossing that is decided now.
    pub fn take(&mut self, birth: Key) -> Option<Pool> {
        self.by_birth.remove(&birth)
    }

    /// Gives up the sums beyond `limit` and those begun before `before`; returns how many threads
    /// they held.
    pub fn forget(&mut self, limit: u32, before: KernelTime) -> u64 {
        let mut threads = 0;
        while let Some(&(ended, birth)) = self.order.front()
            && (self.order.len() > limit as usize || ended < before)
        {
            self.order.pop_front();
            threads += self.by_birth.remove(&birth).map_or(0, |pool| pool.threads);
        }
        threads
    }
}

impl From<&ThreadEnded> for Pool {
    fn from(thread: &ThreadEnded) -> Self {
        let life_ns = thread.ended.since(thread.started);
        Self {
            threads: 1,
            threads_cpu_ns: cpu_ns(life_ns, thread.runqueue_ns, thread.blocked_ns),
            ..Self::default()
        }
    }
}

/// What is left of an interval for the CPU. All in nanoseconds.
pub(crate) fn cpu_ns(interval_ns: u64, runqueue_ns: u64, blocked_ns: u64) -> u64 {
    interval_ns.saturating_sub(runqueue_ns.saturating_add(blocked_ns))
}
