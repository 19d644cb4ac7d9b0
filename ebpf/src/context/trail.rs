//! The way to the active span, gone again.
//!
//! A walk to the span takes some forty reads of the target's memory, each of which costs the target 60 ns and more. Most of them
//! search: the variable in a HAMT, the span in a dict, `_context` among a span's attributes. Where these lay the last time is
//! noted. Going the same way, each pointer on it is read anew, and each place is looked at only if the object around it is
//! laid out as it was: so this finds what a search would find, or nothing.

use hotspan_common::{ContextOutcome, ParentSource, PythonLayout, PythonThread, Target, Trail};

use super::{
    Active,
    attribute::VALID,
    dict::MA_KEYS,
    python::{CTX_VARS, H_ROOT, OB_TYPE},
    span_context::DIGITS,
};
use crate::memory::{Access as _, Resident, Unreadable};

/// More nodes than are noted.
pub const TOO_MANY: u32 = 3;

/// Begins a trail: what is noted from here on is valid once it ends at a span.
#[inline(always)]
pub fn begin(trail: &mut Trail) {
    trail.span = 0;
    trail.nodes = 0;
    trail.store = 0;
    trail.attribute = 0;
}

/// A node of a HAMT, and where in it the entry is that leads on.
#[inline(always)]
pub fn node(trail: &mut Trail, bitmap: u32, entry: u64) {
    let level = trail.nodes;
    trail.nodes = if level < TOO_MANY {
        level + 1
    } else {
        TOO_MANY
    };
    let level = (level & 1) as usize;
    // SAFETY: in bounds by the mask; a slice index would leave a panic in the program.
    unsafe {
        *trail.bitmaps.as_mut_ptr().add(level) = bitmap;
        *trail.entries.as_mut_ptr().add(level) = entry as u32;
    }
}

/// Ends a trail at the span that `active` names. Where the span keeps its attributes in a dict, as with Pythons before 3.11, there is none.
#[inline(always)]
pub fn end(layout: &PythonLayout, trail: &mut Trail, active: &Active) {
    if layout.log2_keys == 0
        || trail.store == 0
        || trail.attribute == 0
        || trail.nodes == 0
        || trail.nodes >= TOO_MANY
    {
        return;
    }
    trail.parent = active.parent;
    trail.parent.outcome = ContextOutcome::Found.wire();
    trail.parent.source = ParentSource::Python.wire();
    trail.span = active.span;
}

/// Whether the way that `thread` has last gone leads from the context of `active` to the same span still; if it does, that is
/// filled in.
#[inline(always)]
pub fn leads_on(target: &Target, thread: &PythonThread, active: &mut Active) -> bool {
    context_leads_on(target, thread, active) != 0
}

/// A function of its own to the verifier: see `mod.rs`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn context_leads_on(
    target: *const Target,
    thread: *const PythonThread,
    active: *mut Active,
) -> u32 {
    if target.is_null() || thread.is_null() || active.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (target, thread, active) = unsafe { (&*target, &*thread, &mut *active) };
    // A thread's own record comes first, and is no longer than this way.
    if thread.trail.span == 0 || active.context == 0 || target.thread_context.enabled != 0 {
        return 0;
    }
    if !follow(&target.python, &thread.trail, active.context).unwrap_or(false) {
        return 0;
    }
    active.parent = thread.trail.parent;
    active.span = thread.trail.span;
    1
}

/// Only what is resident: what is not, the walk reads.
#[inline(always)]
fn follow(layout: &PythonLayout, trail: &Trail, context: u64) -> Result<bool, Unreadable> {
    let variables = Resident::read::<u64>(context.wrapping_add(CTX_VARS))?;
    let root = Resident::read::<u64>(variables.wrapping_add(H_ROOT))?;
    let (mut key, mut value) = entry(layout, root, trail.bitmaps[0], trail.entries[0])?;
    if trail.nodes != 1 {
        if key != 0 {
            return Ok(false);
        }
        (key, value) = entry(layout, value, trail.bitmaps[1], trail.entries[1])?;
    }
    if key != layout.context_var || key == 0 {
        return Ok(false);
    }
    let [keys, values] = Resident::read::<[u64; 2]>(value.wrapping_add(MA_KEYS))?;
    let header = Resident::read::<[u64; 4]>(keys)?;
    if values != 0 || header[1] != trail.dict_shape[0] || header[3] != trail.dict_shape[1] {
        return Ok(false);
    }
    let place = keys.wrapping_add(u64::from(trail.dict_entry));
    let [key, span] = Resident::read::<[u64; 2]>(place)?;
    if key != layout.span_key || span != trail.span {
        return Ok(false);
    }
    Ok(
        Resident::read::<u64>(span.wrapping_add(OB_TYPE))? == trail.class
            && is_same(layout, trail, span)?,
    )
}

/// Key and value of a node with a bitmap; no key and no value if it is not the one it was.
#[inline(always)]
fn entry(
    layout: &PythonLayout,
    node: u64,
    bitmap: u32,
    entry: u32,
) -> Result<(u64, u64), Unreadable> {
    let [class, _, bits] = Resident::read::<[u64; 3]>(node.wrapping_add(OB_TYPE))?;
    if class != layout.bitmap_node_type || bits as u32 != bitmap {
        return Err(Unreadable);
    }
    let [key, value] = Resident::read::<[u64; 2]>(node.wrapping_add(u64::from(entry)))?;
    Ok((key, value))
}

/// Whether the span has the `SpanContext` that it had, and that the ids.
#[inline(always)]
fn is_same(layout: &PythonLayout, trail: &Trail, span: u64) -> Result<bool, Unreadable> {
    let store = Resident::read::<u64>(span.wrapping_add(i64::from(trail.store) as u64))?;
    let base = if trail.is_inline == 0 {
        store
    } else if store as u32 & VALID != 0 {
        span
    } else {
        return Ok(false);
    };
    let span_context = Resident::read::<u64>(base.wrapping_add(trail.attribute))?;
    if span_context != trail.span_context {
        return Ok(false);
    }
    let at = span_context.wrapping_add(u64::from(layout.tuple_items));
    let items = Resident::read::<[u64; 4]>(at)?;
    let known = &trail.items;
    let same_items = items[0] == known[0]
        && items[1] == known[1]
        && items[2] == known[2]
        && items[3] == known[3];
    Ok(same_items && Resident::read::<u64>(items[1].wrapping_add(DIGITS))? == trail.digits)
}
