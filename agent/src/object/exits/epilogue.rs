//! The straight way to a `ret`: what lies between it and the last branch or call before it.

use std::ops::RangeInclusive;

use hotspan_common::ReturnSp;
use iced_x86::{
    EncodingKind, FlowControl, Instruction, InstructionInfo, InstructionInfoFactory, Mnemonic,
    OpAccess, OpKind, Register,
};

use super::listing::Listing;

/// Instructions that may lie between an exit and the `ret` it stands for. Epilogues have up to a dozen.
const MAX_LENGTH: usize = 48;

/// The indices of the longest run of instructions that ends in the `ret` at index `ret`, of which each leads to the next
/// and none writes to memory.
pub(super) fn straight(listing: &Listing, ret: usize) -> RangeInclusive<usize> {
    let mut start = ret;
    let mut info = InstructionInfoFactory::new();
    while ret - start < MAX_LENGTH
        && listing
            .before(start)
            .is_some_and(|before| is_quiet(before, info.info(before)))
    {
        start -= 1;
    }
    start..=ret
}

/// Whether an instruction does nothing but load, compute and move registers.
pub(super) fn is_quiet(instruction: &Instruction, used: &InstructionInfo) -> bool {
    let leads_on = instruction.flow_control() == FlowControl::Next
        && !matches!(instruction.mnemonic(), Mnemonic::Endbr64 | Mnemonic::Hlt)
        && !instruction.is_string_instruction()
        && !instruction.is_privileged();
    let mut memory = used.used_memory().iter();
    leads_on && !memory.any(|memory| writes(memory.access()))
}

/// Whether the kernel surely takes a probe on it: it refuses some encodings and prefixes (`arch/x86/kernel/uprobes.c`).
pub(super) fn is_plain(instruction: &Instruction) -> bool {
    let is_legacy = instruction.code().encoding() == EncodingKind::Legacy;
    is_legacy && !instruction.has_segment_prefix() && instruction.mnemonic() != Mnemonic::Nop
}

/// Whether something is written, or may be.
pub(crate) fn writes(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

/// `rbp` or `rsp` as it was at the beginning of the run, plus bytes.
#[derive(Clone, Copy)]
struct Value {
    from_rbp: bool,
    offset: i64,
}

impl Value {
    fn plus(self, bytes: i64) -> Self {
        Self {
            offset: self.offset.wrapping_add(bytes),
            ..self
        }
    }
}

/// What is known of the two registers.
struct Registers {
    rsp: Option<Value>,
    rbp: Option<Value>,
}

/// The stack pointer at the `ret` that ends `run`, from the registers at its beginning; `None` if it does not follow
/// from `rsp` or `rbp`.
pub(super) fn return_sp(run: &[Instruction]) -> Option<ReturnSp> {
    let at_start = |from_rbp| Value {
        from_rbp,
        offset: 0,
    };
    let mut registers = Registers {
        rsp: Some(at_start(false)),
        rbp: Some(at_start(true)),
    };
    let (_, before) = run.split_last()?;
    let mut info = InstructionInfoFactory::new();
    for instruction in before {
        registers.step(instruction, &mut info);
    }
    let sp = registers.rsp?;
    ReturnSp::new(sp.from_rbp, sp.offset)
}

impl Registers {
    fn step(&mut self, instruction: &Instruction, info: &mut InstructionInfoFactory) {
        const WORD: i64 = 8;
        let to = instruction.op0_register();
        match instruction.mnemonic() {
            Mnemonic::Pop if to.is_gpr64() && to != Register::RSP => {
                self.rsp = self.rsp.map(|sp| sp.plus(WORD));
                if to == Register::RBP {
                    self.rbp = None;
                }
            }
            Mnemonic::Leave => {
                self.rsp = self.rbp.map(|bp| bp.plus(WORD));
                self.rbp = None;
            }
            _ => {
                let value = self.computed(instruction);
                for used in info.info(instruction).used_registers() {
                    let register = used.register().full_register();
                    let value = value.filter(|_| to == register);
                    match register {
                        Register::RSP if writes(used.access()) => self.rsp = value,
                        Register::RBP if writes(used.access()) => self.rbp = value,
                        _ => {}
                    }
                }
            }
        }
    }

    /// What `add`, `sub`, `lea` or `mov` puts into its first operand.
    fn computed(&self, instruction: &Instruction) -> Option<Value> {
        let immediate = || instruction.try_immediate(1).ok().map(|bytes| bytes as i64);
        match instruction.mnemonic() {
            Mnemonic::Add => Some(self.of(instruction.op0_register())?.plus(immediate()?)),
            Mnemonic::Sub => {
                let bytes = immediate()?.wrapping_neg();
                Some(self.of(instruction.op0_register())?.plus(bytes))
            }
            Mnemonic::Lea if instruction.memory_index() == Register::None => {
                let bytes = instruction.memory_displacement64() as i64;
                Some(self.of(instruction.memory_base())?.plus(bytes))
            }
            Mnemonic::Mov if instruction.op1_kind() == OpKind::Register => {
                self.of(instruction.op1_register())
            }
            _ => None,
        }
    }

    fn of(&self, register: Register) -> Option<Value> {
        match register {
            Register::RSP => self.rsp,
            Register::RBP => self.rbp,
            _ => None,
        }
    }
}
