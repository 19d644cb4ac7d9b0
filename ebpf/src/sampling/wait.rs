//! Waits: what a thread at work was doing when it stopped running, sent when it runs again.
//!
//! A thread's memory can be read only while it is the current one, so its frames are read when it leaves
//! the CPU, before it is known how long for. That is bounded by a [`budget`].

use core::ffi::c_void;

use hotspan_common::{ContextOutcome, Counter, SampleEvent, SampleFlags, SampleReason, Target};

use super::{
    awaits, budget, frames,
    registers::{self, Registers},
    send,
    work::{self, Work},
    worker::{self, Read, Worker},
};
use crate::{context, counters::count, threads};

/// Shorter waits are not told of.
const LEAST_NS: u64 = 1_000_000;
/// Waits in one place with less than this between them are one: a thread that waits for the
/// interpreter's lock looks around every 5 ms.
const GAP_NS: u64 = 200_000;
/// `__NR_futex` of x86-64.
const FUTEX: u64 = 202;
/// `__NR_epoll_wait`, `__NR_epoll_pwait` and `__NR_epoll_pwait2` of x86-64: where event loops wait.
const EPOLL_WAITS: [u64; 3] = [232, 281, 441];

/// No wait.
const NONE: u32 = 0;
/// `Worker::wait` tells of the wait that the thread is in.
const SEEN: u32 = 1;
/// The thread waits, and works for nobody.
const IDLE: u32 = 3;
/// `Worker::wait` tells of a wait that is over, unless the next one continues it.
const HELD: u32 = 2;

/// How a thread left the CPU.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It could go on.
    Preempted,
    /// It waits, and can be woken by signals.
    Waits,
    /// It waits uninterruptibly, or has ended.
    Blocked,
}

/// The current thread leaves the CPU. `program` is the program's context.
#[inline(always)]
pub fn left(program: *mut c_void, target: &Target, tgid: u32, tid: u32, how: Leave, now: u64) {
    if !super::is_on() || target.tick_ns == 0 {
        return;
    }
    let worker = match how {
        // Not for a thread on its way out, which nothing would remove again.
        Leave::Waits => worker::get_or_create(target, tgid, tid),
        Leave::Preempted | Leave::Blocked => worker::get(tid),
    };
    if let Some(worker) = worker {
        leave(program, target, worker, tid, how, now);
    }
}

#[inline(always)]
fn leave(
    program: *mut c_void,
    target: &Target,
    worker: &mut Worker,
    tid: u32,
    how: Leave,
    now: u64,
) {
    if worker.off_ns != 0 {
        count(Counter::SwitchesMissed);
    }
    worker.off_ns = now;
    worker.runnable_ns = if how == Leave::Preempted { now } else { 0 };
    // One that was born under a request has no number before it is looked at.
    if worker.python.ns_tid == 0 {
        return;
    }
    worker.polls = 0;
    awaits::thread_leaves(target, worker, now);
    let Some(registers) = registers::of_current() else {
        return;
    };
    worker.polls = u64::from(how == Leave::Waits && EPOLL_WAITS.contains(&registers.syscall));
    if worker.polls != 0 {
        worker.read = Read::default();
    }
    if worker.wait_state == HELD {
        if how == Leave::Waits && continues(target, worker, &registers, now) {
            worker.wait_state = SEEN;
            return;
        }
        send_held(worker);
    }
    worker.wait_state = NONE;
    if !may_look(target, worker, tid, now) {
        if how != Leave::Preempted {
            worker.idle_until_ns = 0;
        }
        return;
    }
    match see(target, worker, tid, &registers, now) {
        Seen::Work => {
            send::kernel_frames(&mut worker.wait, program);
            worker.wait_state = SEEN;
        }
        // One that could go on is where it was.
        Seen::Nothing | Seen::Unknown if how == Leave::Preempted => {}
        Seen::Nothing => worker.wait_state = IDLE,
        Seen::Unknown => worker.idle_until_ns = 0,
    }
    budget::spend(&mut worker.budget, now);
}

/// Native threads that only help are not looked at: a solver's workers wait for each other all the time.
#[inline(always)]
fn may_look(target: &Target, worker: &mut Worker, tid: u32, now: u64) -> bool {
    let is_native = now < worker.native_until_ns && target.thread_context.enabled == 0;
    if is_native && threads::get(tid).is_none_or(|state| state.open == 0 || state.has_birth != 0) {
        return false;
    }
    let may = budget::allows(&mut worker.budget, now);
    if !may {
        count(Counter::WaitsUnseen);
    }
    may
}

/// What a look at a thread shows.
#[derive(Clone, Copy)]
enum Seen {
    /// It works for a request.
    Work,
    /// It works for nobody: its context has no span.
    Nothing,
    Unknown,
}

