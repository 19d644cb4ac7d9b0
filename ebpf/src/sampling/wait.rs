//! Waits: what a thread at work was doing when it stopped running, sent when it runs again.
//!
//! A thread's memory can be read only while it is the current one, and does not change while it waits. Where the kernel tells
//! that a thread is back (`sched_exit_tp`, Linux 6.16), it is looked at then, if it has waited for long: most do not. Before
//! that its frames are read when it leaves the CPU, before it is known how long for. Both are bounded by a [`budget`].

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_ktime_get_ns;
use hotspan_common::{Counter, SampleEvent, SampleFlags, Target};

use super::{
    awaits,
    look::{self, FUTEX, Look, Seen},
    registers::{self, Registers},
    send,
    worker::{self, Read, Worker},
};
use crate::{
    context,
    counters::count,
    maps::{RETURNED, TARGETS},
    threads,
};

/// Shorter waits are not told of.
const LEAST_NS: u64 = 1_000_000;
/// Waits in one place with less than this between them are one: a thread that waits for the
/// interpreter's lock looks around every 5 ms.
const GAP_NS: u64 = 200_000;
/// `__NR_epoll_wait`, `__NR_epoll_pwait` and `__NR_epoll_pwait2` of x86-64: where event loops wait.
const EPOLL_WAITS: [u64; 3] = [232, 281, 441];

/// No wait.
const NONE: u32 = 0;
/// `Worker::wait` tells of the wait that the thread is in.
const SEEN: u32 = 1;
/// `Worker::wait` tells of a wait that is over, unless the next one continues it.
const HELD: u32 = 2;
/// The thread waits, and works for nobody.
const IDLE: u32 = 3;
/// The thread waits, and is to be looked at when it is back.
const AWAY: u32 = 4;
/// The thread is back, and looked at next.
const DUE: u32 = 5;

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
    if worker.off_ns != 0 || worker.wait_state == DUE {
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
    let look = Look {
        target,
        worker,
        tid,
        registers: &registers,
        now,
        since: now,
        program,
    };
    if super::tells_returns() {
        goes(look);
    } else {
        look_before(look, how);
    }
}

/// The thread is looked at when it is back. But those that it has made are told by it whether it still works for whom it
/// worked when it made them.
#[inline(always)]
fn goes(look: Look<'_>) {
    let Look { target, worker, .. } = look;
    worker.wait_state = AWAY;
    if worker.serves != 0 && worker.made_threads != 0 && look::has_time(worker, look.now) {
        look::for_whom(target, worker, look.registers.sp, look.now);
    }
}

/// The thread is looked at now, however long it is going to wait.
#[inline(always)]
fn look_before(mut look: Look<'_>, how: Leave) {
    look.worker.wait_state = NONE;
    if !may_look(&mut look) {
        if how != Leave::Preempted {
            look.worker.idle_until_ns = 0;
        }
        return;
    }
    match look.take() {
        Seen::Work => look.worker.wait_state = SEEN,
        // One that could go on is where it was.
        Seen::Nothing | Seen::Unknown if how == Leave::Preempted => {}
        Seen::Nothing => look.worker.wait_state = IDLE,
        Seen::Unknown => look.worker.idle_until_ns = 0,
    }
}

#[inline(always)]
fn may_look(look: &mut Look<'_>) -> bool {
    if !look::is_worth_it(look.target, look.worker, look.tid, look.now) {
        return false;
    }
    let may = look::has_time(look.worker, look.now);
    if !may {
        count(Counter::WaitsUnseen);
    }
    may
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
    if worker.runnable_ns != worker.off_ns {
        worker.density.waited(now.saturating_sub(worker.off_ns));
    }
    worker.queued_ns += now.saturating_sub(runnable);
    // What a loop was woken up for had come in by then, though no CPU was free for it.
    if worker.polls != 0 {
        (worker.loop_woken_ns, worker.polls) = (runnable, 0);
    }
    let off = Off {
        since: core::mem::take(&mut worker.off_ns),
        runnable,
        back: now,
    };
    worker.back_ns = now;
    match worker.wait_state {
        SEEN => tell(worker, Off { since: worker.wait.time_ns, ..off }),
        // A thread that was handed work begins with it here.
        IDLE => {
            worker.idle_until_ns = now;
            worker.wait_state = NONE;
        }
        AWAY => comes_back(worker, tid, off),
        _ => {}
    }
}

