//! The open crossings of a thread, and what stack pointers prove about them.
//!
//! A stack pointer proves something only about crossings of the same stack. Signal handlers on an
//! alternate stack, ucontext and greenlets put several stacks under one thread, so every rule here
//! asks [`comparable`] first, and where it cannot be known the crossing stays open until its own
//! exit, its thread's end or the agent's detach.

use hotspan_common::{Counter, Ending, Frame, FrameFlags, MAX_DEPTH, TargetFlags, ThreadState};

use super::{Hit, counts, emit};
use crate::{
    counters::count,
    maps::REGIONS,
    memory::{Access as _, Faulting},
    repeat::{CONTINUE, repeat},
};

/// Two stack pointers further apart than this are on different stacks: the usual limit of a
/// thread's stack (`RLIMIT_STACK`, 8 MiB).
pub const STACK_BYTES: u64 = 8 << 20;

/// The frame in `slot`. The mask excludes slots beyond the end, of which there are none, in a way that
/// the verifier sees.
#[inline(always)]
pub fn frame(state: &mut ThreadState, slot: u32) -> &mut Frame {
    let slot = (slot & (MAX_DEPTH as u32 - 1)) as usize;
    // SAFETY: in bounds by the mask. A slice index would leave a panic in the program.
    unsafe { &mut *state.frames.as_mut_ptr().add(slot) }
}

/// Remembers the slot that this hit is about. In the map, for the verifier's sake: see
/// [`ThreadState::search_key`].
#[inline(always)]
pub fn stage(state: &mut ThreadState, slot: u32) {
    // SAFETY: a field of a live map value.
    unsafe { (&raw mut state.stage_slot).write_volatile(u64::from(slot)) };
}

/// The slot that this hit is about.
#[inline(always)]
pub fn staged_slot(state: &ThreadState) -> u32 {
    // SAFETY: a field of a live map value.
    unsafe { (&raw const state.stage_slot).read_volatile() as u32 }
}

/// The frame that this hit is about.
#[inline(always)]
pub fn staged(state: &mut ThreadState) -> &mut Frame {
    let slot = staged_slot(state);
    frame(state, slot)
}

/// Whether the crossing in `slot` is open. Read anew each time: kept in registers, sixteen bits are
/// 65,536 states that the verifier would follow one by one.
#[inline(always)]
pub fn is_open(state: &ThreadState, slot: u32) -> bool {
    // SAFETY: a field of a live map value.
    let open = unsafe { (&raw const state.open).read_volatile() };
    open & (1 << slot) != 0
}

/// A walk through the open crossings.
struct Visit<V> {
    state: *mut ThreadState,
    with: V,
}

/// The open crossing with the smallest key; crossings without a key are passed over.
#[inline(always)]
pub fn pick(state: &mut ThreadState, key: impl Fn(&Frame) -> Option<u64>) -> Option<u32> {
    note_best(state, u64::MAX, NO_SLOT);
    for_each_open(state, |state, slot| {
        // SAFETY: the field lives in the map; see `ThreadState::search_key` for why it does.
        let best = unsafe { (&raw const state.search_key).read_volatile() };
        if let Some(key) = key(frame(state, slot))
            && key < best
        {
            note_best(state, key, u64::from(slot));
        }
    });
    best_slot(state)
}

/// Calls `with` for each slot that is open.
#[inline(always)]
pub fn for_each_open<V: FnMut(&mut ThreadState, u32)>(state: &mut ThreadState, with: V) {
    // Those beyond the last one are not looked at: most threads have one open.
    let slots = u32::BITS - state.open.leading_zeros();
    if slots != 0 {
        repeat(slots, visit::<V>, &mut Visit { state, with });
    }
}

extern "C" fn visit<V: FnMut(&mut ThreadState, u32)>(slot: u64, visit: &mut Visit<V>) -> u64 {
    // SAFETY: the caller's reference outlives the walk.
    let state = unsafe { &mut *visit.state };
    if is_open(state, slot as u32) {
        (visit.with)(state, slot as u32);
    }
    CONTINUE
}

/// A slot that is not open.
#[inline(always)]
pub fn free_slot(state: &ThreadState) -> Option<u32> {
    let slot = state.open.trailing_ones();
    (slot < MAX_DEPTH as u32).then_some(slot)
}

const NO_SLOT: u64 = MAX_DEPTH as u64;

#[inline(always)]
fn note_best(state: &mut ThreadState, key: u64, slot: u64) {
    // SAFETY: fields of a live map value.
    unsafe {
        (&raw mut state.search_key).write_volatile(key);
        (&raw mut state.search_slot).write_volatile(slot);
    }
}

