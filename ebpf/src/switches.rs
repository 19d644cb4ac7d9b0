//! Where a thread's time goes while it does not run: waiting for a CPU, or blocked.
//!
//! These run at every switch of every process, so whether it is a target's is asked first.

use aya_ebpf::{
    EbpfContext as _, helpers::bpf_ktime_get_ns, macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

use hotspan_common::{Target, ThreadState};

use crate::{
    maps::TARGETS,
    resources,
    sampling::wait::{self, Leave},
    task::Task,
    threads,
};

/// `TASK_INTERRUPTIBLE`.
const INTERRUPTIBLE: u64 = 1;

/// `sched_switch(preempt, prev, next, prev_state)`: one thread leaves the CPU, another takes it.
#[btf_tracepoint]
pub fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    let (preempted, next, state): (u64, Task, u64) =
        (ctx.arg(0), Task::argument(&ctx, 2), ctx.arg(3));
    let (leaving, _) = threads::current();
    let (from, to) = (target(leaving), target(next.tgid()));
    if from.is_none() && to.is_none() {
        return 0;
    }
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    if let Some(target) = from {
        leaves(&ctx, target, how(preempted, state), now);
    }
    if to.is_some() {
        returns(next.pid(), now);
    }
    0
}

/// `sched_wakeup(p)`: a blocked thread becomes runnable.
#[btf_tracepoint]
pub fn sched_wakeup(ctx: BtfTracePointContext) -> i32 {
    let woken = Task::argument(&ctx, 0);
    let Some(target) = target(woken.tgid()) else {
        return 0;
    };
    let tid = woken.pid();
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    if let Some(thread) = threads::get(tid)
        && thread.blocked != 0
        && thread.off_since_ns != 0
    {
        settle(thread, now);
        thread.off_since_ns = now;
        thread.blocked = 0;
    }
    wait::woken(target, tid, now);
    0
}

#[inline(always)]
fn target(tgid: u32) -> Option<&'static Target> {
    if tgid == 0 {
        // An idle CPU.
        return None;
    }
    // SAFETY: targets are replaced whole; an old copy lives as long as this program runs.
    unsafe { TARGETS.get(&tgid) }
}

/// `preempt` is a C `bool`, `state` the `__state` of the thread's `task_struct`, an `unsigned int`.
#[inline(always)]
fn how(preempted: u64, state: u64) -> Leave {
    if preempted & 0xff != 0 || state as u32 == 0 {
        Leave::Preempted
    } else if state & INTERRUPTIBLE != 0 {
        Leave::Waits
    } else {
        Leave::Blocked
    }
}

/// The current thread leaves the CPU.
#[inline(always)]
fn leaves(ctx: &BtfTracePointContext, target: &Target, how: Leave, now: u64) {
    let (tgid, tid) = threads::current();
    if let Some(thread) = threads::get(tid) {
        thread.off_since_ns = now;
        thread.blocked = u64::from(how != Leave::Preempted);
        resources::stops(Task::argument(ctx, 1), thread, now);
    }
    wait::left(ctx.as_ptr(), target, tgid, tid, how, now);
}

/// The thread takes the CPU.
#[inline(always)]
fn returns(tid: u32, now: u64) {
    if let Some(thread) = threads::get(tid) {
        settle(thread, now);
        thread.off_since_ns = 0;
    }
    wait::back(tid, now);
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
    } else {
        thread.runqueue_ns += passed;
    }
}
