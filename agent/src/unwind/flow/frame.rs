//! Where a function's frame is, and what one instruction does to that.

use iced_x86::{Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register};

use crate::{object::exits::writes, unwind::walk::Registers};

/// A word of the stack, in bytes.
pub const WORD: i64 = 8;

/// What is known before an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// By how many bytes `rsp`, `rbp` and `rbx` differ from the stack pointer at the entry.
    offsets: [Option<i64>; 3],
    pub caller_bp: CallerBp,
}

/// Where the caller's `rbp` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerBp {
    /// Still in the register.
    Kept,
    /// So many bytes from the stack pointer at the entry.
    At(i64),
    Unknown,
}

const FOLLOWED: [Register; 3] = [Register::RSP, Register::RBP, Register::RBX];
const RSP: usize = 0;

impl Frame {
    /// At a function's first instruction.
    pub const ENTRY: Self = Self {
        offsets: [Some(0), None, None],
        caller_bp: CallerBp::Kept,
    };

    /// The stack pointer at the entry, where the return address lies.
    pub fn entry_sp(&self, registers: Registers) -> Option<u64> {
        let now = [Some(registers.sp), Some(registers.bp), registers.bx];
        let known = self.offsets.iter().zip(now);
        let mut entries = known
            .filter_map(|(offset, now)| Some(now?.wrapping_add_signed((*offset)?.wrapping_neg())));
        entries.next()
    }

    /// Whether nothing of the function's is on the stack: it leads on to another, or to a part of it that has as little there.
    pub fn is_bare(&self) -> bool {
        self.offsets[RSP] == Some(0)
    }

    /// What both know.
    pub fn joined(self, other: Self) -> Self {
        let mut offsets = self.offsets;
        for (offset, other) in offsets.iter_mut().zip(other.offsets) {
            *offset = offset.filter(|offset| Some(*offset) == other);
        }
        let caller_bp = if self.caller_bp == other.caller_bp {
            self.caller_bp
        } else {
            CallerBp::Unknown
        };
        Self { offsets, caller_bp }
    }

    /// What is known after an instruction.
    pub fn after(self, instruction: &Instruction, info: &mut InstructionInfoFactory) -> Self {
        match instruction.mnemonic() {
            Mnemonic::Push => self.pushed(instruction),
            Mnemonic::Pop => self.popped(instruction),
            Mnemonic::Leave => self.left(),
            // The called function leaves all three as they were.
            Mnemonic::Call => self,
            _ => {
                let mut after = self.computed(instruction, info).stored(self, instruction);
                if self.overwrites_bp(instruction, info) {
                    after.caller_bp = CallerBp::Unknown;
                }
                after
            }
        }
    }

    fn pushed(mut self, instruction: &Instruction) -> Self {
        let moved = i64::from(instruction.stack_pointer_increment());
        self.offsets[RSP] = self.offsets[RSP].map(|sp| sp.wrapping_add(moved));
        let keeps_bp = instruction.op0_kind() == OpKind::Register
            && instruction.op0_register() == Register::RBP
            && self.caller_bp == CallerBp::Kept;
        if keeps_bp && let Some(sp) = self.offsets[RSP] {
            self.caller_bp = CallerBp::At(sp);
        }
        self
    }

    fn popped(mut self, instruction: &Instruction) -> Self {
        let from = self.offsets[RSP];
        let moved = i64::from(instruction.stack_pointer_increment());
        self.offsets[RSP] = from.map(|sp| sp.wrapping_add(moved));
        self.loaded(instruction.op0_register(), from);
        self
    }

    fn left(mut self) -> Self {
        let from = self.offset_of(Register::RBP);
        self.offsets[RSP] = from.map(|bp| bp.wrapping_add(WORD));
        self.loaded(Register::RBP, from);
        self
    }

