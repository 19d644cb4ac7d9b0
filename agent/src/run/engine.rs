//! The engine: one loop that owns the kernel's side, the targets and the pipeline.
//!
//! No locks: what other threads and tasks have to say comes through channels, and one `select!`
//! takes it in turn. The rings are read at a steady pace rather than at each event, which costs a
//! busy target nothing and the agent next to nothing; the kernel wakes the agent when a ring fills.

use std::{io, sync::Arc, time::Duration};

use anyhow::Context as _;
use hotspan_common::{ControlKind, TargetFlags};
use hotspan_synth::{
    event::Event,
    ids::{RegionId, TargetId},
    time::KernelTime,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    arming::Arming,
    arrivals::Arrivals,
    clock,
    density::Densities,
    intake::Intake,
    onlooker::View,
    pace::Pace,
    pipeline::Pipeline,
    promoting::Promoting,
    resolver::Outcomes,
    sampling::Sampling,
    surveyor::Surveyor,
    targets::{Targets, Watched},
    translate,
};
use crate::kernel::{Control, Kernel, Woken};

/// Between two turns at the rings.
const TURN: Duration = Duration::from_millis(100);
/// Batches of the ring in one turn, at the most.
const BATCHES_PER_TURN: usize = 4;
/// Turns between two looks at what has become due: pauses that are over, contexts, functions to be probed.
const TURNS_PER_SWEEP: u32 = 2;
/// Turns between two looks at what is open, which asks each thread, and of an onlooker.
const TURNS_PER_LOOK: u32 = 5;
/// Turns between two comparisons of the clocks, and two readings of the counters.
const TURNS_PER_CLOCK: u32 = 10;
/// Ended processes that may wait to be noticed.
const ENDS: usize = 1024;

/// Why the engine stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was asked to.
    Asked,
    /// No target is left.
    TargetsEnded,
}

/// The loop and what it owns.
pub struct Engine {
    pub(super) kernel: Kernel,
    pub(super) pipeline: Pipeline,
    pub(super) targets: Targets,
    pub(super) arming: Arming,
    pub(super) arrivals: Arrivals,
    intake: Intake,
    pub(super) sampling: Sampling,
    pub(super) promoting: Promoting,
    pub(super) densities: Densities,
    pub(super) surveyor: Surveyor,
    ends: mpsc::Receiver<u32>,
    pub(super) tell_end: mpsc::Sender<u32>,
    turns: u32,
    pub(super) attached: bool,
}

impl Engine {
    /// An engine without targets.
    pub fn new(
        kernel: Kernel,
        pipeline: Pipeline,
        arming: Arming,
        sampling: Sampling,
        surveyor: Surveyor,
    ) -> Self {
        let (tell_end, ends) = mpsc::channel(ENDS);
        Self {
            kernel,
            pipeline,
            targets: Targets::new(),
            arming,
            arrivals: Arrivals::default(),
            intake: Intake::default(),
            sampling,
            promoting: Promoting::new(),
            densities: Densities::default(),
            surveyor,
            ends,
            tell_end,
            turns: 0,
            attached: false,
        }
    }

    /// Runs until `stop` is ready, probes have been armed for as long as it `lasts`, or no target is left.
    ///
    /// # Errors
    /// The kernel's side or the recording fails.
    pub async fn run(
        &mut self,
        stop: impl Future<Output = ()>,
        lasts: Option<Duration>,
    ) -> anyhow::Result<Stop> {
        tokio::pin!(stop);
        let mut end = None;
        let pace = Pace::start(TURN).context("failed to start a timer")?;
        self.pipeline.feed(Event::Clock(clock::anchor()))?;
        while !self.targets.is_empty() {
            // What it takes to arm is no time of the run: on a busy machine nothing else might be left of it.
            if end.is_none() && self.has_settled() {
                end = lasts.map(|length| Instant::now() + length);
            }
            tokio::select! {
                () = &mut stop => return Ok(Stop::Asked),
                () = reached(end) => return Ok(Stop::Asked),
                woken = self.kernel.woken() => {
                    self.woken(woken.context("failed to poll the kernel's rings")?)?;
                }
                Some(finding) = self.surveyor.next() => self.found_out(finding)?,
                outcomes = self.sampling.next() => self.resolved(outcomes)?,
                Some(target) = self.ends.recv() => self.ended(target)?,
                ticked = pace.tick() => {
                    ticked.context("failed to wait for the timer")?;
                    self.turn()?;
                }
            }
        }
        Ok(Stop::TargetsEnded)
    }

