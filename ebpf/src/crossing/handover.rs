//! Which of two links' programs takes a hit, while one link replaces the other.
//!
//! The kernel runs both, the newer link's first (`consumer_add` of `kernel/events/uprobes.c`), and the agent may say between the
//! two that hits are the newer one's from now on: then each would leave the hit to the other.

use hotspan_common::{Cookie, RegionFlags, RegionSpec};

use crate::maps::LEFT;

/// Whether the hit of thread `tid` at this instruction is this program's.
#[inline(always)]
pub fn takes(spec: &RegionSpec, cookie: Cookie, tid: u32, instruction: u64) -> bool {
    let is_current = u32::from(cookie.generation) == spec.generation;
    if spec.flags & RegionFlags::RELINKED == 0 {
        return is_current;
    }
    if cookie.generation == (spec.generation as u16).wrapping_add(1) {
        // The map forgets its oldest entries by itself.
        let _ = LEFT.insert(&tid, &instruction, 0);
        return false;
    }
    // SAFETY: the value is copied at once.
    let was_left = unsafe { LEFT.get(&tid) }.copied() == Some(instruction);
    // Nothing is left of it: this was the last program to run for that hit, or it is another hit.
    let _ = LEFT.remove(&tid);
    is_current || was_left
}
