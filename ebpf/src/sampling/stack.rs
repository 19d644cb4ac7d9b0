//! The bytes of a thread's stack.

use crate::memory::{Access as _, Resident};

const PAGE: u64 = 4096;

/// Copies the stack from `sp` upwards; returns how many bytes there are. Page by page, as a read that
/// crosses the end of the stack fails as a whole.
///
/// Up to a page of `into` stays unused: how much a last part of it could take depends on the stack
/// pointer twice, which is beyond the verifier.
#[inline(always)]
pub fn copy<const BYTES: usize>(into: *mut u8, sp: u64) -> u32 {
    let first = PAGE - (sp & (PAGE - 1));
    // SAFETY: there is room for a page.
    if unsafe { Resident::read_into(into, first as u32, sp) }.is_err() {
        return 0;
    }
    let mut copied = first;
    for page in 1..BYTES as u64 / PAGE {
        let offset = first + (page - 1) * PAGE;
        // SAFETY: `first` is at most a page, so this page ends within `BYTES`.
        let page = unsafe { into.add(offset as usize) };
        // SAFETY: the same.
        if unsafe { Resident::read_into(page, PAGE as u32, sp.wrapping_add(offset)) }.is_err() {
            break;
        }
        copied = offset + PAGE;
    }
    copied as u32
}
