//! Where a thread's time goes while it does not run: waiting for a CPU, or blocked.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::tracepoint, programs::TracePointContext};

use crate::threads;

/// The states under which a switched-out thread is not runnable: the low byte of `prev_state`
/// (a preempted thread has only a bit above it).
const NOT_RUNNABLE: u64 = 0xff;

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
    if let Some(thread) = threads::get(previous) {
        // SAFETY: a plain helper.
        thread.off_since_ns = unsafe { bpf_ktime_get_ns() };
        thread.blocked = u64::from(state & NOT_RUNNABLE != 0);
    }
    if let Some(thread) = threads::get(next) {
        settle(thread);
        thread.off_since_ns = 0;
    }
    0
}

/// `sched:sched_wakeup`: a blocked thread becomes runnable.
#[tracepoint]
pub fn sched_wakeup(ctx: TracePointContext) -> u32 {
    // SAFETY: offset of `pid` in `events/sched/sched_wakeup/format`.
    let Ok(tid) = (unsafe { ctx.read_at::<u32>(24) }) else {
        return 0;
    };
    if let Some(thread) = threads::get(tid)
        && thread.blocked != 0
        && thread.off_since_ns != 0
    {
        thread.off_since_ns = settle(thread);
        thread.blocked = 0;
    }
    0
}

/// Books the time since the last switch; returns now.
#[inline(always)]
fn settle(thread: &mut hotspan_common::ThreadState) -> u64 {
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    if thread.off_since_ns != 0 {
        let passed = now.saturating_sub(thread.off_since_ns);
        if thread.blocked != 0 {
            thread.blocked_ns += passed;
        } else {
            thread.runqueue_ns += passed;
        }
    }
    now
}
