//! Looks at threads that leave the CPU, however long they are going to wait: where the kernel does not tell when they are back.

use hotspan_common::{Counter, Target};

use super::{IDLE, Leave, NONE, SEEN, is_back, tell_seen};
use crate::{
    counters::count,
    sampling::{
        self,
        budget::{self, Shares},
        look::{self, Look, Seen},
        worker,
    },
};

/// One part in so many of a thread's time, and of each CPU's.
const SHARES: Shares = Shares {
    thread: 500,
    cpu: 250,
};

#[inline(always)]
pub fn look(mut look: Look<'_>, how: Leave) {
    look.worker.wait_state = NONE;
    if !may_look(&mut look) {
        if how != Leave::Preempted {
            look.worker.idle.forget();
        }
        return;
    }
    match look.take() {
        Seen::Work => look.worker.wait_state = SEEN,
        // One that could go on is where it was.
        Seen::Nothing | Seen::Unknown if how == Leave::Preempted => {}
        Seen::Nothing => look.worker.wait_state = IDLE,
        Seen::Unknown => look.worker.idle.forget(),
    }
}

#[inline(always)]
fn may_look(look: &mut Look<'_>) -> bool {
    if !look::is_worth_it(look.target, look.worker, look.tid, look.now) {
        return false;
    }
    let may = budget::allows(&mut look.worker.budget, SHARES, look.now, budget::LOOK_NS);
    if !may {
        count(Counter::WaitsUnseen);
    }
    may
}

/// A thread can run again.
#[inline(always)]
pub fn woken(target: &Target, tid: u32, now: u64) {
    if !sampling::is_on() || sampling::tells_returns() || target.tick_ns == 0 {
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
    if !sampling::is_on() || sampling::tells_returns() {
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
    let off = is_back(worker, runnable, now);
    match worker.wait_state {
        SEEN => tell_seen(worker, off),
        // A thread that was handed work begins with it here.
        IDLE => {
            worker.idle.until(now);
            worker.wait_state = NONE;
        }
        _ => worker.wait_state = NONE,
    }
}
