//! A crossing closes: sent, folded, parked, or counted as lost.

use hotspan_common::{
    Counter, CrossingEvent, Ending, FrameFlags, MAX_DEPTH, ParentSource, RegionFlags, ThreadState,
};

use super::{counts, stack};
use crate::{
    counters::count,
    maps::{BIRTHS, CROSSINGS, PARKED, REGIONS, WAKE_AT_BYTES},
    resources, switches, watch,
};

/// `BPF_RB_NO_WAKEUP`, `BPF_RB_FORCE_WAKEUP` and `BPF_RB_AVAIL_DATA` of `linux/bpf.h`.
const NO_WAKEUP: u64 = 1;
const FORCE_WAKEUP: u64 = 2;
const AVAILABLE: u64 = 0;
/// The W3C "sampled" flag.
const SAMPLED: u8 = 1;

/// Closes the crossing in `slot`: it was open at `proven` and is over at `end`.
#[inline(always)]
pub fn close(state: &mut ThreadState, slot: u32, ending: Ending, proven: u64, end: u64) {
    close_crossing(state, slot, ending.wire(), proven, end);
}

/// A function of its own to the verifier, which checks it once and not at each of its places: hence
/// numbers in and out.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn close_crossing(
    state: *mut ThreadState,
    slot: u32,
    ending: u32,
    proven: u64,
    end: u64,
) -> u64 {
    if state.is_null() {
        return 0;
    }
    // SAFETY: not null, and the caller's reference is valid.
    let state = unsafe { &mut *state };
    switches::tell_apart_current(state);
    let (runqueue, blocked) = (state.runqueue_ns, state.blocked_ns);
    let frame = stack::frame(state, slot);
    let tid = frame.event.tid;
    if frame.flags & FrameFlags::AMBIGUOUS != 0 {
        stack::forget(state, slot);
        watch::settle(state, tid);
        return 0;
    }
    end_births(frame.event.id, frame.flags);
    let has_children = frame.flags & FrameFlags::HAS_CHILDREN != 0;
    let event = &mut frame.event;
    event.ending = ending;
    event.exit_ns = end;
    event.proven_ns = proven;
    event.runqueue_ns = runqueue.saturating_sub(event.runqueue_ns);
    event.blocked_ns = blocked.saturating_sub(event.blocked_ns);
    let has_ended = ending == Ending::Returned.wire() || ending == Ending::Caught.wire();
    if has_ended && end != event.entry_ns {
        resources::settle(&mut event.resources);
    }
    if ending != Ending::Returned.wire() {
        count(Counter::LostExits);
    }
    let enclosing = event.enclosing;
    let sent = send(event, has_children);
    if !sent {
        counts::forget(event);
    }
    state.open &= !(1 << (slot & (MAX_DEPTH as u32 - 1)));
    if sent {
        mark_enclosing(state, enclosing);
    }
    watch::settle(state, tid);
    u64::from(sent)
}

/// Drops the crossing in `slot`, counted as ambiguous.
#[inline(always)]
pub fn discard(state: &mut ThreadState, slot: u32) {
    let frame = stack::frame(state, slot);
    end_births(frame.event.id, frame.flags);
    stack::forget(state, slot);
}

/// Closes all that a thread has open.
#[inline(always)]
pub fn close_all(state: &mut ThreadState, ending: Ending, now: u64) {
    stack::for_each_open(state, |state, slot| {
        let frame = stack::frame(state, slot);
        let proven = frame.event.proven_ns;
        if frame.flags & FrameFlags::BURST != 0 {
            close(state, slot, Ending::Returned, proven, proven);
        } else {
            close(state, slot, ending, proven, now);
        }
    });
}

/// Threads born under this crossing descend from nothing once it is over.
#[inline(always)]
fn end_births(id: u64, flags: u32) {
    if flags & FrameFlags::HAS_BIRTHS != 0 {
        // It was put there when the flag was set.
        let _ = BIRTHS.remove(&id);
    }
}

/// Whether the crossing reaches the agent.
#[inline(always)]
fn send(event: &CrossingEvent, has_children: bool) -> bool {
    let (min_ns, flags) = REGIONS
        .get(event.region)
        .map_or((0, 0), |region| (region.min_ns, region.flags));
    let parent = &event.parent;
    if parent.source != ParentSource::None.wire() && parent.flags & SAMPLED == 0 {
        count(Counter::Unsampled);
        if flags & RegionFlags::LEDGER == 0 {
            return false;
        }
    }
    if parent.source == ParentSource::None.wire() {
        count(Counter::WithoutParent);
    }
    let brief = event.exit_ns.saturating_sub(event.entry_ns) < min_ns;
    if brief && !has_children && flags & (RegionFlags::KEEP_ALL | RegionFlags::LEDGER) == 0 {
        count(Counter::Folded);
        return false;
    }
    if CROSSINGS
        .output::<CrossingEvent>(event, wake_flags())
        .is_ok()
    {
        count(Counter::Sent);
        return true;
    }
    if PARKED.insert(&event.id, event, 0).is_ok() {
        count(Counter::Parked);
        return true;
    }
    count(Counter::CrossingsLost);
    false
}

/// The crossing around a sent one must be sent too, however brief.
#[inline(always)]
fn mark_enclosing(state: &mut ThreadState, enclosing: u64) {
    if enclosing == 0 {
        return;
    }
    stack::for_each_open(state, |state, slot| {
        let frame = stack::frame(state, slot);
        if frame.event.id == enclosing {
            frame.flags |= FrameFlags::HAS_CHILDREN;
        }
    });
}

/// The agent reads the ring at its own pace; it is woken only when the ring fills up.
#[inline(always)]
pub fn wake_flags() -> u64 {
    if CROSSINGS.query(AVAILABLE) > WAKE_AT_BYTES {
        FORCE_WAKEUP
    } else {
        NO_WAKEUP
    }
}
