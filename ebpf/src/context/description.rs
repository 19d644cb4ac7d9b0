//! What a span object of OpenTelemetry's SDK says of itself: its start and its name.
//!
//! A span's object lives as long as the span, and a short one is over before the agent could look.

use hotspan_common::{ContextOutcome, MAX_SPAN_NAME, PythonLayout, SpanText};

use super::{
    Walk, attribute,
    dict::{self, Name},
    python::{OB_TYPE, TP_FLAGS},
    span_context,
};
use crate::memory::Access;

const START: Name = Name::of(b"_start_time");
const NAME: Name = Name::of(b"_name");
/// `Py_TPFLAGS_UNICODE_SUBCLASS`.
const UNICODE_SUBCLASS: u64 = 1 << 28;
/// `PyASCIIObject.length` and `.state`, the same in all versions.
const LENGTH: u64 = 16;
const STATE: u64 = 32;

/// Fills in `text`; its start comes last, as it says that the rest is there.
#[inline(always)]
pub fn read<M: Access>(layout: &PythonLayout, span: u64, text: &mut SpanText) -> Walk<()> {
    let tables = attribute::tables_of::<M>(layout, span, None)?;
    let name = dict::value_of_name::<M>(layout, tables, NAME, None)?;
    let start = dict::value_of_name::<M>(layout, tables, START, None)?;
    if name == 0 || start == 0 {
        return Err(ContextOutcome::UnknownSpanLayout);
    }
    let class = M::read::<u64>(name.wrapping_add(OB_TYPE))?;
    if M::read::<u64>(class.wrapping_add(TP_FLAGS))? & UNICODE_SUBCLASS == 0 {
        return Err(ContextOutcome::UnexpectedType);
    }
    let length = M::read::<u64>(name.wrapping_add(LENGTH))?;
    if length > MAX_SPAN_NAME as u64 {
        return Err(ContextOutcome::TooLarge);
    }
    text.name_len = length as u32;
    text.name_state = M::read(name.wrapping_add(STATE))?;
    let at = name.wrapping_add(u64::from(layout.ascii_text));
    let bytes = length.min(MAX_SPAN_NAME as u64) as u32;
    // SAFETY: there is room for as many.
    unsafe { M::read_into(text.name.as_mut_ptr(), bytes, at)? };
    text.start_ns = span_context::positive::<M>(layout, start)?;
    Ok(())
}
