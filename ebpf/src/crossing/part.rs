//! Entries that are part of another crossing: a library's call to the library below it.

use hotspan_common::{Counter, FrameFlags, RegionFlags, ThreadState};

use super::{Hit, stack};
use crate::{
    counters::count,
    memory::{Access as _, Faulting},
};

/// Whether a crossing of the entry's group has made it, and the region asks not to be counted then.
///
/// A crossing with exits is open for as long as its frame lives. A burst has none: its last function is
/// still at work if the call comes from code of its own object, and its return address still stands above.
#[inline(always)]
pub fn of_another(hit: &Hit, state: Option<&mut ThreadState>) -> bool {
    if hit.spec.flags & RegionFlags::OUTERMOST == 0 {
        return false;
    }
    let Some(state) = state else {
        return false;
    };
    if state.open == 0 {
        return false;
    }
    let (group, sp) = (hit.spec.group, hit.sp);
    let around = stack::pick(state, |frame| {
        let is_above = frame.sp > sp && frame.sp - sp < stack::STACK_BYTES;
        (frame.group == group && is_above).then_some(frame.sp)
    });
    let Some(slot) = around else {
        return false;
    };
    let frame = stack::frame(state, slot);
    if stack::is_disarmed(frame) || stack::is_gone(frame) {
        return false;
    }
    let is_burst = frame.flags & FrameFlags::BURST != 0;
    let made_it = !is_burst
        || Faulting::read::<u64>(sp)
            .is_ok_and(|caller| (frame.code_start..frame.code_end).contains(&caller));
    if made_it {
        count(Counter::PartOfAnother);
    }
    made_it
}
