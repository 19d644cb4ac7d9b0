//! The symbols of all objects, bounded in bytes.

use super::object::ObjectSymbols;
use crate::object::{Image, Kept};

/// Symbols by the state of their file.
pub type SymbolStore = Kept<ObjectSymbols>;

impl SymbolStore {
    /// The symbols of an object; `None` if they cannot be read.
    pub fn get(&mut self, image: &Image) -> Option<&mut ObjectSymbols> {
        self.get_or_make(image.key(), || ObjectSymbols::of(image).ok())
    }
}
