//! What the kernel has sent, as events of the core.

use std::collections::HashSet;

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
    /// Bursts that were taken as over, while the thread has not found that out.
    over: HashSet<u64>,
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

    /// Crossings that have been open for a while, each once.
    ///
    /// # Errors
    /// The kernel's.
    pub fn announced(
        &mut self,
        kernel: &mut Kernel,
        armory: &Armory,
        now: KernelTime,
    ) -> Result<Vec<Event>, KernelError> {
        let (bursts, open): (Vec<OpenFrame>, Vec<OpenFrame>) =
            (kernel.open_by_now()?.into_iter()).partition(|open| open.is_burst);
        self.take_over(&bursts, kernel, armory, now);
        let is_long =
            |open: &OpenFrame| now.0.saturating_sub(open.event.entry_ns) >= ANNOUNCED_AFTER_NS;
        let open: Vec<CrossingEvent> = open
            .into_iter()
            .filter(|open| is_long(open) && armory.is_current(open.event.region, open.epoch))
            .filter(|open| !is_gone(open))
            .map(|open| open.event)
            .collect();
        let still: HashSet<u64> = open.iter().map(|event| event.id).collect();
        self.announced.retain(|id| still.contains(id));
        let announced = open
            .into_iter()
            .filter(|event| self.announced.insert(event.id))
            .map(|event| Event::Open(translate::open(&event, now)));
        Ok(announced.collect())
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
            let mut event = open.event;
            let ending = if !armory.is_current(event.region, open.epoch) {
                Ending::Disarmed
            } else if is_gone(&open) {
                Ending::Unwound
            } else {
                event.proven_ns = now.0;
                Ending::Detached
            };
            event.ending = ending.wire();
            event.exit_ns = now.0;
            self.crossing(&event, kernel, armory);
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
        let still: HashSet<u64> = bursts.iter().map(|open| open.event.id).collect();
        self.over.retain(|id| still.contains(id));
        for open in bursts {
            let idle_ns = now.0.saturating_sub(open.event.proven_ns);
            if idle_ns > TALLY_GAP_NS + ANNOUNCED_AFTER_NS {
                self.burst(&open.event, kernel, armory);
            }
        }
    }

    /// A burst ends with its last entry. Each is taken once.
    fn burst(&mut self, event: &CrossingEvent, kernel: &mut Kernel, armory: &Armory) {
        if self.over.contains(&event.id) {
            return;
        }
        let mut event = *event;
        event.ending = Ending::Returned.wire();
        event.exit_ns = event.proven_ns;
        self.crossing(&event, kernel, armory);
        self.over.insert(event.id);
    }

    fn crossing(&mut self, event: &CrossingEvent, kernel: &mut Kernel, armory: &Armory) {
        if self.over.remove(&event.id) {
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
