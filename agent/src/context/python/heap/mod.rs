//! Objects of a live CPython heap, read from outside.
//!
//! The target runs while it is read, so every answer is checked: types by their flags and names,
//! lengths against bounds, tables by a second look at their header. What cannot be read for sure is
//! an error and never a guess. Layouts: `Include/object.h`, `Include/cpython/*.h` and
//! `Include/internal/pycore_{dict,object,long}.h` of each version.

mod bytes;
mod containers;
mod dict;
mod error;
mod instance;
mod layout;
mod remembered;
mod scalars;
mod text;
mod types;

use std::{borrow::Cow, cell::Cell};

pub use containers::MAX_ITEMS;
pub use dict::{Entry, MAX_ENTRIES};
pub use error::HeapError;
pub use layout::{HeapLayout, TextState, UnknownVersion};
pub use remembered::Remembered;
pub use scalars::PyValue;
pub use text::MAX_TEXT;
pub use types::TypeInfo;

use crate::context::memory::Memory;

/// How often a table that changes under the reader is read again before it is given up.
const ATTEMPTS: usize = 6;
/// How many looks in a row must find nothing for an absence to count.
const LOOKS: usize = 2;

/// A reader of one process's Python objects. Objects are named by their addresses.
#[derive(Debug)]
pub struct Heap<'memory> {
    memory: &'memory Memory,
    layout: HeapLayout,
    /// The address of the type `str`, once seen: a static object, it stays where it is.
    str_type: Cell<Option<u64>>,
    remembered: Option<&'memory Remembered>,
}

impl<'memory> Heap<'memory> {
    /// A reader for an interpreter of this layout.
    pub fn new(memory: &'memory Memory, layout: HeapLayout) -> Self {
        Self {
            memory,
            layout,
            str_type: Cell::new(None),
            remembered: None,
        }
    }

    /// The same, by what was read of other objects shortly before.
    #[must_use]
    pub fn with(self, remembered: &'memory Remembered) -> Self {
        Self {
            remembered: Some(remembered),
            ..self
        }
    }

    /// The layout in use.
    pub fn layout(&self) -> &HeapLayout {
        &self.layout
    }

    /// What strings of known text have shown.
    pub(super) fn set_text_state(&mut self, state: TextState) {
        self.layout.text_state = state;
    }

    pub(super) fn bytes<const N: usize>(&self, address: u64) -> Result<[u8; N], HeapError> {
        Ok(self.memory.bytes(address)?)
    }

    /// An object's first bytes, as far as there is memory.
    fn head(&self, object: u64) -> Result<Head, HeapError> {
        let mut bytes = [0; HEAD];
        let length = self.memory.read_some(object, &mut bytes)?;
        Ok(Head {
            object,
            bytes,
            length,
        })
    }

    /// Bytes of an object: from its head, or, if they lie behind it, read.
    fn part<'a>(
        &self,
        head: &'a Head,
        offset: u64,
        length: usize,
    ) -> Result<Cow<'a, [u8]>, HeapError> {
        let end = (offset as usize).saturating_add(length);
        if end <= head.length {
            return Ok(Cow::Borrowed(&head.bytes[offset as usize..end]));
        }
        let address = head.object.wrapping_add(offset);
        self.vector(address, length).map(Cow::Owned)
    }

    fn vector(&self, address: u64, length: usize) -> Result<Vec<u8>, HeapError> {
        let mut bytes = vec![0; length];
        self.memory.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// The 64-bit word at an address.
    pub(super) fn word(&self, address: u64) -> Result<u64, HeapError> {
        Ok(self.memory.read_u64(address)?)
    }

    /// `count` words from an address on.
    pub(super) fn words(&self, address: u64, count: usize) -> Result<Vec<u64>, HeapError> {
        let bytes = self.vector(address, 8 * count)?;
        Ok(words_of(&bytes).collect())
    }
}

/// Reads until two looks in a row agree that nothing changed, a bounded number of times.
fn stable<T>(
    address: u64,
    read: impl Fn() -> Result<Option<T>, HeapError>,
) -> Result<T, HeapError> {
    let mut failure = HeapError::Changing { address };
    for _ in 0..ATTEMPTS {
        match read() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            // What is pointed to may be gone by the time that it is read.
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Looks again before it says that there is nothing: without a version number (3.14 on), a table that
/// was replaced at the same place can pass for an unchanged one.
fn confirmed<T>(look: impl Fn() -> Result<Option<T>, HeapError>) -> Result<Option<T>, HeapError> {
    for _ in 0..LOOKS {
        if let Some(value) = look()? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// What is read of an object at once: a short text, a number or a small tuple as a whole. Reads of another
/// process's memory cost by their number.
const HEAD: usize = 128;

/// An object's first bytes.
struct Head {
    object: u64,
    bytes: [u8; HEAD],
    length: usize,
}

impl Head {
    /// The word at an offset within the header that all objects have; zero if there is no memory.
    fn word(&self, offset: usize) -> u64 {
        word_at(&self.bytes[..self.length], offset)
    }

    /// The address of its type.
    fn class(&self) -> u64 {
        self.word(8)
    }
}

/// The little-endian words of a byte string whose length is a multiple of eight.
fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_le_bytes(*word))
}

/// The little-endian word at `offset`; zero beyond the end, which no caller reaches.
pub(super) fn word_at(bytes: &[u8], offset: usize) -> u64 {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |word| u64::from_le_bytes(*word))
}
