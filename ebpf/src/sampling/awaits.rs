//! Suspended tasks, told of when they go on.
//!
//! The probes are where asyncio begins a step of a task, once for each, however many coroutines and generators
//! run in it. They have no exit, so when a step ended is known only as "before another task's step on this
//! thread, before the thread left the CPU, or before a tick of the sampler's timer, if it was in another context by
//! then". A task is told by its address, and only one that is suspended
//! at the end of its step has something to be remembered.

use hotspan_common::{
    Arrival, CoroutineLayout, Counter, ParentSource, PythonFrame, PythonFramesLayout, SampleEvent,
    SampleFlags, SampleReason, StackTop, Suspended, Target, TargetFlags, Task,
};

use super::{
    frames,
    registers::Registers,
    send,
    work::Work,
    worker::{self, Read, Worker},
};
use crate::{
    arrivals, context::{self, Active},
    counters::count,
    crossing::{Hit, guard},
    maps::{LAST_STEPS, NEW_TASKS, SAMPLES},
    memory::{Access as _, Resident, Unreadable},
    repeat::{CONTINUE, STOP, repeat},
};

/// Shorter suspensions are not told of, but for the sake of when a task's work came in.
const LEAST_NS: u64 = 1_000_000;
/// Suspensions a second and target that are told of.
const LIMIT_PER_S: u64 = 1000;
/// In the keys of the guard's buckets, in place of a region's number.
const AWAITS: u64 = u32::MAX as u64 - 1;
/// Coroutines that await each other, at the most.
const MAX_CHAIN: u32 = 32;
/// Depths of a stack of values beyond this are none.
const MAX_DEPTH: u64 = 1 << 16;
/// `TaskStepMethWrapper.sw_task` and `TaskWakeupMethWrapper.ww_task`, the same in all versions.
const WRAPPED: u64 = 16;
/// `PyObject.ob_type`, the same in all versions.
const OB_TYPE: u64 = 8;
/// The state of a coroutine that has no frame any more.
const FINISHED: i32 = i32::MAX;
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
    step_ended(&target.coroutines, worker, hit.now);
    worker.task = address;
    worker.task_context = context::context_pointer_now(target, &mut worker.python);
    worker.task_type = Resident::read(address.wrapping_add(OB_TYPE)).unwrap_or(0);
    // What a descriptor brings is dealt with before the loop waits again: if this is the task's first step, its work
    // came in after the last wake-up.
    worker.arrival = Arrival {
        came_ns: 0,
        woken_ns: worker.loop_woken_ns,
        stepped_ns: 0,
    };
    // What this step makes tasks of is its own.
    worker.read = Read::default();
    let task = key(worker.tgid, address);
    // SAFETY: the value is copied at once.
    let suspended = unsafe { LAST_STEPS.get(&task) }.copied();
    let Some(Suspended {
        since_ns: suspended,
        arrival,
        ..
    }) = suspended
    else {
        worker.arrival.came_ns = made_of(&task);
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
    if let Some(coroutine) = suspended_coroutine(&target.coroutines, address) {
        tell(hit, worker, coroutine, suspended);
    }
}

/// The step under way on this thread is over; it is not known since when.
#[inline(always)]
fn step_ended(layout: &CoroutineLayout, worker: &mut Worker, now: u64) {
    if worker.task != 0 {
        // Another task may get the address of one that is over.
        if suspended_coroutine(layout, worker.task).is_some() {
            let task = key(worker.tgid, worker.task);
            let mut arrival = worker.arrival;
            if arrival.stepped_ns == 0 {
                arrival.stepped_ns = now;
            }
            // The map forgets its oldest entries by itself; failing that, one suspension is not told of.
            let suspended = Suspended {
                since_ns: now,
                context: worker.task_context,
                ns_tid: worker.python.ns_tid,
                reserved: 0,
                arrival,
            };
            let _ = LAST_STEPS.insert(&task, &suspended, 0);
        }
        worker.task = 0;
    }
}

/// The thread leaves the CPU, or a tick finds it: if no step is under way, the last one is over.
#[inline(always)]
pub fn thread_leaves(target: &Target, worker: &mut Worker, now: u64) {
    if worker.task != 0
        && context::context_pointer_now(target, &mut worker.python) != worker.task_context
    {
        step_ended(&target.coroutines, worker, now);
    }
}

#[inline(always)]
fn key(tgid: u32, address: u64) -> Task {
    Task {
        address,
        tgid,
        reserved: 0,
    }
}

