//! A note: an entry that only adds what it sees to the crossing around it.

use hotspan_common::{Counter, ThreadState};

use super::{Hit, decode, stack};
use crate::counters::count;

/// Adds the note's values to the newest open crossing of its group, in place of an earlier note's.
#[inline(always)]
pub fn run(hit: &Hit, state: Option<&mut ThreadState>) {
    let Some(state) = state else {
        count(Counter::NoteWithoutCrossing);
        return;
    };
    let (group, sp) = (hit.spec.group, hit.sp);
    let found = stack::pick(state, |frame| {
        (frame.group == group && frame.sp > sp).then(|| stack::newest(frame))
    });
    state.note_bases = decode::bases(hit);
    let Some(slot) = found else {
        count(Counter::NoteWithoutCrossing);
        return;
    };
    stack::stage(state, slot);
    decode::run_note(hit, state);
}
