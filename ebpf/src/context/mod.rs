//! The parent of a crossing, read in the target by the thread that crosses.
//!
//! The thread stands still in its own probe, so what only it changes (its current context) cannot
//! change under the walk, and what the walk passes through (HAMT, `Context`, `SpanContext`) is never
//! changed by anyone. Every object is checked to be of the type that its place demands.

mod attribute;
mod description;
mod dict;
mod fs_base;
mod hamt;
mod python;
mod span_context;
mod thread_context;
mod thread_state;
mod trail;

pub use hotspan_common::Active;
use hotspan_common::{ContextOutcome, ParentSource, PythonThread, SpanText, Target};
pub use python::{CTX_PREV, CTX_VARS, Entered};

use crate::memory::{Access, Faulting, Resident, Unreadable};

/// The result of a step of the walk: what it looked for, or why there is no parent.
type Walk<T> = Result<T, ContextOutcome>;

impl From<Unreadable> for ContextOutcome {
    #[inline(always)]
    fn from(_: Unreadable) -> Self {
        Self::ReadFailed
    }
}

/// Fills in `active`: OTEP 4947's record if the thread has a valid one, else what CPython's contextvars
/// say in `active.context`, which [`context_pointer`] has just found.
#[inline(always)]
pub fn read_active(target: &Target, thread: &mut PythonThread, active: &mut Active) {
    if !trail::leads_on(target, thread, active) {
        context_read_active(target, thread, active);
    }
}

/// [`read_active`] for programs that must not sleep.
#[inline(always)]
pub fn read_active_now(target: &Target, thread: &mut PythonThread, active: &mut Active) {
    if !trail::leads_on(target, thread, active) {
        context_read_active_now(target, thread, active);
    }
}

/// The address of the thread's current `PyContext`; 0 if it has none or it cannot be read, and `thread.outcome` says why.
#[inline(always)]
pub fn context_pointer(target: &Target, thread: &mut PythonThread) -> u64 {
    context_current(target, thread)
}

/// [`context_pointer`] for programs that must not sleep.
#[inline(always)]
pub fn context_pointer_now(target: &Target, thread: &mut PythonThread) -> u64 {
    context_current_now(target, thread)
}

/// The Python side of [`read_active_now`], in the context that `active` names, whoever's that is.
#[inline(always)]
pub fn read_active_in_now(target: &Target, active: &mut Active) {
    context_read_active_in_now(target, active);
}

/// In which context the thread is, and by which of its moves from one to another it came there; all zero if it cannot be
/// read. For programs that must not sleep.
#[inline(always)]
pub fn entered_now(target: &Target, thread: &mut PythonThread) -> Entered {
    let mut entered = Entered::default();
    context_entered_now(target, thread, &mut entered);
    entered
}

/// What the span object says of itself, as far as it can be read; for programs that must not sleep.
#[inline(always)]
pub fn describe_now(target: &Target, span: u64, text: &mut SpanText) {
    context_describe_now(target, span, text);
}

// These are global functions (external linkage, their types in BTF), which the verifier checks
// once and on their own. As part of their callers they would be followed again for each state that
// these are in, and each outcome would send the callers' rest through the verifier again.

/// See [`read_active`]; the verifier wants every pointer checked, and the returned number is unused.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn context_read_active(
    target: *const Target,
    thread: *mut PythonThread,
    active: *mut Active,
) -> u32 {
    fill::<Faulting>(target, thread, active)
}

/// See [`read_active_now`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn context_read_active_now(
    target: *const Target,
    thread: *mut PythonThread,
    active: *mut Active,
) -> u32 {
    fill::<Resident>(target, thread, active)
}

/// See [`context_pointer`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn context_current(target: *const Target, thread: *mut PythonThread) -> u64 {
    pointer::<Faulting>(target, thread)
}

/// See [`context_pointer_now`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn context_current_now(target: *const Target, thread: *mut PythonThread) -> u64 {
    pointer::<Resident>(target, thread)
}

/// See [`read_active_in_now`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn context_read_active_in_now(target: *const Target, active: *mut Active) -> u32 {
    if target.is_null() || active.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (target, active) = unsafe { (&*target, &mut *active) };
    if target.python.enabled == 0 {
        return 0;
    }
    let outcome = python::read_active_in::<Resident>(&target.python, active);
    say(active, outcome, ParentSource::Python.wire());
    0
}

/// See [`entered_now`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn context_entered_now(
    target: *const Target,
    thread: *mut PythonThread,
    entered: *mut Entered,
) -> u32 {
    if target.is_null() || thread.is_null() || entered.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (target, thread, entered) = unsafe { (&*target, &mut *thread, &mut *entered) };
    if target.python.enabled != 0
        && let Ok(found) = python::entered::<Resident>(&target.python, thread)
    {
        *entered = found;
    }
    0
}

/// See [`describe_now`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn context_describe_now(target: *const Target, span: u64, text: *mut SpanText) -> u32 {
    if target.is_null() || text.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (target, text) = unsafe { (&*target, &mut *text) };
    if target.python.enabled == 0 {
        return 0;
    }
    u32::from(description::read::<Resident>(&target.python, span, text).is_err())
}

#[inline(always)]
fn pointer<M: Access>(target: *const Target, thread: *mut PythonThread) -> u64 {
    if target.is_null() || thread.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (target, thread) = unsafe { (&*target, &mut *thread) };
    if target.python.enabled == 0 {
        return 0;
    }
    match thread_state::context::<M>(&target.python, thread) {
        Ok(context) => {
            thread.outcome = u32::from(ContextOutcome::NoActiveSpan.wire());
            context
        }
        Err(reason) => {
            thread.outcome = u32::from(reason.wire());
            0
        }
    }
}

#[inline(always)]
fn fill<M: Access>(target: *const Target, thread: *mut PythonThread, active: *mut Active) -> u32 {
    if target.is_null() || thread.is_null() || active.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (target, thread, active) = unsafe { (&*target, &mut *thread, &mut *active) };
    let mut outcome = ContextOutcome::NoReader.wire();
    let mut source = ParentSource::None.wire();
    if target.thread_context.enabled != 0 {
        outcome = thread_context::read_record::<M>(&target.thread_context, &mut active.parent);
        source = ParentSource::ThreadContext.wire();
    }
    if target.python.enabled != 0 && outcome != ContextOutcome::Found.wire() {
        outcome = python::read_active::<M>(&target.python, thread, active);
        source = ParentSource::Python.wire();
    }
    say(active, outcome, source);
    0
}

/// What came of the look, and who was asked last.
#[inline(always)]
fn say(active: &mut Active, outcome: u8, source: u8) {
    active.parent.outcome = outcome;
    active.parent.source = if outcome == ContextOutcome::Found.wire() {
        source
    } else {
        ParentSource::None.wire()
    };
}
