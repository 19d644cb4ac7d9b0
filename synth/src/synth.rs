//! The pipeline: takes events in, drives the stages, hands spans out.

use std::sync::Arc;

use crate::{
    clock::Clock,
    crossings::{
        item::{End, Item, Key},
        known::KnownCrossings,
        parents::{Verdict, judge},
        pending::Pending,
        queue::{Queue, Turn},
        regions::Regions,
        threads::EndedThreads,
    },
    engines::{attempts::Attempts, ledger::Ledgers, own::OwnTraces, shared::SharedSteps},
    event::{Arrival, Ending, Event, ParentRead, ThreadEnded, Wait},
    folding::fold::Folding,
    ids::{FunctionId, TargetId},
    inference::{Exact, Inference, Means},
    settings::Settings,
    span::Span,
    spans::{
        finish::Surroundings,
        limits::Budget,
        making::{Making, Pool},
    },
    summary::{Noted, SampleUse, Summary, Tally},
    time::KernelTime,
};

/// The kernel's counter of crossings that it could not send.
const LOST: &str = "kernel.crossings_lost";

/// Where spans go.
pub trait Sink {
    /// Takes a complete span.
    fn span(&mut self, span: Span);

    /// Is told of native functions that an inferred span is all about. Who can probe functions may make
    /// its next spans exact.
    fn native(&mut self, _work: NativeWork) {}

    /// Takes in that a request of the target has ended, and whether many of its name and shape had been met.
    fn shape(&mut self, _target: TargetId, _is_known: bool) {}
}

/// Native functions that stacks show at work all through a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeWork {
    /// Target.
    pub target: TargetId,
    /// Each called the next. Never empty.
    pub functions: Vec<FunctionId>,
    /// The span's length in nanoseconds.
    pub length_ns: u64,
}

impl Sink for Vec<Span> {
    fn span(&mut self, span: Span) {
        self.push(span);
    }
}

/// The core of hotspan.
///
/// Crossings are decided at the first [`Event::Tick`] after their end, when all that happened
/// inside of them has been delivered: parents before children, each exactly once. A crossing whose
/// enclosing crossing is neither known nor announced waits for it, bounded in number and time.
#[derive(Debug)]
pub struct Synth {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) regions: Regions,
    pub(crate) pending: Pending,
    /// Empty but while crossings are decided.
    queue: Queue,
    /// Spans that are complete, with the same exception.
    complete: Vec<Key>,
    pub(crate) known: KnownCrossings,
    pub(crate) making: Making,
    pub(crate) threads: EndedThreads,
    pub(crate) folding: Folding,
    pub(crate) attempts: Attempts,
    pub(crate) ledgers: Ledgers,
    pub(crate) shared: SharedSteps,
    pub(crate) own_traces: OwnTraces,
    pub(crate) budget: Budget,
    pub(crate) tally: Tally,
    /// `None`: nothing is inferred.
    pub(crate) inference: Option<Box<Inference>>,
    /// The last tick.
    pub(crate) now: KernelTime,
}

