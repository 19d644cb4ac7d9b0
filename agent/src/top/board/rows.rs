//! What is shown of each request.

use std::collections::BTreeMap;

use hotspan_synth::{
    event::WaitEvidence,
    ids::{SpanId, TraceId},
};

use super::{Board, Key, LooseThread, Request, Thread, pools::common_function};

/// A request in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its trace.
    pub trace_id: TraceId,
    /// The target's span that was active.
    pub span_id: SpanId,
    /// Name of that span; empty: not known.
    pub name: String,
    /// Nanoseconds since its start; since it was seen first where the start is not known.
    pub age_ns: u64,
    /// Whether it may be older.
    pub at_least: bool,
    /// Regions that are open on the thread that serves it, outermost first; else the functions that it
    /// was last seen in; empty: neither is known.
    pub doing: Vec<String>,
    /// Threads that work for it.
    pub threads: usize,
    /// Of those, how many wait for what.
    pub waiting: BTreeMap<String, Waiting>,
    /// Threads that likely work for it, too.
    pub likely: Option<Likely>,
}

/// Threads that wait for one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub threads: usize,
    /// For how long the one that has waited longest has, in nanoseconds.
    pub longest_ns: u64,
    /// Whether that may be longer.
    pub at_least: bool,
}

/// Threads of which nothing but circumstances shows whom they work for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likely {
    /// How many.
    pub threads: usize,
    /// The function that most of them were last seen in; empty: not known.
    pub function: String,
}

impl Board {
    /// The requests in flight, the oldest first.
    pub fn rows(&self) -> Vec<Row> {
        let mut claimed: BTreeMap<Key, Vec<&LooseThread>> = BTreeMap::new();
        for (at, key) in self.claims() {
            claimed.entry(key).or_default().extend(self.loose.get(&at));
        }
        let requests = self.requests.iter();
        let mut rows: Vec<Row> = requests
            .map(|(key, request)| self.row(*key, request, claimed.remove(key)))
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.age_ns));
        rows
    }

    fn row(&self, key: Key, request: &Request, likely: Option<Vec<&LooseThread>>) -> Row {
        let known = self.names.of_span(key.trace_id, key.span_id);
        let start = known.and_then(|(_, start)| Some((self.clock?.to_unix(self.now).0, start.0)));
        let age_ns = match start {
            Some((now, start)) => now.saturating_sub(start),
            None => self.now.since(request.first),
        };
        Row {
            trace_id: key.trace_id,
            span_id: key.span_id,
            name: known.map_or_else(String::new, |(name, _)| name.clone()),
            age_ns,
            at_least: start.is_none(),
            doing: self.doing(request),
            threads: request.threads.len(),
            waiting: waiting(request),
            likely: likely.map(|threads| Likely {
                threads: threads.len(),
                function: common_function(&threads),
            }),
        }
    }

    /// By the thread that serves the request itself, not by those it started.
    fn doing(&self, request: &Request) -> Vec<String> {
        let rank = |thread: &&Thread| (!thread.by_lineage, !thread.open.is_empty(), thread.last);
        let Some(thread) = request.threads.values().max_by_key(rank) else {
            return Vec::new();
        };
        if thread.open.is_empty() {
            return self.names.path(&thread.stack);
        }
        let regions = thread.open.iter();
        let names = regions.filter_map(|(_, region)| self.names.region(*region));
        names.map(str::to_owned).collect()
    }
}

fn waiting(request: &Request) -> BTreeMap<String, Waiting> {
    let mut waiting: BTreeMap<String, Waiting> = BTreeMap::new();
    let waits = request.threads.values();
    for wait in waits.filter_map(|thread| thread.waiting.as_ref()) {
        let cause = match wait.evidence {
            WaitEvidence::Suspended => "await",
            ref evidence => evidence.cause(),
        };
        let cause = cause.to_owned();
        let so_far = waiting.entry(cause).or_default();
        let length = wait.length_ns;
        so_far.threads += 1;
        if length >= so_far.longest_ns {
            (so_far.longest_ns, so_far.at_least) = (length, wait.at_least);
        }
    }
    waiting
}
