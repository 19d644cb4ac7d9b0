//! Who is in flight, and what with: events, looks at the kernel's maps and looks from user space in, rows out.
//! Pure.

mod looks;
mod names;
mod pools;
mod rows;

use std::collections::{BTreeMap, VecDeque};

use hotspan_synth::{
    event::{Event, OpenCrossing, Parent, ParentRead, Sample, SampleReason, WaitEvidence},
    ids::{CrossingId, RegionId, SpanId, TargetId, TraceId},
    time::{ClockAnchor, KernelTime, UnixTime},
};

use self::names::{NamedFrame, Names};
pub use self::{
    looks::{Serves, Standstill, TaskLook, ThreadLook},
    pools::Pool,
    rows::{Likely, Row, Waiting},
};
use crate::run::OffCpu;

/// A request, or a thread, that nothing was seen of for so long is at work no more, as far as can be told.
const FORGOTTEN_AFTER_NS: u64 = 1_500_000_000;
/// Requests that are shown and remembered; of more, those seen last.
const REQUESTS: usize = 512;
/// The cause of an event loop's waits for its next event.
const WAITS_FOR_EVENTS: &str = "io";
/// Threads without a request that are remembered.
const LOOSE_THREADS: usize = 4096;

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

/// A thread that works for a request.
#[derive(Default)]
struct Thread {
    /// Open crossings, in the order of their entry.
    open: Vec<(CrossingId, RegionId)>,
    /// Where it was seen last, outermost first.
    stack: Vec<NamedFrame>,
    waiting: Option<Wait>,
    by_lineage: bool,
    last: KernelTime,
}

struct Wait {
    evidence: WaitEvidence,
    length_ns: u64,
    /// It may be longer.
    at_least: bool,
}

/// A thread that works for no request that is known.
#[derive(Default)]
struct LooseThread {
    name: String,
    born: UnixTime,
    stack: Vec<NamedFrame>,
    /// When it was sampled, and for how long each sample stands, in nanoseconds.
    samples: VecDeque<(KernelTime, u64)>,
}

/// Everything that is known of what happens now.
#[derive(Default)]
pub struct Board {
    now: KernelTime,
    /// Samples of up to then have been heard.
    heard: Option<KernelTime>,
    clock: Option<ClockAnchor>,
    names: Names,
    requests: BTreeMap<Key, Request>,
    loose: BTreeMap<(TargetId, u32), LooseThread>,
    lost: BTreeMap<String, u64>,
    left_out: u64,
}

/// Counters of stacks that did not arrive.
const LOSSES: [&str; 4] = [
    "kernel.samples_lost",
    "kernel.threads_full",
    "kernel.workers_full",
    "resolver.samples_dropped",
];