#[inline(always)]
fn best_slot(state: &ThreadState) -> Option<u32> {
    // SAFETY: a field of a live map value.
    let slot = unsafe { (&raw const state.search_slot).read_volatile() };
    (slot < NO_SLOT).then_some(slot as u32)
}

/// A key by which the newest crossing comes first.
#[inline(always)]
pub fn newest(frame: &Frame) -> u64 {
    u64::MAX - 1 - frame.event.entry_ns
}

/// The newest open crossing of `region` at `sp`.
#[inline(always)]
pub fn find(state: &mut ThreadState, region: u32, sp: u64) -> Option<u32> {
    pick(state, |frame| {
        (frame.sp == sp && frame.event.region == region).then(|| newest(frame))
    })
}

/// The crossing around a new one at `sp`: the nearest frame above it on the same stack.
#[inline(always)]
pub fn enclosing(state: &mut ThreadState, sp: u64, context: u64) -> Option<u32> {
    pick(state, |frame| {
        let related = frame.context == context || frame.context == 0 || context == 0;
        (related && frame.sp > sp).then_some(frame.sp)
    })
}

/// Closes crossings that a new entry at `hit.sp` proves gone. Returns whether one was open at the
/// same place without proof of which is which.
#[inline(always)]
pub fn close_dead(state: &mut ThreadState, hit: &Hit, context: u64) -> bool {
    let mut ambiguous = false;
    for_each_open(state, |state, slot| {
        let old = frame(state, slot);
        let (sp, proven) = (old.sp, old.event.proven_ns);
        if is_disarmed(old) {
            emit::close(state, slot, Ending::Disarmed, proven, hit.now);
            return;
        }
        if old.flags & FrameFlags::BURST != 0 {
            emit::close(state, slot, Ending::Returned, proven, proven);
            return;
        }
        if !comparable(hit, old, context) {
            // Another coroutine's, unless the context says otherwise: equal places are a riddle.
            if sp == hit.sp && old.context == context {
                emit::discard(state, slot);
                ambiguous = true;
            }
        } else if sp == hit.sp {
            emit::close(state, slot, Ending::Replaced, proven, hit.now);
        } else if is_gone(old) {
            emit::close(state, slot, Ending::Unwound, proven, hit.now);
        }
    });
    ambiguous
}

/// At the exit of the crossing in `outer`: those that its frame encloses are over too.
#[inline(always)]
pub fn close_inner(state: &mut ThreadState, hit: &Hit, outer: u32, context: u64) {
    if state.open & !(1 << (outer & (MAX_DEPTH as u32 - 1))) == 0 {
        return;
    }
    for_each_open(state, |state, slot| {
        if slot == outer {
            return;
        }
        let inner = frame(state, slot);
        if inner.flags & FrameFlags::BURST != 0 {
            let last = inner.event.proven_ns;
            emit::close(state, slot, Ending::Returned, last, last);
        } else if inner.sp <= hit.sp && comparable(hit, inner, context) {
            let proven = inner.event.proven_ns;
            emit::close(state, slot, Ending::Unwound, proven, hit.now);
        }
    });
}

/// Whether `hit.sp` and the crossing's are known to be of one stack.
#[inline(always)]
pub fn comparable(hit: &Hit, old: &Frame, context: u64) -> bool {
    if hit.target.flags & TargetFlags::SWITCHES_STACKS != 0 {
        return context != 0 && old.context == context;
    }
    hit.sp.abs_diff(old.sp) < STACK_BYTES
        && (old.context == context || old.context == 0 || context == 0)
}

/// Whether the probes that would have seen its exit were taken away since it opened.
#[inline(always)]
pub fn is_disarmed(old: &Frame) -> bool {
    REGIONS
        .get(old.event.region)
        .is_none_or(|region| region.epoch != old.epoch)
}

/// Whether the return address of the crossing's frame has been overwritten. It is intact while the
/// frame lives; so this never takes a living frame for a dead one.
#[inline(always)]
pub fn is_gone(old: &Frame) -> bool {
    old.return_address != 0
        && Faulting::read::<u64>(old.sp).is_ok_and(|now| now != old.return_address)
}

/// Gives up a crossing of which nothing certain can be said.
#[inline(always)]
pub fn forget(state: &mut ThreadState, slot: u32) {
    count(Counter::Ambiguous);
    let frame = frame(state, slot);
    counts::forget(&frame.event);
    frame.flags &= !FrameFlags::AMBIGUOUS;
    state.open &= !(1 << slot);
}
