//! Suspended tasks, told of when they go on.
//!
//! The probes are where asyncio begins a step of a task, once for each, however many coroutines and generators
//! run in it. They have no exit, so when a step ended is known only as "before another task's step on this
//! thread, before the thread left the CPU, or before a tick of the sampler's timer, if it was in another context by
//! then". A task is told by its address, and only one that is suspended
//! at the end of its step has something to be remembered.

use core::sync::atomic::{Ordering, compiler_fence};

use hotspan_common::{
    Arrival, ContextOutcome, CoroutineLayout, Counter, ParentSource, SampleEvent, SampleReason,
    Suspended, Target, TargetFlags, Task,
};

use super::{
    chain,
    coroutines::suspended_coroutine,
    made,
    registers::Registers,
    send,
    work::Work,
    worker::{self, Worker},
};
use crate::{
    context::{self, Active},
    counters::count,
    crossing::{Hit, guard},
    maps::{LAST_STEPS, SAMPLES},
    memory::{Access as _, Faulting, Resident, Unreadable},
};

/// Shorter suspensions are not told of, but for the sake of what woke a task's loop.
const LEAST_NS: u64 = 1_000_000;
/// Suspensions a second and target that are told of.
const LIMIT_PER_S: u64 = 1000;
/// In the keys of the guard's buckets, in place of a region's number.
const AWAITS: u64 = u32::MAX as u64 - 1;
/// `TaskStepMethWrapper.sw_task` and `TaskWakeupMethWrapper.ww_task`, the same in all versions.
const WRAPPED: u64 = 16;
/// The W3C "sampled" flag.
const SAMPLED: u8 = 1;

/// A step begins, of the task that the function's first argument holds.
#[inline(always)]
pub fn resumed_in_wrapper(hit: &Hit) {
    if let Ok(task) = Resident::read::<u64>(hit.argument().wrapping_add(WRAPPED)) {
        resumed(hit, task);
    }
}

/// A step of a task begins.
#[inline(always)]
pub fn resumed(hit: &Hit, address: u64) {
    count(Counter::Resumes);
    if !super::is_on() {
        return;
    }
    let target = hit.target;
    if target.coroutines.enabled == 0 || target.tick_ns == 0 {
        return;
    }
    let Some(worker) = worker::get_or_create(target, hit.tgid, hit.tid) else {
        return;
    };
    // It may have been over since then, and its task suspended for all that time.
    if worker.task != 0 && worker.unread_ns > worker.task_since_ns {
        count(Counter::AwaitsUnseen);
    }
    step_ended(&target.coroutines, worker, hit.now);
    made::look(target, worker, hit.now, 0);
    // The thread may lose its CPU anywhere in here, or a tick find it. As long as there is no task, neither takes its step for
    // over, for being in another context than the step before.
    worker.task_context = context::context_pointer(target, &mut worker.python);
    worker.task_since_ns = hit.now;
    compiler_fence(Ordering::Release);
    worker.task = address;
    // What a descriptor brings is dealt with before the loop waits again: if this is the task's first step, its work
    // came in after the last wake-up.
    worker.arrival = Arrival {
        at_ns: worker.loop_woken_ns,
        stepped_ns: 0,
    };
    let task = key(worker.tgid, address);
    // SAFETY: the value is copied at once.
    let suspended = unsafe { LAST_STEPS.get(&task) }.copied();
    let Some(Suspended {
        since_ns: suspended,
        arrival,
        ..
    }) = suspended
    else {
        return;
    };
    worker.arrival = arrival;
    // It was just found; nobody else removes it but the map itself, to make room.
    let _ = LAST_STEPS.remove(&task);
    let is_first = arrival.stepped_ns == suspended;
    let is_told = is_first && target.flags & TargetFlags::TELLS_ARRIVALS != 0;
    if !is_told && hit.now.saturating_sub(suspended) < LEAST_NS {
        return;
    }
    match suspended_coroutine::<Faulting>(&target.coroutines, address) {
        Ok(Some(coroutine)) => tell(hit, worker, coroutine, suspended),
        Ok(None) => {}
        Err(Unreadable) => count(Counter::AwaitsUnseen),
    }
}

