//! Whose switches count: threads with an open crossing, and those that descend from one.
//!
//! The scheduler's programs run at every switch of the machine. Nearly all of them are of threads that nobody asks about, also
//! in a target, whose pools wait for work most of the time: that takes one load here, and no look into a map.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use hotspan_common::ThreadState;

/// A power of two: more of them, and fewer threads that are not watched share a place with one that is.
const PLACES: usize = 1 << 13;

/// Watched threads, by the low bits of their thread ids in the root pid namespace.
#[unsafe(no_mangle)]
static mut WATCHED: [u32; PLACES] = [0; PLACES];

#[inline(always)]
fn place(tid: u32) -> *mut u32 {
    let index = tid as usize & (PLACES - 1);
    // SAFETY: in bounds by the mask.
    unsafe { (&raw mut WATCHED).cast::<u32>().add(index) }
}

/// Whether thread `tid` may be watched; `false` is certain.
#[inline(always)]
pub fn may_be(tid: u32) -> bool {
    // SAFETY: a live, aligned value, which others change by atomic additions.
    unsafe { place(tid).read_volatile() != 0 }
}

/// From now on the thread's switches count. It runs, or has not begun to.
#[inline(always)]
pub fn begin(state: &mut ThreadState, tid: u32) {
    if state.watched == 0 {
        state.watched = 1;
        add(tid, 1);
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
        add(tid, u32::MAX);
    }
}

#[inline(always)]
fn add(tid: u32, number: u32) {
    // SAFETY: a live, aligned value; the addition wraps.
    unsafe { atomic_xadd::<u32, u32, { AtomicOrdering::Relaxed }>(place(tid), number) };
}
