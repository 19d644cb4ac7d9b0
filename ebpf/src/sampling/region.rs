//! The Python frames around an outermost crossing.
//!
//! They are read at its exit, when it is known that it will be sent. They are those of its entry all the same:
//! what Python the crossing called has returned, and what called it stands still.

use hotspan_common::{
    Counter, FrameFlags, Parent, ParentSource, RegionFlags, SampleReason, ThreadState,
};

use super::{frames, registers::Registers, send, work::Work};
use crate::{
    context::Active,
    counters::count,
    crossing::{Hit, guard, stack},
    maps::SAMPLES,
};

/// Crossings a second and target of which the caller is told.
const LIMIT_PER_S: u64 = 200;
/// In the keys of the guard's buckets, in place of a region's number.
const ALL_REGIONS: u64 = u32::MAX as u64;
/// The W3C "sampled" flag.
const SAMPLED: u8 = 1;

/// Tells who called the staged crossing, which ends by this hit.
#[inline(always)]
pub fn caller(hit: &Hit, state: &mut ThreadState) {
    let (python, ns_tid) = (state.python, state.ns_tid);
    if !super::is_on()
        || hit.target.tick_ns == 0
        || hit.target.frames.enabled == 0
        || python.state == 0
    {
        return;
    }
    let frame = stack::staged(state);
    let event = &frame.event;
    let is_kept = frame.flags & FrameFlags::HAS_CHILDREN != 0
        || hit.spec.flags & RegionFlags::KEEP_ALL != 0
        || hit.now.saturating_sub(event.entry_ns) >= hit.spec.min_ns;
    if event.enclosing != 0 || !is_kept || !is_sampled(&event.parent) {
        return;
    }
    if !guard::take(
        u64::from(hit.tgid) << 32 | ALL_REGIONS,
        LIMIT_PER_S,
        hit.now,
    ) {
        count(Counter::CallersUnseen);
        return;
    }
    let Some(mut entry) = SAMPLES.reserve::<hotspan_common::SampleEvent>(0) else {
        count(Counter::SamplesLost);
        return;
    };
    // SAFETY: the entry is this program's until it is submitted, and any bytes are an event.
    let sample = unsafe { &mut *entry.as_mut_ptr() };
    send::describe(
        sample,
        SampleReason::Entry,
        hit.tgid,
        hit.tid,
        ns_tid,
        event.entry_ns,
    );
    let registers = Registers {
        ip: frame.return_address,
        sp: frame.sp,
        bp: 0,
        syscall: u64::MAX,
        syscall_arg: 0,
    };
    let work = Work {
        active: Active {
            parent: event.parent,
            context: frame.context,
            ..Active::default()
        },
        crossing: event.id,
        ..Work::default()
    };
    send::note(sample, &registers, &work);
    frames::read_now(&hit.target.frames, python.state, sample);
    let flags = sample.flags;
    entry.submit(send::wake_flags(flags));
    count(Counter::Samples);
}

#[inline(always)]
fn is_sampled(parent: &Parent) -> bool {
    parent.source != ParentSource::None.wire() && parent.flags & SAMPLED != 0
}
