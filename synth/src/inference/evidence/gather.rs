//! Evidence as it comes in: whose it is, and what of it counts.

use super::{lane::Exact, waits::Cause};
use crate::{
    crossings::{
        item::Key,
        parents::{Verdict, judge},
    },
    event::{Function, Parent, Sample, SampleReason, TargetSpan, ThreadEnded, Wait, WaitEvidence},
    ids::{CrossingId, TargetId},
    inference::{
        Inference,
        functions::{
            Layer, Traits,
            frames::{frames_from, handler_frames, kernel_frames},
        },
        timeline::{Evidence, Kind},
        workers,
    },
    summary::{SampleUse, Tally},
    time::KernelTime,
};

impl Inference {
    pub fn function(&mut self, function: Function, tally: &mut Tally) {
        if !self.functions.announce(function, self.rules.functions) {
            tally.sampled(SampleUse::FunctionsLimit);
        }
    }

    pub fn target_span(&mut self, span: TargetSpan) {
        self.requests.describe(span, self.rules.requests);
    }

    pub fn sample(&mut self, sample: &Sample, now: KernelTime, tally: &mut Tally) {
        let parent = match judge(&sample.parent) {
            Verdict::Named(parent) => parent,
            Verdict::Unsampled => return tally.sampled(SampleUse::Unsampled),
            Verdict::Nobody(_) => return self.nobodys(sample, tally),
        };
        if parent.by_lineage {
            return self.workers(sample, parent, now, tally);
        }
        let from = self.functions.handler(&sample.stack);
        // Frames of a framework above the handler show that nothing is missing between them. Of a native thread it is
        // known at least where it is, though not what a region was called by.
        let is_short = !sample.is_complete && from == 0;
        let is_tick = matches!(sample.reason, SampleReason::Timer(_));
        let is_cut = is_short && is_tick && self.functions.is_cut(&sample.stack);
        if is_short && !is_cut {
            return tally.sampled(SampleUse::Incomplete);
        }
        if from == sample.stack.len() && self.functions.is_between_jobs(&sample.stack) {
            return tally.sampled(SampleUse::Pools);
        }
        let key = (sample.target, parent.context());
        self.neighbours.saw(sample.thread, key, sample.time);
        if self.requests.ended(key) > Some(sample.time) {
            return tally.sampled(SampleUse::TooLate);
        }
        let is_on_loop = self.functions.is_on_loop(&sample.stack);
        let task = if is_on_loop { sample.context } else { 0 };
        let stack = frames_from(from, &sample.stack, &self.functions);
        let request = self.requests.touch(key, parent, now.max(sample.time));
        let lane = request.lane((sample.thread, task));
        // A loop goes on for whoever comes.
        lane.was_idle_until(sample.idle_until.filter(|_| !is_on_loop));
        match sample.reason {
            SampleReason::Entry(id) => {
                let entered = crossing(sample.target, id);
                self.nested.entered(entered, &stack);
                self.nested
                    .saw((sample.thread, task), key, sample.time, &stack);
                lane.entries.push((entered, stack));
                self.requests.hold(key);
            }
            SampleReason::Timer(period_ns) => {
                let inside = sample.enclosing.map(|id| crossing(sample.target, id));
                lane.inside.extend(inside);
                self.nested
                    .saw((sample.thread, task), key, sample.time, &stack);
                let change = sample.change.filter(|_| !is_cut);
                lane.evidence.push(Evidence {
                    is_cut,
                    parting: change.and_then(|change| {
                        lane.parting(change, sample.time, &stack, &self.functions)
                    }),
                    ..Evidence::tick(sample, period_ns, stack, &self.functions)
                });
                let limit = self.rules.samples_per_request;
                let gone = self.requests.hold_sample(key, limit);
                tally.evidence(SampleUse::Thinned, gone);
            }
        }
        tally.sampled(SampleUse::Used);
    }

    /// A sample of a thread that descends from a crossing.
    fn workers(&mut self, sample: &Sample, parent: Parent, now: KernelTime, tally: &mut Tally) {
        self.fold_workers(sample, parent);
        let SampleReason::Timer(period_ns) = sample.reason else {
            return tally.sampled(SampleUse::Worker);
        };
        if !sample.is_complete {
            return tally.sampled(SampleUse::WorkersIncomplete);
        }
        let key = (sample.target, parent.context());
        if self.requests.ended(key) > Some(sample.time) {
            return tally.sampled(SampleUse::TooLate);
        }
        let stack = handler_frames(&sample.stack, &self.functions);
        let stack = workers::frames(&stack, &self.functions);
        let parent = Parent {
            by_lineage: false,
            ..parent
        };
        let request = self.requests.touch(key, parent, now.max(sample.time));
        let lane = request.workers.entry(sample.thread).or_default();
        let inside = sample.enclosing.map(|id| crossing(sample.target, id));
        lane.inside.extend(inside);
        let tick = Evidence::tick(sample, period_ns, stack, &self.functions);
        lane.evidence.push(tick);
        let limit = self.rules.samples_per_request;
        let gone = self.requests.hold_sample(key, limit);
        tally.evidence(SampleUse::Thinned, gone);
        tally.sampled(SampleUse::Worker);
    }

