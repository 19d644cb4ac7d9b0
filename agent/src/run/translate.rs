//! From the kernel's words to the core's.

use hotspan_common::{
    CrossingEvent, Ending as WireEnding, KeyCounts, MAX_VALUES, Resources as WireResources,
    ThreadEvent,
};
use hotspan_synth::{
    event::{Crossing, Ending, Member, OpenCrossing, Resources, ThreadEnded},
    ids::{CrossingId, RegionId, TargetId},
    time::KernelTime,
};

use super::onlooker::OffCpu;
use crate::{context::parent, kernel};

/// An ended crossing. `text_slot` is the slot that the region's text marks. `None` if the event
/// speaks of an ending that this build does not know.
pub fn crossing(event: &CrossingEvent, text_slot: Option<u32>) -> Option<Crossing> {
    Some(Crossing {
        id: CrossingId(event.id),
        target: TargetId(event.tgid),
        region: RegionId(event.region),
        thread: event.ns_tid,
        enclosing: enclosing(event),
        entry: KernelTime(event.entry_ns),
        exit: KernelTime(event.exit_ns),
        proven: KernelTime(event.proven_ns),
        ending: ending(WireEnding::from_wire(event.ending)?),
        runqueue_ns: event.runqueue_ns,
        blocked_ns: event.blocked_ns,
        parent: parent(&event.parent),
        resources: resources(&event.resources),
        values: values(event, text_slot),
        text: text(event, text_slot),
        called: None,
        members: Vec::new(),
    })
}

/// A crossing that is still open at `seen`.
pub fn open(event: &CrossingEvent, seen: KernelTime) -> OpenCrossing {
    OpenCrossing {
        id: CrossingId(event.id),
        target: TargetId(event.tgid),
        region: RegionId(event.region),
        thread: event.ns_tid,
        enclosing: enclosing(event),
        entry: KernelTime(event.entry_ns),
        seen,
        parent: parent(&event.parent),
    }
}

/// A thread that does not run.
pub fn off_cpu(thread: &kernel::OffCpu) -> OffCpu {
    OffCpu {
        target: TargetId(thread.tgid),
        thread: thread.ns_tid,
        since: KernelTime(thread.since_ns),
        is_blocked: thread.is_blocked,
        parent: parent(&thread.parent),
    }
}

/// A thread that was born under a crossing.
pub fn thread_ended(event: &ThreadEvent) -> ThreadEnded {
    ThreadEnded {
        target: TargetId(event.tgid),
        thread: event.ns_tid,
        birth: (event.birth_crossing != 0).then_some(CrossingId(event.birth_crossing)),
        started: KernelTime(event.started_ns),
        ended: KernelTime(event.ended_ns),
        runqueue_ns: event.runqueue_ns,
        blocked_ns: event.blocked_ns,
        queued_ns: event.queued_ns,
    }
}

/// The sequences that a step was made for.
pub fn members(counts: &KeyCounts) -> Vec<Member> {
    let unknown = (counts.beyond != 0).then_some(Member {
        sequence: Member::UNKNOWN,
        tokens: counts.beyond,
        wanted: 0,
    });
    let counted = counts.keys.iter().zip(counts.counts);
    counted
        .take_while(|(key, _)| **key != 0)
        .map(|(key, count)| Member {
            sequence: key - 1,
            tokens: count & u64::from(u32::MAX),
            wanted: count >> 32,
        })
        .chain(unknown)
        .collect()
}

fn enclosing(event: &CrossingEvent) -> Option<CrossingId> {
    (event.enclosing != 0).then_some(CrossingId(event.enclosing))
}

fn ending(wire: WireEnding) -> Ending {
    match wire {
        WireEnding::Returned => Ending::Returned,
        WireEnding::Caught => Ending::Caught,
        WireEnding::Replaced => Ending::Replaced,
        WireEnding::Unwound => Ending::Unwound,
        WireEnding::ThreadExit => Ending::ThreadExit,
        WireEnding::Disarmed => Ending::Disarmed,
        WireEnding::Detached => Ending::Detached,
    }
}

fn resources(wire: &WireResources) -> Option<Resources> {
    (wire.known != 0).then_some(Resources {
        resident_bytes: wire.resident_bytes,
        major_faults: wire.major_faults,
        voluntary: wire.voluntary,
        involuntary: wire.involuntary,
        stalled: (wire.stalled_ns != 0).then_some(KernelTime(wire.stalled_ns)),
        threads: wire.threads,
    })
}

fn values(event: &CrossingEvent, text_slot: Option<u32>) -> Vec<(u32, u64)> {
    let mut values = Vec::with_capacity(event.valid.count_ones() as usize);
    let read = (0..MAX_VALUES as u32).filter(|slot| event.valid & (1 << slot) != 0);
    let numbers = read.filter(|slot| Some(*slot) != text_slot);
    values.extend(numbers.map(|slot| (slot, event.values[slot as usize])));
    values
}

/// Bytes that are no UTF-8 are replaced: a name is for reading.
fn text(event: &CrossingEvent, text_slot: Option<u32>) -> Option<(u32, String)> {
    let slot = text_slot.filter(|slot| event.valid & (1 << slot) != 0)?;
    let bytes = event.text.get(..event.text_len as usize)?;
    Some((slot, String::from_utf8_lossy(bytes).into_owned()))
}
