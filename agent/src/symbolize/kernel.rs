//! Names of the kernel's functions.

use std::{num::NonZeroUsize, rc::Rc};

use blazesym::{
    MaybeDefault,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Kernel, Source},
    },
};
use lru::LruCache;

/// Addresses whose names are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The symbols of the running kernel, by `/proc/kallsyms`.
pub struct KernelSymbols {
    symbolizer: Symbolizer,
    source: Source<'static>,
    remembered: LruCache<u64, Option<Rc<str>>>,
}

impl Default for KernelSymbols {
    fn default() -> Self {
        let kernel = Kernel {
            // An image beside may be another build's, and takes its time to read.
            vmlinux: MaybeDefault::None,
            debug_syms: false,
            ..Kernel::default()
        };
        Self {
            symbolizer: Symbolizer::builder().enable_auto_reload(false).build(),
            source: Source::Kernel(kernel),
            remembered: LruCache::new(REMEMBERED),
        }
    }
}

impl KernelSymbols {
    /// The function at an address; `None`: the kernel does not say.
    pub fn name(&mut self, address: u64) -> Option<Rc<str>> {
        if let Some(known) = self.remembered.get(&address) {
            return known.clone();
        }
        let found = self
            .symbolizer
            .symbolize_single(&self.source, Input::AbsAddr(address));
        let name = match found {
            Ok(Symbolized::Sym(symbol)) => Some(symbol.name.into()),
            Ok(Symbolized::Unknown(_)) | Err(_) => None,
        };
        self.remembered.put(address, name.clone());
        name
    }
}
