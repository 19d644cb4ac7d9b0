//! Moments: crossings that are over as they are entered, because one certain function made the call.

use hotspan_common::{Counter, Ending, RegionFlags, ThreadState};

use super::{Hit, emit, stack};
use crate::{
    counters::count,
    memory::{Access as _, Faulting},
};

/// Whether this is the entry of a moment's function that another one has called than the moment's.
#[inline(always)]
pub fn is_of_others(hit: &Hit) -> bool {
    if hit.spec.flags & RegionFlags::MOMENT == 0 {
        return false;
    }
    let [from, to] = hit.spec.caller.map(|offset| i64::from(offset) as u64);
    if from == to {
        return false;
    }
    // SAFETY: the context of a uprobe is the registers.
    let here = unsafe { (*hit.registers).rip };
    let is_the_one = Faulting::read::<u64>(hit.sp).is_ok_and(|caller| {
        let offset = caller.wrapping_sub(here);
        // The call may be the last instruction.
        offset.wrapping_sub(from).wrapping_sub(1) < to.wrapping_sub(from)
    });
    if !is_the_one {
        count(Counter::OtherCallers);
    }
    !is_the_one
}

/// Closes the staged crossing, if it is a moment.
#[inline(always)]
pub fn pass(hit: &Hit, state: &mut ThreadState) {
    if hit.spec.flags & RegionFlags::MOMENT != 0 {
        let slot = stack::staged_slot(state);
        emit::close(state, slot, Ending::Returned, hit.now, hit.now);
    }
}
