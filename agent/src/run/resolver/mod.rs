//! The resolver: a thread that makes events of raw samples, so that a large symbol table does not keep the
//! engine from its rings.
//!
//! Samples wait in a queue that is bounded in number and bytes; what finds it full is dropped and counted.

mod worker;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self as std_mpsc, TrySendError},
    },
    thread,
};

use hotspan_common::SampleFlags;
use hotspan_synth::{event::Event, ids::FunctionId};
use tokio::sync::mpsc;

use self::worker::Worker;
use crate::{
    kernel::{SampleSlab, SampleView},
    run::intake::CountedBurst,
    stack::{NativePlace, NoPlace},
    target::Process,
};

/// Jobs that may wait.
const QUEUE: usize = 4096;
/// Bytes of samples that may wait.
const MAX_WAITING: usize = 8 << 20;
/// Slabs that are kept for the next samples: about those of a turn.
const MAX_SPARE: usize = 8;
/// Batches that may wait to be taken; then the thread waits, and the queue fills.
const OUTCOMES: usize = 64;

/// The size of the stack copies that a target's samples need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackSize {
    /// Process id in the root pid namespace.
    pub target: u32,
    /// One of `hotspan_common::STACK_SIZES`.
    pub bytes: u32,
}

/// What came of a batch of jobs.
#[derive(Default)]
pub struct Outcomes {
    /// Events for the core, in order.
    pub events: Vec<Event>,
    /// Sizes to set.
    pub stack_sizes: Vec<StackSize>,
    /// Functions that were asked for.
    pub located: Vec<Located>,
    /// Slabs of samples that are done with.
    used: Vec<SampleSlab>,
    /// Jobs that came to this.
    jobs: usize,
}

/// Where a native function begins in a target, or why nobody can tell.
#[derive(Debug)]
pub struct Located {
    /// Process id in the root pid namespace.
    pub target: u32,
    /// The function.
    pub function: FunctionId,
    /// The answer.
    pub place: Result<NativePlace, NoPlace>,
}

impl Outcomes {
    fn is_empty(&self) -> bool {
        self.jobs == 0 && self.events.is_empty()
    }
}

/// The handle to the thread.
pub struct Resolver {
    jobs: std_mpsc::SyncSender<Job>,
    outcomes: mpsc::Receiver<Outcomes>,
    waiting: Arc<AtomicUsize>,
    /// Jobs of which nothing has come yet.
    under_way: usize,
    /// Samples of this turn.
    gathered: Vec<SampleSlab>,
    /// What one of them names will soon be gone.
    is_urgent: bool,
    spare: Vec<SampleSlab>,
    dropped: u64,
    refused: u64,
    unnamed: u64,
}

enum Job {
    Adopt(u32, Arc<Process>),
    Mapped(u32),
    Forget(u32),
    Samples(Vec<SampleSlab>),
    Pass(Box<Event>),
    Locate(u32, FunctionId),
    Name(Box<CountedBurst>),
}

impl Resolver {
    /// Starts the thread.
    ///
    /// # Errors
    /// No more threads.
    pub fn start() -> io::Result<Self> {
        let (jobs, inbox) = std_mpsc::sync_channel(QUEUE);
        let (outbox, outcomes) = mpsc::channel(OUTCOMES);
        let waiting = Arc::new(AtomicUsize::new(0));
        let handled = Arc::clone(&waiting);
        thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(move || Worker::new(handled).work(&inbox, &outbox))?;
        Ok(Self {
            jobs,
            outcomes,
            waiting,
            under_way: 0,
            gathered: Vec::new(),
            is_urgent: false,
            spare: Vec::new(),
            dropped: 0,
            refused: 0,
            unnamed: 0,
        })
    }

    /// A target whose samples may come.
    pub fn adopt(&mut self, target: u32, process: Arc<Process>) {
        self.tell(Job::Adopt(target, process));
    }

    /// A target mapped code.
    pub fn mapped(&mut self, target: u32) {
        self.tell(Job::Mapped(target));
    }

    /// A target has ended.
    pub fn forget(&mut self, target: u32) {
        self.tell(Job::Forget(target));
    }