/// The step under way on this thread is over; it is not known since when.
#[inline(always)]
fn step_ended(layout: &CoroutineLayout, worker: &mut Worker, now: u64) {
    if worker.task != 0 {
        sampling_step_ended(layout, worker, now);
    }
}

/// A global function: what it needs on the stack is needed beside what its callers call besides.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_step_ended(
    layout: *const CoroutineLayout,
    worker: *mut Worker,
    now: u64,
) -> u32 {
    if layout.is_null() || worker.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (layout, worker) = unsafe { (&*layout, &mut *worker) };
    // Another task may get the address of one that is over. If it cannot be read now, that is seen when it goes on.
    if !matches!(
        suspended_coroutine::<Resident>(layout, worker.task),
        Ok(None)
    ) {
        let task = key(worker.tgid, worker.task);
        let mut arrival = worker.arrival;
        if arrival.stepped_ns == 0 {
            arrival.stepped_ns = now;
        }
        // The map forgets its oldest entries by itself.
        let suspended = Suspended {
            since_ns: now,
            context: worker.task_context,
            ns_tid: worker.python.ns_tid,
            reserved: 0,
            arrival,
        };
        if LAST_STEPS.insert(&task, &suspended, 0).is_err() {
            count(Counter::AwaitsUnseen);
        }
    }
    worker.task = 0;
    0
}

/// The thread leaves the CPU, or a tick finds it: if no step is under way, the last one is over.
#[inline(always)]
pub fn thread_leaves(target: &Target, worker: &mut Worker, now: u64) {
    if worker.task != 0 {
        let context = context::context_pointer_now(target, &mut worker.python);
        let was_read = worker.python.outcome == u32::from(ContextOutcome::NoActiveSpan.wire());
        if !was_read {
            worker.unread_ns = now;
        } else if context != worker.task_context {
            step_ended(&target.coroutines, worker, now);
        }
    }
    made::look(target, worker, now, 0);
}

#[inline(always)]
fn key(tgid: u32, address: u64) -> Task {
    Task {
        address,
        tgid,
        reserved: 0,
    }
}

/// A task is made, at an address where another may have been that never went on.
#[inline(always)]
pub fn created(hit: &Hit, address: u64) {
    let _ = LAST_STEPS.remove(&key(hit.tgid, address));
    if super::is_on() {
        made::made(hit, address);
    }
}

#[inline(always)]
fn tell(hit: &Hit, worker: &mut Worker, coroutine: u64, suspended: u64) {
    let mut active = Active::default();
    active.context = worker.task_context;
    context::read_active(hit.target, &mut worker.python, &mut active);
    if active.parent.source == ParentSource::None.wire() || active.parent.flags & SAMPLED == 0 {
        return;
    }
    if !guard::take(u64::from(hit.tgid) << 32 | AWAITS, LIMIT_PER_S, hit.now) {
        count(Counter::AwaitsUnseen);
        return;
    }
    let Some(mut entry) = SAMPLES.reserve::<SampleEvent>(0) else {
        count(Counter::SamplesLost);
        return;
    };
    // SAFETY: the entry is this program's until it is submitted, and any bytes are an event.
    let event = unsafe { &mut *entry.as_mut_ptr() };
    let ns_tid = worker.python.ns_tid;
    send::describe(
        event,
        SampleReason::Await,
        hit.tgid,
        hit.tid,
        ns_tid,
        suspended,
    );
    event.period_or_end_ns = hit.now;
    event.early_ns = hit.target.tick_ns;
    event.arrival = worker.arrival;
    let registers = Registers {
        ip: 0,
        sp: hit.sp,
        bp: 0,
        bx: 0,
        syscall: u64::MAX,
        syscall_arg: 0,
    };
    let work = Work {
        active,
        ..Work::default()
    };
    send::note(event, &registers, &work);
    send::span_text(event, hit.target);
    chain::read_now(&hit.target.frames, &hit.target.coroutines, coroutine, event);
    entry.submit(send::wake_flags(0));
    count(Counter::Samples);
}
