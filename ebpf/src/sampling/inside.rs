//! Threads in regions that nobody asks what they do inside.
//!
//! When such a call begins and ends is known to the nanosecond, and what lies between is one library's work: dense stacks of
//! it would take from what is saved up for code of which nothing else is known. So it is looked at as often as usual. That
//! the thread is still in the call, and in the Python frame that made it, a few reads tell: what the library calls back has a
//! frame of its own, and is looked at as all else is. So the first tick after the call takes a stack again.

use hotspan_common::{MAX_DEPTH, RegionFlags, Target, ThreadState};

use super::{account::Met, enclosing, frames, worker::Worker};
use crate::{context, maps::REGIONS, threads};

/// What is kept of a thread that was in such a region.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Inside {
    /// The innermost such crossing that the thread was last seen in.
    pub entered: u64,
    /// The Python frame in which it was first seen there.
    pub caller: u64,
    /// The crossing at the last look, if that took no stack; 0: it did, or the thread was in none.
    pub crossing: u64,
    /// For how long the thread ran in such regions, by its ticks, since its last stack there.
    pub ran_ns: u64,
    /// After so long the next one is due.
    pub gap_ns: u64,
    /// The outermost crossing that a tick has last met the thread in,
    outermost: u64,
    /// and the Python frame in which one first did.
    outermost_caller: u64,
}

impl Inside {
    /// Whether a thread in `crossing` is at work in the library: in another Python frame than the one in which it was first
    /// seen there, it has been called back, and runs code that somebody asks about.
    #[inline(always)]
    pub fn is_librarys(&mut self, crossing: u64, frame: u64) -> bool {
        if self.entered != crossing {
            (self.entered, self.caller) = (crossing, frame);
        }
        frame == self.caller
    }
}

/// Whether the current thread is still in the call that it was in at its last look, and no stack of it is due.
#[inline(always)]
pub fn goes_on(target: &Target, worker: &mut Worker, sp: u64) -> bool {
    // Native code may say meanwhile that it serves another span, which is not a few reads away.
    let goes_on = target.thread_context.enabled == 0
        && worker.density.may_go_on(target)
        && sampling_inside(target, worker, sp) != 0;
    if goes_on {
        worker.density.goes_on();
    }
    goes_on
}

/// What the current thread is in at a tick.
#[inline(always)]
pub fn met(target: &Target, worker: &mut Worker, tid: u32, now: u64) -> Met {
    if now < worker.native_until_ns && target.thread_context.enabled == 0 {
        return Met::Helper;
    }
    let Some(state) = threads::get(tid) else {
        return Met::Any;
    };
    if state.has_birth != 0 {
        return Met::Helper;
    }
    let Some(crossing) = opaque_crossing(state) else {
        return Met::Any;
    };
    let frame = frames::innermost_now(&target.frames, worker.python.state);
    let inside = &mut worker.density.inside;
    if inside.outermost != crossing {
        (inside.outermost, inside.outermost_caller) = (crossing, frame);
    }
    if inside.outermost_caller == frame {
        Met::Opaque
    } else {
        Met::Any
    }
}

/// The open crossing that was opened first, as a rule the outermost, if nobody asks what it does inside.
#[inline(always)]
fn opaque_crossing(state: &ThreadState) -> Option<u64> {
    if state.open == 0 {
        return None;
    }
    let slot = (state.open.trailing_zeros() & (MAX_DEPTH as u32 - 1)) as usize;
    // SAFETY: in bounds by the mask. A slice index would leave a panic in the program.
    let event = unsafe { &(*state.frames.as_ptr().add(slot)).event };
    let region = REGIONS.get(event.region)?;
    (region.flags & RegionFlags::OPAQUE != 0).then_some(event.id)
}

/// A global function, which the verifier checks once and on its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_inside(target: *const Target, worker: *mut Worker, sp: u64) -> u32 {
    if target.is_null() || worker.is_null() {
        return 0;
    }
    // SAFETY: not null, and the caller's references are valid.
    let (target, worker) = unsafe { (&*target, &mut *worker) };
    let context = context::context_pointer_now(target, &mut worker.python);
    let (_, tid) = threads::current();
    let around = threads::get(tid).and_then(|state| enclosing::find(target, state, sp, context));
    let before = worker.density.inside;
    let is_same = around.is_some_and(|around| around.id == before.crossing && !around.by_lineage);
    let frame = frames::innermost_now(&target.frames, worker.python.state);
    u32::from(is_same && frame == before.caller)
}
