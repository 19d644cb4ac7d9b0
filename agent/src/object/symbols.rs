//! Symbol tables.

use std::{io, ops::Range};

use object::{
    LittleEndian as LE,
    elf::{self, Sym64},
    pod,
};

use super::image::Image;

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// A function that returns the address of the function (`STT_GNU_IFUNC`).
    Indirect,
    /// Data, sections, files, thread-local storage, untyped labels.
    Other,
}

/// One entry of a symbol table.
#[derive(Clone, Copy, Debug)]
pub struct Symbol<'a> {
    /// The name, without a version suffix (`@@GLIBC_2.34`).
    pub name: &'a [u8],
    /// The address, or 0.
    pub address: u64,
    /// The size in bytes; 0: not known.
    pub size: u64,
    /// The kind.
    pub kind: SymbolKind,
    /// Whether this object defines it; else it is imported.
    pub defined: bool,
}

impl Symbol<'_> {
    /// Its addresses; empty if the size is not known.
    pub fn range(&self) -> Range<u64> {
        self.address..self.address.saturating_add(self.size)
    }
}

/// A symbol table with its strings, both as they lie in the file.
#[derive(Debug, Default)]
pub struct SymbolTable {
    symbols: Vec<u8>,
    strings: Vec<u8>,
}

impl SymbolTable {
    /// `.dynsym`: what the object exports and imports. Empty if there is none.
    pub fn dynamic(image: &Image) -> io::Result<Self> {
        Self::of_kind(image, elf::SHT_DYNSYM)
    }

    /// `.symtab`: all symbols. Empty if the object is stripped.
    pub fn full(image: &Image) -> io::Result<Self> {
        Self::of_kind(image, elf::SHT_SYMTAB)
    }

    /// Whether there is no symbol.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.raw().len()
    }

    /// The entry at `index`, as relocations count.
    pub fn get(&self, index: u32) -> Option<Symbol<'_>> {
        self.raw().get(index as usize).map(|raw| self.symbol(raw))
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = Symbol<'_>> {
        self.raw().iter().map(|raw| self.symbol(raw))
    }

    /// Functions that this object defines.
    pub fn functions(&self) -> impl Iterator<Item = Symbol<'_>> {
        self.iter()
            .filter(|symbol| symbol.defined && symbol.kind != SymbolKind::Other)
    }

    fn of_kind(image: &Image, kind: elf::SectionType) -> io::Result<Self> {
        let sections = image.sections();
        let Some(table) = sections.iter().find(|section| section.kind == kind) else {
            return Ok(Self::default());
        };
        let strings = match sections.get(table.link as usize) {
            Some(strings) => image.read(strings.offset, strings.size)?,
            None => Vec::new(),
        };
        Ok(Self {
            symbols: image.read(table.offset, table.size)?,
            strings,
        })
    }

    fn raw(&self) -> &[Sym64<LE>] {
        let count = self.symbols.len() / size_of::<Sym64<LE>>();
        pod::slice_from_bytes(&self.symbols, count).map_or(&[], |(symbols, _)| symbols)
    }

    fn symbol(&self, raw: &Sym64<LE>) -> Symbol<'_> {
        Symbol {
            name: self.name(raw.st_name.get(LE)),
            address: raw.st_value.get(LE),
            size: raw.st_size.get(LE),
            kind: match raw.st_type() {
                elf::STT_FUNC => SymbolKind::Function,
                elf::STT_GNU_IFUNC => SymbolKind::Indirect,
                _ => SymbolKind::Other,
            },
            defined: raw.st_shndx.get(LE) != elf::SHN_UNDEF,
        }
    }

    fn name(&self, offset: u32) -> &[u8] {
        let tail = self.strings.get(offset as usize..).unwrap_or_default();
        let end = memchr::memchr2(0, b'@', tail).unwrap_or(0);
        &tail[..end]
    }
}
