//! `__cxa_begin_catch`: an exception was caught, so every frame below the catcher's is gone.

use hotspan_common::{Ending, ThreadState};

use super::{Hit, emit, stack};
use crate::context;

/// Closes, exactly, the crossings of this stack at or below the catcher's stack pointer.
#[inline(always)]
pub fn run(hit: &Hit, state: &mut ThreadState) {
    if state.open == 0 {
        return;
    }
    let context = context::context_pointer(hit.target, &mut state.python);
    stack::for_each_open(state, |state, slot| {
        let frame = stack::frame(state, slot);
        if frame.sp <= hit.sp && stack::comparable(hit, frame, context) {
            emit::close(state, slot, Ending::Caught, hit.now, hit.now);
        }
    });
}
