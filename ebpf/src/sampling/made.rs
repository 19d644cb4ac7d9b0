//! Tasks that were made of what was read from a socket: which spans they work for, and since when those can.
//!
//! A task has its work from the callback that has read it, if it is made there. Event loops have two ways to call that. asyncio
//! reads in the callback itself, in the context that it made for it. uvloop reads outside of all callbacks, and then enters the
//! connection's context to hand over what it has read. In both the thread has not left the context since, nor entered another
//! but that one: the interpreter counts how often a thread does either.
//!
//! What span a task works for is in its context, which only its loop's thread changes. So that thread is looked at when it
//! leaves the CPU, when a tick finds it, when it reads from a socket, and, while those are probed, when a step of whatever
//! task begins: there is no need for that, which for loops of many steps would cost too much.

use hotspan_common::{Arrival, Counter, ParentSource, SampleEvent, SampleReason, Target};

use super::{
    coroutines::{self, OB_TYPE, Phase},
    frames,
    registers::Registers,
    send,
    work::Work,
    worker::{self, Read, Worker},
};
use crate::{
    arrivals,
    context::{self, Active, CTX_PREV, CTX_VARS, Entered},
    counters::count,
    crossing::{Hit, guard},
    maps::SAMPLES,
    memory::{Access as _, Resident, Unreadable},
    repeat::{CONTINUE, repeat},
    threads,
};

/// Of one thread, at a time. A power of two, and no more than the bits of [`MadeTasks::open`].
const MAX_MADE: usize = 16;
/// Looks at one task, after which no more is told of it.
const MAX_LOOKS: u64 = 256;
/// Spans a second and target that are told of.
const LIMIT_PER_S: u64 = 1000;
/// In the keys of the guard's buckets, in place of a region's number.
const ARRIVALS: u64 = u32::MAX as u64 - 3;
/// The W3C "sampled" flag.
const SAMPLED: u8 = 1;

/// The latest that a thread has made, as long as there may be more to say of them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MadeTasks {
    /// Bit n: `tasks[n]` is one.
    open: u64,
    /// Where the next one goes.
    next: u64,
    tasks: [MadeTask; MAX_MADE],
    /// What the one works for that was looked at last: here, as there is no room on the stack.
    active: Active,
}

/// A task that was made of what was read.
#[repr(C)]
#[derive(Clone, Copy)]
struct MadeTask {
    address: u64,
    /// Its type.
    class: u64,
    /// When what was read came in.
    came_ns: u64,
    /// When its first step was found to be over; 0: it may not be.
    stepped_ns: u64,
    /// What its context held when that was last looked at: the variables of a context are replaced, not changed.
    variables: u64,
    looks: u64,
}

impl Read {
    /// Whether a thread that is there now is in the callback that has read this, or was called with it.
    #[inline(always)]
    fn leads_to(&self, now: Entered) -> bool {
        let then = self.entered;
        if self.port == 0 || now.context == 0 || then.context == 0 {
            return false;
        }
        let moves = now.version.wrapping_sub(then.version);
        if moves == 0 {
            return now.context == then.context;
        }
        let outer = Resident::read::<u64>(now.context.wrapping_add(CTX_PREV));
        moves == 1 && outer.is_ok_and(|outer| outer == then.context)
    }
}

/// A task is made at this address.
#[inline(always)]
pub fn made(hit: &Hit, address: u64) {
    let Some(worker) = worker::get(hit.tid) else {
        return;
    };
    look(hit.target, worker, hit.now, address);
    let read = worker.read;
    if read.port == 0 {
        return;
    }
    let now = context::entered_now(hit.target, &mut worker.python);
    // What a step of a task reads is no request that is to become another.
    if !read.leads_to(now) || frames::is_in_coroutine_now(&hit.target.frames, worker.python.state) {
        worker.read = Read::default();
        return;
    }
    arrivals::follow(read.port);
    if read.came_ns == 0 {
        count(Counter::ArrivalsUnknown);
        return;
    }
    if let Ok(class) = Resident::read(address.wrapping_add(OB_TYPE)) {
        worker.made.add(MadeTask {
            address,
            class,
            came_ns: read.came_ns,
            stepped_ns: 0,
            variables: 0,
            looks: 0,
        });
    }
}

impl MadeTasks {
    #[inline(always)]
    fn add(&mut self, task: MadeTask) {
        let index = self.next;
        self.next = index.wrapping_add(1);
        let bit = bit(index);
        if self.open & bit != 0 {
            count(Counter::ArrivalsUnknown);
        }
        self.open &= !bit;
        *self.slot(index) = task;
        self.open |= bit;
    }

    #[inline(always)]
    fn slot(&mut self, index: u64) -> &mut MadeTask {
        let index = index as usize & (MAX_MADE - 1);
        // SAFETY: in bounds by the mask. A slice index would leave a panic in the program.
        unsafe { &mut *(&raw mut self.tasks).cast::<MadeTask>().add(index) }
    }
}

