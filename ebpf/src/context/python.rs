//! The active span by CPython's contextvars.
//!
//! `PyThreadState.context` is the `PyContext`, whose HAMT maps OpenTelemetry's `ContextVar` to its
//! `Context` (a dict), which has the span under a known `str`. The span keeps its `SpanContext`, a
//! tuple, in the attribute `_context`.

use hotspan_common::{ContextOutcome, PythonLayout, PythonThread, Trail};

use super::{Active, Walk, attribute, dict, hamt, span_context, thread_state, trail};
use crate::memory::Access;

/// `PyObject.ob_type`, the same in all versions.
pub const OB_TYPE: u64 = 8;
/// `PyTypeObject.tp_flags`, the same in all versions.
pub const TP_FLAGS: u64 = 168;
/// `PyContext.ctx_prev`: the one that it was entered from; the same in all versions.
pub const CTX_PREV: u64 = 16;
/// `PyContext.ctx_vars`, the same in all versions.
pub const CTX_VARS: u64 = 24;
/// From `PyThreadState.context` to `.context_ver`, the same in all versions.
const CONTEXT_VERSION: u64 = 8;
/// `PyHamtObject.h_root`, the same in all versions.
pub const H_ROOT: u64 = 16;

/// Where a thread is on its way through contexts.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Entered {
    /// The current `PyContext`; 0: none.
    pub context: u64,
    /// How often it has entered one or left one.
    pub version: u64,
}

/// Where the current thread is.
#[inline(always)]
pub fn entered<M: Access>(layout: &PythonLayout, thread: &mut PythonThread) -> Walk<Entered> {
    let context = thread_state::context::<M>(layout, thread)?;
    let at = thread.state.wrapping_add(u64::from(layout.thread_context));
    Ok(Entered {
        context,
        version: M::read(at.wrapping_add(CONTEXT_VERSION))?,
    })
}

/// Reads the active span of the current thread; a [`ContextOutcome`].
#[inline(always)]
pub fn read_active<M: Access>(
    layout: &PythonLayout,
    thread: &mut PythonThread,
    active: &mut Active,
) -> u8 {
    outcome(find_active::<M>(layout, thread, active))
}

/// The same of the context that `active` names.
#[inline(always)]
pub fn read_active_in<M: Access>(layout: &PythonLayout, active: &mut Active) -> u8 {
    outcome(find_in::<M>(layout, active, None))
}

#[inline(always)]
fn outcome(found: Walk<()>) -> u8 {
    match found {
        Ok(()) => ContextOutcome::Found.wire(),
        Err(reason) => reason.wire(),
    }
}

#[inline(always)]
fn find_active<M: Access>(
    layout: &PythonLayout,
    thread: &mut PythonThread,
    active: &mut Active,
) -> Walk<()> {
    if active.context == 0 {
        let reason = ContextOutcome::from_wire(thread.outcome as u8);
        return Err(reason.unwrap_or(ContextOutcome::NoActiveSpan));
    }
    let trail = &mut thread.trail;
    trail::begin(trail);
    find_in::<M>(layout, active, Some(trail))?;
    trail::end(layout, &mut thread.trail, active);
    Ok(())
}

#[inline(always)]
fn find_in<M: Access>(
    layout: &PythonLayout,
    active: &mut Active,
    mut trail: Option<&mut Trail>,
) -> Walk<()> {
    let span = active_span::<M>(layout, active.context, trail.as_deref_mut())?;
    let span_context = attribute::context_of_span::<M>(layout, span, trail.as_deref_mut())?;
    active.span = span;
    span_context::fill::<M>(layout, span_context, &mut active.parent, trail)
}

#[inline(always)]
fn active_span<M: Access>(
    layout: &PythonLayout,
    context: u64,
    mut trail: Option<&mut Trail>,
) -> Walk<u64> {
    if layout.context_var == 0 {
        return Err(ContextOutcome::NoActiveSpan);
    }
    // Two reads: for both at once there is no room on the stack.
    if M::read::<u64>(context.wrapping_add(OB_TYPE))? != layout.context_type {
        return Err(ContextOutcome::UnexpectedType);
    }
    let hamt = M::read::<u64>(context.wrapping_add(CTX_VARS))?;
    let root = M::read::<u64>(hamt.wrapping_add(H_ROOT))?;
    let otel_context = hamt::find::<M>(layout, root, trail.as_deref_mut())?;
    dict::value_of_key::<M>(layout, otel_context, layout.span_key, trail)
}
