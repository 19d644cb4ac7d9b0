//! Symbols and the relocations that refer to them.

use object::{
    SymbolIndex, elf,
    read::elf::{Rela, SectionHeader, Sym, SymbolTable},
};

use super::{Data, Header, Image};

/// A defined symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its place in `.dynsym`; `None` for one of `.symtab`.
    pub dynamic: Option<SymbolIndex>,
    /// Its value as the file has it: an address, or a thread-local variable's offset in its block.
    pub value: u64,
}

impl<'data> Image<'data> {
    /// The address of a symbol, from `.dynsym` or else `.symtab`.
    pub fn symbol_address(&self, name: &str) -> Option<u64> {
        let symbol = self
            .dynamic_symbol(name)
            .or_else(|| self.static_symbol(name))?;
        Some(self.address(symbol.value))
    }

    /// An exported symbol.
    pub fn dynamic_symbol(&self, name: &str) -> Option<Symbol> {
        let (symbols, index) = self.find_exported(name)?;
        let symbol = symbols.symbol(index).ok()?;
        self.defined(symbol).then(|| Symbol {
            dynamic: Some(index),
            value: symbol.st_value(self.endian),
        })
    }

    /// By the hash table, if there is one: libraries can export 100,000 symbols.
    fn find_exported(
        &self,
        name: &str,
    ) -> Option<(SymbolTable<'data, Header, Data<'data>>, SymbolIndex)> {
        let symbols = self
            .sections
            .symbols(self.endian, self.data, elf::SHT_DYNSYM)
            .ok()?;
        let index = match self.sections.gnu_hash(self.endian, self.data).ok()? {
            Some((table, _)) => {
                let hash = elf::gnu_hash(name.as_bytes());
                let any_version = object::read::elf::VersionTable::default();
                table
                    .find(
                        self.endian,
                        name.as_bytes(),
                        hash,
                        None,
                        &symbols,
                        &any_version,
                    )
                    .map(|(index, _)| index)
            }
            None => self.find_in(&symbols, name),
        };
        index.map(|index| (symbols, index))
    }

    /// A symbol of `.symtab`, which stripped files lack.
    pub fn static_symbol(&self, name: &str) -> Option<Symbol> {
        let symbols = self
            .sections
            .symbols(self.endian, self.data, elf::SHT_SYMTAB)
            .ok()?;
        let symbol = symbols.symbol(self.find_in(&symbols, name)?).ok()?;
        Some(Symbol {
            dynamic: None,
            value: symbol.st_value(self.endian),
        })
    }

    fn find_in(
        &self,
        symbols: &SymbolTable<'data, Header, Data<'data>>,
        name: &str,
    ) -> Option<SymbolIndex> {
        let (index, _) = symbols.enumerate().find(|(_, symbol)| {
            self.defined(symbol)
                && symbol.name(self.endian, symbols.strings()) == Ok(name.as_bytes())
        })?;
        Some(index)
    }

    fn defined(&self, symbol: &elf::Sym64<object::Endianness>) -> bool {
        symbol.st_shndx(self.endian) != elf::SHN_UNDEF
    }

    /// The addresses that the loader fills in by relocations of these kinds for `symbol`: those
    /// that name it, and those that name its place in this file's own block.
    pub fn relocated(&self, symbol: Symbol, kind: elf::RelocationType) -> Vec<u64> {
        let endian = self.endian;
        let tables = self
            .sections
            .iter()
            .filter_map(|section| section.rela(endian, self.data).ok().flatten());
        tables
            .flat_map(|(table, _)| table)
            .filter(|entry| entry.r_type(endian, false) == kind)
            .filter(|entry| match entry.symbol(endian, false) {
                Some(index) => Some(index) == symbol.dynamic,
                None => entry.r_addend.get(endian) as u64 == symbol.value,
            })
            .map(|entry| self.address(entry.r_offset.get(endian)))
            .collect()
    }
}
