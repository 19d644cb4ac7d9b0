//! Whether a thread works for a request at this instant, and for which.

use hotspan_common::{ContextOutcome, Counter, ParentSource, SampleFlags, Target};

use super::{enclosing, worker::Worker};
use crate::{
    context::{self, Active},
    counters::count,
    threads,
};

/// A thread that is none of the interpreter's is not looked for in its list again for so long.
const NATIVE_FOR_NS: u64 = 100_000_000;
/// The W3C "sampled" flag.
const SAMPLED: u8 = 1;

/// What a thread works for.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Work {
    /// The parent in whose service it is, and what that was read from.
    pub active: Active,
    /// The crossing around it; 0: none.
    pub crossing: u64,
    /// `BY_LINEAGE`, or nothing.
    pub flags: u32,
    /// 1 if nobody asks what that crossing does inside, and it is the parent's whose that was.
    pub is_opaque: u32,
}

/// What is known of the current thread's work.
#[inline(always)]
pub fn look(target: &Target, worker: &mut Worker, sp: u64, now: u64) -> Work {
    let mut work = Work::default();
    sampling_active(target, worker, now, &raw mut work.active);
    sampling_work(target, worker, sp, &raw mut work);
    work
}

// Global functions, which the verifier checks once and on their own. They are two, as neither needs what the other has on the
// stack.

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_active(
    target: *const Target,
    worker: *mut Worker,
    now: u64,
    active: *mut Active,
) -> u32 {
    if !target.is_null() && !worker.is_null() && !active.is_null() {
        // SAFETY: not null, and the caller's reference is valid.
        let (target, worker, active) = unsafe { (&*target, &mut *worker, &mut *active) };
        read_active(target, worker, now, active);
    }
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_work(
    target: *const Target,
    worker: *mut Worker,
    sp: u64,
    work: *mut Work,
) -> u32 {
    if target.is_null() || worker.is_null() || work.is_null() {
        return 0;
    }
    // SAFETY: not null, and the caller's references are valid.
    let (target, worker, work) = unsafe { (&*target, &mut *worker, &mut *work) };
    let (_, tid) = threads::current();
    let around =
        threads::get(tid).and_then(|state| enclosing::find(target, state, sp, work.active.context));
    if let Some(around) = around {
        work.crossing = around.id;
        if around.by_lineage {
            work.flags = SampleFlags::BY_LINEAGE;
        }
        // A callback may have begun a span of its own within the crossing: what is active now is nearer.
        if work.active.parent.source == ParentSource::None.wire() {
            work.active.parent = around.parent;
        }
        let (own, its) = (work.active.parent.span_id, around.parent.span_id);
        let is_its = u64::from_ne_bytes(own) == u64::from_ne_bytes(its);
        work.is_opaque = u32::from(around.is_opaque && is_its);
    }
    serve(worker, work);
    0
}

/// A thread that its own context says nothing of works for whom it was born under; whom it works for is kept for
/// the threads that it makes.
#[inline(always)]
fn serve(worker: &mut Worker, work: &mut Work) {
    if work.active.parent.source == ParentSource::None.wire()
        && let Some(parent) = worker.born_under()
    {
        work.active.parent = parent;
        work.active.parent.lineage = 1;
        work.flags = SampleFlags::BY_LINEAGE;
    }
    worker.serves = if work.active.parent.source == ParentSource::None.wire() {
        0
    } else {
        u64::from_ne_bytes(work.active.parent.span_id)
    };
}

/// Why no span comes of it, if none does.
#[inline(always)]
pub fn refusal(work: &Work) -> Option<Counter> {
    if work.active.parent.source == ParentSource::None.wire() {
        return Some(if work.crossing == 0 {
            Counter::SamplesNotAtWork
        } else {
            Counter::SamplesWithoutParent
        });
    }
    (work.active.parent.flags & SAMPLED == 0).then_some(Counter::SamplesUnsampled)
}

/// Fills in what the thread's own context says. Most native threads never become the interpreter's, and its list
/// is long: they are not looked for each time.
#[inline(always)]
fn read_active(target: &Target, worker: &mut Worker, now: u64, active: &mut Active) {
    if now < worker.native_until_ns {
        return;
    }
    active.context = context::context_pointer_now(target, &mut worker.python);
    context::read_active_now(target, &mut worker.python, active);
    let outcome = active.parent.outcome;
    if outcome == ContextOutcome::NotAPythonThread.wire() {
        worker.native_until_ns = now + NATIVE_FOR_NS;
    } else if outcome > ContextOutcome::NotAPythonThread.wire() {
        count(Counter::WorkUnreadable);
    }
}
