//! Where a function's result is at an exit before the `ret`.

use hotspan_common::ResultAt;
use iced_x86::{Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register};

use super::epilogue::writes;

/// Where the result is before the first instruction of `run`, which ends in a `ret`; `None` if it does not come from a
/// register or is a number that fits.
pub(super) fn before(run: &[Instruction]) -> Option<ResultAt> {
    let (_, rest) = run.split_last()?;
    let mut info = InstructionInfoFactory::new();
    let mut register = Register::RAX;
    let mut is_half = false;
    for instruction in rest.iter().rev() {
        let used = info.info(instruction).used_registers().iter();
        let is_written = used
            .filter(|used| writes(used.access()))
            .any(|used| used.register().full_register() == register);
        if !is_written {
            continue;
        }
        if instruction.op0_register().full_register() != register {
            return None;
        }
        is_half |= instruction.op0_register().size() == 4;
        match source(instruction)? {
            Source::Register(from) => register = from,
            Source::Number(number) => return Some(cut(ResultAt::number(number)?, is_half)),
        }
    }
    Some(cut(place(register)?, is_half))
}

/// Whether a call leaves it as it is: the registers that a function preserves.
pub(super) fn survives_calls(at: ResultAt) -> bool {
    const PRESERVED: [Register; 6] = [
        Register::RBX,
        Register::RBP,
        Register::R12,
        Register::R13,
        Register::R14,
        Register::R15,
    ];
    !at.is_register() || PRESERVED.iter().any(|&one| is_in(at, one))
}

fn is_in(at: ResultAt, register: Register) -> bool {
    let place = place(register);
    place == Some(at) || place.map(ResultAt::half) == Some(at)
}

fn cut(at: ResultAt, is_half: bool) -> ResultAt {
    if is_half { at.half() } else { at }
}

enum Source {
    Register(Register),
    Number(i64),
}

/// What an instruction puts into its first operand, which is as wide as a register or half of it.
fn source(instruction: &Instruction) -> Option<Source> {
    let to = instruction.op0_register();
    if to.size() < 4 {
        return None;
    }
    let is_register = instruction.op1_kind() == OpKind::Register;
    match instruction.mnemonic() {
        Mnemonic::Mov if is_register => {
            let from = instruction.op1_register();
            (from.size() == to.size()).then(|| Source::Register(from.full_register()))
        }
        Mnemonic::Mov => immediate(instruction).map(Source::Number),
        Mnemonic::Xor if is_register && instruction.op1_register() == to => Some(Source::Number(0)),
        Mnemonic::Or if immediate(instruction) == Some(-1) => Some(Source::Number(-1)),
        _ => None,
    }
}

/// The second operand, as a signed number of the first one's width.
fn immediate(instruction: &Instruction) -> Option<i64> {
    let bits = instruction.try_immediate(1).ok()?;
    let is_half = instruction.op0_register().size() == 4;
    Some(if is_half {
        i64::from(bits as u32 as i32)
    } else {
        bits as i64
    })
}

/// By the order of the kernel's `struct pt_regs`.
fn place(register: Register) -> Option<ResultAt> {
    const ORDER: [Register; 15] = [
        Register::R15,
        Register::R14,
        Register::R13,
        Register::R12,
        Register::RBP,
        Register::RBX,
        Register::R11,
        Register::R10,
        Register::R9,
        Register::R8,
        Register::RAX,
        Register::RCX,
        Register::RDX,
        Register::RSI,
        Register::RDI,
    ];
    let word = ORDER.iter().position(|&one| one == register)?;
    ResultAt::register(u8::try_from(word).ok()?)
}
