//! A tally: entries that are only counted, for functions that are called too often for more.

use hotspan_common::{FrameFlags, TALLY_GAP_NS, TALLY_SLOT};

use super::{Hit, entry, stack};
use crate::{context, threads};

/// Adds the entry to the burst under way, or begins one.
#[inline(always)]
pub fn run(hit: &Hit) {
    if !joins(hit) {
        entry::run(hit);
    }
}

/// Whether a burst of the region, in the same coroutine, goes on with this entry. Another crossing that
/// began or ended meanwhile has closed it.
#[inline(always)]
fn joins(hit: &Hit) -> bool {
    let Some(state) = threads::get(hit.tid) else {
        return false;
    };
    if state.open == 0 {
        return false;
    }
    let context = context::context_pointer(hit.target, &mut state.python);
    let (region, epoch, now) = (hit.cookie.region, hit.spec.epoch, hit.now);
    let found = stack::pick(state, |frame| {
        let goes_on = frame.flags & FrameFlags::BURST != 0
            && frame.event.region == region
            && frame.epoch == epoch
            && frame.context == context
            && now.saturating_sub(frame.event.proven_ns) < TALLY_GAP_NS;
        goes_on.then(|| stack::newest(frame))
    });
    let Some(slot) = found else {
        return false;
    };
    let event = &mut stack::frame(state, slot).event;
    event.values[TALLY_SLOT as usize] += 1;
    event.proven_ns = now;
    true
}
