//! Looks at threads that are back from a wait that was long enough to be told of.
//!
//! They stand where they stood when they left the CPU. The scheduler's locks are free again; ticks may interrupt this.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_ktime_get_ns;
use hotspan_common::{Counter, Target};

use super::{AWAY, BORN, LEAST_NS, NONE, Off, SEEN, is_back, tell, tell_seen};
use crate::{
    counters::count,
    maps::TARGETS,
    sampling::{
        budget::{self, Shares},
        look::{self, Look, Seen},
        registers,
        worker::{self, Worker},
    },
    switches, threads,
};

/// One part in so many of a thread's time, and of each CPU's: a service of many threads, most of which
/// wait, would otherwise have a share for each.
const SHARES: Shares = Shares {
    thread: 400,
    cpu: 400,
};
/// The shorter a wait, the more must be left for a look at it, so that the last is left for long ones.
const ANY_WAIT_NS: u64 = 16_000_000;

/// The thread is looked at when it is back. But those that it has made are told by it whether it still works for whom it
/// worked when it made them.
#[inline(always)]
pub fn goes(look: Look<'_>) {
    let Look { target, worker, .. } = look;
    worker.wait_state = AWAY;
    if worker.serves != 0
        && worker.made_threads != 0
        && budget::allows(&mut worker.budget, SHARES, look.now, budget::LOOK_NS)
    {
        look::for_whom(target, worker, look.registers.sp, look.now);
    }
}

/// The current thread runs for the first time, as far as is known: that it has begun is not told.
#[inline(always)]
pub fn settle_birth(worker: &mut Worker) {
    if worker.wait_state == BORN {
        worker.queued_ns += switches::run_delay_of_current();
        worker.off_ns = 0;
        worker.wait_state = NONE;
    }
}

/// The current thread is back from a switch. `program` is the program's context.
#[inline(always)]
pub fn returned(program: *mut c_void) {
    let (tgid, tid) = threads::current();
    if !worker::may_be(tid) {
        return;
    }
    let Some(worker) = worker::get(tid) else {
        return;
    };
    if worker.off_ns == 0 {
        count(Counter::SwitchesMissed);
        return;
    }
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    let runnable = if worker.runnable_ns == 0 {
        let queued = switches::run_delay_of_current().wrapping_sub(worker.run_delay_ns);
        now - queued.min(now.saturating_sub(worker.off_ns))
    } else {
        worker.runnable_ns
    };
    let off = is_back(worker, runnable, now);
    match worker.wait_state {
        SEEN => tell_seen(worker, off),
        AWAY => {
            worker.wait_state = NONE;
            // SAFETY: targets are replaced whole; an old copy lives as long as this program runs.
            if calls_for_look(worker, off)
                && let Some(target) = unsafe { TARGETS.get(&tgid) }
            {
                look(program, target, worker, tid, off);
            }
        }
        _ => {}
    }
}

/// Whether the thread was away for long, or may have been handed work: event loops go on for whoever comes.
#[inline(always)]
fn calls_for_look(worker: &mut Worker, off: Off) -> bool {
    if off.is_told() {
        return true;
    }
    if off.was_preempted() || worker.loop_woken_ns != 0 {
        return false;
    }
    worker.idle.is_open()
}

#[inline(always)]
fn look(program: *mut c_void, target: &Target, worker: &mut Worker, tid: u32, off: Off) {
    let now = off.back;
    if !look::is_worth_it(target, worker, tid, now) {
        worker.idle.forget();
        return;
    }
    if look::is_still_nobodys(target, worker, tid) {
        budget::spend(&mut worker.budget, now);
        worker.idle.until(off.back);
        return;
    }
    let for_ns = off.back.saturating_sub(off.since);
    // A division that could be by zero would leave a panic in the program.
    let times = ANY_WAIT_NS.checked_div(for_ns.clamp(LEAST_NS, ANY_WAIT_NS));
    let least_ns = budget::LOOK_NS * times.unwrap_or(1);
    let (true, Some(registers)) = (
        budget::allows(&mut worker.budget, SHARES, now, least_ns),
        registers::of_current(),
    ) else {
        if off.is_told() {
            count(Counter::WaitsUnseen);
        }
        worker.idle.forget();
        return;
    };
    let seen = if off.is_told() {
        let mut look = Look {
            target,
            worker: &mut *worker,
            tid,
            registers: &registers,
            now,
            since: off.since,
            program,
        };
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
        Seen::Nothing => look::is_nobodys(target, worker, off.back),
        Seen::Unknown => worker.idle.forget(),
    }
}
