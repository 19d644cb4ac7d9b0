//! The caller of code without unwind information, where the call itself shows it.
//!
//! A word on the stack is a return address for certain if a direct call ends right before the place that
//! it names, and that call leads into the same uncovered code, at or before the instruction that runs.

use super::{
    space::Place,
    walk::{Registers, StackCopy},
};

/// `call rel32`: the opcode and the distance.
const CALL: u8 = 0xe8;
const CALL_LENGTH: u64 = 5;
/// How far back the called function may begin, in bytes.
const MAX_DISTANCE: u64 = 16 * 1024;

/// The caller's registers, if the return address lies at the stack pointer or behind the frame pointer.
pub(super) fn caller(
    callee: &Place,
    registers: Registers,
    stack: &StackCopy<'_>,
    mut locate: impl FnMut(u64) -> Option<Place>,
) -> Option<Registers> {
    let mut proven = |slot: u64| {
        let ip = stack.word(slot)?;
        let place = locate(ip.wrapping_sub(CALL_LENGTH))?;
        is_call_into(&place, callee).then_some(ip)
    };
    if let Some(ip) = proven(registers.sp) {
        let sp = registers.sp.wrapping_add(8);
        return Some(Registers {
            ip,
            sp,
            bx: None,
            ..registers
        });
    }
    let above = registers.bp > registers.sp;
    let slot = above.then(|| registers.bp.wrapping_add(8))?;
    let ip = proven(slot)?;
    Some(Registers {
        ip,
        sp: slot.wrapping_add(8),
        bp: stack.word(registers.bp)?,
        bx: None,
    })
}

fn is_call_into(call: &Place, callee: &Place) -> bool {
    if call.object.key() != callee.object.key() {
        return false;
    }
    let Ok(bytes) = call.object.image().bytes_at(call.address, CALL_LENGTH) else {
        return false;
    };
    let Some(([CALL], distance)) = bytes.split_first_chunk() else {
        return false;
    };
    let Some(distance) = distance.first_chunk().copied().map(i32::from_le_bytes) else {
        return false;
    };
    let next = call.address.wrapping_add(CALL_LENGTH);
    let target = next.wrapping_add_signed(distance.into());
    let reached = callee.address.checked_sub(target);
    reached.is_some_and(|distance| distance < MAX_DISTANCE)
        && callee.object.covering(target).is_none()
}
