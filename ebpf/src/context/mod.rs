//! The parent of a crossing, read in the target by the thread that crosses.
//!
//! The thread stands still in its own probe, so what only it changes (its current context) cannot
//! change under the walk, and what the walk passes through (HAMT, `Context`, `SpanContext`) is never
//! changed by anyone. Every object is checked to be of the type that its place demands.

mod attribute;
mod dict;
mod fs_base;
mod hamt;
mod python;
mod repeat;
mod span_context;
mod thread_context;
mod thread_state;

use hotspan_common::{ContextOutcome, Parent, ParentSource, Target, ThreadState};

use crate::memory::Unreadable;

/// The result of a step of the walk: what it looked for, or why there is no parent.
type Walk<T> = Result<T, ContextOutcome>;

impl From<Unreadable> for ContextOutcome {
    #[inline(always)]
    fn from(_: Unreadable) -> Self {
        Self::ReadFailed
    }
}

/// Fills in everything of `parent` but `lineage`: OTEP 4947's record if the thread has a valid one,
/// else what CPython's contextvars say.
#[inline(always)]
pub fn read_parent(target: &Target, thread: &mut ThreadState, parent: &mut Parent) {
    context_read_parent(target, thread, parent);
}

/// The address of the thread's current `PyContext`; 0 if it has none or it cannot be read.
#[inline(always)]
pub fn context_pointer(target: &Target, thread: &mut ThreadState) -> u64 {
    context_current(target, thread)
}

// These two are global functions (external linkage, their types in BTF), which the verifier checks
// once and on their own. As part of their callers they would be followed again for each state that
// these are in, and each outcome would send the callers' rest through the verifier again.

/// See [`read_parent`]; the verifier wants every pointer checked, and the returned number is unused.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn context_read_parent(
    target: *const Target,
    thread: *mut ThreadState,
    parent: *mut Parent,
) -> u32 {
    if target.is_null() || thread.is_null() || parent.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (target, thread, parent) = unsafe { (&*target, &mut *thread, &mut *parent) };
    fill(target, thread, parent);
    0
}

/// See [`context_pointer`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn context_current(target: *const Target, thread: *mut ThreadState) -> u64 {
    if target.is_null() || thread.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (target, thread) = unsafe { (&*target, &mut *thread) };
    if target.python.enabled == 0 {
        return 0;
    }
    python::current_context(&target.python, thread)
}

#[inline(always)]
fn fill(target: &Target, thread: &mut ThreadState, parent: &mut Parent) {
    let mut outcome = ContextOutcome::NoReader.wire();
    if target.thread_context.enabled != 0 {
        outcome = thread_context::read_record(&target.thread_context, parent);
        parent.source = ParentSource::ThreadContext.wire();
    }
    if target.python.enabled != 0 && outcome != ContextOutcome::Found.wire() {
        outcome = python::read_active(&target.python, thread, parent);
        parent.source = ParentSource::Python.wire();
    }
    parent.outcome = outcome;
    if outcome != ContextOutcome::Found.wire() {
        parent.source = ParentSource::None.wire();
    }
}
