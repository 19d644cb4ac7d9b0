//! OTEP 4947's thread context record: a thread-local pointer to what the thread works for.
//!
//! The record is the thread's own, and is to be read while the thread stands still, as it does here.

use hotspan_common::{ContextOutcome, Parent, ThreadContextLayout, TlsKind};

use super::{Walk, fs_base};
use crate::memory::Access;

/// `tcbhead_t.dtv` of glibc, from the FS base.
const DTV: u64 = 8;
/// Bytes of an element of the DTV: the block's address, and what is to be freed.
const DTV_ELEMENT: u64 = 16;
/// What glibc writes for a block that the thread has not allocated (`TLS_DTV_UNALLOCATED`).
const UNALLOCATED: u64 = u64::MAX;

/// The record's first bytes: trace id, span id, valid, trace flags; attributes follow.
#[repr(C)]
#[derive(Clone, Copy)]
struct Record {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    valid: u8,
    flags: u8,
    attributes_size: u16,
}

/// Reads the current thread's record; a [`ContextOutcome`].
#[inline(never)]
pub fn read_record<M: Access>(layout: &ThreadContextLayout, parent: &mut Parent) -> u8 {
    match read_into::<M>(layout, parent) {
        Ok(()) => ContextOutcome::Found.wire(),
        Err(reason) => reason.wire(),
    }
}

#[inline(always)]
fn read_into<M: Access>(layout: &ThreadContextLayout, parent: &mut Parent) -> Walk<()> {
    let record = M::read::<u64>(slot::<M>(layout)?)?;
    if record == 0 {
        return Err(ContextOutcome::NoActiveSpan);
    }
    let record = M::read::<Record>(record)?;
    if record.valid != 1 {
        return Err(ContextOutcome::RecordInvalid);
    }
    if record.trace_id == [0; 16] || record.span_id == [0; 8] {
        // The specification's way to say that the thread works for no trace.
        return Err(ContextOutcome::NoActiveSpan);
    }
    parent.trace_id = record.trace_id;
    parent.span_id = record.span_id;
    parent.flags = record.flags;
    parent.remote = 0;
    Ok(())
}

/// The address of the current thread's variable.
#[inline(always)]
fn slot<M: Access>(layout: &ThreadContextLayout) -> Walk<u64> {
    let base = fs_base::of_current();
    if layout.kind == TlsKind::Static.wire() {
        return Ok(base.wrapping_add(layout.offset as u64));
    }
    let dtv = M::read::<u64>(base.wrapping_add(DTV))?;
    let element = dtv.wrapping_add(DTV_ELEMENT * u64::from(layout.module));
    match M::read::<u64>(element)? {
        // The thread has not touched the variable: it has published nothing.
        0 | UNALLOCATED => Err(ContextOutcome::NoActiveSpan),
        block => Ok(block.wrapping_add(layout.offset as u64)),
    }
}
