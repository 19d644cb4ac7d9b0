//! Of which threads something is kept, for programs that run for all threads of the machine: of most nothing is, which takes
//! one load here, and no look into a map.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

/// A power of two: more of them, and fewer threads share a place with one that is marked.
const PLACES: usize = 1 << 13;

/// How many threads are marked, by the low bits of their thread ids in the root pid namespace.
#[repr(transparent)]
pub struct Marks([u32; PLACES]);

impl Marks {
    /// No thread is marked.
    pub const NONE: Self = Self([0; PLACES]);
}

#[inline(always)]
fn place(marks: *mut Marks, tid: u32) -> *mut u32 {
    let index = tid as usize & (PLACES - 1);
    // SAFETY: in bounds by the mask.
    unsafe { marks.cast::<u32>().add(index) }
}

/// Whether thread `tid` may be marked; `false` is certain.
#[inline(always)]
pub fn may_be(marks: *mut Marks, tid: u32) -> bool {
    // SAFETY: a live, aligned value, which others change by atomic additions.
    unsafe { place(marks, tid).read_volatile() != 0 }
}

/// One mark more; with `u32::MAX` one less.
#[inline(always)]
pub fn add(marks: *mut Marks, tid: u32, number: u32) {
    // SAFETY: a live, aligned value; the addition wraps.
    unsafe { atomic_xadd::<u32, u32, { AtomicOrdering::Relaxed }>(place(marks, tid), number) };
}