/// A task is made. If that is in the very callback that has just read from a socket, what was read is the task's work: the
/// context is that callback's own, a copy that the event loop made for it alone, and whatever else runs in it reads anew.
#[inline(always)]
pub fn created(hit: &Hit, address: u64) {
    let task = key(hit.tgid, address);
    // Another task may have had this address, and never begun, or never gone on.
    let _ = NEW_TASKS.remove(&task);
    let _ = LAST_STEPS.remove(&task);
    if !super::is_on() {
        return;
    }
    let Some(worker) = worker::get(hit.tid) else {
        return;
    };
    let read = worker.read;
    if read.context == 0 {
        return;
    }
    if context::context_pointer_now(hit.target, &mut worker.python) != read.context {
        worker.read = Read::default();
        return;
    }
    arrivals::follow(read.port);
    if read.came_ns == 0 {
        count(Counter::ArrivalsUnknown);
        return;
    }
    // The map forgets its oldest entries by itself.
    let _ = NEW_TASKS.insert(&task, &read.came_ns, 0);
}

/// When what the task was made of came in, which is told once: it is the first step's. 0: not known.
#[inline(always)]
fn made_of(task: &Task) -> u64 {
    // SAFETY: the value is copied at once.
    let Some(came_ns) = unsafe { NEW_TASKS.get(task) }.copied() else {
        return 0;
    };
    // It was just found; nobody else removes it but the map itself, to make room.
    let _ = NEW_TASKS.remove(task);
    came_ns
}

#[inline(always)]
fn tell(hit: &Hit, worker: &mut Worker, coroutine: u64, suspended: u64) {
    let mut active = Active::default();
    active.context = context::context_pointer_now(hit.target, &mut worker.python);
    context::read_active_now(hit.target, &mut worker.python, &mut active);
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
        syscall: u64::MAX,
        syscall_arg: 0,
    };
    let work = Work {
        active,
        ..Work::default()
    };
    send::note(event, &registers, &work);
    send::span_text(event, hit.target);
    sampling_awaits(&hit.target.frames, &hit.target.coroutines, coroutine, event);
    entry.submit(send::wake_flags(0));
    count(Counter::Samples);
}

/// What a task runs, if that has begun, is not over, and is not at work now.
#[inline(always)]
fn suspended_coroutine(layout: &CoroutineLayout, task: u64) -> Option<u64> {
    let at = task.wrapping_add(u64::from(layout.task_coroutine));
    let coroutine = Resident::read::<u64>(at).ok()?;
    is_suspended(layout, coroutine)
        .unwrap_or(false)
        .then_some(coroutine)
}

#[inline(always)]
fn is_suspended(layout: &CoroutineLayout, coroutine: u64) -> Result<bool, Unreadable> {
    let state = state_of(layout, coroutine)?;
    Ok(state.is_some_and(|state| state > layout.created && state < layout.running))
}

/// Whether the step of the worker's task is over, though nothing has told so: the task has ended, or is gone, and its
/// context may be another's. What cannot be told counts as under way.
#[inline(always)]
pub fn is_over(layout: &CoroutineLayout, worker: &Worker) -> bool {
    has_ended(layout, worker).unwrap_or(false)
}

#[inline(always)]
fn has_ended(layout: &CoroutineLayout, worker: &Worker) -> Result<bool, Unreadable> {
    let task = worker.task;
    if Resident::read::<u64>(task.wrapping_add(OB_TYPE))? != worker.task_type {
        return Ok(true);
    }
    let at = task.wrapping_add(u64::from(layout.task_coroutine));
    let coroutine = Resident::read::<u64>(at)?;
    if coroutine == 0 {
        return Ok(true);
    }
    // One that has not begun is of another task at the same address.
    let state = state_of(layout, coroutine)?;
    Ok(state.is_some_and(|state| {
        state <= layout.created || state > layout.running || state == FINISHED
    }))
}

/// What tells whether a coroutine has begun, or is at work; `None`: it is not one of the interpreter's.
#[inline(always)]
fn state_of(layout: &CoroutineLayout, coroutine: u64) -> Result<Option<i32>, Unreadable> {
    let class = Resident::read::<u64>(coroutine.wrapping_add(OB_TYPE))?;
    if class != layout.coroutine_type && class != layout.generator_type {
        return Ok(None);
    }
    let frame = frame_of(layout, coroutine)?;
    if frame == 0 {
        return Ok(Some(FINISHED));
    }
    let holder = if layout.state_in_frame != 0 {
        frame
    } else {
        coroutine
    };
    let at = holder.wrapping_add(u64::from(layout.state));
    let state = if layout.state_is_int != 0 {
        Resident::read::<i32>(at)?
    } else {
        i32::from(Resident::read::<i8>(at)?)
    };
    Ok(Some(state))
}

#[inline(always)]
fn frame_of(layout: &CoroutineLayout, coroutine: u64) -> Result<u64, Unreadable> {
    let at = coroutine.wrapping_add(u64::from(layout.frame));
    if layout.frame_is_pointer != 0 {
        Resident::read(at)
    } else {
        Ok(at)
    }
}

