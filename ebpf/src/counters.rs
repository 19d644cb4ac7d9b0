//! Counting, beside whatever fails.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use hotspan_common::Counter;

use crate::maps::COUNTERS;

/// Adds one.
#[inline(always)]
pub fn count(counter: Counter) {
    count_slot(counter.wire());
}

/// Adds one to the slot of a context outcome.
#[inline(always)]
pub fn count_context(outcome: u8) {
    count_slot(Counter::ContextBase.wire() + u32::from(outcome));
}

#[inline(always)]
fn count_slot(slot: u32) {
    if let Some(value) = COUNTERS.get_ptr_mut(slot) {
        // Atomic although it is this CPU's own: a sleepable program can be preempted by another
        // on the same CPU. `AtomicU64` has no `fetch_add` here, as BPF's rustc target lacks
        // compare-and-swap; the intrinsic is what it would call.
        // SAFETY: the pointer is to a live, aligned map value.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(value, 1) };
    }
}
