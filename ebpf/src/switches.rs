//! Where a thread's time goes while it does not run: waiting for a CPU, or blocked.
//!
//! When a blocked thread could have run again, the kernel's account of its waits for a CPU tells (`run_delay`), once it runs; where
//! stacks are taken, and where the kernel keeps no such account, `sched_wakeup` does. These run at every switch of every
//! process, so whether the thread is watched is asked first.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_ktime_get_ns, generated::bpf_get_current_task_btf},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

use hotspan_common::{Target, ThreadState};

use crate::{
    maps::TARGETS,
    resources,
    sampling::{
        self,
        wait::{self, Leave},
        worker,
    },
    task::{Task, place},
    threads, watch,
};

place!(
    /// `sched_info.run_delay` of `task_struct`; 0: the kernel has none. The agent sets it before the programs are loaded.
    TASK_RUN_DELAY, task_run_delay
);

place!(
    /// `in_iowait` of `task_struct`, a bit field, in bits; 0: not known.
    TASK_IN_IOWAIT, task_in_iowait
);

/// `TASK_INTERRUPTIBLE`.
const INTERRUPTIBLE: u64 = 1;

/// `sched_switch(preempt, prev, next, prev_state)`: one thread leaves the CPU, another takes it.
#[btf_tracepoint]
pub fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    let left = Task::argument(&ctx, 1);
    leaves(&ctx, left, how(left, ctx.arg(0), ctx.arg(3)));
    returns(Task::argument(&ctx, 2));
    0
}

/// `sched_exit_tp(is_switch)`: the scheduler lets a thread go on, and its locks are free again (Linux 6.16).
#[btf_tracepoint]
pub fn sched_exit_tp(ctx: BtfTracePointContext) -> i32 {
    // A C `bool`.
    let is_switch = ctx.arg::<u64>(0) & 0xff != 0;
    if is_switch && sampling::is_on() && sampling::tells_returns() {
        wait::returned(ctx.as_ptr());
    }
    0
}

/// `sched_wakeup(p)`: a blocked thread becomes runnable.
#[btf_tracepoint]
pub fn sched_wakeup(ctx: BtfTracePointContext) -> i32 {
    let woken = Task::argument(&ctx, 0);
    if let Some(thread) = watched(woken)
        && thread.blocked != 0
        && thread.off_since_ns != 0
    {
        let now = now();
        settle(thread, now);
        thread.unsplit_ns = 0;
        thread.off_since_ns = now;
        thread.blocked = 0;
    }
    if let Some(target) = target(woken) {
        wait::woken(target, woken.pid(), now());
    }
    0
}

/// The thread's process, if that is a target; not looked for unless sampling is on.
#[inline(always)]
fn target(task: Task) -> Option<&'static Target> {
    let tgid = task.tgid();
    // An idle CPU is no process.
    if !sampling::is_on() || tgid == 0 {
        return None;
    }
    // SAFETY: targets are replaced whole; an old copy lives as long as this program runs.
    unsafe { TARGETS.get(&tgid) }
}

/// What is kept of the thread, if it is watched. Most are not, which is to be known at once.
#[inline(always)]
fn watched(task: Task) -> Option<&'static mut ThreadState> {
    let tid = task.pid();
    if !watch::may_be(tid) {
        return None;
    }
    threads::get(tid).filter(|state| state.watched != 0)
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: a plain helper.
    unsafe { bpf_ktime_get_ns() }
}

/// `preempt` is a C `bool`, `state` the `__state` of the thread's `task_struct`, an `unsigned int`.
#[inline(always)]
fn how(task: Task, preempted: u64, state: u64) -> Leave {
    if preempted & 0xff != 0 || state as u32 == 0 {
        Leave::Preempted
    } else if state & INTERRUPTIBLE != 0 {
        Leave::Waits
    } else if is_for_io(task) {
        Leave::BlockedByIo
    } else {
        Leave::Blocked
    }
}

/// Whether the kernel counts the thread's wait as one for a block device.
#[inline(always)]
fn is_for_io(task: Task) -> bool {
    let bit = task_in_iowait();
    bit != 0 && task.byte(bit / 8) & 1 << (bit % 8) != 0
}

/// The current thread leaves the CPU.
#[inline(always)]
fn leaves(ctx: &BtfTracePointContext, task: Task, how: Leave) {
    let now = now();
    if let Some(thread) = watched(task) {
        tell_apart(thread, task);
        thread.run_delay_ns = run_delay(task);
        thread.off_since_ns = now;
        thread.blocked = u64::from(how != Leave::Preempted);
        resources::stops(task, thread, now);
    }
    // Whoever does not wait is not followed from here on.
    let waits = matches!(how, Leave::Waits | Leave::BlockedByIo);
    let may_be_followed = waits || worker::may_be(task.pid());
    if may_be_followed && let Some(target) = target(task) {
        let (tgid, tid) = threads::current();
        wait::left(ctx.as_ptr(), target, tgid, tid, how, now);
    }
}

/// The thread takes the CPU.
#[inline(always)]
fn returns(task: Task) {
    if let Some(thread) = watched(task) {
        settle(thread, now());
        thread.off_since_ns = 0;
    }
    if !sampling::tells_returns() && target(task).is_some() {
        wait::back(task.pid(), now());
    }
}

/// Books the time since the last switch.
#[inline(always)]
fn settle(thread: &mut ThreadState, now: u64) {
    if thread.off_since_ns == 0 {
        return;
    }
    let passed = now.saturating_sub(thread.off_since_ns);
    if thread.blocked != 0 {
        thread.blocked_ns += passed;
        thread.unsplit_ns = passed;
    } else {
        thread.runqueue_ns += passed;
    }
}

/// The end of the last time off the CPU was a wait for it, as is known once the current thread runs: that was booked as blocked.
#[inline(always)]
pub fn tell_apart_current(thread: &mut ThreadState) {
    tell_apart(thread, current());
}

#[inline(always)]
fn current() -> Task {
    // SAFETY: a plain helper; the current thread lives as long as this program runs.
    Task::from(unsafe { bpf_get_current_task_btf() }.cast_const().cast())
}

/// For how long the current thread has waited for a CPU in its life.
#[inline(always)]
pub fn run_delay_of_current() -> u64 {
    run_delay(current())
}

#[inline(always)]
fn tell_apart(thread: &mut ThreadState, task: Task) {
    if thread.unsplit_ns == 0 {
        return;
    }
    let waited = run_delay(task).wrapping_sub(thread.run_delay_ns);
    let waited = waited.min(thread.unsplit_ns);
    thread.blocked_ns -= waited;
    thread.runqueue_ns += waited;
    thread.unsplit_ns = 0;
}

/// For how long the thread has waited for a CPU in its life.
#[inline(always)]
fn run_delay(task: Task) -> u64 {
    match task_run_delay() {
        0 => 0,
        place => task.long(place),
    }
}
