//! What is found at a probe's place: an instruction's first byte, and the condition of a jump.

pub(super) const JE: u8 = 0x74;
pub(super) const JNE: u8 = 0x75;
pub(super) const JMP: u8 = 0xeb;
pub(super) const CALL: u8 = 0xe8;
pub(super) const MOV: u8 = 0x89;
pub(super) const RET: u8 = 0xc3;
/// 1 + the x86 condition code.
pub(super) const IF_EQUAL: u8 = 5;
/// The same.
pub(super) const UNLESS_EQUAL: u8 = 6;
