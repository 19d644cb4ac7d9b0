//! What blazesym needs of an object, in a file that nobody but the agent can change.
//!
//! blazesym maps files into memory, and a mapped file that is cut short kills who reads it. So it gets a
//! copy: an anonymous file of the object's length with holes in it, that has the headers, the symbols and,
//! up to a limit, the debug information, each where the object has it. Sections that lead to other files
//! (debug links) are left out, so that a target cannot have the agent open what it names.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd as _, unix::fs::FileExt as _},
    path::PathBuf,
};

use object::{
    LittleEndian as LE,
    elf::{self, FileHeader64, ProgramHeader64, SectionHeader64},
    pod,
};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::object::Image;

/// Symbols that are copied of one object, in bytes; the largest libraries known have a third of it.
const MAX_SYMBOLS: u64 = 96 << 20;
/// Debug information that is copied of one object, in bytes. Beyond, there are no inlined functions and lines.
const MAX_DEBUG: u64 = 8 << 20;

/// The copy.
pub(super) struct SymbolFile {
    file: File,
    /// Bytes that it takes.
    pub size: u64,
    /// Whether it has debug information.
    pub has_debug: bool,
}

impl SymbolFile {
    /// Copies what names the code of `image`.
    ///
    /// # Errors
    /// A read or a write failed, or the headers make no sense.
    pub fn of(image: &Image) -> io::Result<Self> {
        let file = File::from(memfd_create("hotspan-symbols", MemfdFlags::CLOEXEC)?);
        file.set_len(image.key().size)?;
        let mut copy = Self {
            file,
            size: 0,
            has_debug: false,
        };
        copy.fill(image)?;
        Ok(copy)
    }

    /// A path that opens it.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    fn fill(&mut self, image: &Image) -> io::Result<()> {
        let start = image.read(0, size_of::<FileHeader64<LE>>() as u64)?;
        let (header, _) = pod::from_bytes::<FileHeader64<LE>>(&start).map_err(|()| malformed())?;
        self.put(0, &start)?;
        let programs = u64::from(header.e_phnum.get(LE));
        let programs = programs * size_of::<ProgramHeader64<LE>>() as u64;
        let at = header.e_phoff.get(LE);
        self.put(at, &image.read(at, programs)?)?;
        let at = header.e_shoff.get(LE);
        if at == 0 {
            return Ok(());
        }
        let sections = image.sections();
        let kept = Kept::choose(image);
        self.has_debug = kept.debug;
        let length = (sections.len() * size_of::<SectionHeader64<LE>>()) as u64;
        let mut table = image.read(at, length)?;
        let (headers, _) =
            pod::slice_from_bytes_mut::<SectionHeader64<LE>>(&mut table, sections.len())
                .map_err(|()| malformed())?;
        for (index, section) in sections.iter().enumerate() {
            if kept.has(&section.name, section.kind) {
                self.put(section.offset, &image.read(section.offset, section.size)?)?;
            } else if index != 0 {
                leave_out(&mut headers[index]);
            }
        }
        self.put(at, &table)
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.file.write_all_at(bytes, at)
    }
}

/// Code keeps its header, for its address; the others become empty ones without a name.
fn leave_out(header: &mut SectionHeader64<LE>) {
    if header.sh_type.get(LE) == elf::SHT_PROGBITS
        && header.sh_flags.get(LE).contains(elf::SHF_ALLOC)
    {
        return;
    }
    header.sh_type.set(LE, elf::SHT_NULL);
    header.sh_name.set(LE, 0);
    header.sh_size.set(LE, 0);
}

/// Which sections are copied.
struct Kept {
    symbols: bool,
    debug: bool,
}

impl Kept {
    fn choose(image: &Image) -> Self {
        let size = |wanted: fn(&str, elf::SectionType) -> bool| -> u64 {
            let sections = image.sections().iter();
            let wanted = sections.filter(|section| wanted(&section.name, section.kind));
            wanted
                .map(|section| section.size)
                .fold(0, u64::saturating_add)
        };
        let debug = size(|name, _| is_debug(name));
        Self {
            symbols: size(is_symbols) <= MAX_SYMBOLS,
            debug: debug != 0 && debug <= MAX_DEBUG,
        }
    }

    fn has(&self, name: &str, kind: elf::SectionType) -> bool {
        (self.symbols && is_symbols(name, kind)) || (self.debug && is_debug(name))
    }
}

fn is_symbols(_: &str, kind: elf::SectionType) -> bool {
    [elf::SHT_SYMTAB, elf::SHT_DYNSYM, elf::SHT_STRTAB].contains(&kind)
}

fn is_debug(name: &str) -> bool {
    name.starts_with(".debug_") && name != ".debug_sup"
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the object's headers make no sense",
    )
}
