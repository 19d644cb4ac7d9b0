//! Instructions that probes are put on.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic};

use super::{Searched, refusal::Refusal};

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

/// Where a function's entry is probed.
pub(super) fn entry_probe(searched: &Searched<'_>, entry: u64) -> Result<u64, Refusal> {
    let bytes = searched
        .image
        .bytes_at(entry, 16)
        .map_err(|_| Refusal::NoCode(entry))?;
    let mut decoder = Decoder::with_ip(64, &bytes, entry, DecoderOptions::NONE);
    if decoder.decode().code() != Code::Endbr64 {
        return Ok(entry);
    }
    let second = decoder.decode();
    Ok(if second.mnemonic() == Mnemonic::Push {
        second.ip()
    } else {
        entry
    })
}