    /// Disarms everything, and takes in what is left; afterwards nothing of hotspan's is in a target.
    ///
    /// # Errors
    /// The kernel's side or the recording fails.
    pub async fn detach(&mut self) -> anyhow::Result<()> {
        self.arming.armory.disarm_all();
        self.sampling.stop();
        self.arrivals.stop();
        let now = clock::now();
        // Nothing is added any more, so this ends.
        self.sampling.take_in(&mut self.kernel);
        while self.intake.ring(&mut self.kernel, &self.arming.armory) {
            self.pass_on()?;
        }
        self.taken_in(now)?;
        let open = (self.intake).detached(&mut self.kernel, &self.arming.armory, now);
        self.name_counted()?;
        for outcomes in self.sampling.finish().await {
            self.resolved(outcomes)?;
        }
        for event in open {
            self.pipeline.feed(event)?;
        }
        self.read_counters()?;
        Ok(())
    }

    /// Whether a process that was asked for was armed, or found to have nothing to arm.
    pub fn has_attached(&self) -> bool {
        self.attached
    }

    /// The pipeline, once the engine has detached.
    pub fn into_pipeline(self) -> Pipeline {
        self.pipeline
    }

    /// Whether a process that was asked for has been searched and looked at, with whatever success.
    fn has_settled(&self) -> bool {
        let has_settled = |watched: &Watched| watched.is_asked_for && watched.has_settled();
        self.attached || self.targets.values().any(has_settled)
    }

    fn woken(&mut self, woken: Woken) -> anyhow::Result<()> {
        match woken {
            Woken::Control(events) => self.control(&events)?,
            Woken::Crossings => {}
            // What they tell waits for the turn.
            Woken::Samples => {
                self.sampling.make_room(&mut self.kernel);
                return Ok(());
            }
        }
        self.take_in()
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        self.turns = self.turns.wrapping_add(1);
        self.take_in()?;
        if self.turns.is_multiple_of(TURNS_PER_LOOK) {
            self.tell_of_open()?;
            self.show()?;
        }
        if self.turns.is_multiple_of(TURNS_PER_SWEEP) {
            self.sweep()?;
        }
        if self.turns.is_multiple_of(TURNS_PER_CLOCK) {
            self.pipeline.feed(Event::Clock(clock::anchor()))?;
            self.read_counters()?;
            let now = clock::now().0;
            self.densities.spent(clock::cpu_ns(), now);
            self.keep_time(now)?;
        }
        Ok(())
    }

    /// What the kernel has sent up to now, in order, and, if that was all, the news that it was. A
    /// flood is taken in over several turns, so that it leaves the engine its other work.
    pub(super) fn take_in(&mut self) -> anyhow::Result<()> {
        // Read before the rings: what happened up to here is in them.
        let now = clock::now();
        self.sampling.take_in(&mut self.kernel);
        for _ in 0..BATCHES_PER_TURN {
            if !self.intake.ring(&mut self.kernel, &self.arming.armory) {
                return self.taken_in(now);
            }
            self.pass_on()?;
        }
        Ok(())
    }

    fn taken_in(&mut self, now: KernelTime) -> anyhow::Result<()> {
        self.intake.parked(&mut self.kernel, &self.arming.armory)?;
        self.pass_on()?;
        let tick = Event::Tick { now };
        // Behind the stacks of before, which are still being resolved.
        if !self.sampling.follow(&tick) {
            self.pipeline.feed(tick)?;
        }
        Ok(())
    }

