//! A tally: entries that are only counted, for functions that are called too often for more.

use hotspan_common::{Frame, FrameFlags, RegionFlags, TALLY_GAP_NS, TALLY_SLOT, ThreadState};

use super::{Hit, counts, entry, stack};
use crate::{
    context::{self, Active},
    memory::{Access as _, Faulting},
};

/// Entries nearer to each other are under the same span of the target, as an SDK takes longer than that to
/// end one and to begin the next. Of others, the parent is read again.
const SAME_SPAN_NS: u64 = 50_000;

/// Adds the entry to the burst under way, or begins one.
#[inline(always)]
pub fn run(hit: &Hit, mut state: Option<&'static mut ThreadState>) {
    if !state.as_deref_mut().is_some_and(|state| joins(hit, state)) {
        entry::run(hit, state);
    }
}

/// Remembers which function was called last, from where, and where the code of its object lies (an entry is
/// its first instruction): entries of its group ask whether that call has made them.
#[inline(always)]
pub fn called(hit: &Hit, frame: &mut Frame) {
    // SAFETY: the context of a uprobe is the registers.
    let entry = unsafe { (*hit.registers).rip };
    frame.burst = hit.spec.burst;
    frame.code_start = entry.wrapping_sub(u64::from(hit.spec.code_before));
    frame.code_end = entry.wrapping_add(u64::from(hit.spec.code_after));
}

/// Whether a burst of the same kind, in the same coroutine, goes on with this entry. Another crossing that
/// began or ended meanwhile has closed it.
#[inline(always)]
fn joins(hit: &Hit, state: &mut ThreadState) -> bool {
    if state.open == 0 {
        return false;
    }
    let context = context::context_pointer(hit.target, &mut state.python);
    let (burst, now) = (hit.spec.burst, hit.now);
    let found = stack::pick(state, |frame| {
        let goes_on = frame.flags & FrameFlags::BURST != 0
            && frame.burst == burst
            && frame.context == context
            && now.saturating_sub(frame.event.proven_ns) < TALLY_GAP_NS;
        goes_on.then(|| stack::newest(frame))
    });
    let Some(slot) = found else {
        return false;
    };
    let frame = stack::frame(state, slot);
    if stack::is_disarmed(frame) {
        return false;
    }
    let gap = now.saturating_sub(frame.event.proven_ns);
    if frame.event.enclosing == 0 && gap > SAME_SPAN_NS {
        let (span_id, source) = (frame.event.parent.span_id, frame.event.parent.source);
        state.active = Active {
            context,
            ..Active::default()
        };
        context::read_active(hit.target, &mut state.python, &mut state.active);
        let parent = &state.active.parent;
        let is_same = u64::from_ne_bytes(parent.span_id) == u64::from_ne_bytes(span_id);
        if !is_same || parent.source != source {
            return false;
        }
    }
    let frame = stack::frame(state, slot);
    if hit.spec.group != 0 && hit.spec.flags & RegionFlags::OUTERMOST == 0 {
        frame.sp = hit.sp;
        frame.return_address = Faulting::read::<u64>(hit.sp).unwrap_or(0);
        called(hit, frame);
    }
    let event = &mut frame.event;
    event.values[TALLY_SLOT as usize] += 1;
    event.proven_ns = now;
    counts::add(hit, event);
    true
}
