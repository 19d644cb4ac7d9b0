//! Who is in flight, and what with: events and looks at the kernel's maps in, rows out. Pure.

use std::collections::{BTreeMap, HashMap};

use hotspan_synth::{
    event::{Event, OpenCrossing, Parent, ParentRead, Sample, SampleReason, WaitEvidence},
    ids::{CrossingId, FunctionId, RegionId, SpanId, TargetId, TraceId},
    time::{ClockAnchor, KernelTime, UnixTime},
};

/// A request that nothing was seen of for so long has ended, as far as can be told.
const FORGOTTEN_AFTER_NS: u64 = 1_500_000_000;
/// Requests that are shown and remembered; of more, those seen last.
const REQUESTS: usize = 512;
/// Names of functions and of the target's spans that are remembered.
const NAMES: usize = 65_536;

/// A thread that is blocked or waits for a CPU right now.
#[derive(Clone, Debug)]
pub struct Blocked {
    /// Target.
    pub target: TargetId,
    /// Thread id in the target's own pid namespace.
    pub thread: u32,
    /// Since when.
    pub since: KernelTime,
    /// What shows why.
    pub evidence: WaitEvidence,
    /// In whose service.
    pub parent: ParentRead,
}

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
    /// Regions that are open on the thread that serves it, outermost first; else the function that it
    /// was last seen in; empty: neither is known.
    pub doing: Vec<String>,
    /// Threads that work for it.
    pub threads: usize,
    /// Of those, how many wait for what.
    pub waiting: BTreeMap<String, usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    target: TargetId,
    trace_id: TraceId,
    span_id: SpanId,
}

#[derive(Default)]
struct Request {
    first: KernelTime,
    last: KernelTime,
    threads: BTreeMap<u32, Thread>,
}

#[derive(Default)]
struct Thread {
    /// Open crossings, in the order of their entry.
    open: Vec<(CrossingId, RegionId)>,
    function: Option<FunctionId>,
    waiting: Option<WaitEvidence>,
    by_lineage: bool,
    last: KernelTime,
}

/// Everything that is known of what happens now.
#[derive(Default)]
pub struct Board {
    now: KernelTime,
    clock: Option<ClockAnchor>,
    regions: HashMap<RegionId, String>,
    functions: HashMap<FunctionId, String>,
    spans: HashMap<(TraceId, SpanId), (String, UnixTime)>,
    requests: BTreeMap<Key, Request>,
}

