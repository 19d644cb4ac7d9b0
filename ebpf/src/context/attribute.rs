//! The attribute `_context` of a span object.

use hotspan_common::{AttributeStore, ContextOutcome, PythonLayout, Trail};

use super::{
    Walk,
    dict::{self, Name, Tables},
    python::{OB_TYPE, TP_FLAGS},
};
use crate::memory::Access;

/// `PyTypeObject.tp_basicsize` and `.tp_dictoffset`, the same in all versions.
const TP_BASICSIZE: u64 = 32;
const TP_DICTOFFSET: u64 = 288;
/// `Py_TPFLAGS_INLINE_VALUES` (3.13 on) and `Py_TPFLAGS_MANAGED_DICT` (3.11 on).
const INLINE_VALUES: u64 = 1 << 2;
const MANAGED_DICT: u64 = 1 << 4;
/// Before the object: its dict, and 3.11's pointer to values.
const DICT_BEFORE: u64 = 24;
const VALUES_BEFORE: u64 = 32;
/// `_dictvalues.valid`, the fourth byte.
pub const VALID: u32 = 0xff << 24;
/// `_context`: the SDK's `Span` and the API's `NonRecordingSpan` both keep their context under it.
const NAME: Name = Name::of(b"_context");

/// The span's context object.
#[inline(always)]
pub fn context_of_span<M: Access>(
    layout: &PythonLayout,
    span: u64,
    mut trail: Option<&mut Trail>,
) -> Walk<u64> {
    let tables = tables_of::<M>(layout, span, trail.as_deref_mut())?;
    match dict::value_of_name::<M>(layout, tables, NAME, trail)? {
        0 => Err(ContextOutcome::UnknownSpanLayout),
        context => Ok(context),
    }
}

/// Where a span's attributes are.
#[inline(always)]
pub fn tables_of<M: Access>(
    layout: &PythonLayout,
    span: u64,
    mut trail: Option<&mut Trail>,
) -> Walk<Tables> {
    let class = M::read::<u64>(span.wrapping_add(OB_TYPE))?;
    if let Some(trail) = trail.as_deref_mut() {
        trail.class = class;
    }
    let tables = tables::<M>(layout, span, class, trail)?;
    if tables.keys == 0 {
        return Err(ContextOutcome::UnknownSpanLayout);
    }
    Ok(tables)
}

/// Where the instance keeps its attributes.
#[inline(always)]
fn tables<M: Access>(
    layout: &PythonLayout,
    span: u64,
    class: u64,
    trail: Option<&mut Trail>,
) -> Walk<Tables> {
    let flags = M::read::<u64>(class.wrapping_add(TP_FLAGS))?;
    let managed = layout.attribute_store != AttributeStore::DictOffset.wire();
    let place = if managed && flags & MANAGED_DICT != 0 {
        managed_store::<M>(layout, span, class, flags, trail)?
    } else {
        let offset = M::read::<i64>(class.wrapping_add(TP_DICTOFFSET))?;
        if offset <= 0 {
            return Err(ContextOutcome::UnknownSpanLayout);
        }
        Store::Dict(M::read(span.wrapping_add(offset as u64))?)
    };
    match place {
        Store::Values(values) => {
            let keys = M::read(class.wrapping_add(u64::from(layout.cached_keys)))?;
            Ok(Tables { keys, values })
        }
        Store::Dict(dict) => dict::tables::<M>(layout, dict),
    }
}

enum Store {
    /// The first value; the class has the keys.
    Values(u64),
    Dict(u64),
}

#[inline(always)]
fn managed_store<M: Access>(
    layout: &PythonLayout,
    span: u64,
    class: u64,
    flags: u64,
    trail: Option<&mut Trail>,
) -> Walk<Store> {
    if layout.attribute_store == AttributeStore::Inline.wire() && flags & INLINE_VALUES != 0 {
        let size = M::read::<u64>(class.wrapping_add(TP_BASICSIZE))?;
        let block = span.wrapping_add(size);
        if M::read::<u32>(block)? & VALID != 0 {
            note(trail, size, 1, span);
            return Ok(Store::Values(block.wrapping_add(u64::from(layout.values))));
        }
    }
    if layout.attribute_store == AttributeStore::TwoPointers.wire() {
        let values = M::read::<u64>(span.wrapping_sub(VALUES_BEFORE))?;
        if values != 0 {
            note(trail, VALUES_BEFORE.wrapping_neg(), 0, values);
            return Ok(Store::Values(values.wrapping_add(u64::from(layout.values))));
        }
    }
    let word = M::read::<u64>(span.wrapping_sub(DICT_BEFORE))?;
    if layout.attribute_store == AttributeStore::Tagged.wire() && word & 1 != 0 {
        note(trail, DICT_BEFORE.wrapping_neg(), 0, word);
        return Ok(Store::Values(word.wrapping_add(1)));
    }
    Ok(Store::Dict(word))
}

/// Notes where the span says where its attributes are, from its own address, and that they are to be sought from `base` on.
#[inline(always)]
fn note(trail: Option<&mut Trail>, store: u64, is_inline: u32, base: u64) {
    if let Some(trail) = trail {
        trail.store = store as i32;
        trail.is_inline = is_inline;
        trail.attribute = base.wrapping_neg();
    }
}
