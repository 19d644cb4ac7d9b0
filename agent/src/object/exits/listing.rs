//! All instructions of a function and of what it leaves through, by address.

use std::ops::Range;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction};

use super::{Execution, Searched};

/// The instructions of some pieces of code, in order.
pub(super) struct Listing {
    instructions: Vec<Instruction>,
}

impl Listing {
    /// Decodes the pieces; `None` if one of them can't be read, or if they overlap in different ways.
    pub(super) fn of(searched: &Searched<'_>, pieces: &[Range<u64>]) -> Option<Self> {
        let mut instructions = Vec::new();
        for piece in pieces {
            let bytes = (searched.image)
                .bytes_at(piece.start, piece.end.checked_sub(piece.start)?)
                .ok()?;
            let decoder = Decoder::with_ip(64, &bytes, piece.start, DecoderOptions::NONE);
            instructions.extend(decoder);
        }
        instructions.sort_by_key(Instruction::ip);
        instructions.dedup_by_key(|instruction| instruction.ip());
        let overlap = |pair: &[Instruction]| pair[0].next_ip() > pair[1].ip();
        let is_clean = !instructions.windows(2).any(overlap)
            && !instructions.iter().any(Instruction::is_invalid);
        is_clean.then_some(Self { instructions })
    }

    pub(super) fn all(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Index of the instruction at `address`.
    pub(super) fn index(&self, address: u64) -> Option<usize> {
        (self.instructions)
            .binary_search_by_key(&address, Instruction::ip)
            .ok()
    }

    /// Whether `address` lies in an instruction, and not at its beginning.
    pub(super) fn is_inside(&self, address: u64) -> bool {
        let after = (self.instructions).partition_point(|instruction| instruction.ip() <= address);
        let before = after.checked_sub(1).map(|index| &self.instructions[index]);
        before.is_some_and(|before| before.ip() != address && before.next_ip() > address)
    }

    /// The instruction that ends where the one at `index` begins.
    pub(super) fn before(&self, index: usize) -> Option<&Instruction> {
        let before = self.instructions.get(index.checked_sub(1)?)?;
        (before.next_ip() == self.instructions[index].ip()).then_some(before)
    }

    /// Index of the instruction that follows the one at `index` in memory.
    pub(super) fn after(&self, index: usize) -> Option<usize> {
        let next = self.instructions.get(index + 1)?;
        (next.ip() == self.instructions[index].next_ip()).then_some(index + 1)
    }
}

/// Where a jump or a conditional jump leads.
pub(super) fn jump_target(instruction: &Instruction) -> Option<u64> {
    match instruction.flow_control() {
        FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
            Some(instruction.near_branch_target())
        }
        _ => None,
    }
}

/// How the kernel executes the instruction where a probe is on it. It emulates `jmp`, `jcc` and `call` with a displacement
/// and without a prefix (`branch_setup_insn` in `arch/x86/kernel/uprobes.c`).
pub(super) fn execution(instruction: &Instruction) -> Execution {
    let (plain_length, emulated) = match instruction.code() {
        Code::Jmp_rel8_64 => (2, Execution::EmulatedJump),
        Code::Jmp_rel32_64 => (5, Execution::EmulatedJump),
        Code::Call_rel32_64 => (5, Execution::EmulatedCall),
        _ if instruction.is_jcc_short() => (2, Execution::EmulatedJump),
        _ if instruction.is_jcc_near() => (6, Execution::EmulatedJump),
        _ => return Execution::Stepped,
    };
    if instruction.len() == plain_length {
        emulated
    } else {
        Execution::Stepped
    }
}

pub(super) fn is_emulated(instruction: &Instruction) -> bool {
    execution(instruction) != Execution::Stepped
}
