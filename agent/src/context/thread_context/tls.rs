//! Where a thread-local variable lies, on x86-64 ("ELF Handling For Thread-Local Storage", variant
//! II, and the TLS descriptors of "Thread-Local Storage Descriptors for IA32 and AMD64/EM64T").

use hotspan_common::TlsKind;
use object::elf;

use crate::context::{
    image::{Image, Symbol, TlsBlock},
    memory::{Memory, MemoryError},
};

/// Where each thread has a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// So many bytes from the FS base.
    Static(i64),
    /// In a module's block, which the thread's DTV names.
    Dynamic {
        /// The module's number.
        module: u32,
        /// Bytes from the start of the block.
        offset: i64,
    },
}

impl Place {
    /// As the kernel programs get it: kind, module and offset.
    pub fn wire(self) -> (TlsKind, u32, i64) {
        match self {
            Self::Static(offset) => (TlsKind::Static, 0, offset),
            Self::Dynamic { module, offset } => (TlsKind::Dynamic, module, offset),
        }
    }
}

/// The executable's block ends at the FS base, aligned as it asks.
pub fn in_executable(block: TlsBlock, value: u64) -> Place {
    let mask = block.alignment - 1;
    let first = block.address.wrapping_neg() & mask;
    let size = (block.size.wrapping_sub(first).wrapping_add(mask) & !mask).wrapping_add(first);
    Place::Static(value.wrapping_sub(size) as i64)
}

/// A library's own accesses were resolved by the loader: what it wrote there tells the place.
/// `None`: no access is resolved yet.
pub fn in_library(
    memory: &Memory,
    image: &Image<'_>,
    symbol: Symbol,
) -> Result<Option<Place>, MemoryError> {
    for slot in image.relocated(symbol, elf::R_X86_64_TLSDESC) {
        if let Some(place) = by_descriptor(memory, slot)? {
            return Ok(Some(place));
        }
    }
    if let Some(&slot) = image.relocated(symbol, elf::R_X86_64_TPOFF64).first() {
        return Ok(Some(Place::Static(memory.read_u64(slot)? as i64)));
    }
    for slot in image.relocated(symbol, elf::R_X86_64_DTPMOD64) {
        let (module, offset) = (memory.read_u64(slot)?, memory.read_u64(slot + 8)?);
        if module != 0 {
            return Ok(Some(Place::Dynamic {
                module: module as u32,
                offset: offset as i64,
            }));
        }
    }
    Ok(None)
}

/// A descriptor is a function and its argument: an offset from the FS base, always negative, or the
/// address of module and offset.
fn by_descriptor(memory: &Memory, slot: u64) -> Result<Option<Place>, MemoryError> {
    let (function, argument) = (memory.read_u64(slot)?, memory.read_u64(slot + 8)?);
    if function == 0 || argument == 0 {
        return Ok(None);
    }
    if (argument as i64) < 0 {
        return Ok(Some(Place::Static(argument as i64)));
    }
    // Until its first use a lazy descriptor's argument may be the relocation's: no module, then.
    let module = memory.read_u64(argument)?;
    let offset = memory.read_u64(argument + 8)?;
    let plausible = (1..1 << 16).contains(&module) && offset < 1 << 32;
    Ok(plausible.then_some(Place::Dynamic {
        module: module as u32,
        offset: offset as i64,
    }))
}

#[cfg(test)]
mod tests {
    use super::{Place, TlsBlock, in_executable};

    #[test]
    fn the_executables_block_ends_at_the_fs_base() {
        let check = |address, size, alignment, value, expected| {
            let block = TlsBlock {
                address,
                size,
                alignment,
            };
            assert_eq!(
                in_executable(block, value),
                Place::Static(expected),
                "{block:?}"
            );
        };
        check(0x1000, 8, 8, 0, -8);
        check(0x1000, 12, 8, 8, -8);
        check(0x1000, 0x68, 0x20, 0x10, -0x70);
        check(0x1008, 0x68, 0x20, 0x10, -0x68);
    }
}
