//! The bytes of a thread's stack.

use crate::memory::{Access as _, Resident};

const PAGE: u64 = 4096;
/// So many pages in a row that cannot be read are the stack's end. One alone is a part of a large frame
/// that was not touched yet: a matrix product leaves such.
const END: u32 = 3;

/// What was copied.
pub struct Copied {
    /// Bytes, up to the last page that could be read.
    pub length: u32,
    /// See `SampleEvent::stack_holes`.
    pub holes: u32,
}

/// Copies the stack from `sp` upwards. Page by page, as a read that crosses the end of the stack fails as a
/// whole; what cannot be read is zeros.
///
/// Up to a page of `into` stays unused: how much a last part of it could take depends on the stack
/// pointer twice, which is beyond the verifier.
#[inline(always)]
pub fn copy<const BYTES: usize>(into: *mut u8, sp: u64) -> Copied {
    let first = PAGE - (sp & (PAGE - 1));
    let mut copied = Copied {
        length: 0,
        holes: 0,
    };
    // SAFETY: there is room for a page.
    if unsafe { Resident::read_into(into, first as u32, sp) }.is_err() {
        return copied;
    }
    copied.length = first as u32;
    let (mut missing, mut in_a_row) = (0, 0);
    for page in 1..BYTES as u64 / PAGE {
        let offset = first + (page - 1) * PAGE;
        // SAFETY: `first` is at most a page, so this page ends within `BYTES`.
        let into = unsafe { into.add(offset as usize) };
        // SAFETY: the same.
        if unsafe { Resident::read_into(into, PAGE as u32, sp.wrapping_add(offset)) }.is_ok() {
            copied.length = (offset + PAGE) as u32;
            copied.holes = missing;
            in_a_row = 0;
        } else {
            missing |= 1 << page;
            in_a_row += 1;
            if in_a_row == END {
                break;
            }
        }
    }
    copied
}