impl Board {
    /// Takes in what the engine heard of.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Clock(anchor) => self.clock = Some(*anchor),
            Event::Sample(sample) => self.sample(sample),
            Event::Tick { now } => self.heard = Some(*now),
            Event::Counter { name, total } if LOSSES.contains(&name.as_str()) => {
                self.lost.insert(name.clone(), *total);
            }
            other => self.names.hear(other),
        }
    }

    /// Takes in what stands at `now`: crossings that are open, threads at work that do not run, and all
    /// threads as seen from user space. It replaces what stood before.
    pub fn look(
        &mut self,
        now: KernelTime,
        open: &[OpenCrossing],
        off_cpu: &[OffCpu],
        threads: &[ThreadLook],
    ) {
        self.now = self.now.max(now);
        let known = self.requests.values_mut();
        for thread in known.flat_map(|request| request.threads.values_mut()) {
            thread.open.clear();
            thread.waiting = None;
        }
        self.crossings(open);
        for look in threads {
            self.user_space(look);
        }
        for off in off_cpu {
            self.off_cpu(off, threads);
        }
        self.forget();
    }

    /// Takes in which tasks have been suspended up to the last look, after it. What else their requests do
    /// says more.
    pub fn suspended(&mut self, tasks: &[TaskLook]) {
        let now = self.now;
        for task in tasks {
            self.names.span(&task.span);
            let key = Key {
                target: task.target,
                trace_id: task.span.trace_id,
                span_id: task.span.span_id,
            };
            let request = self.request(key, task.since);
            let works =
                |(thread, state): (&u32, &Thread)| *thread != task.thread || !state.open.is_empty();
            if request.threads.iter().any(works) {
                continue;
            }
            let thread = request.threads.entry(task.thread).or_default();
            thread.last = now;
            thread.waiting = Some(Wait {
                evidence: WaitEvidence::Suspended,
                length_ns: now.since(task.since),
                at_least: false,
            });
        }
    }

    /// Up to when samples have been heard: stacks are resolved one after the other.
    pub fn heard(&self) -> Option<KernelTime> {
        self.heard
    }

    /// Stacks that did not arrive, since the start.
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// Requests and threads that were left out as there were too many, each time that they were.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// So many threads were not looked at, as there were too many.
    pub fn leave_out(&mut self, threads: u64) {
        self.left_out += threads;
    }

    fn crossings(&mut self, open: &[OpenCrossing]) {
        let now = self.now;
        let mut open: Vec<&OpenCrossing> = open.iter().collect();
        open.sort_by_key(|crossing| (crossing.entry, crossing.id));
        for crossing in open {
            let at = (crossing.target, crossing.thread);
            if let Some(thread) = self.thread(at, &crossing.parent, crossing.entry) {
                thread.last = now;
                thread.open.push((crossing.id, crossing.region));
            }
        }
    }

    /// What only user space can see: who has been blocked since before hotspan came.
    fn user_space(&mut self, look: &ThreadLook) {
        let at = (look.target, look.thread);
        if let Some(loose) = self.loose.get_mut(&at) {
            loose.name.clone_from(&look.name);
            loose.born = look.born;
        }
        let Some(still) = &look.standstill else {
            return;
        };
        let span = match &still.serves {
            Serves::Span(span) if !still.waits_for_work() => span,
            Serves::Span(_) | Serves::Nobody => return self.released(at, still),
            Serves::Unknown => return,
        };
        self.names.span(span);
        let key = Key {
            target: look.target,
            trace_id: span.trace_id,
            span_id: span.span_id,
        };
        let thread = self.request(key, still.since).threads.entry(look.thread);
        let thread = thread.or_default();
        thread.last = thread.last.max(still.seen);
        thread.stack = still.stack.iter().map(NamedFrame::of).collect();
        thread.waiting = Some(Wait {
            evidence: still.evidence.clone(),
            length_ns: still.seen.since(still.since),
            at_least: true,
        });
    }

    /// A thread that serves nobody has ended what it did. But an event loop may have put it off.
    fn released(&mut self, (target, tid): (TargetId, u32), still: &Standstill) {
        if still.evidence.cause() == WAITS_FOR_EVENTS {
            return;
        }
        let of_target = self
            .requests
            .iter_mut()
            .filter(|(key, _)| key.target == target);
        for (_, request) in of_target {
            let is_over = |thread: &Thread| {
                !thread.by_lineage && thread.open.is_empty() && thread.last <= still.seen
            };
            if request.threads.get(&tid).is_some_and(is_over) {
                request.threads.remove(&tid);
            }
        }
    }

    /// The kernel knows since when a thread does not run, user space why.
    fn off_cpu(&mut self, off: &OffCpu, looks: &[ThreadLook]) {
        let (now, at) = (self.now, (off.target, off.thread));
        let look = looks
            .iter()
            .find(|look| (look.target, look.thread) == at)
            .and_then(|look| look.standstill.as_ref());
        if look.is_some_and(Standstill::waits_for_work) {
            return;
        }
        let evidence = if off.is_blocked {
            look.map_or(WaitEvidence::Unknown, |still| still.evidence.clone())
        } else {
            WaitEvidence::RunQueue
        };
        let Some(thread) = self.thread(at, &off.parent, off.since) else {
            return;
        };
        thread.last = now;
        thread.waiting = Some(Wait {
            evidence,
            length_ns: now.since(off.since),
            at_least: false,
        });
    }

    fn sample(&mut self, sample: &Sample) {
        let SampleReason::Timer(period) = sample.reason else {
            return;
        };
        let stack = self.names.stack(&sample.stack);
        let at = (sample.target, sample.thread);
        if let Some(thread) = self.thread(at, &sample.parent, sample.time) {
            thread.stack = stack;
            thread.last = thread.last.max(sample.time);
            self.loose.remove(&at);
            return;
        }
        if self.loose.len() >= LOOSE_THREADS && !self.loose.contains_key(&at) {
            self.left_out += 1;
            return;
        }
        let loose = self.loose.entry(at).or_default();
        loose.stack = stack;
        loose.samples.push_back((sample.time, period));
        while loose.samples.len() > pools::SAMPLES {
            loose.samples.pop_front();
        }
    }

    /// The thread, as one that works for `parent`; `None` if that is nobody.
    fn thread(
        &mut self,
        (target, tid): (TargetId, u32),
        parent: &ParentRead,
        since: KernelTime,
    ) -> Option<&mut Thread> {
        let ParentRead::Found(parent) = parent else {
            return None;
        };
        let Parent {
            trace_id, span_id, ..
        } = *parent;
        let key = Key {
            target,
            trace_id,
            span_id,
        };
        let thread = self.request(key, since).threads.entry(tid).or_default();
        thread.by_lineage = parent.by_lineage;
        Some(thread)
    }

    fn request(&mut self, key: Key, since: KernelTime) -> &mut Request {
        let request = self.requests.entry(key).or_insert_with(|| Request {
            first: since,
            ..Request::default()
        });
        request.first = request.first.min(since);
        request.last = request.last.max(since);
        request
    }

    fn forget(&mut self) {
        // Behind the samples, which may come late: the first of a library has its symbols read.
        let now = self.heard.unwrap_or(self.now);
        let is_old = |last: KernelTime| now.since(last) > FORGOTTEN_AFTER_NS;
        for request in self.requests.values_mut() {
            request.threads.retain(|_, thread| !is_old(thread.last));
            let last = request.threads.values().map(|thread| thread.last);
            request.last = last.fold(request.last, Ord::max);
        }
        self.requests
            .retain(|_, request| !request.threads.is_empty());
        while self.requests.len() > REQUESTS {
            let stalest = self.requests.iter().min_by_key(|(_, request)| request.last);
            let Some(key) = stalest.map(|(key, _)| *key) else {
                break;
            };
            self.requests.remove(&key);
            self.left_out += 1;
        }
        self.loose.retain(|_, loose| {
            let last = loose.samples.back().map(|(time, _)| *time);
            last.is_some_and(|last| !is_old(last))
        });
    }
}