    /// A thread that descended from a crossing has ended.
    pub fn thread_ended(&mut self, thread: &ThreadEnded) {
        self.lives.ended(thread);
    }

    pub fn wait(&mut self, wait: &Wait, now: KernelTime, tally: &mut Tally) {
        let Verdict::Named(parent) = judge(&wait.parent) else {
            return tally.sampled(SampleUse::NobodysWait);
        };
        if parent.by_lineage {
            return tally.sampled(SampleUse::WorkersWait);
        }
        let key = (wait.target, parent.context());
        let start = wait.start.max(self.requests.ended(key).unwrap_or_default());
        if wait.end <= start {
            let is_late = wait.end > wait.start;
            let why = if is_late {
                SampleUse::TooLate
            } else {
                SampleUse::EmptyWait
            };
            return tally.sampled(why);
        }
        let stack = handler_frames(&wait.stack, &self.functions);
        if stack.is_empty() && self.functions.is_between_jobs(&wait.stack) {
            return tally.sampled(SampleUse::PoolsWait);
        }
        let is_await = wait.evidence == WaitEvidence::Suspended;
        // A task that waits leaves its thread to others.
        if !is_await {
            for at in [wait.start, wait.end] {
                self.neighbours.saw(wait.thread, key, at);
            }
        }
        // Whoever awaits a handler is a framework: that wait is the handler's work.
        if stack.is_empty() && is_await {
            let request = self.requests.touch(key, parent, now.max(wait.end));
            request.hand(wait.thread, start, wait.end);
            return tally.sampled(SampleUse::FrameworkWait);
        }
        let is_on_loop = is_await || self.functions.is_on_loop(&wait.stack);
        let task = if is_on_loop { wait.context } else { 0 };
        let cause = Cause::of(wait, &self.functions);
        let request = self.requests.touch(key, parent, now.max(wait.end));
        let lane = request.lane((wait.thread, task));
        lane.was_idle_until(wait.idle_until.filter(|_| !is_on_loop));
        lane.inside
            .extend(wait.enclosing.map(|id| crossing(wait.target, id)));
        self.nested.saw((wait.thread, task), key, start, &stack);
        lane.evidence.push(Evidence {
            start,
            end: wait.end,
            kind: Kind::Wait(cause),
            queued_ns: 0,
            early_ns: wait.early_ns,
            stack,
            kernel: kernel_frames(&wait.stack, &self.functions),
            is_cut: self.functions.is_cut(&wait.stack),
            parting: None,
            earliest: None,
            latest: None,
        });
        self.requests.hold(key);
        tally.sampled(SampleUse::WaitUsed);
    }

    /// A crossing that will be a span has not ended yet.
    pub fn opened(&mut self, thread: u32, parent: Parent, key: Key, now: KernelTime) {
        if parent.by_lineage {
            return;
        }
        let request = self
            .requests
            .touch((key.target, parent.context()), parent, now);
        request.open.insert((thread, key));
    }

    /// A span of probes has gone out.
    pub fn exact(&mut self, thread: u32, parent: Parent, exact: Exact, now: KernelTime) {
        let key = (exact.key.target, parent.context());
        if parent.by_lineage {
            let parent = Parent {
                by_lineage: false,
                ..parent
            };
            let request = self.requests.touch(key, parent, now);
            request.workers_exact.push((thread, exact));
            self.requests.hold(key);
            return;
        }
        // One span for many crossings leaves the time between them open.
        if !exact.is_folded {
            for at in [exact.entry, exact.exit] {
                self.neighbours.saw(thread, key, at);
            }
        }
        self.nested.named(exact.key, &exact.region);
        let request = self.requests.touch(key, parent, now);
        request.exact.push((thread, exact));
        self.requests.hold(key);
    }

    fn fold_workers(&mut self, sample: &Sample, parent: Parent) {
        if let (Some(folded), SampleReason::Timer(period_ns)) = (&mut self.folded, sample.reason) {
            let span = self.requests.span((sample.target, parent.context()));
            let name = span.map(|span| span.name.as_str());
            let mut stack = handler_frames(&sample.stack, &self.functions).to_vec();
            stack.extend(kernel_frames(&sample.stack, &self.functions));
            folded.add(name, Some("(workers)"), &stack, period_ns, &self.functions);
        }
    }

    /// Counts a sample that no request can be told for, by the outermost function with a name.
    fn nobodys(&self, sample: &Sample, tally: &mut Tally) {
        let mut names = sample.stack.iter().filter_map(|frame| {
            let known = self.functions.get(frame.function)?;
            let Traits {
                has_name, layer, ..
            } = known.traits;
            let is_own = has_name && layer != Layer::Framework;
            is_own.then_some(&known.function)
        });
        let outermost = names.next();
        tally.nobodys_sample(outermost.map(|function| (&*function.object, &*function.name)));
    }
}

fn crossing(target: TargetId, id: CrossingId) -> Key {
    Key { target, id }
}
