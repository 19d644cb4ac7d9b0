//! Where a thread's time goes while it does not run: waiting for a CPU, or blocked.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::tracepoint, programs::TracePointContext};

use hotspan_common::ThreadState;

use crate::{
    sampling::wait::{self, Leave},
    threads,
};

/// The states under which a switched-out thread is not runnable: the low byte of `prev_state`
/// (a preempted thread has only a bit above it).
const NOT_RUNNABLE: u64 = 0xff;
/// `TASK_INTERRUPTIBLE`.
const INTERRUPTIBLE: u64 = 1;

/// `sched:sched_switch`: one thread leaves the CPU, another takes it.
#[tracepoint]
pub fn sched_switch(ctx: TracePointContext) -> u32 {
    // SAFETY: offsets of `events/sched/sched_switch/format`: prev_pid 24, prev_state 32, next_pid 56.
    let (Ok(previous), Ok(state), Ok(next)) = (
        unsafe { ctx.read_at::<u32>(24) },
        unsafe { ctx.read_at::<u64>(32) },
        unsafe { ctx.read_at::<u32>(56) },
    ) else {
        return 0;
    };
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    let how = match state & NOT_RUNNABLE {
        0 => Leave::Preempted,
        INTERRUPTIBLE => Leave::Waits,
        _ => Leave::Blocked,
    };
    if let Some(thread) = threads::get(previous) {
        thread.off_since_ns = now;
        thread.blocked = u64::from(how != Leave::Preempted);
    }
    wait::left(previous, how, now);
    if let Some(thread) = threads::get(next) {
        settle(thread, now);
        thread.off_since_ns = 0;
    }
    wait::back(next, now);
    0
}

/// `sched:sched_wakeup`: a blocked thread becomes runnable.
#[tracepoint]
pub fn sched_wakeup(ctx: TracePointContext) -> u32 {
    // SAFETY: offset of `pid` in `events/sched/sched_wakeup/format`.
    let Ok(tid) = (unsafe { ctx.read_at::<u32>(24) }) else {
        return 0;
    };
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
    wait::woken(tid, now);
    0
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