    /// Stacks have become events.
    fn resolved(&mut self, outcomes: Outcomes) -> anyhow::Result<()> {
        for event in outcomes.events {
            self.pipeline.feed(event)?;
        }
        for located in outcomes.located {
            self.located(located);
        }
        for size in outcomes.stack_sizes {
            if let Some(watched) = self.targets.get_mut(&size.target) {
                watched.wire.stack_bytes = size.bytes;
                self.kernel.set_target(size.target, watched.wire)?;
            }
        }
        Ok(())
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let mut events = self.intake.take();
        for event in events.drain(..) {
            self.weigh(&event);
            self.pipeline.feed(event)?;
        }
        self.intake.reuse(events);
        self.name_counted()
    }

    /// Has names found for what bursts called: where stacks get theirs, and not on this loop.
    fn name_counted(&mut self) -> io::Result<()> {
        for burst in self.intake.drain_counted() {
            if let Some(burst) = self.sampling.name(Box::new(burst)) {
                self.pipeline.feed(Event::Crossing(burst.crossing))?;
            }
        }
        Ok(())
    }

    /// Tells of crossings that have been open for a while.
    fn tell_of_open(&mut self) -> anyhow::Result<()> {
        let now = clock::now();
        let targets = &self.targets;
        let keeps_frames = |tgid: u32| {
            let watched = targets.get(&tgid);
            watched.is_some_and(|watched| watched.wire.flags & TargetFlags::SWITCHES_STACKS == 0)
        };
        let armory = &self.arming.armory;
        let announced = (self.intake).look(&mut self.kernel, armory, keeps_frames, now)?;
        for event in announced {
            self.pipeline.feed(event)?;
        }
        Ok(self.pass_on()?)
    }

    fn sweep(&mut self) -> anyhow::Result<()> {
        for target in self.arming.resume(&mut self.kernel) {
            self.survey(target);
        }
        self.promote();
        self.weigh_density()?;
        let due: Vec<u32> = self
            .targets
            .iter()
            .filter(|(_, watched)| watched.context_due.is_some_and(|due| due <= Instant::now()))
            .map(|(target, _)| *target)
            .collect();
        for target in due {
            self.look(target);
        }
        Ok(())
    }

    /// Shows an onlooker what stands now.
    fn show(&mut self) -> io::Result<()> {
        let Some(onlooker) = self.pipeline.onlooker() else {
            return Ok(());
        };
        let now = clock::now();
        onlooker.look(View {
            now,
            is_attached: self.attached,
            targets: (self.targets.iter())
                .map(|(target, watched)| (TargetId(*target), Arc::clone(&watched.process)))
                .collect(),
            open: Intake::open(&self.kernel, &self.arming.armory, now),
            off_cpu: self
                .kernel
                .off_cpu()
                .iter()
                .map(translate::off_cpu)
                .collect(),
            suspended: self.kernel.suspended_tasks(),
        })
    }

    fn read_counters(&mut self) -> anyhow::Result<()> {
        let counters = self.kernel.counters()?;
        let own = self.intake.counters().chain(self.arming.counters());
        let own = own.chain(self.sampling.counters());
        let own = own.chain(self.promoting.counters());
        let own: Vec<_> = own.collect();
        let all = counters.iter().chain(own);
        let all = all.map(|(name, total)| (name.to_owned(), total));
        for (name, total) in all {
            self.pipeline.feed(Event::Counter { name, total })?;
        }
        Ok(())
    }

    fn control(&mut self, events: &[Control]) -> anyhow::Result<()> {
        for event in events {
            match event.kind {
                ControlKind::Mapped => self.mapped(event.tgid, KernelTime(event.time_ns)),
                ControlKind::Exec => self.executed(event.tgid)?,
                ControlKind::Fork => self.found(event.value, false)?,
                ControlKind::Guard => self.guard(event)?,
                ControlKind::Passed => {
                    if !self.arming.step_exits(&mut self.kernel, event.region) {
                        self.guard(event)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The guard of a region tripped.
    fn guard(&mut self, event: &Control) -> anyhow::Result<()> {
        self.tripped(event.region, event.value);
        let (target, region) = (TargetId(event.tgid), RegionId(event.region));
        self.pipeline.feed(Event::Paused { target, region })?;
        Ok(())
    }
}

/// Ready at that instant; without one, never.
async fn reached(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}
