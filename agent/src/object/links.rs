//! Where a jump through the procedure linkage table or the global offset table leads.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use object::{
    LittleEndian as LE,
    elf::{self, Rela64},
    pod,
};

use super::{
    image::Image,
    symbols::{Symbol, SymbolTable},
};

/// What a slot of the global offset table will hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// An address in this object.
    Local(u64),
    /// A symbol of another object.
    Import(String),
}

/// The relocations of an object, as they lie in the file: few of them are ever looked up, so an
/// index over all (a million in large objects) would cost more than it saves.
#[derive(Debug, Default)]
pub struct Links {
    tables: Vec<Vec<u8>>,
}

impl Links {
    /// Reads the relocations. Those that can't be read are as if they were not there: the jump stays unresolved.
    pub fn load(image: &Image) -> Self {
        let sections = image.sections().iter();
        let tables = sections
            .filter(|section| section.kind == elf::SHT_RELA)
            .filter_map(|section| image.read(section.offset, section.size).ok())
            .collect();
        Self { tables }
    }

    /// What the slot at `address` holds once the object is loaded.
    pub fn target(&self, address: u64, symbols: &SymbolTable) -> Option<Link> {
        let entry = self
            .entries()
            .find(|entry| entry.r_offset.get(LE) == address)?;
        let info = entry.r_info.get(LE);
        match elf::RelocationType((info & 0xffff_ffff) as u32) {
            elf::R_X86_64_JUMP_SLOT | elf::R_X86_64_GLOB_DAT => {
                symbols.get((info >> 32) as u32).map(|symbol| link(&symbol))
            }
            elf::R_X86_64_RELATIVE => Some(Link::Local(entry.r_addend.get(LE) as u64)),
            _ => None,
        }
    }

    /// The slots that hold the function of this object at `address`.
    pub fn slots_of(&self, address: u64, symbols: &SymbolTable) -> Vec<u64> {
        let holds = |entry: &&Rela64<LE>| {
            let info = entry.r_info.get(LE);
            match elf::RelocationType((info & 0xffff_ffff) as u32) {
                elf::R_X86_64_JUMP_SLOT | elf::R_X86_64_GLOB_DAT => symbols
                    .get((info >> 32) as u32)
                    .is_some_and(|symbol| link(&symbol) == Link::Local(address)),
                elf::R_X86_64_RELATIVE => entry.r_addend.get(LE).cast_unsigned() == address,
                _ => false,
            }
        };
        let slots = self.entries().filter(holds);
        slots.map(|entry| entry.r_offset.get(LE)).collect()
    }

    /// Places in the data that will point into this object, and where to.
    pub fn local_pointers(&self) -> impl Iterator<Item = (u64, u64)> {
        self.entries().filter_map(|entry| {
            let kind = elf::RelocationType((entry.r_info.get(LE) & 0xffff_ffff) as u32);
            (kind == elf::R_X86_64_RELATIVE)
                .then(|| (entry.r_offset.get(LE), entry.r_addend.get(LE) as u64))
        })
    }

    fn entries(&self) -> impl Iterator<Item = &Rela64<LE>> {
        self.tables.iter().flat_map(|bytes| {
            let count = bytes.len() / size_of::<Rela64<LE>>();
            pod::slice_from_bytes::<Rela64<LE>>(bytes, count)
                .map_or(&[][..], |(entries, _)| entries)
        })
    }
}

/// The slot through which the stub at `address` jumps, if that is what lies there:
/// `[endbr64] [bnd] jmp *slot(%rip)`, in `.plt`, `.plt.sec` or `.plt.got`.
pub fn stub_slot(image: &Image, address: u64) -> Option<u64> {
    let bytes = image.bytes_at(address, 16).ok()?;
    let mut decoder = Decoder::with_ip(64, &bytes, address, DecoderOptions::NONE);
    let mut instruction = decoder.decode();
    if instruction.code() == Code::Endbr64 {
        instruction = decoder.decode();
    }
    memory_slot(&instruction)
}

/// The slot of `jmp *slot(%rip)`.
pub fn memory_slot(instruction: &Instruction) -> Option<u64> {
    slot_of(instruction, Mnemonic::Jmp)
}

/// The slot of `call *slot(%rip)`.
pub fn called_slot(instruction: &Instruction) -> Option<u64> {
    slot_of(instruction, Mnemonic::Call)
}

fn slot_of(instruction: &Instruction, mnemonic: Mnemonic) -> Option<u64> {
    let through_slot = instruction.mnemonic() == mnemonic
        && instruction.op0_kind() == OpKind::Memory
        && instruction.memory_base() == Register::RIP
        && instruction.memory_index() == Register::None;
    through_slot.then(|| instruction.memory_displacement64())
}

/// A symbol that the object defines is taken to be its own: an interposed one is another
/// function, whose exits would not be seen; the crossing is then closed by the next entry, and said to be.
fn link(symbol: &Symbol<'_>) -> Link {
    if symbol.defined && symbol.address != 0 {
        Link::Local(symbol.address)
    } else {
        Link::Import(String::from_utf8_lossy(symbol.name).into_owned())
    }
}
