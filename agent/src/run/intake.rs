//! What the kernel has sent, as events of the core.

use std::collections::{HashMap, HashSet};

use hotspan_common::{CrossingEvent, Ending, KeyCounts, TALLY_GAP_NS};
use hotspan_synth::{
    event::{Crossing, Event, OpenCrossing},
    time::KernelTime,
};

use super::{armory::Armory, translate};
use crate::{
    context::memory::Memory,
    kernel::{Batch, Kernel, KernelError, KernelEvent, OpenFrame},
};

/// A crossing that is open this long is announced.
const ANNOUNCED_AFTER_NS: u64 = 100_000_000;

/// Looks after which what a thread has closed is taken out of the ring, too.
const LOOKS_BEHIND: u32 = 2;

/// A burst of counted entries, and by what they were called with. Names are still to be found.
pub struct CountedBurst {
    /// The burst.
    pub crossing: Crossing,
    /// The counts.
    pub counts: Box<KeyCounts>,
}

/// Takes from rings and maps, and remembers what was announced.
#[derive(Default)]
pub struct Intake {
    batch: Batch,
    events: Vec<Event>,
    counted: Vec<CountedBurst>,
    announced: HashSet<u64>,
    /// What was taken as over, while the thread has not found that out; and looks since it has.
    over: HashMap<u64, u32>,
    unknown_entries: u64,
}

impl Intake {
    /// One turn at the ring. Returns whether there was anything.
    pub fn ring(&mut self, kernel: &mut Kernel, armory: &Armory) -> bool {
        kernel.crossings(&mut self.batch);
        self.unknown_entries += self.batch.unknown;
        let batch = std::mem::take(&mut self.batch.events);
        for event in &batch {
            match event {
                KernelEvent::Crossing(crossing) => self.crossing(crossing, kernel, armory),
                KernelEvent::Thread(thread) => {
                    self.events
                        .push(Event::ThreadEnded(translate::thread_ended(thread)));
                }
            }
        }
        self.batch.events = batch;
        !self.batch.events.is_empty()
    }

    /// The crossings that found the ring full.
    ///
    /// # Errors
    /// The kernel's.
    pub fn parked(&mut self, kernel: &mut Kernel, armory: &Armory) -> Result<(), KernelError> {
        for crossing in kernel.take_parked()? {
            self.crossing(&crossing, kernel, armory);
        }
        Ok(())
    }

    /// Takes out what has come in.
    pub fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Gives the memory of what was taken back, for what comes next.
    pub fn reuse(&mut self, mut events: Vec<Event>) {
        events.clear();
        self.events = events;
    }

    /// Takes out the bursts that are to get names.
    pub fn drain_counted(&mut self) -> Vec<CountedBurst> {
        std::mem::take(&mut self.counted)
    }

    /// Looks at what is open: crossings that have been so for a while are told of, each once; those that were left without
    /// their exit being seen are over. `keeps_frames` says of a process whether a frame stays in its place while it lives.
    ///
    /// # Errors
    /// The kernel's.
    pub fn look(
        &mut self,
        kernel: &mut Kernel,
        armory: &Armory,
        keeps_frames: impl Fn(u32) -> bool,
        now: KernelTime,
    ) -> Result<Vec<Event>, KernelError> {
        let open = kernel.open_by_now()?;
        let still: HashSet<u64> = open.iter().map(|open| open.event.id).collect();
        self.over.retain(|id, looks| {
            *looks += 1;
            if still.contains(id) {
                *looks = 0;
            }
            *looks < LOOKS_BEHIND
        });
        self.announced.retain(|id| still.contains(id));
        let (bursts, open): (Vec<_>, Vec<_>) = open.into_iter().partition(|open| open.is_burst);
        self.take_over(&bursts, kernel, armory, now);
        let is_long =
            |open: &OpenFrame| now.0.saturating_sub(open.event.entry_ns) >= ANNOUNCED_AFTER_NS;
        let long = open.into_iter().filter(is_long);
        let (gone, long): (Vec<_>, Vec<_>) = long.partition(is_gone);
        let lost = gone
            .into_iter()
            .filter(|gone| keeps_frames(gone.event.tgid));
        self.lose(lost.collect(), kernel, armory, now);
        let announced = long
            .into_iter()
            .filter(|open| armory.is_current(open.event.region, open.epoch))
            .filter(|open| self.announced.insert(open.event.id))
            .map(|open| Event::Open(translate::open(&open.event, now)));
        Ok(announced.collect())
    }

