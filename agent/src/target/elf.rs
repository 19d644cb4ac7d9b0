//! Word size and processor of a program, from the first bytes of its file.

use std::fmt;

use object::elf;

/// A program's word size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bitness {
    /// 32-bit: i386, or x32.
    Bits32,
    /// 64-bit.
    Bits64,
}

impl fmt::Display for Bitness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bits32 => "32-bit",
            Self::Bits64 => "64-bit",
        })
    }
}

/// What the ELF header says about where a program can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElfIdentity {
    /// Word size.
    pub bitness: Bitness,
    /// `e_machine`.
    pub machine: u16,
}

impl ElfIdentity {
    /// Bytes of the header that are needed.
    pub const LEN: usize = 20;

    /// Reads the start of a file: `e_ident` (16 bytes), `e_type`, `e_machine` (2 bytes each), as
    /// the System V ABI lays them out. `None` if it is no ELF file.
    pub fn parse(start: &[u8; Self::LEN]) -> Option<Self> {
        if start[..4] != elf::ELFMAG {
            return None;
        }
        let bitness = match start[4] {
            class if class == elf::ELFCLASS32.0 => Bitness::Bits32,
            class if class == elf::ELFCLASS64.0 => Bitness::Bits64,
            _ => return None,
        };
        let machine = [start[18], start[19]];
        let machine = if start[5] == elf::ELFDATA2MSB.0 {
            u16::from_be_bytes(machine)
        } else {
            u16::from_le_bytes(machine)
        };
        Some(Self { bitness, machine })
    }
}