    /// Takes a sample in, to be resolved when [`Self::submit`] is called; dropped and counted if too many
    /// wait.
    pub fn gather(&mut self, sample: &SampleView<'_>) {
        self.is_urgent |= sample.event.flags & SampleFlags::PYTHON_RUNS_ONCE != 0;
        if (self.gathered.last_mut()).is_some_and(|slab| slab.put(sample)) {
            return;
        }
        // What was gathered before is counted when it is submitted.
        let gathered: usize = self.gathered.iter().map(SampleSlab::size).sum();
        if self.waiting.load(Ordering::Relaxed) + gathered > MAX_WAITING {
            self.dropped += 1;
            return;
        }
        let mut slab = self.spare.pop().unwrap_or_default();
        slab.clear();
        // Each sample finds room in an empty one.
        self.dropped += u64::from(!slab.put(sample));
        self.gathered.push(slab);
    }

    /// Has the gathered samples resolved if one of them can't wait for the others of the turn.
    pub fn submit_urgent(&mut self) {
        if self.is_urgent {
            self.submit();
        }
    }

    /// Has the gathered samples resolved: all at once, so that the thread is woken once for them.
    pub fn submit(&mut self) {
        self.is_urgent = false;
        if self.gathered.is_empty() {
            return;
        }
        let slabs = std::mem::take(&mut self.gathered);
        let count: usize = slabs.iter().map(SampleSlab::len).sum();
        let size: usize = slabs.iter().map(SampleSlab::size).sum();
        // Only this handle adds.
        self.waiting.fetch_add(size, Ordering::Relaxed);
        if self.send(Job::Samples(slabs)).is_err() {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
            self.dropped += count as u64;
        }
    }

    /// Sends an event through, so that it comes out behind the samples that were submitted before it.
    /// `false`: it does not, as nothing is before it, or too many jobs wait.
    #[must_use]
    pub fn pass(&mut self, event: &Event) -> bool {
        if self.under_way == 0 {
            return false;
        }
        let event = Box::new(event.clone());
        self.send(Job::Pass(event)).is_ok()
    }

    /// Asks where a native function begins. `false`: too many jobs wait, and it is not looked for.
    #[must_use]
    pub fn locate(&mut self, target: u32, function: FunctionId) -> bool {
        self.send(Job::Locate(target, function)).is_ok()
    }

    /// Has names found for what a burst called; it comes out with them as a crossing. `None` if that is to
    /// come; the burst, counted, if too many jobs wait.
    pub fn name(&mut self, burst: Box<CountedBurst>) -> Option<Box<CountedBurst>> {
        let job = self.send(Job::Name(burst)).err()?;
        self.unnamed += 1;
        match *job {
            Job::Name(burst) => Some(burst),
            // Only what was sent comes back.
            _ => None,
        }
    }

    /// What came of the next jobs, in their order; `None` if the thread has ended.
    pub async fn next(&mut self) -> Option<Outcomes> {
        let mut outcomes = self.outcomes.recv().await?;
        self.under_way -= outcomes.jobs;
        let room = MAX_SPARE.saturating_sub(self.spare.len());
        self.spare.extend(outcomes.used.drain(..).take(room));
        Some(outcomes)
    }

    /// What comes of the jobs that wait still.
    pub async fn finish(self) -> Vec<Outcomes> {
        let Self {
            jobs, mut outcomes, ..
        } = self;
        drop(jobs);
        let mut rest = Vec::new();
        while let Some(outcome) = outcomes.recv().await {
            rest.push(outcome);
        }
        rest
    }

    /// What went wrong at the queue, by name; the thread reports its own counters as events.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("resolver.samples_dropped", self.dropped),
            ("resolver.news_dropped", self.refused),
            ("resolver.bursts_unnamed", self.unnamed),
        ]
        .into_iter()
        .filter(|(_, total)| *total != 0)
    }

    /// A job that something comes of; given back if too many wait.
    fn send(&mut self, job: Job) -> Result<(), Box<Job>> {
        match self.jobs.try_send(job) {
            Ok(()) => {
                self.under_way += 1;
                Ok(())
            }
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => Err(Box::new(job)),
        }
    }

    /// News of targets. What finds the queue full is made up for at the next unknown address.
    fn tell(&mut self, job: Job) {
        self.refused += u64::from(self.jobs.try_send(job).is_err());
    }
}

impl Job {
    /// Whether something comes of it that is handed over.
    fn has_outcome(&self) -> bool {
        !matches!(self, Self::Adopt(..) | Self::Mapped(_) | Self::Forget(_))
    }
}
