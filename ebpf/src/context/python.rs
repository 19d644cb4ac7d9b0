//! The active span by CPython's contextvars.
//!
//! `PyThreadState.context` is the `PyContext`, whose HAMT maps OpenTelemetry's `ContextVar` to its
//! `Context` (a dict), which has the span under a known `str`. The span keeps its `SpanContext`, a
//! tuple, in the attribute `_context`.

use hotspan_common::{ContextOutcome, PythonLayout, PythonThread};

use super::{Active, Walk, attribute, dict, hamt, span_context};
use crate::memory::Access;

/// `PyObject.ob_type`, the same in all versions.
pub const OB_TYPE: u64 = 8;
/// `PyTypeObject.tp_flags`, the same in all versions.
pub const TP_FLAGS: u64 = 168;
/// `PyHamtObject.h_root`, the same in all versions.
const H_ROOT: u64 = 16;

/// Reads the active span of the current thread; a [`ContextOutcome`].
#[inline(always)]
pub fn read_active<M: Access>(
    layout: &PythonLayout,
    thread: &PythonThread,
    active: &mut Active,
) -> u8 {
    match find_active::<M>(layout, thread, active) {
        Ok(()) => ContextOutcome::Found.wire(),
        Err(reason) => reason.wire(),
    }
}

#[inline(always)]
fn find_active<M: Access>(
    layout: &PythonLayout,
    thread: &PythonThread,
    active: &mut Active,
) -> Walk<()> {
    if active.context == 0 {
        let reason = ContextOutcome::from_wire(thread.outcome as u8);
        return Err(reason.unwrap_or(ContextOutcome::NoActiveSpan));
    }
    let span = active_span::<M>(layout, active.context)?;
    let span_context = attribute::context_of_span::<M>(layout, span)?;
    active.span = span;
    span_context::fill::<M>(layout, span_context, &mut active.parent)
}

#[inline(always)]
fn active_span<M: Access>(layout: &PythonLayout, context: u64) -> Walk<u64> {
    if layout.context_var == 0 {
        return Err(ContextOutcome::NoActiveSpan);
    }
    // `ctx_prev` and `ctx_vars` follow the type, in all versions.
    let [class, _, hamt] = M::read::<[u64; 3]>(context.wrapping_add(OB_TYPE))?;
    if class != layout.context_type {
        return Err(ContextOutcome::UnexpectedType);
    }
    let root = M::read::<u64>(hamt.wrapping_add(H_ROOT))?;
    let otel_context = hamt::find::<M>(layout, root)?;
    dict::value_of_key::<M>(layout, otel_context, layout.span_key)
}