/// A time off the CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Off {
    /// When it began.
    pub since: u64,
    /// When the thread could have run again.
    pub runnable: u64,
    /// When it did.
    pub back: u64,
}

impl Off {
    /// The thread could have gone on.
    #[inline(always)]
    fn was_preempted(&self) -> bool {
        self.runnable == self.since
    }

    #[inline(always)]
    fn has_waited(&self) -> bool {
        self.runnable.saturating_sub(self.since) >= LEAST_NS
    }

    #[inline(always)]
    fn was_queued(&self) -> bool {
        self.back.saturating_sub(self.runnable) >= LEAST_NS
    }

    #[inline(always)]
    fn is_told(&self) -> bool {
        self.has_waited() || self.was_queued()
    }
}

/// Calls for a look at the thread, if it was away for long, or may have been handed work: event loops go on for whoever comes.
#[inline(always)]
fn comes_back(worker: &mut Worker, tid: u32, off: Off) {
    worker.wait_state = NONE;
    if !off.is_told() {
        if off.was_preempted() {
            return;
        }
        if worker.idle_until_ns == 0 || worker.loop_woken_ns != 0 {
            worker.idle_until_ns = 0;
            return;
        }
    }
    let Some(returned) = RETURNED.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this CPU's own; a switch of threads is not interrupted by another.
    unsafe { *returned = tid };
    worker.off = off;
    worker.wait_state = DUE;
}

/// The current thread is back from a switch; ticks may interrupt this.
#[inline(always)]
pub fn returned(program: *mut c_void) {
    if !super::is_on() || !super::tells_returns() {
        return;
    }
    let Some(returned) = RETURNED.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this CPU's own, and no thread leaves it meanwhile.
    let due = unsafe { core::mem::take(&mut *returned) };
    if due == 0 {
        return;
    }
    let (tgid, tid) = threads::current();
    // SAFETY: targets are replaced whole; an old copy lives as long as this program runs.
    let (Some(target), Some(worker)) = (unsafe { TARGETS.get(&tgid) }, worker::get(tid)) else {
        return;
    };
    if due == tid && worker.wait_state == DUE {
        let off = worker.off;
        look_after(program, target, worker, tid, off);
    }
}

#[inline(always)]
fn look_after(program: *mut c_void, target: &Target, worker: &mut Worker, tid: u32, off: Off) {
    worker.wait_state = NONE;
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    let registers = if look::is_worth_it(target, worker, tid, now) {
        registers::of_current()
    } else {
        None
    };
    let Some(registers) = registers else {
        worker.idle_until_ns = 0;
        return;
    };
    if !look::has_time(worker, now) {
        if off.is_told() {
            count(Counter::WaitsUnseen);
        }
        worker.idle_until_ns = 0;
        return;
    }
    let seen = if off.is_told() {
        let mut look = Look { target, worker: &mut *worker, tid, registers: &registers, now, since: off.since, program };
        look.take()
    } else {
        look::for_whom(target, worker, registers.sp, now)
    };
    match seen {
        Seen::Work if off.is_told() => tell(worker, off),
        Seen::Work => {}
        // One that could go on is where it was.
        Seen::Nothing | Seen::Unknown if off.was_preempted() => {}
        // A thread that was handed work begins with it here.
        Seen::Nothing => worker.idle_until_ns = off.back,
        Seen::Unknown => worker.idle_until_ns = 0,
    }
}

/// Tells of what `Worker::wait` describes, as far as it was long enough.
#[inline(always)]
fn tell(worker: &mut Worker, off: Off) {
    worker.wait_state = NONE;
    if off.was_queued() {
        send_queued(&mut worker.wait, off.runnable, off.back);
        worker.wait.time_ns = off.since;
    }
    if !off.has_waited() {
        return;
    }
    worker.wait.period_or_end_ns = off.runnable;
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
