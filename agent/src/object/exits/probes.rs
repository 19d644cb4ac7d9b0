//! Instructions that probes are put on.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Register};

use super::{Searched, epilogue, refusal::Refusal};

/// The file offset of an instruction that the kernel can put a breakpoint on. It refuses lock
/// and segment prefixes (`is_prefix_bad` in `arch/x86/kernel/uprobes.c`).
pub(super) fn probeable(searched: &Searched<'_>, address: u64) -> Result<u64, Refusal> {
    let image = searched.image;
    let offset = image.code_offset(address).ok_or(Refusal::NoCode(address))?;
    let bytes = image.bytes_at(address, 1).unwrap_or_default();
    match bytes.first() {
        None => Err(Refusal::NoCode(address)),
        Some(0x26 | 0x2e | 0x36 | 0x3e | 0xf0) => Err(Refusal::Unprobeable(address)),
        Some(_) => Ok(offset),
    }
}

/// The instruction at an address; `None` if there is none in the file.
pub(super) fn instruction_at(searched: &Searched<'_>, address: u64) -> Option<Instruction> {
    let bytes = searched.image.bytes_at(address, 16).ok()?;
    Some(Decoder::with_ip(64, &bytes, address, DecoderOptions::NONE).decode())
}

/// Instructions that may lie before the `push` that is probed as a function's entry.
const MAX_SKIPPED: usize = 8;

/// Where a function's entry is probed: at the first `push`, if all that comes before it leaves the arguments, the stack
/// and memory as they are; else at its first instruction.
pub(super) fn entry_probe(searched: &Searched<'_>, entry: u64) -> Result<u64, Refusal> {
    let bytes = searched
        .image
        .bytes_at(entry, 64)
        .map_err(|_| Refusal::NoCode(entry))?;
    let decoder = Decoder::with_ip(64, &bytes, entry, DecoderOptions::NONE);
    let mut info = InstructionInfoFactory::new();
    let mut begin = decoder.into_iter().take(1 + MAX_SKIPPED);
    let push = begin.find(|instruction| !is_skipped(instruction, &mut info));
    Ok(match push {
        Some(push) if is_emulated_push(&push) => push.ip(),
        _ => entry,
    })
}

/// The kernel emulates a `push` of a register without any other prefix than REX (`push_setup_xol_ops`).
fn is_emulated_push(instruction: &Instruction) -> bool {
    let register = instruction.op0_register();
    let is_extended = register.number() >= 8;
    instruction.code() == Code::Push_r64 && instruction.len() == 1 + usize::from(is_extended)
}

fn is_skipped(instruction: &Instruction, info: &mut InstructionInfoFactory) -> bool {
    if instruction.code() == Code::Endbr64 {
        return true;
    }
    let used = info.info(instruction);
    let changes = |register: Register| READ_AT_ENTRY.contains(&register.full_register());
    let mut registers = used.used_registers().iter();
    epilogue::is_quiet(instruction, used)
        && used.used_memory().is_empty()
        && !registers.any(|used| epilogue::writes(used.access()) && changes(used.register()))
}

/// What is read of the registers at an entry.
const READ_AT_ENTRY: [Register; 7] = [
    Register::RDI,
    Register::RSI,
    Register::RDX,
    Register::RCX,
    Register::R8,
    Register::R9,
    Register::RSP,
];
