//! Names of the addresses of one object.

use std::{collections::BTreeMap, io, rc::Rc};

use blazesym::symbolize::{
    CodeInfo, Input, Sym, Symbolized, Symbolizer,
    source::{Elf, Source},
};
use rustc_hash::FxHashMap;

use super::{copy::SymbolFile, function_name, names::short_of};
use crate::object::{Image, Weighed};

/// Addresses whose names are remembered, for one object. Beyond, all are forgotten: to know which one was asked for last
/// would cost each more than that.
const REMEMBERED: usize = 1024;
/// The same of functions: threads run at ever new addresses of few. A solver's library shows 1,400 of them in some thousand
/// requests.
const FUNCTIONS: usize = 4096;
/// What blazesym keeps for each byte of symbols: an index beside what it maps.
const INDEX_SHARE: u64 = 4;

/// A function that has code at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeName {
    /// Short name, for spans.
    pub short: String,
    /// Qualified name.
    pub qualified: String,
    /// The symbol as the object has it.
    pub symbol: String,
    /// Where it begins; `None` for a function that is inlined there.
    pub start: Option<u64>,
    /// Source file; empty: not known.
    pub file: String,
    /// Line in it; 0: not known.
    pub line: u32,
}

/// The symbols of an object.
pub struct ObjectSymbols {
    symbolizer: Symbolizer,
    source: Source<'static>,
    file: SymbolFile,
    remembered: FxHashMap<u64, Rc<[NativeName]>>,
    functions: Functions,
}

impl ObjectSymbols {
    /// Reads what names the code of an object.
    ///
    /// # Errors
    /// It cannot be read, or its headers make no sense.
    pub fn of(image: &Image) -> io::Result<Self> {
        let file = SymbolFile::of(image)?;
        let mut elf = Elf::new(file.path());
        elf.debug_syms = file.has_debug;
        // The names are demangled here, as everywhere; other files are never opened.
        let symbolizer = Symbolizer::builder()
            .enable_auto_reload(false)
            .enable_code_info(file.has_debug)
            .enable_inlined_fns(file.has_debug)
            .enable_demangling(false)
            .set_debug_dirs(Some(<[&str; 0]>::default()))
            .build();
        Ok(Self {
            symbolizer,
            source: Source::Elf(elf),
            file,
            remembered: FxHashMap::default(),
            functions: Functions::default(),
        })
    }

    /// The functions at an address of the object, innermost first: those inlined there, and the one that
    /// holds them. Empty: no symbol says.
    pub fn names(&mut self, address: u64) -> Rc<[NativeName]> {
        if let Some(known) = self.functions.at(address) {
            return known;
        }
        if let Some(known) = self.remembered.get(&address) {
            return Rc::clone(known);
        }
        // What blazesym cannot read has no names.
        let found = self
            .symbolizer
            .symbolize_single(&self.source, Input::VirtOffset(address));
        let names = match found {
            Ok(Symbolized::Sym(symbol)) if self.file.has_debug => names_of(&symbol).into(),
            Ok(Symbolized::Sym(symbol)) => return self.functions.learn(&symbol, address),
            Ok(Symbolized::Unknown(_)) | Err(_) => Rc::default(),
        };
        if self.remembered.len() == REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(address, Rc::clone(&names));
        names
    }
}

impl Weighed for ObjectSymbols {
    fn bytes(&self) -> usize {
        (self.file.size + self.file.size / INDEX_SHARE) as usize
    }
}

/// Functions of an object that says nothing of inlined ones and lines, by their starts: there, one name holds from the
/// start up to the last address that it was found for. Beyond that another symbol may begin within the function.
#[derive(Default)]
struct Functions(BTreeMap<u64, Known>);

struct Known {
    last: u64,
    size: Option<usize>,
    names: Rc<[NativeName]>,
}

impl Functions {
    fn at(&self, address: u64) -> Option<Rc<[NativeName]>> {
        let (_, known) = self.0.range(..=address).next_back()?;
        (address <= known.last).then(|| Rc::clone(&known.names))
    }

    fn learn(&mut self, symbol: &Sym<'_>, address: u64) -> Rc<[NativeName]> {
        if let Some(known) = self.0.get_mut(&symbol.addr)
            && known.size == symbol.size
        {
            known.last = known.last.max(address);
            return Rc::clone(&known.names);
        }
        if self.0.len() == FUNCTIONS {
            self.0.clear();
        }
        let known = Known {
            last: address,
            size: symbol.size,
            names: names_of(symbol).into(),
        };
        let names = Rc::clone(&known.names);
        self.0.insert(symbol.addr, known);
        names
    }
}

fn names_of(symbol: &Sym<'_>) -> Vec<NativeName> {
    let holder = name(&symbol.name, symbol.code_info.as_deref());
    let mut names = vec![NativeName {
        start: Some(symbol.addr),
        ..holder
    }];
    for inlined in &symbol.inlined {
        names.push(name(&inlined.name, inlined.code_info.as_ref()));
    }
    names.reverse();
    names
}

fn name(symbol: &str, code: Option<&CodeInfo<'_>>) -> NativeName {
    let qualified = function_name(symbol);
    NativeName {
        short: short_of(&qualified),
        qualified,
        symbol: symbol.to_owned(),
        start: None,
        file: code.map_or_else(String::new, |code| {
            code.to_path().to_string_lossy().into_owned()
        }),
        line: code.and_then(|code| code.line).unwrap_or(0),
    }
}