#[inline(always)]
fn bit(index: u64) -> u64 {
    1 << (index & (MAX_MADE as u64 - 1))
}

/// Looks at the tasks that the current thread has made. `forgotten`: at this address there is another one from now on; 0: none.
#[inline(always)]
pub fn look(target: &Target, worker: &mut Worker, now: u64, forgotten: u64) {
    if worker.made.open != 0 {
        sampling_made(target, worker, now, forgotten);
    }
}

/// A look at each of them.
struct Look {
    target: *const Target,
    worker: *mut Worker,
    now: u64,
    forgotten: u64,
}

/// A global function, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_made(
    target: *const Target,
    worker: *mut Worker,
    now: u64,
    forgotten: u64,
) -> u32 {
    if target.is_null() || worker.is_null() {
        return 0;
    }
    let mut look = Look {
        target,
        worker,
        now,
        forgotten,
    };
    repeat(MAX_MADE as u32, look_at, &mut look);
    0
}

extern "C" fn look_at(index: u64, look: &mut Look) -> u64 {
    // SAFETY: the pointers are those of references that outlive the look.
    let (target, worker) = unsafe { (&*look.target, &mut *look.worker) };
    if worker.made.open & bit(index) == 0 {
        return CONTINUE;
    }
    let task = worker.made.slot(index);
    task.looks += 1;
    // What is not in memory now may be there at the next look.
    let goes_on = task.address != look.forgotten
        && task.looks < MAX_LOOKS
        && tell_of(target, worker, index, look.now).unwrap_or(true);
    if !goes_on {
        worker.made.open &= !bit(index);
    }
    CONTINUE
}

/// Tells of the span that a task works for, if that is another than at the last look. Returns whether there may be more to say
/// of it.
#[inline(always)]
fn tell_of(target: &Target, worker: &mut Worker, index: u64, now: u64) -> Result<bool, Unreadable> {
    let task = worker.made.slot(index);
    let phase = coroutines::phase(&target.coroutines, task.address, task.class)?;
    match phase {
        Phase::New => return Ok(true),
        // The thread may leave the CPU before it has finished making the task.
        Phase::Empty => return Ok(task.variables == 0),
        Phase::Over => return Ok(false),
        Phase::Suspended | Phase::Stepping => {}
    }
    let context = coroutines::context_of(&target.coroutines, task.address)?;
    let variables = Resident::read(context.wrapping_add(CTX_VARS))?;
    // Up to 3.9 a coroutine at work looks like one that waits.
    if task.stepped_ns == 0
        && phase == Phase::Suspended
        && context::context_pointer_now(target, &mut worker.python) != context
    {
        task.stepped_ns = now;
    }
    if variables == task.variables {
        return Ok(true);
    }
    task.variables = variables;
    let is_first = task.stepped_ns == 0;
    let arrival = Arrival {
        at_ns: task.came_ns,
        stepped_ns: if is_first { now } else { task.stepped_ns },
    };
    let active = &mut worker.made.active;
    *active = Active {
        context,
        ..Active::default()
    };
    context::read_active_in_now(target, active);
    // Spans that begin after the first step are not known to be for what was read.
    if active.parent.source == ParentSource::None.wire() {
        return Ok(is_first);
    }
    if active.parent.flags & SAMPLED != 0 {
        tell(target, worker, &arrival, now);
    }
    Ok(true)
}

#[inline(always)]
fn tell(target: &Target, worker: &Worker, arrival: &Arrival, now: u64) {
    if sampling_may_tell(worker.tgid, now) == 0 {
        count(Counter::ArrivalsUnknown);
        return;
    }
    let Some(mut entry) = SAMPLES.reserve::<SampleEvent>(0) else {
        count(Counter::SamplesLost);
        return;
    };
    // SAFETY: the entry is this program's until it is submitted, and any bytes are an event.
    let event = unsafe { &mut *entry.as_mut_ptr() };
    sampling_describe_made(event, worker, arrival.at_ns, arrival.stepped_ns, now);
    send::span_text(event, target);
    entry.submit(send::wake_flags(0));
    count(Counter::Samples);
}

// Global functions: what these need on the stack they need beside the walk to the span, not on top of it.

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_may_tell(tgid: u32, now: u64) -> u32 {
    u32::from(guard::take(
        u64::from(tgid) << 32 | ARRIVALS,
        LIMIT_PER_S,
        now,
    ))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_describe_made(
    event: *mut SampleEvent,
    worker: *const Worker,
    at_ns: u64,
    stepped_ns: u64,
    now: u64,
) -> u32 {
    if event.is_null() || worker.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (event, worker) = unsafe { (&mut *event, &*worker) };
    let (_, tid) = threads::current();
    let (reason, ns_tid) = (SampleReason::Arrival, worker.python.ns_tid);
    send::describe(event, reason, worker.tgid, tid, ns_tid, now);
    event.arrival = Arrival { at_ns, stepped_ns };
    let work = Work {
        active: worker.made.active,
        ..Work::default()
    };
    send::note(event, &Registers::NONE, &work);
    0
}
