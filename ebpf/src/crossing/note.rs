//! A note: an entry that only adds what it sees to the crossing around it.

use hotspan_common::Counter;

use super::{Hit, decode, stack};
use crate::{counters::count, threads};

/// Adds the note's values to the newest open crossing of its group, in place of an earlier note's.
#[inline(always)]
pub fn run(hit: &Hit) {
    let Some(state) = threads::get(hit.tid) else {
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
    decode::run_note(hit);
}
