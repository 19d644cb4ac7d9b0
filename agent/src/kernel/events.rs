//! Reading the rings.

use std::io;

use aya::maps::{MapData, RingBuf};
use hotspan_common::{ControlEvent, ControlKind, CrossingEvent, RecordKind, ThreadEvent};
use tokio::io::unix::AsyncFd;

use super::{Kernel, wire};

/// Entries that one turn takes at the most, so that a flood leaves the engine its other work.
const TURN: usize = 8192;

/// An entry of the crossings ring.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "almost all are crossings")]
pub enum KernelEvent {
    /// A crossing ended.
    Crossing(CrossingEvent),
    /// A thread that was born under a crossing ended.
    Thread(ThreadEvent),
}

/// An entry of the control ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// What happened.
    pub kind: ControlKind,
    /// The process.
    pub tgid: u32,
    /// The region, for `Guard`.
    pub region: u32,
    /// See [`ControlKind`].
    pub value: u32,
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub time_ns: u64,
}

/// Which ring asks to be read.
#[derive(Debug)]
pub enum Woken {
    /// That of control events; these were in it.
    Control(Vec<Control>),
    /// That of crossings fills up.
    Crossings,
    /// That of stacks fills up, or what one of them names will soon be gone.
    Samples,
}

/// What one turn at the ring brought.
#[derive(Debug, Default)]
pub struct Batch {
    /// Entries, in the order of the ring.
    pub events: Vec<KernelEvent>,
    /// Entries of no known kind: the object is of another build than the agent.
    pub unknown: u64,
    /// More is waiting.
    pub more: bool,
}

impl Kernel {
    /// Takes what is in the crossings ring now, bounded.
    pub fn crossings(&mut self, batch: &mut Batch) {
        batch.events.clear();
        batch.unknown = 0;
        let ring = self.crossings.get_mut();
        while batch.events.len() < TURN {
            let Some(entry) = ring.next() else {
                batch.more = false;
                return;
            };
            self.parking.took(entry.len());
            match decode(&entry) {
                Some(event) => batch.events.push(event),
                None => batch.unknown += 1,
            }
        }
        batch.more = true;
    }

    /// Waits until the crossings ring asks to be read: it does when it fills up.
    ///
    /// # Errors
    /// The ring's descriptor cannot be polled.
    pub async fn filling(&mut self) -> io::Result<()> {
        self.crossings.readable().await?.clear_ready();
        Ok(())
    }

    /// Waits for control events.
    ///
    /// # Errors
    /// The ring's descriptor cannot be polled.
    pub async fn control(&mut self) -> io::Result<Vec<Control>> {
        loop {
            let mut ready = self.control.readable_mut().await?;
            let events = drain(ready.get_inner_mut());
            ready.clear_ready();
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    /// Waits until one of the rings asks to be read.
    ///
    /// # Errors
    /// A ring's descriptor cannot be polled.
    pub async fn woken(&mut self) -> io::Result<Woken> {
        let Self {
            crossings,
            control,
            samples,
            ..
        } = self;
        tokio::select! {
            ready = control.readable_mut() => {
                let mut ready = ready?;
                let events = drain(ready.get_inner_mut());
                ready.clear_ready();
                Ok(Woken::Control(events))
            }
            filling = clear(crossings) => filling.map(|()| Woken::Crossings),
            filling = clear(samples) => filling.map(|()| Woken::Samples),
        }
    }
}

async fn clear(ring: &AsyncFd<RingBuf<MapData>>) -> io::Result<()> {
    ring.readable().await?.clear_ready();
    Ok(())
}

fn drain(ring: &mut RingBuf<MapData>) -> Vec<Control> {
    let mut events = Vec::new();
    while let Some(entry) = ring.next() {
        events.extend(wire::read::<ControlEvent>(&entry).and_then(control));
    }
    events
}

fn control(event: ControlEvent) -> Option<Control> {
    Some(Control {
        kind: ControlKind::from_wire(event.kind)?,
        tgid: event.tgid,
        region: event.region,
        value: event.value,
        time_ns: event.time_ns,
    })
}

fn decode(bytes: &[u8]) -> Option<KernelEvent> {
    let kind = u32::from_ne_bytes(bytes.first_chunk().copied()?);
    match RecordKind::from_wire(kind)? {
        RecordKind::Crossing => wire::read(bytes).map(KernelEvent::Crossing),
        RecordKind::Thread => wire::read(bytes).map(KernelEvent::Thread),
        // On a ring of its own.
        RecordKind::Sample => None,
    }
}
