//! From a raw sample to the core's events.

use hotspan_common::{SampleEvent, SampleFlags, SampleReason as WireReason};
use hotspan_synth::{
    event::{Arrival, Change, Event, Sample, SampleReason, Wait, WaitEvidence, Wakeup},
    ids::{CrossingId, TargetId},
    time::KernelTime,
};
use syscalls::Sysno;

use super::join::Joined;
use crate::context::parent;

/// What `SampleEvent::syscall` says outside of system calls.
const NO_SYSCALL: u64 = u64::MAX;

/// The event for a sample with this stack; `None` for a reason that this build does not know.
pub(super) fn event(raw: &SampleEvent, stack: Joined) -> Option<Event> {
    Some(match WireReason::from_wire(raw.reason)? {
        WireReason::Timer => sample(raw, stack, SampleReason::Timer(raw.period_or_end_ns)),
        WireReason::Entry => {
            let crossing = CrossingId(raw.crossing);
            sample(raw, stack, SampleReason::Entry(crossing))
        }
        WireReason::Off => wait(raw, stack, off_evidence(raw)),
        WireReason::Await => wait(raw, stack, WaitEvidence::Suspended),
        WireReason::Arrival => arrival(raw),
    })
}

fn sample(raw: &SampleEvent, stack: Joined, reason: SampleReason) -> Event {
    Event::Sample(Sample {
        target: TargetId(raw.tgid),
        thread: raw.ns_tid,
        time: KernelTime(raw.time_ns),
        reason,
        next_ns: raw.next_ns,
        queued_ns: raw.queued_ns,
        idle_until: idle_until(raw),
        change: change(&raw.change),
        enclosing: enclosing(raw),
        parent: parent(&raw.parent),
        context: raw.context,
        stack: stack.frames,
        is_complete: stack.is_complete,
    })
}

fn wait(raw: &SampleEvent, stack: Joined, evidence: WaitEvidence) -> Event {
    Event::Wait(Wait {
        target: TargetId(raw.tgid),
        thread: raw.ns_tid,
        start: KernelTime(raw.time_ns),
        end: KernelTime(raw.period_or_end_ns),
        early_ns: raw.early_ns,
        idle_until: idle_until(raw),
        for_block_device: matches!(
            &evidence,
            WaitEvidence::Fault | WaitEvidence::Syscall { .. }
        ) && raw.flags & SampleFlags::BLOCK_IO != 0,
        evidence,
        enclosing: enclosing(raw),
        parent: parent(&raw.parent),
        context: raw.context,
        stack: stack.frames,
        wakeup: wakeup(raw),
    })
}

fn wakeup(raw: &SampleEvent) -> Option<Wakeup> {
    let hotspan_common::Arrival { at_ns, stepped_ns } = raw.arrival;
    (at_ns != 0).then_some(Wakeup {
        woken: KernelTime(at_ns),
        stepped: KernelTime(stepped_ns),
    })
}

fn arrival(raw: &SampleEvent) -> Event {
    Event::Arrival(Arrival {
        target: TargetId(raw.tgid),
        parent: parent(&raw.parent),
        came: KernelTime(raw.arrival.at_ns),
        stepped: KernelTime(raw.arrival.stepped_ns),
    })
}

fn change(raw: &hotspan_common::Change) -> Option<Change> {
    (raw.since_ns != 0).then_some(Change {
        since: KernelTime(raw.since_ns),
        after: KernelTime(raw.after_ns),
        by: KernelTime(raw.by_ns),
        frames: raw.frames,
    })
}

fn idle_until(raw: &SampleEvent) -> Option<KernelTime> {
    (raw.idle_until_ns != 0).then_some(KernelTime(raw.idle_until_ns))
}

fn enclosing(raw: &SampleEvent) -> Option<CrossingId> {
    (raw.crossing != 0).then_some(CrossingId(raw.crossing))
}

fn off_evidence(raw: &SampleEvent) -> WaitEvidence {
    let has = |flag| raw.flags & flag != 0;
    if has(SampleFlags::RUN_QUEUE) {
        return WaitEvidence::RunQueue;
    }
    if has(SampleFlags::GIL) {
        return WaitEvidence::Gil;
    }
    match (raw.syscall, has(SampleFlags::IN_KERNEL)) {
        (NO_SYSCALL, true) => WaitEvidence::Fault,
        (NO_SYSCALL, false) => WaitEvidence::Unknown,
        (number, _) => syscall(number, raw.syscall_arg),
    }
}

fn syscall(number: u64, argument: u64) -> WaitEvidence {
    let known = usize::try_from(number).ok().and_then(Sysno::new);
    let Some(call) = known else {
        return WaitEvidence::Unknown;
    };
    // The argument that says how many descriptors it waits for.
    let only_sleeps = matches!(
        call,
        Sysno::select | Sysno::pselect6 | Sysno::poll | Sysno::ppoll
    );
    WaitEvidence::Syscall {
        name: call.name().to_owned(),
        is_idle: only_sleeps && argument == 0,
    }
}