    /// A word was read from there, so many bytes from the stack pointer at the entry, into a register.
    fn loaded(&mut self, register: Register, from: Option<i64>) {
        if register == Register::RBP {
            self.caller_bp = match (self.caller_bp, from) {
                (CallerBp::At(kept), Some(from)) if kept == from => CallerBp::Kept,
                (CallerBp::At(kept), _) => CallerBp::At(kept),
                (CallerBp::Kept | CallerBp::Unknown, _) => CallerBp::Unknown,
            };
        }
        let mut followed = FOLLOWED.iter().zip(&mut self.offsets);
        if let Some((_, offset)) = followed.find(|(followed, _)| **followed == register) {
            *offset = None;
        }
    }

    /// What any other instruction does with the registers.
    fn computed(self, instruction: &Instruction, info: &mut InstructionInfoFactory) -> Self {
        let to = instruction.op0_register();
        let value = self.value(instruction);
        let mut after = self;
        for used in info.info(instruction).used_registers() {
            let register = used.register().full_register();
            if !FOLLOWED.contains(&register) || !writes(used.access()) {
                continue;
            }
            after.loaded(register, self.read_from(instruction));
            let mut followed = FOLLOWED.iter().zip(&mut after.offsets);
            if let Some((_, offset)) = followed.find(|(followed, _)| **followed == register) {
                *offset = value.filter(|_| to == register);
            }
        }
        after
    }

    /// Whether it writes to where the caller's `rbp` was put away.
    fn overwrites_bp(&self, instruction: &Instruction, info: &mut InstructionInfoFactory) -> bool {
        let (CallerBp::At(kept), Some(at)) = (self.caller_bp, self.memory(instruction)) else {
            return false;
        };
        let mut memory = info.info(instruction).used_memory().iter();
        memory.any(|memory| {
            let size = memory.memory_size().size() as i64;
            writes(memory.access())
                && at < kept.saturating_add(WORD)
                && kept < at.saturating_add(size)
        })
    }

    /// The caller's `rbp` is put away.
    fn stored(mut self, before: Self, instruction: &Instruction) -> Self {
        let is_store = instruction.mnemonic() == Mnemonic::Mov
            && instruction.op0_kind() == OpKind::Memory
            && instruction.op1_kind() == OpKind::Register
            && instruction.op1_register() == Register::RBP;
        if is_store
            && before.caller_bp == CallerBp::Kept
            && let Some(at) = before.memory(instruction)
        {
            self.caller_bp = CallerBp::At(at);
        }
        self
    }

    /// Where a `mov` reads a word from.
    fn read_from(&self, instruction: &Instruction) -> Option<i64> {
        let is_load = instruction.mnemonic() == Mnemonic::Mov
            && instruction.op0_register().is_gpr64()
            && instruction.op1_kind() == OpKind::Memory;
        is_load.then(|| self.memory(instruction))?
    }

    /// Where an instruction's memory lies.
    fn memory(&self, instruction: &Instruction) -> Option<i64> {
        let is_plain =
            instruction.memory_index() == Register::None && !instruction.has_segment_prefix();
        let base = self
            .offset_of(instruction.memory_base())
            .filter(|_| is_plain)?;
        Some(base.wrapping_add(instruction.memory_displacement64() as i64))
    }

    /// What `add`, `sub`, `lea` or `mov` puts into its first operand.
    fn value(&self, instruction: &Instruction) -> Option<i64> {
        let of_first = || self.offset_of(instruction.op0_register());
        let immediate = || instruction.try_immediate(1).ok().map(|bytes| bytes as i64);
        match instruction.mnemonic() {
            Mnemonic::Add => Some(of_first()?.wrapping_add(immediate()?)),
            Mnemonic::Sub => Some(of_first()?.wrapping_sub(immediate()?)),
            Mnemonic::Lea => self.memory(instruction),
            Mnemonic::Mov if instruction.op1_kind() == OpKind::Register => {
                self.offset_of(instruction.op1_register())
            }
            _ => None,
        }
    }

    fn offset_of(&self, register: Register) -> Option<i64> {
        let mut followed = FOLLOWED.iter().zip(self.offsets);
        let (_, offset) = followed.find(|(followed, _)| **followed == register)?;
        offset
    }
}
