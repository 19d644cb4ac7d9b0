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
    sampling::{
        self,
        wait::{self, Leave},
    },
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
    let (tgid, tid) = threads::current();
    let (from, to) = (Party::of(tgid, tid), Party::of(next.tgid(), next.pid()));
    if !from.is_followed() && !to.is_followed() {
        return 0;
    }
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    leaves(&ctx, from, how(preempted, state), now);
    returns(to, next.pid(), now);
    0
}

/// `sched_wakeup(p)`: a blocked thread becomes runnable.
#[btf_tracepoint]
pub fn sched_wakeup(ctx: BtfTracePointContext) -> i32 {
    let woken = Task::argument(&ctx, 0);
    let tid = woken.pid();
    let party = Party::of(woken.tgid(), tid);
    if !party.is_followed() {
        return 0;
    }
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    if let Some(thread) = party.thread
        && thread.blocked != 0
        && thread.off_since_ns != 0
    {
        settle(thread, now);
        thread.off_since_ns = now;
        thread.blocked = 0;
    }
    if let Some(target) = party.target {
        wait::woken(target, tid, now);
    }
    0
}

/// Who leaves or takes a CPU, or is woken.
struct Party {
    /// Its process, if that is a target; not looked for unless sampling is on.
    target: Option<&'static Target>,
    /// What is kept of it, if it has crossed a region.
    thread: Option<&'static mut ThreadState>,
}

impl Party {
    /// Most are nobody that is followed, which is to be known by one look.
    #[inline(always)]
    fn of(tgid: u32, tid: u32) -> Self {
        if tgid == 0 {
            // An idle CPU.
            return Self {
                target: None,
                thread: None,
            };
        }
        if !sampling::is_on() {
            return Self {
                target: None,
                thread: threads::get(tid),
            };
        }
        // SAFETY: targets are replaced whole; an old copy lives as long as this program runs.
        let target = unsafe { TARGETS.get(&tgid) };
        Self {
            target,
            thread: target.and_then(|_| threads::get(tid)),
        }
    }

    #[inline(always)]
    fn is_followed(&self) -> bool {
        self.target.is_some() || self.thread.is_some()
    }
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
fn leaves(ctx: &BtfTracePointContext, party: Party, how: Leave, now: u64) {
    if let Some(thread) = party.thread {
        thread.off_since_ns = now;
        thread.blocked = u64::from(how != Leave::Preempted);
        resources::stops(Task::argument(ctx, 1), thread, now);
    }
    if let Some(target) = party.target {
        let (tgid, tid) = threads::current();
        wait::left(ctx.as_ptr(), target, tgid, tid, how, now);
    }
}

/// The thread takes the CPU.
#[inline(always)]
fn returns(party: Party, tid: u32, now: u64) {
    if let Some(thread) = party.thread {
        settle(thread, now);
        thread.off_since_ns = 0;
    }
    if party.target.is_some() {
        wait::back(tid, now);
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
    } else {
        thread.runqueue_ns += passed;
    }
}
