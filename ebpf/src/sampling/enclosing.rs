//! The crossing around an instant, found without touching the thread's state.

use hotspan_common::{
    Frame, MAX_DEPTH, Parent, ParentSource, RegionFlags, Target, TargetFlags, ThreadState,
};

use crate::{
    maps::{BIRTHS, REGIONS},
    memory::{Access as _, Resident},
    repeat::{CONTINUE, repeat},
};

/// Two stack pointers further apart than this are on different stacks.
const STACK_BYTES: u64 = 8 << 20;

/// The crossing that a thread is in, or descends from.
#[derive(Clone, Copy)]
pub struct Enclosing {
    /// Identity; 0: none.
    pub id: u64,
    /// Whether it is the one that the thread descends from.
    pub by_lineage: bool,
    /// Whether nobody asks what it does inside.
    pub is_opaque: bool,
    /// Its parent.
    pub parent: Parent,
}

/// A search for the nearest frame above `sp`.
struct Search {
    state: *const ThreadState,
    sp: u64,
    context: u64,
    switches_stacks: bool,
    /// The best so far: its stack pointer and its slot.
    best_sp: u64,
    best_slot: u64,
}

const NO_SLOT: u64 = MAX_DEPTH as u64;

/// Of the thread that is at `sp`, with the Python context `context`.
#[inline(always)]
pub fn find(target: &Target, state: &ThreadState, sp: u64, context: u64) -> Option<Enclosing> {
    if state.open != 0 {
        let mut search = Search {
            state,
            sp,
            context,
            switches_stacks: target.flags & TargetFlags::SWITCHES_STACKS != 0,
            best_sp: u64::MAX,
            best_slot: NO_SLOT,
        };
        repeat(MAX_DEPTH as u32, look_at, &mut search);
        if search.best_slot < NO_SLOT {
            let event = &frame(state, search.best_slot).event;
            return Some(Enclosing {
                id: event.id,
                by_lineage: false,
                is_opaque: REGIONS
                    .get(event.region)
                    .is_some_and(|region| region.flags & RegionFlags::OPAQUE != 0),
                parent: event.parent,
            });
        }
    }
    // SAFETY: only whether it is there matters.
    if state.has_birth != 0 && unsafe { BIRTHS.get(&state.birth_crossing) }.is_some() {
        let mut parent = state.birth_parent;
        parent.lineage = u8::from(parent.source != ParentSource::None.wire());
        return Some(Enclosing {
            id: state.birth_crossing,
            by_lineage: true,
            is_opaque: false,
            parent,
        });
    }
    None
}

#[inline(always)]
fn frame(state: &ThreadState, slot: u64) -> &Frame {
    let slot = (slot & (MAX_DEPTH as u64 - 1)) as usize;
    // SAFETY: in bounds by the mask. A slice index would leave a panic in the program.
    unsafe { &*state.frames.as_ptr().add(slot) }
}

extern "C" fn look_at(slot: u64, search: &mut Search) -> u64 {
    // SAFETY: the caller's reference lives until the search is over.
    let state = unsafe { &*search.state };
    if state.open & (1 << (slot & (MAX_DEPTH as u64 - 1))) == 0 {
        return CONTINUE;
    }
    let frame = frame(state, slot);
    if frame.sp >= search.sp && frame.sp < search.best_sp && search.may_enclose(frame) {
        search.best_sp = frame.sp;
        search.best_slot = slot;
    }
    CONTINUE
}

impl Search {
    /// The rules of `crossing/stack.rs`: of one stack, still armed, and its frame not gone.
    #[inline(always)]
    fn may_enclose(&self, frame: &Frame) -> bool {
        let same_stack = if self.switches_stacks {
            self.context != 0 && frame.context == self.context
        } else {
            frame.sp - self.sp < STACK_BYTES
                && (frame.context == self.context || frame.context == 0 || self.context == 0)
        };
        let armed = REGIONS
            .get(frame.event.region)
            .is_some_and(|region| region.epoch == frame.epoch);
        same_stack
            && armed
            && (frame.return_address == 0
                || Resident::read::<u64>(frame.sp).is_ok_and(|now| now == frame.return_address))
    }
}
