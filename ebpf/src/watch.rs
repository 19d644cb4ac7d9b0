//! Whose switches count: threads with an open crossing, and those that descend from one.
//!
//! The scheduler's programs run at every switch of the machine. Nearly all of them are of threads that nobody asks about, also
//! in a target, whose pools wait for work most of the time: that takes one load here, and no look into a map.

use hotspan_common::ThreadState;

use crate::marks::{self, Marks};

/// Watched threads.
#[unsafe(no_mangle)]
static mut WATCHED: Marks = Marks::NONE;

/// Whether thread `tid` may be watched; `false` is certain.
#[inline(always)]
pub fn may_be(tid: u32) -> bool {
    marks::may_be(&raw mut WATCHED, tid)
}

/// From now on the thread's switches count. It runs, or has not begun to.
#[inline(always)]
pub fn begin(state: &mut ThreadState, tid: u32) {
    if state.watched == 0 {
        state.watched = 1;
        marks::add(&raw mut WATCHED, tid, 1);
    }
}

/// The thread runs: unless something is open or it descends from a crossing, its switches do not count any more.
#[inline(always)]
pub fn settle(state: &mut ThreadState, tid: u32) {
    if state.open == 0 && state.has_birth == 0 {
        end(state, tid);
    }
}

/// The thread is over.
#[inline(always)]
pub fn end(state: &mut ThreadState, tid: u32) {
    if state.watched != 0 {
        state.watched = 0;
        marks::add(&raw mut WATCHED, tid, u32::MAX);
    }
}
