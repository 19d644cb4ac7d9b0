//! The Python frames around an outermost crossing.
//!
//! They are read at its exit, when it is known that it will be sent. They are those of its entry all the same:
//! what Python the crossing called has returned, and what called it stands still.

use hotspan_common::{
    Counter, FrameFlags, Parent, ParentSource, PythonThread, RegionFlags, SampleEvent,
    SampleReason, Target, ThreadState,
};

use super::{frames, registers::Registers, send, work::Work, worker};
use crate::{
    context::{self, Active},
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
    let (python_state, ns_tid) = (state.python.state, state.ns_tid);
    if !super::is_on()
        || hit.target.tick_ns == 0
        || hit.target.frames.enabled == 0
        || python_state == 0
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
    let Some(mut entry) = SAMPLES.reserve::<SampleEvent>(0) else {
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
        bx: 0,
        syscall: u64::MAX,
        syscall_arg: 0,
    };
    let entry_ns = event.entry_ns;
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
    let idle_until_ns = worker::get(hit.tid).map_or(0, |worker| worker.idle.before(&sample.parent));
    if idle_until_ns <= entry_ns {
        sample.idle_until_ns = idle_until_ns;
    }
    if !send::is_described(sample) {
        sampling_parent(hit.target, &raw mut state.python, sample);
    }
    frames::read_now(&hit.target.frames, python_state, sample);
    let flags = sample.flags;
    entry.submit(send::wake_flags(flags));
    count(Counter::Samples);
}

/// What the crossing's parent says of itself, if it still is the active span. A global function, which the verifier
/// checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_parent(
    target: *const Target,
    python: *mut PythonThread,
    sample: *mut SampleEvent,
) -> u32 {
    if target.is_null() || python.is_null() || sample.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (target, python, sample) = unsafe { (&*target, &mut *python, &mut *sample) };
    let mut active = Active::default();
    active.context = context::context_pointer_now(target, python);
    context::read_active_now(target, python, &mut active);
    if active.parent.span_id == sample.parent.span_id {
        sample.span_object = active.span;
        send::span_text(sample, target);
    }
    0
}

#[inline(always)]
fn is_sampled(parent: &Parent) -> bool {
    parent.source != ParentSource::None.wire() && parent.flags & SAMPLED != 0
}