impl Board {
    /// Takes in what the engine heard of.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Clock(anchor) => self.clock = Some(*anchor),
            Event::Region(region) => {
                self.regions.insert(region.id, region.name.clone());
            }
            Event::Function(function) if self.functions.len() < NAMES => {
                self.functions.insert(function.id, function.name.clone());
            }
            Event::Span(span) => {
                if self.spans.len() >= NAMES {
                    self.spans.clear();
                }
                let named = (span.name.clone(), span.start);
                self.spans.insert((span.trace_id, span.span_id), named);
            }
            Event::Sample(sample) => self.sample(sample),
            _ => {}
        }
    }

    /// Takes in what stands in the kernel's maps at `now`: it replaces what was read there before.
    pub fn look(&mut self, now: KernelTime, open: &[OpenCrossing], blocked: &[Blocked]) {
        self.now = self.now.max(now);
        for thread in self
            .requests
            .values_mut()
            .flat_map(|r| r.threads.values_mut())
        {
            thread.open.clear();
            thread.waiting = None;
        }
        let mut open: Vec<&OpenCrossing> = open.iter().collect();
        open.sort_by_key(|crossing| (crossing.entry, crossing.id));
        for crossing in open {
            let Some((thread, _)) = self.thread(
                crossing.target,
                crossing.thread,
                &crossing.parent,
                crossing.entry,
            ) else {
                continue;
            };
            thread.last = now;
            thread.open.push((crossing.id, crossing.region));
        }
        for wait in blocked {
            if let Some((thread, _)) =
                self.thread(wait.target, wait.thread, &wait.parent, wait.since)
            {
                thread.last = now;
                thread.waiting = Some(wait.evidence.clone());
            }
        }
        self.forget();
    }

    /// The requests in flight, the oldest first.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self
            .requests
            .iter()
            .map(|(key, request)| self.row(*key, request))
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.age_ns));
        rows
    }

    fn sample(&mut self, sample: &Sample) {
        if !matches!(sample.reason, SampleReason::Timer(_)) {
            return;
        }
        let Some(frame) = sample.stack.last().copied() else {
            return;
        };
        if let Some((thread, _)) =
            self.thread(sample.target, sample.thread, &sample.parent, sample.time)
        {
            thread.function = Some(frame.function);
            thread.last = thread.last.max(sample.time);
        }
    }

    fn thread(
        &mut self,
        target: TargetId,
        tid: u32,
        parent: &ParentRead,
        since: KernelTime,
    ) -> Option<(&mut Thread, KernelTime)> {
        let ParentRead::Found(parent) = parent else {
            return None;
        };
        let Parent {
            trace_id, span_id, ..
        } = *parent;
        let request = self.requests.entry(Key {
            target,
            trace_id,
            span_id,
        });
        let request = request.or_insert_with(|| Request {
            first: since,
            ..Request::default()
        });
        request.first = request.first.min(since);
        request.last = request.last.max(since);
        let first = request.first;
        let thread = request.threads.entry(tid).or_default();
        thread.by_lineage = parent.by_lineage;
        Some((thread, first))
    }

    fn forget(&mut self) {
        let now = self.now;
        let is_old = |last: KernelTime| now.since(last) > FORGOTTEN_AFTER_NS;
        for request in self.requests.values_mut() {
            request.threads.retain(|_, thread| !is_old(thread.last));
            request.last = request
                .threads
                .values()
                .map(|thread| thread.last)
                .fold(request.last, Ord::max);
        }
        self.requests
            .retain(|_, request| !request.threads.is_empty());
        while self.requests.len() > REQUESTS {
            let stalest = self.requests.iter().min_by_key(|(_, request)| request.last);
            let Some(key) = stalest.map(|(key, _)| *key) else {
                break;
            };
            self.requests.remove(&key);
        }
    }

    fn row(&self, key: Key, request: &Request) -> Row {
        let known = self.spans.get(&(key.trace_id, key.span_id));
        let start = known.and_then(|(_, start)| Some((self.clock?.to_unix(self.now).0, start.0)));
        let age_ns = match start {
            Some((now, start)) => now.saturating_sub(start),
            None => self.now.since(request.first),
        };
        let mut waiting = BTreeMap::new();
        for evidence in request
            .threads
            .values()
            .filter_map(|thread| thread.waiting.as_ref())
        {
            *waiting.entry(cause(evidence)).or_default() += 1;
        }
        Row {
            trace_id: key.trace_id,
            span_id: key.span_id,
            name: known.map_or_else(String::new, |(name, _)| name.clone()),
            age_ns,
            at_least: start.is_none(),
            doing: self.doing(request),
            threads: request.threads.len(),
            waiting,
        }
    }

    /// By the thread that serves the request itself, not by those it started.
    fn doing(&self, request: &Request) -> Vec<String> {
        let serving = request
            .threads
            .values()
            .max_by_key(|thread| (!thread.by_lineage, !thread.open.is_empty(), thread.last));
        let Some(thread) = serving else {
            return Vec::new();
        };
        if thread.open.is_empty() {
            let function = thread.function.and_then(|id| self.functions.get(&id));
            return function.cloned().into_iter().collect();
        }
        let names = thread.open.iter();
        names
            .filter_map(|(_, region)| self.regions.get(region).cloned())
            .collect()
    }
}

/// In the words of the spans `wait.CAUSE`.
fn cause(evidence: &WaitEvidence) -> String {
    evidence.cause().to_owned()
}