impl Synth {
    /// A core that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            clock: Clock::default(),
            regions: Regions::default(),
            pending: Pending::new(settings.limits.child_wait_ns),
            queue: Queue::default(),
            complete: Vec::new(),
            known: KnownCrossings::default(),
            making: Making::default(),
            threads: EndedThreads::default(),
            folding: Folding::default(),
            attempts: Attempts::default(),
            ledgers: Ledgers::default(),
            shared: SharedSteps::default(),
            own_traces: OwnTraces::default(),
            budget: Budget::new(&settings.limits),
            tally: Tally::default(),
            inference: settings.inference.clone().map(Inference::new).map(Box::new),
            now: KernelTime::default(),
            settings,
        }
    }

    /// Takes in one event; spans that are complete by it go to `out`.
    pub fn handle(&mut self, event: Event, out: &mut impl Sink) {
        match event {
            Event::Clock(anchor) => self.clock.anchor(anchor),
            Event::Region(region) => self.regions.announce(region),
            Event::Crossing(crossing) => self.take(crossing.into(), out),
            Event::Open(open) => self.take(open.into(), out),
            Event::ThreadEnded(thread) => self.thread_ended(&thread),
            Event::Tick { now } => self.tick(now, out),
            Event::Paused { target, region } => self.paused(target, region),
            Event::Counter { name, total } => {
                if name == LOST && total > 0 {
                    self.lost_crossings();
                }
                self.tally.counter(name, total);
            }
            Event::Target(target) => {
                self.own_traces.target(&target);
                self.tally.unattributed.target(&target);
            }
            Event::Function(function) => {
                if let Some(inference) = &mut self.inference {
                    inference.function(function, &mut self.tally);
                }
            }
            Event::Sample(sample) => {
                self.works(sample.target, &sample.parent);
                match &mut self.inference {
                    Some(inference) => inference.sample(&sample, self.now, &mut self.tally),
                    None => self.tally.sampled(SampleUse::NotInferred),
                }
            }
            Event::Wait(wait) => {
                self.works(wait.target, &wait.parent);
                self.wakes(&wait);
                match &mut self.inference {
                    Some(inference) => inference.wait(&wait, self.now, &mut self.tally),
                    None => self.tally.sampled(SampleUse::NotInferred),
                }
            }
            Event::Arrival(arrival) => {
                self.works(arrival.target, &arrival.parent);
                self.arrives(&arrival);
            }
            Event::Span(span) => {
                let limit = self.settings.limits.traces;
                self.folding.requests.span(&span, limit);
                if let Some(inference) = &mut self.inference {
                    inference.target_span(span);
                }
            }
        }
    }

    /// Ends the run at `now`: nothing is waited for any more, and what is still open is said to
    /// have been detached from. All spans have gone out afterwards.
    pub fn finish(&mut self, now: KernelTime, out: &mut impl Sink) {
        self.now = self.now.max(now);
        self.queue.push(self.pending.unsettled(), Turn::MayWait);
        self.decide_all(out);
        loop {
            let overdue = self.pending.longest_waiting();
            if overdue.is_empty() {
                break;
            }
            self.queue.push(overdue, Turn::Overdue);
            self.decide_all(out);
        }
        for key in self.close_all() {
            self.emit(key, out);
        }
        while let Some((seen, key)) = self.making.stalest(0) {
            self.detach(key, seen, now, Noted::NeverEnded, out);
        }
        if let Some((inference, known, mut means)) = self.inferring() {
            inference.finish(known, &mut means, out);
        }
        self.finish_attempts(out);
        self.forget();
    }

    /// Sums stacks from now on, for [`Synth::take_folded`].
    pub fn fold_stacks(&mut self) {
        if let Some(inference) = &mut self.inference {
            inference.fold_stacks();
        }
    }

    /// Sampled stacks and their time in nanoseconds: the name of the target's span, the region, the
    /// functions from the outermost on, with `;` between. In the order of the stacks.
    pub fn take_folded(&mut self) -> impl Iterator<Item = (String, u64)> + use<> {
        let inference = self.inference.as_deref_mut();
        let folded = inference.map(Inference::take_folded);
        folded.into_iter().flatten()
    }

    /// What became of everything so far.
    pub fn summary(&self) -> Summary {
        self.tally.summary()
    }

    /// Crossings that are held: undecided, announced and not ended, or to be numbered.
    pub fn held(&self) -> usize {
        self.pending.len() + self.making.len() + self.attempts.held()
    }

    /// Samples, waits and crossings that are held as evidence of requests under way.
    pub fn held_evidence(&self) -> usize {
        self.inference
            .as_ref()
            .map_or(0, |inference| inference.held())
    }

    fn take(&mut self, mut item: Item, out: &mut impl Sink) {
        if !item.straighten() {
            self.tally.noted(Noted::BadTimes, 1);
        }
        if item
            .enclosing
            .is_some_and(|enclosing| enclosing >= item.key)
        {
            item.enclosing = None;
            self.tally.noted(Noted::BadEnclosing, 1);
        }
        self.keep_ledger(&item);
        self.keep_step(&item);
        if self.pending.len() >= self.settings.limits.waiting_crossings as usize {
            self.make_room(out);
        }
        self.pending.push(item);
    }

    /// Decides what was delivered without waiting for the tick, and if that does not help, those
    /// that wait longest.
    fn make_room(&mut self, out: &mut impl Sink) {
        self.queue.push(self.pending.unsettled(), Turn::MayWait);
        self.decide_all(out);
        while self.pending.len() >= self.settings.limits.waiting_crossings.max(1) as usize {
            let longest = self.pending.longest_waiting();
            self.queue.push(longest, Turn::MakeRoom);
            self.decide_all(out);
        }
    }

    fn tick(&mut self, now: KernelTime, out: &mut impl Sink) {
        self.now = self.now.max(now);
        self.queue.push(self.pending.settled(now), Turn::MayWait);
        self.queue.push(self.pending.expired(now), Turn::Overdue);
        self.decide_all(out);
        for key in self.close_idle(now) {
            self.emit(key, out);
        }
        if let Some((inference, known, mut means)) = self.inferring() {
            inference.tick(known, &mut means, out);
        }
        self.settle_attempts(out);
        self.forget();
    }

    fn inferring(&mut self) -> Option<(&mut Inference, &KnownCrossings, Means<'_>)> {
        let means = Means {
            clock: &self.clock,
            settings: &self.settings,
            budget: &mut self.budget,
            tally: &mut self.tally,
            now: self.now,
        };
        Some((self.inference.as_deref_mut()?, &self.known, means))
    }

    /// Decides what is in the queue, and what waits for it.
    fn decide_all(&mut self, out: &mut impl Sink) {
        let mut complete = std::mem::take(&mut self.complete);
        while let Some((item, turn)) = self.queue.pop() {
            let key = item.key;
            if self.decide(item, turn, &mut complete) {
                self.queue.push(self.pending.wake(key), Turn::MayWait);
            }
        }
        self.close_inside(&mut complete);
        // Children first: a parent whose own end was lost is known to have lasted as long as they.
        for key in complete.drain(..).rev() {
            self.emit(key, out);
        }
        self.complete = complete;
        while let Some((seen, key)) = self.making.stalest(self.settings.limits.open_crossings) {
            self.detach(key, seen, seen, Noted::OpenCrossings, out);
        }
        self.send_followed(out);
    }

    /// Somebody was seen at work for this parent.
    fn works(&mut self, target: TargetId, parent: &ParentRead) {
        if let Verdict::Named(parent) = judge(parent) {
            self.attempts.touch(target, &parent, self.now);
        }
    }

    /// A task tells what woke its loop.
    fn wakes(&mut self, wait: &Wait) {
        if let (Some(wakeup), Verdict::Named(parent)) = (wait.wakeup, judge(&wait.parent)) {
            let (key, limit) = ((wait.target, parent.context()), self.settings.limits.traces);
            self.folding.requests.wakeup(key, wakeup, limit);
        }
    }

    /// A task tells when its work came in.
    fn arrives(&mut self, arrival: &Arrival) {
        if let Verdict::Named(parent) = judge(&arrival.parent) {
            let (key, limit) = (
                (arrival.target, parent.context()),
                self.settings.limits.traces,
            );
            self.folding.requests.arrival(key, arrival, limit);
        }
    }

    fn emit(&mut self, key: Key, out: &mut impl Sink) {
        let Some(mut draft) = self.making.take(key) else {
            return;
        };
        let Some(end) = draft.item.end.take() else {
            // Only complete drafts are emitted; one that is not goes on being made.
            self.making.insert(draft);
            return;
        };
        self.pass(&draft, &end);
        self.page(&mut draft, &end);
        self.weigh(&mut draft, &end);
        self.share_steps(&draft, &end, out);
        let mut surroundings = Surroundings {
            clock: &self.clock,
            limits: &self.settings.limits,
            known: &mut self.known,
            tally: &mut self.tally,
        };
        let (thread, parent) = (draft.item.thread, draft.parent);
        let (entry, region) = (draft.item.entry, Arc::clone(&draft.region));
        let attempt = draft.attempt;
        let depth = draft
            .around
            .map_or(1, |around| around.depth.saturating_add(1));
        let exit = end.last(&draft.item);
        let is_folded = (draft.folded.as_ref()).is_some_and(|folded| folded.crossings() > 1);
        let span = surroundings.build(draft, &end);
        // Nothing but its calls is known of a request that no span tells of.
        if let Some(inference) = &mut self.inference
            && !parent.begins_trace()
        {
            let exact = Exact {
                key,
                region,
                entry,
                exit,
                start: span.start,
                end: span.end,
                depth,
                span_id: span.span_id,
                is_folded,
            };
            inference.exact(thread, parent, exact, self.now);
        }
        self.send((attempt, &parent), exit, span, out);
    }

    /// Ends a crossing that was announced and of which no end has come.
    fn detach(
        &mut self,
        key: Key,
        seen: KernelTime,
        now: KernelTime,
        why: Noted,
        out: &mut impl Sink,
    ) {
        self.tally.noted(why, 1);
        self.known.give_up(key, now.max(seen));
        self.making.end(key, End::detached(seen, now.max(seen)));
        self.emit(key, out);
    }

    fn thread_ended(&mut self, thread: &ThreadEnded) {
        if let Some(inference) = &mut self.inference {
            inference.thread_ended(thread);
        }
        let Some(id) = thread.birth else { return };
        let birth = Key {
            target: thread.target,
            id,
        };
        let pool = Pool::from(thread);
        match self.known.get(birth) {
            Some(known) => {
                let around = known.pool.map(|around| around.key);
                self.add_threads(around, pool);
            }
            None => self.threads.add(birth, thread.ended, pool),
        }
    }

    /// Adds ended threads to a span. Without one, the crossing that created them has been counted
    /// for what it is, and they with it.
    pub(crate) fn add_threads(&mut self, around: Option<Key>, pool: Pool) {
        if let Some(around) = around
            && !self.making.add_pool(around, pool)
        {
            self.tally.noted(Noted::ThreadWithoutSpan, pool.threads);
        }
    }

    fn forget(&mut self) {
        let limits = &self.settings.limits;
        let before = KernelTime(self.now.0.saturating_sub(limits.child_wait_ns));
        self.known.forget(limits.remembered_crossings, before);
        let threads = self.threads.forget(limits.waiting_crossings, before);
        self.tally.noted(Noted::ThreadWithoutSpan, threads);
    }
}

impl End {
    fn detached(proven: KernelTime, exit: KernelTime) -> Self {
        Self {
            exit,
            proven,
            ending: Ending::Detached,
            runqueue_ns: 0,
            blocked_ns: 0,
            resources: None,
            values: Vec::new(),
            text: None,
            called: None,
            members: Vec::new(),
        }
    }
}