/// Writes down what the thread does, if it is at work.
#[inline(always)]
fn see(target: &Target, worker: &mut Worker, tid: u32, registers: &Registers, now: u64) -> Seen {
    let work = work::look(target, worker, registers.sp, now);
    match work::refusal(&work) {
        None => {
            fill(target, worker, tid, registers, &work, now);
            Seen::Work
        }
        Some(Counter::SamplesNotAtWork)
            if work.active.parent.outcome == ContextOutcome::NoActiveSpan.wire() =>
        {
            Seen::Nothing
        }
        Some(_) => Seen::Unknown,
    }
}

#[inline(always)]
fn fill(
    target: &Target,
    worker: &mut Worker,
    tid: u32,
    registers: &Registers,
    work: &Work,
    now: u64,
) {
    let (tgid, is_python) = (worker.tgid, worker.is_python(now));
    let (state, ns_tid) = (worker.python.state, worker.python.ns_tid);
    let idle_until_ns = worker.idle_until_ns;
    let event = &mut worker.wait;
    send::describe(event, SampleReason::Off, tgid, tid, ns_tid, now);
    send::note(event, registers, work);
    event.idle_until_ns = idle_until_ns;
    event.flags = work.flags | SampleFlags::IN_KERNEL;
    send::span_text(event, target);
    if registers.syscall == FUTEX
        && registers.syscall_arg >= target.frames.gil_start
        && registers.syscall_arg < target.frames.gil_end
    {
        event.flags |= SampleFlags::GIL;
    }
    if target.frames.enabled != 0 && is_python {
        frames::read_now(&target.frames, state, event);
    }
}

/// Whether the thread waits on, where it waited a moment ago.
#[inline(always)]
fn continues(target: &Target, worker: &mut Worker, registers: &Registers, now: u64) -> bool {
    let before = &worker.wait;
    let same_place = registers.syscall == before.syscall
        && registers.syscall_arg == before.syscall_arg
        && registers.sp == before.sp
        && registers.ip == before.ip
        && now.saturating_sub(worker.back_ns) < GAP_NS;
    let context = before.context;
    same_place && context::context_pointer_now(target, &mut worker.python) == context
}

/// A thread can run again.
#[inline(always)]
pub fn woken(target: &Target, tid: u32, now: u64) {
    if !super::is_on() || target.tick_ns == 0 {
        return;
    }
    if let Some(worker) = worker::get(tid)
        && worker.off_ns != 0
        && worker.runnable_ns == 0
    {
        worker.runnable_ns = now;
    }
}

/// A thread runs again.
#[inline(always)]
pub fn back(tid: u32, now: u64) {
    if !super::is_on() {
        return;
    }
    let Some(worker) = worker::get(tid) else {
        return;
    };
    if worker.off_ns == 0 {
        count(Counter::SwitchesMissed);
        return;
    }
    let runnable = if worker.runnable_ns == 0 {
        now
    } else {
        worker.runnable_ns
    };
    let was_preempted = worker.runnable_ns == worker.off_ns;
    if !was_preempted {
        worker.density.waited(now.saturating_sub(worker.off_ns));
    }
    worker.queued_ns += now.saturating_sub(runnable);
    // What a loop was woken up for had come in by then, though no CPU was free for it.
    if worker.polls != 0 {
        (worker.loop_woken_ns, worker.polls) = (runnable, 0);
    }
    worker.off_ns = 0;
    worker.back_ns = now;
    // A thread that was handed work begins with it here.
    if worker.wait_state == IDLE {
        worker.idle_until_ns = now;
        worker.wait_state = NONE;
    }
    if worker.wait_state != SEEN {
        return;
    }
    worker.wait_state = NONE;
    let start = worker.wait.time_ns;
    if now.saturating_sub(runnable) >= LEAST_NS {
        send_queued(&mut worker.wait, runnable, now);
        worker.wait.time_ns = start;
    }
    if was_preempted || runnable.saturating_sub(start) < LEAST_NS {
        return;
    }
    worker.wait.period_or_end_ns = runnable;
    if worker.wait.syscall == FUTEX {
        worker.wait_state = HELD;
    } else {
        send::event(&worker.wait);
    }
}

/// Sends what was kept back because it might have gone on, once it cannot any more.
#[inline(always)]
pub fn settle(worker: &mut Worker, now: u64) {
    if worker.wait_state == HELD && now.saturating_sub(worker.back_ns) >= GAP_NS {
        send_held(worker);
    }
}

/// The thread ends.
#[inline(always)]
pub fn ended(tid: u32) {
    if super::is_on()
        && let Some(worker) = worker::get(tid)
        && worker.wait_state == HELD
    {
        send_held(worker);
    }
}

#[inline(always)]
fn send_held(worker: &mut Worker) {
    worker.wait_state = NONE;
    send::event(&worker.wait);
}

/// The part of a wait in which no CPU was free.
#[inline(always)]
fn send_queued(event: &mut SampleEvent, runnable: u64, now: u64) {
    let flags = event.flags;
    event.flags = (flags & !SampleFlags::GIL) | SampleFlags::RUN_QUEUE;
    event.time_ns = runnable;
    event.period_or_end_ns = now;
    send::event(event);
    event.flags = flags;
}
