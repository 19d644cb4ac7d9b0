//! One pass over a piece of code: which of its instructions can leave it.

use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind,
    Register,
};

use super::refusal::Refusal;
use crate::object::links::memory_slot;

/// How many instructions before an indirect jump the read of its jump table can lie.
const SWITCH_WINDOW: usize = 12;

/// An instruction that can leave the piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    Return,
    Jump {
        target: u64,
        condition: Condition,
    },
    /// `jmp *slot(%rip)`.
    ThroughSlot {
        slot: u64,
    },
    /// Any other indirect jump.
    Indirect {
        is_switch: bool,
    },
}

/// The condition of a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    /// The x86 condition code, 0 to 15.
    Flags(u8),
    /// On a register: `jrcxz`, `loop`.
    Other,
}

/// What a pass found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Address and kind of each.
    pub leaves: Vec<(u64, Leave)>,
    /// Whether control can run past the end.
    pub falls_through: bool,
}

/// Decodes `bytes` at `address` from the first to the last: compilers put no data between instructions.
pub(super) fn sweep(bytes: &[u8], address: u64) -> Result<Found, Refusal> {
    let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut found = Found::default();
    let mut table_read = TableRead::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            return Err(Refusal::NotCode(instruction.ip()));
        }
        if let Some(leave) = leave(&instruction, &table_read) {
            found.leaves.push((instruction.ip(), leave));
        }
        table_read.note(&instruction);
        // Padding after the last jump is no way out.
        if instruction.mnemonic() != Mnemonic::Nop {
            found.falls_through = runs_on(&instruction);
        }
    }
    Ok(found)
}

/// Whether the next instruction can be reached. A call at the very end is one that does not return.
fn runs_on(instruction: &Instruction) -> bool {
    matches!(
        instruction.flow_control(),
        FlowControl::Next | FlowControl::ConditionalBranch
    ) && instruction.code() != Code::Hlt
}

fn leave(instruction: &Instruction, table_read: &TableRead) -> Option<Leave> {
    match instruction.flow_control() {
        FlowControl::Return => Some(Leave::Return),
        FlowControl::UnconditionalBranch => Some(Leave::Jump {
            target: instruction.near_branch_target(),
            condition: Condition::Always,
        }),
        FlowControl::ConditionalBranch => Some(Leave::Jump {
            target: instruction.near_branch_target(),
            condition: condition(instruction),
        }),
        FlowControl::IndirectBranch => Some(match memory_slot(instruction) {
            Some(slot) => Leave::ThroughSlot { slot },
            None => Leave::Indirect {
                is_switch: is_table_jump(instruction) || table_read.is_recent(),
            },
        }),
        _ => None,
    }
}

/// The condition of a conditional jump.
pub(super) fn condition(instruction: &Instruction) -> Condition {
    let has_flags = instruction.is_jcc_short_or_near();
    match instruction.condition_code() {
        ConditionCode::None => Condition::Other,
        // iced counts from 1 in the order of the x86 condition codes.
        code if has_flags => Condition::Flags(code as u8 - 1),
        _ => Condition::Other,
    }
}

/// `jmp *TABLE(,%index,8)`.
fn is_table_jump(instruction: &Instruction) -> bool {
    instruction.op0_kind() == OpKind::Memory && instruction.memory_index() != Register::None
}

/// Whether a jump table was read a few instructions ago: `movslq (%table,%index,4), %register`
/// in position-independent code, `mov TABLE(,%index,8), %register` in other code.
#[derive(Debug, Default)]
struct TableRead {
    age: Option<usize>,
}

impl TableRead {
    fn note(&mut self, instruction: &Instruction) {
        let scale = instruction.memory_index_scale();
        let reads_table = instruction.memory_index() != Register::None
            && match instruction.mnemonic() {
                Mnemonic::Movsxd => scale == 4,
                Mnemonic::Mov => {
                    instruction.op1_kind() == OpKind::Memory
                        && scale == 8
                        && instruction.memory_base() == Register::None
                }
                _ => false,
            };
        self.age = if reads_table {
            Some(0)
        } else {
            self.age.map(|age| age + 1)
        };
    }

    fn is_recent(&self) -> bool {
        self.age.is_some_and(|age| age < SWITCH_WINDOW)
    }
}
