//! Waits: what a thread at work was doing when it stopped running, sent when it runs again.
//!
//! A thread's memory can be read only while it is the current one, and what it is doing does not change while it waits. Where
//! the kernel tells that a thread is back (`sched_exit_tp`, Linux 6.16), it is looked at then, if it was away for long: most
//! are not ([`after`]). Before that its frames are read when it leaves the CPU, before it is known how long for ([`before`]).
//! Both are bounded by a budget.

mod after;
mod before;

use core::ffi::c_void;

use hotspan_common::{Counter, SampleEvent, SampleFlags, Target};

pub use after::{returned, settle_birth};
pub use before::{back, woken};

use super::{
    awaits,
    look::{FUTEX, Look},
    registers::{self, Registers},
    send,
    worker::{self, Read, Worker},
};
use crate::{context, counters::count, switches};

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
/// The thread was born, and has not been seen since.
pub const BORN: u32 = 5;

/// How a thread left the CPU.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It could go on.
    Preempted,
    /// It waits, and can be woken by signals.
    Waits,
    /// It waits uninterruptibly, or has ended.
    Blocked,
    /// It waits uninterruptibly for a block device.
    BlockedByIo,
}

/// A time off the CPU.
#[derive(Clone, Copy)]
struct Off {
    /// When it began.
    since: u64,
    /// When the thread could have run again.
    runnable: u64,
    /// When it did.
    back: u64,
}

impl Off {
    /// The thread could have gone on.
    #[inline(always)]
    fn was_preempted(self) -> bool {
        self.runnable == self.since
    }

    #[inline(always)]
    fn has_waited(self) -> bool {
        self.runnable.saturating_sub(self.since) >= LEAST_NS
    }

    #[inline(always)]
    fn was_queued(self) -> bool {
        self.back.saturating_sub(self.runnable) >= LEAST_NS
    }

    #[inline(always)]
    fn is_told(self) -> bool {
        self.has_waited() || self.was_queued()
    }
}

/// The current thread leaves the CPU. `program` is the program's context.
#[inline(always)]
pub fn left(program: *mut c_void, target: &Target, tgid: u32, tid: u32, how: Leave, now: u64) {
    if !super::is_on() || target.tick_ns == 0 {
        return;
    }
    let worker = match how {
        // Not for a thread on its way out, which nothing would remove again.
        Leave::Waits | Leave::BlockedByIo => worker::get_or_create(target, tgid, tid),
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
    if super::tells_returns() {
        settle_birth(worker);
        worker.run_delay_ns = switches::run_delay_of_current();
    }
    if worker.off_ns != 0 {
        count(Counter::SwitchesMissed);
    }
    worker.off_ns = now;
    worker.for_io = u64::from(how == Leave::BlockedByIo);
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
        after::goes(look);
    } else {
        before::look(look, how);
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

/// The thread runs again.
#[inline(always)]
fn is_back(worker: &mut Worker, runnable: u64, now: u64) -> Off {
    let off = Off {
        since: worker.off_ns,
        runnable,
        back: now,
    };
    if !off.was_preempted() {
        worker.density.waited(now.saturating_sub(off.since));
    }
    worker.queued_ns += now.saturating_sub(runnable);
    // What a loop was woken up for had come in by then, though no CPU was free for it.
    if worker.polls != 0 {
        (worker.loop_woken_ns, worker.polls) = (runnable, 0);
    }
    worker.off_ns = 0;
    worker.back_ns = now;
    off
}

/// Tells of the wait that was seen before it went on. A brief part ends it: many brief waits in one place, as for one thread
/// after the other to end, are no long one.
#[inline(always)]
fn tell_seen(worker: &mut Worker, off: Off) {
    let since = worker.wait.time_ns;
    tell(worker, Off { since, ..off });
    if worker.wait_state == HELD && !off.has_waited() {
        send_held(worker);
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
