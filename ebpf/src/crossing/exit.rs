//! An exit: the crossing with this region and stack pointer ends.

use aya_ebpf::bindings::pt_regs;
use hotspan_common::{
    Base, Cookie, Counter, Ending, FrameFlags, ReadWhen, RegionFlags, TargetFlags, ThreadState,
};

use super::{Hit, decode, emit, stack};
use crate::{context, counters::count, sampling::region, watch};

/// Where the result is among the bases.
const RESULT: usize = Base::Result as usize;

/// Closes the crossing that this exit belongs to, and those that its frame encloses.
#[inline(always)]
pub fn run(hit: &Hit, state: Option<&'static mut ThreadState>) {
    if let Some(state) = ends(hit, state) {
        complete(hit, state);
    }
}

/// Reads what the region asks for, and closes the crossing.
#[inline(always)]
fn complete(hit: &Hit, state: &mut ThreadState) {
    if let Some(result) = hit.result() {
        let frame = stack::staged(state);
        frame.event.result = result;
        frame.bases[RESULT] = result;
        decode::run(hit, state, ReadWhen::Exit);
    } else {
        count(Counter::ReadFailed);
    }
    region::caller(hit, state);
    let slot = stack::staged_slot(state);
    emit::close(state, slot, Ending::Returned, hit.now, hit.now);
}

/// The thread, if there is a crossing to close; its slot is staged.
#[inline(always)]
fn ends(hit: &Hit, state: Option<&'static mut ThreadState>) -> Option<&'static mut ThreadState> {
    count(Counter::Exits);
    let Some(state) = state else {
        count(Counter::ExitWithoutEntry);
        return None;
    };
    let Some(slot) = stack::find(state, hit.cookie.region, hit.sp) else {
        // The exit of an entry that was part of another crossing is not looked for.
        if hit.spec.flags & RegionFlags::OUTERMOST == 0 {
            count(Counter::ExitWithoutEntry);
        }
        return None;
    };
    stack::stage(state, slot);
    let context = context_at_exit(hit, state, slot);
    stack::close_inner(state, hit, slot, context);
    let frame = stack::frame(state, slot);
    // Another context is that of another coroutine.
    if frame.flags & FrameFlags::AMBIGUOUS != 0 || frame.context != context {
        emit::discard(state, slot);
        watch::settle(state, hit.tid);
        return None;
    }
    Some(state)
}

/// The context at the exit: where stacks are not switched, that of the entry, as a place on the stack is then one
/// call's for as long as that lasts.
#[inline(always)]
fn context_at_exit(hit: &Hit, state: &mut ThreadState, slot: u32) -> u64 {
    if hit.target.flags & TargetFlags::SWITCHES_STACKS == 0 {
        return stack::frame(state, slot).context;
    }
    context::context_pointer(hit.target, &mut state.python)
}

/// Whether a call that goes on has hit the exit probe of this cookie, at a conditional jump: whether that does not lead out.
#[inline(always)]
pub fn is_passed(cookie: Cookie, registers: *const pt_regs) -> bool {
    // SAFETY: the context of a uprobe is the registers.
    !leaves(unsafe { &*registers }, cookie.condition.wrapping_sub(1))
}

/// Whether a conditional jump with x86 condition code `code` (the low four bits of its opcode)
/// is taken: Intel SDM volume 1, appendix B.
#[inline(always)]
fn leaves(registers: &pt_regs, code: u8) -> bool {
    let flags = registers.eflags;
    let (carry, parity, zero) = (flags & 1 != 0, flags & 1 << 2 != 0, flags & 1 << 6 != 0);
    let (sign, overflow) = (flags & 1 << 7 != 0, flags & 1 << 11 != 0);
    let positive = match code >> 1 {
        0 => overflow,
        1 => carry,
        2 => zero,
        3 => carry || zero,
        4 => sign,
        5 => parity,
        6 => sign != overflow,
        _ => zero || sign != overflow,
    };
    positive != (code & 1 != 0)
}
