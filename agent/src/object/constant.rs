//! Functions of two instructions, which say a constant or an offset: read, not called.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use super::image::Image;

/// The number that the function at `address` returns: `mov $N, %eax; ret` or `xor %eax, %eax; ret`.
pub fn returned_number(image: &Image, address: u64) -> Option<u64> {
    let instruction = before_return(image, address)?;
    let is_eax = instruction.op0_register() == Register::EAX;
    match (instruction.mnemonic(), instruction.op1_kind()) {
        (Mnemonic::Mov, OpKind::Immediate32) if is_eax => {
            Some(u64::from(instruction.immediate32()))
        }
        (Mnemonic::Xor, OpKind::Register)
            if is_eax && instruction.op1_register() == Register::EAX =>
        {
            Some(0)
        }
        _ => None,
    }
}

/// The C string to which the function at `address` returns a pointer: `lea STRING(%rip), %rax; ret`.
pub fn returned_text(image: &Image, address: u64) -> Option<String> {
    let instruction = before_return(image, address)?;
    let points = instruction.mnemonic() == Mnemonic::Lea
        && instruction.op0_register() == Register::RAX
        && instruction.memory_base() == Register::RIP;
    let bytes = points
        .then(|| image.bytes_at(instruction.memory_displacement64(), 64).ok())
        .flatten()?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    String::from_utf8(bytes[..end].to_vec()).ok()
}

/// The offset in its only argument's object that the getter at `address` returns:
/// `mov N(%rdi), %eax; ret`, or the same with `%rax`, `movslq`, `movzbl` or `movsd` to `%xmm0`.
pub fn getter_offset(image: &Image, address: u64) -> Option<i32> {
    let instruction = before_return(image, address)?;
    let loads = matches!(
        (instruction.mnemonic(), instruction.op0_register()),
        (
            Mnemonic::Mov | Mnemonic::Movsxd | Mnemonic::Movzx,
            Register::EAX | Register::RAX
        ) | (Mnemonic::Movsd, Register::XMM0)
    );
    let from_argument = instruction.op1_kind() == OpKind::Memory
        && instruction.memory_base() == Register::RDI
        && instruction.memory_index() == Register::None
        && instruction.segment_prefix() == Register::None;
    (loads && from_argument)
        .then(|| i32::try_from(instruction.memory_displacement64() as i64).ok())
        .flatten()
}

/// The one instruction before the `ret` of a function of two instructions (after an `endbr64`).
fn before_return(image: &Image, address: u64) -> Option<Instruction> {
    let bytes = image.bytes_at(address, 16).ok()?;
    let mut decoder = Decoder::with_ip(64, &bytes, address, DecoderOptions::NONE);
    let mut first = decoder.decode();
    if first.code() == Code::Endbr64 {
        first = decoder.decode();
    }
    (decoder.decode().mnemonic() == Mnemonic::Ret).then_some(first)
}
