//! The resolver's thread.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc as std_mpsc,
};

use hotspan_synth::event::{Called, Crossing, Event};
use tokio::sync::mpsc;

use super::{Job, Located, MAX_SPARE, Outcomes, StackSize};
use crate::{
    kernel::SampleView,
    run::{clock, intake::CountedBurst},
    stack::Stacks,
};

/// Jobs that are done before what came of them is handed over.
const BATCH: usize = 64;
/// Between two reports of the counters, in nanoseconds.
const REPORT_NS: u64 = 1_000_000_000;

pub(super) struct Worker {
    stacks: Stacks,
    waiting: Arc<AtomicUsize>,
    outcomes: Outcomes,
    /// Something in the outcomes is waited for.
    is_awaited: bool,
    reported_ns: u64,
}

impl Worker {
    pub(super) fn new(waiting: Arc<AtomicUsize>) -> Self {
        Self {
            stacks: Stacks::default(),
            waiting,
            outcomes: Outcomes::default(),
            is_awaited: false,
            reported_ns: 0,
        }
    }

    pub(super) fn work(mut self, inbox: &std_mpsc::Receiver<Job>, outbox: &mpsc::Sender<Outcomes>) {
        while let Ok(job) = inbox.recv() {
            self.job(job);
            for job in inbox.try_iter().take(BATCH - 1) {
                self.job(job);
            }
            self.report();
            if self.is_due() && !self.hand_over(outbox) {
                return;
            }
        }
        self.reported_ns = 0;
        self.report();
        // Nobody listens any more if this fails.
        let _ = outbox.blocking_send(self.outcomes);
    }

    /// Whether the engine is to be woken: samples alone wait for the tick behind them, as what becomes of them does.
    fn is_due(&self) -> bool {
        self.is_awaited || self.outcomes.used.len() >= MAX_SPARE
    }

    /// False if nobody listens any more.
    fn hand_over(&mut self, outbox: &mpsc::Sender<Outcomes>) -> bool {
        self.is_awaited = false;
        // As much is expected again.
        let next = Outcomes {
            events: Vec::with_capacity(self.outcomes.events.len()),
            used: Vec::with_capacity(self.outcomes.used.len()),
            ..Outcomes::default()
        };
        let outcomes = std::mem::replace(&mut self.outcomes, next);
        outcomes.is_empty() || outbox.blocking_send(outcomes).is_ok()
    }

    fn job(&mut self, job: Job) {
        self.is_awaited |= matches!(job, Job::Pass(_) | Job::Name(_) | Job::Locate(..));
        self.outcomes.jobs += usize::from(job.has_outcome());
        match job {
            Job::Adopt(target, process) => self.stacks.adopt(target, process),
            Job::Mapped(target) => self.stacks.mapped(target),
            Job::Forget(target) => self.stacks.forget(target),
            Job::Pass(event) => self.outcomes.events.push(*event),
            Job::Samples(slabs) => {
                for slab in slabs {
                    slab.samples().for_each(|sample| self.sample(sample));
                    self.waiting.fetch_sub(slab.size(), Ordering::Relaxed);
                    self.outcomes.used.push(slab);
                }
            }
            Job::Name(burst) => {
                let crossing = self.named(*burst);
                self.outcomes.events.push(Event::Crossing(crossing));
            }
            Job::Locate(target, function) => self.outcomes.located.push(Located {
                target,
                function,
                place: self.stacks.place(target, function),
            }),
        }
    }

    fn sample(&mut self, sample: SampleView<'_>) {
        let Outcomes {
            events,
            stack_sizes,
            ..
        } = &mut self.outcomes;
        let size = (self.stacks).resolve_into(events, sample, clock::now().0);
        stack_sizes.extend(size.map(|bytes| StackSize {
            target: sample.event.tgid,
            bytes,
        }));
    }

    fn named(&mut self, burst: CountedBurst) -> Crossing {
        let CountedBurst {
            mut crossing,
            counts,
        } = burst;
        let counted = counts.keys.iter().zip(counts.counts);
        let mut called = Called {
            names: Vec::new(),
            beyond: counts.beyond,
        };
        for (address, calls) in counted.take_while(|(address, _)| **address != 0) {
            let name = (self.stacks).name_of(crossing.target.0, *address, clock::now().0);
            called.names.push((name, calls));
        }
        crossing.called = Some(called);
        crossing
    }

    fn report(&mut self) {
        let now = clock::now().0;
        if now.saturating_sub(self.reported_ns) < REPORT_NS {
            return;
        }
        self.reported_ns = now;
        let counters = self.stacks.counters().map(|(name, total)| Event::Counter {
            name: name.to_owned(),
            total,
        });
        self.outcomes.events.extend(counters);
    }
}
