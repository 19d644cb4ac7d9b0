//! An exit: the crossing with this region and stack pointer ends.

use aya_ebpf::bindings::pt_regs;
use hotspan_common::{
    Base, Counter, Ending, FrameFlags, ReadWhen, RegionFlags, TargetFlags, ThreadState,
};

use super::{Hit, decode, emit, guard, stack};
use crate::{context, counters::count, sampling::region, threads};

/// Where the result is among the bases.
const RESULT: usize = Base::Result as usize;

/// Closes the crossing that this exit belongs to, and those that its frame encloses.
#[inline(always)]
pub fn run(hit: &Hit) {
    if let Some(state) = ends(hit) {
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
        decode::run(hit, ReadWhen::Exit);
    } else {
        count(Counter::ReadFailed);
    }
    region::caller(hit, state);
    emit::close(
        stack::staged_slot(state),
        Ending::Returned,
        hit.now,
        hit.now,
    );
}

/// The thread, if there is a crossing to close; its slot is staged.
#[inline(always)]
fn ends(hit: &Hit) -> Option<&'static mut ThreadState> {
    // SAFETY: the context of a uprobe is the registers.
    let registers = unsafe { &*hit.registers };
    let condition = hit.cookie.condition;
    if condition != 0 && !leaves(registers, condition - 1) {
        guard::passes(hit);
        return None;
    }
    count(Counter::Exits);
    let Some(state) = threads::get(hit.tid) else {
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
    if frame.flags & FrameFlags::AMBIGUOUS != 0 || strays(hit, frame.context, context) {
        emit::discard(state, slot);
        return None;
    }
    Some(state)
}

/// The context at the exit; 0 where nothing would be learnt from it: a thread that had none at the entry
/// and whose stack does not switch, as a solver's workers. To look for one there costs a search through
/// all of the interpreter's threads.
#[inline(always)]
fn context_at_exit(hit: &Hit, state: &mut ThreadState, slot: u32) -> u64 {
    let switches = hit.target.flags & TargetFlags::SWITCHES_STACKS != 0;
    if !switches && stack::frame(state, slot).context == 0 {
        return 0;
    }
    context::context_pointer(hit.target, &mut state.python)
}

/// Whether the context at the exit says that this is another coroutine's exit. A context that
/// comes into being during the call says nothing where stacks are not switched.
#[inline(always)]
fn strays(hit: &Hit, at_entry: u64, at_exit: u64) -> bool {
    let switches = hit.target.flags & TargetFlags::SWITCHES_STACKS != 0;
    at_entry != at_exit && (switches || (at_entry != 0 && at_exit != 0))
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