    /// Takes crossings as over whose frames are gone, while their threads have not found that out: those may be idle for good.
    fn lose(
        &mut self,
        gone: Vec<OpenFrame>,
        kernel: &mut Kernel,
        armory: &Armory,
        now: KernelTime,
    ) {
        if gone.is_empty() {
            return;
        }
        // What has returned between the look at the thread and that at its memory is told of in the ring.
        let open = kernel.open_crossings();
        let still: HashSet<u64> = open.iter().map(|open| open.event.id).collect();
        for open in gone {
            let id = open.event.id;
            if still.contains(&id) && !self.over.contains_key(&id) {
                self.end(&open, lost_by(&open, armory), now, kernel, armory);
                self.over.insert(id, 0);
            }
        }
    }

    fn end(
        &mut self,
        open: &OpenFrame,
        ending: Ending,
        now: KernelTime,
        kernel: &mut Kernel,
        armory: &Armory,
    ) {
        let mut event = open.event;
        event.ending = ending.wire();
        event.exit_ns = now.0;
        // It goes on.
        if ending == Ending::Detached {
            event.proven_ns = now.0;
        }
        self.crossing(&event, kernel, armory);
    }

    /// Crossings that are open, however briefly.
    pub fn open(kernel: &Kernel, armory: &Armory, now: KernelTime) -> Vec<OpenCrossing> {
        let open = kernel.open_crossings().into_iter();
        open.filter(|open| !open.is_burst)
            .filter(|open| armory.is_current(open.event.region, open.epoch) && !is_gone(open))
            .map(|open| translate::open(&open.event, now))
            .collect()
    }

    /// What is open, as ended by the detach.
    pub fn detached(
        &mut self,
        kernel: &mut Kernel,
        armory: &Armory,
        now: KernelTime,
    ) -> Vec<Event> {
        for open in kernel.open_crossings() {
            if open.is_burst {
                self.burst(&open.event, kernel, armory);
                continue;
            }
            let is_lost = !armory.is_current(open.event.region, open.epoch) || is_gone(&open);
            let ending = if is_lost {
                lost_by(&open, armory)
            } else {
                Ending::Detached
            };
            self.end(&open, ending, now, kernel, armory);
        }
        std::mem::take(&mut self.events)
    }

    /// What went wrong here, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [("agent.unknown_ring_entries", self.unknown_entries)]
            .into_iter()
            .filter(|(_, total)| *total != 0)
    }

    /// Takes bursts that nothing has been added to for long: their threads may be idle for good.
    fn take_over(
        &mut self,
        bursts: &[OpenFrame],
        kernel: &mut Kernel,
        armory: &Armory,
        now: KernelTime,
    ) {
        for open in bursts {
            let idle_ns = now.0.saturating_sub(open.event.proven_ns);
            if idle_ns > TALLY_GAP_NS + ANNOUNCED_AFTER_NS {
                self.burst(&open.event, kernel, armory);
            }
        }
    }

    /// A burst ends with its last entry. Each is taken once.
    fn burst(&mut self, event: &CrossingEvent, kernel: &mut Kernel, armory: &Armory) {
        if self.over.contains_key(&event.id) {
            return;
        }
        let mut event = *event;
        event.ending = Ending::Returned.wire();
        event.exit_ns = event.proven_ns;
        self.crossing(&event, kernel, armory);
        self.over.insert(event.id, 0);
    }

    fn crossing(&mut self, event: &CrossingEvent, kernel: &mut Kernel, armory: &Armory) {
        if self.over.remove(&event.id).is_some() {
            return;
        }
        let Some(mut crossing) = translate::crossing(event, armory.text_slot(event.region)) else {
            self.unknown_entries += 1;
            return;
        };
        let is_counted = event.valid & CrossingEvent::COUNTED != 0;
        let counts = is_counted.then(|| kernel.take_counts(event.id));
        match counts.flatten() {
            Some(counts) if armory.is_step(event.region) => {
                crossing.members = translate::members(&counts);
                self.events.push(Event::Crossing(crossing));
            }
            Some(counts) => self.counted.push(CountedBurst {
                crossing,
                counts: Box::new(counts),
            }),
            None => self.events.push(Event::Crossing(crossing)),
        }
    }
}

/// How a crossing ended whose exit was not seen.
fn lost_by(open: &OpenFrame, armory: &Armory) -> Ending {
    if armory.is_current(open.event.region, open.epoch) {
        Ending::Unwound
    } else {
        Ending::Disarmed
    }
}

/// Whether the crossing's frame is gone: its return address has been overwritten. Memory that cannot
/// be read proves nothing.
fn is_gone(open: &OpenFrame) -> bool {
    if open.return_address == 0 {
        return false;
    }
    Memory::open(open.event.tgid)
        .ok()
        .and_then(|memory| memory.read_u64(open.sp).ok())
        .is_some_and(|now| now != open.return_address)
}