/// A walk from a coroutine to what it awaits.
struct Chain {
    frames: *const PythonFramesLayout,
    layout: *const CoroutineLayout,
    event: *mut SampleEvent,
    /// The coroutine to look at next; 0: the walk is over.
    at: u64,
    /// Frames written.
    count: u64,
    /// `SampleFlags`.
    flags: u32,
}

/// A global function, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_awaits(
    frames: *const PythonFramesLayout,
    layout: *const CoroutineLayout,
    coroutine: u64,
    event: *mut SampleEvent,
) -> u32 {
    if frames.is_null() || layout.is_null() || event.is_null() {
        return 0;
    }
    let mut chain = Chain {
        frames,
        layout,
        event,
        at: coroutine,
        count: 0,
        flags: 0,
    };
    repeat(MAX_CHAIN, look_at, &mut chain);
    if chain.at != 0 {
        chain.flags |= SampleFlags::PYTHON_CUT;
    }
    repeat(MAX_CHAIN / 2, turn_round, &mut chain);
    // SAFETY: not null, and the caller's reference is valid.
    let event = unsafe { &mut *event };
    event.python_len = chain.count as u32;
    event.flags |= chain.flags;
    0
}

/// Each turn but the last writes one frame. Its number is the turn's: one that is counted here would be another
/// state of the program each time, and the verifier would follow them all.
extern "C" fn look_at(turn: u64, chain: &mut Chain) -> u64 {
    if chain.at == 0 {
        return STOP;
    }
    match chain.next(turn) {
        Ok(awaited) => {
            chain.at = awaited;
            CONTINUE
        }
        Err(flags) => {
            chain.flags |= flags;
            STOP
        }
    }
}

/// Swaps two frames: the walk begins with the outermost, which is to be the last.
extern "C" fn turn_round(index: u64, chain: &mut Chain) -> u64 {
    if 2 * index + 1 >= chain.count {
        return STOP;
    }
    let other = chain.count - 1 - index;
    let (inner, outer) = (*chain.slot(other), *chain.slot(index));
    *chain.slot(index) = inner;
    *chain.slot(other) = outer;
    CONTINUE
}

impl Chain {
    /// Writes down where the coroutine is suspended; returns what it awaits, 0 if that is no coroutine.
    #[inline(always)]
    fn next(&mut self, turn: u64) -> Result<u64, u32> {
        // SAFETY: the pointers are those of references that outlive the walk.
        let (frames, layout) = unsafe { (&*self.frames, &*self.layout) };
        let cut = |_: Unreadable| SampleFlags::PYTHON_CUT;
        let class = Resident::read::<u64>(self.at.wrapping_add(OB_TYPE)).map_err(cut)?;
        if class != layout.coroutine_type && class != layout.generator_type {
            return Ok(0);
        }
        let frame = frame_of(layout, self.at).map_err(cut)?;
        if frame == 0 {
            return Ok(0);
        }
        let (seen, awaited) = frames::Head::with::<Resident, _>(frame, |head| {
            let awaited = if class == layout.generator_type {
                // What it yields can lie where else there is what it awaits.
                0
            } else {
                awaited(layout, head)? & !frames.code_tag
            };
            Ok((frames::Seen::of::<Resident>(frames, head)?, awaited))
        })
        .map_err(cut)?;
        *self.slot(turn) = seen.described::<Resident>(frames)?.frame;
        self.count = turn + 1;
        Ok(awaited)
    }

    #[inline(always)]
    fn slot(&mut self, index: u64) -> &mut PythonFrame {
        let index = (index & (u64::from(MAX_CHAIN) - 1)) as usize;
        // SAFETY: in bounds by the mask. A slice index would leave a panic in the program.
        unsafe {
            &mut *(&raw mut (*self.event).python)
                .cast::<PythonFrame>()
                .add(index)
        }
    }
}

/// The topmost value of a suspended frame's stack; 0: there is none.
#[inline(always)]
fn awaited(layout: &CoroutineLayout, frame: &frames::Head) -> Result<u64, Unreadable> {
    let at = frame.address.wrapping_add(u64::from(layout.stack));
    if layout.stack_top == StackTop::Pointer.wire() {
        let top = Resident::read::<u64>(at)?;
        return if top == 0 {
            Ok(0)
        } else {
            Resident::read(top.wrapping_sub(u64::from(layout.stack_depth)))
        };
    }
    let depth = frame.field::<Resident, i32>(layout.stack_depth)?;
    let depth = i64::from(depth) as u64;
    if depth == 0 || depth > MAX_DEPTH {
        return Ok(0);
    }
    let lowest = if layout.stack_top == StackTop::Inline.wire() {
        at
    } else {
        Resident::read::<u64>(at)?
    };
    Resident::read(lowest.wrapping_add(8 * (depth - 1)))
}
