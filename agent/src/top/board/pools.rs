//! Threads at work for no request that is known: pools that were there before hotspan.

use std::collections::{BTreeMap, BTreeSet};

use hotspan_synth::{ids::TargetId, time::KernelTime, time::UnixTime};

use super::{Board, Key, LooseThread, NamedFrame, Request};

/// Samples of a thread that are remembered.
pub const SAMPLES: usize = 1024;
/// Over which a thread's time on the CPU is summed.
const WINDOW_NS: u64 = 1_000_000_000;
/// Of which it must have run so much to be shown: more than a moment, however many share a CPU.
const LEAST_NS: u64 = WINDOW_NS / 40;

/// Threads of one name at work in one library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The threads' own name.
    pub name: String,
    /// File name of the object that most of their frames are in.
    pub object: String,
    /// The function that most of them were last seen in; empty: not known.
    pub function: String,
    /// How many.
    pub threads: usize,
}

impl Board {
    /// Those at work now whom nobody claims, the largest first.
    pub fn pools(&self) -> Vec<Pool> {
        let claimed = self.claims();
        let loose = self.busy().filter(|(at, _)| !claimed.contains_key(at));
        let mut pools: BTreeMap<(String, String), Vec<&LooseThread>> = BTreeMap::new();
        for (_, thread) in loose {
            let object = main_object(&thread.stack).unwrap_or_default().to_owned();
            pools
                .entry((thread.name.clone(), object))
                .or_default()
                .push(thread);
        }
        let mut pools: Vec<Pool> = pools
            .into_iter()
            .map(|((name, object), threads)| Pool {
                name,
                object,
                function: common_function(&threads),
                threads: threads.len(),
            })
            .collect();
        pools.sort_by_key(|pool| std::cmp::Reverse(pool.threads));
        pools
    }

    /// Which request a thread likely works for: the only one with a thread in the same library, if the
    /// thread was born since that request began.
    pub(super) fn claims(&self) -> BTreeMap<(TargetId, u32), Key> {
        let mut users: BTreeMap<(TargetId, &str), Vec<Key>> = BTreeMap::new();
        for (key, request) in &self.requests {
            for object in self.objects(request) {
                users.entry((key.target, object)).or_default().push(*key);
            }
        }
        let claim = |(target, object): (TargetId, &str), born: UnixTime| {
            let [only] = users.get(&(target, object))?.as_slice() else {
                return None;
            };
            let (_, start) = self.names.of_span(only.trace_id, only.span_id)?;
            (born >= *start).then_some(*only)
        };
        self.busy()
            .filter_map(|((target, tid), thread)| {
                let object = main_object(&thread.stack)?;
                Some(((target, tid), claim((target, object), thread.born)?))
            })
            .collect()
    }

    /// Loose threads that have run for a good part of the last second.
    pub(super) fn busy(&self) -> impl Iterator<Item = ((TargetId, u32), &LooseThread)> {
        let now = self.heard.unwrap_or(self.now);
        let busy = move |thread: &LooseThread| thread.ran_ns(now) >= LEAST_NS;
        self.loose
            .iter()
            .filter(move |(_, thread)| busy(thread))
            .map(|(at, thread)| (*at, thread))
    }

    /// The libraries that a request's threads are in.
    fn objects<'a>(&'a self, request: &'a Request) -> BTreeSet<&'a str> {
        let threads = request.threads.values();
        threads
            .flat_map(|thread| {
                let regions = thread.open.iter();
                let regions = regions.filter_map(|(_, id)| self.names.object_of_region(*id));
                let stack = thread.stack.iter().filter(|frame| !frame.is_python());
                regions.chain(stack.map(NamedFrame::object))
            })
            .collect()
    }
}

impl LooseThread {
    fn ran_ns(&self, now: KernelTime) -> u64 {
        let recent = self
            .samples
            .iter()
            .filter(|(time, _)| now.since(*time) <= WINDOW_NS);
        recent.map(|(_, period)| period).sum()
    }
}

/// The object that most of a stack is in.
fn main_object(stack: &[NamedFrame]) -> Option<&str> {
    most_frequent(stack.iter().map(NamedFrame::object))
}

/// The function that most of the threads are in.
pub(super) fn common_function(threads: &[&LooseThread]) -> String {
    let innermost = threads.iter().filter_map(|thread| thread.stack.last());
    most_frequent(innermost.map(NamedFrame::name))
        .unwrap_or_default()
        .to_owned()
}

fn most_frequent<'a>(items: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(item, _)| item)
}
