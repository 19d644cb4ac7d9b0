//! Code objects: what a Python frame runs.
//!
//! A sample names a code object by its address and a checksum taken with it. By the time that it is read
//! here it may be gone and another be in its place: what does not bear the checksum is not named.

mod cache;
mod layout;
mod lines;

use hotspan_common::code_checksum;
use thiserror::Error;

pub use cache::{CodeCache, CodeCounts};
pub use layout::{CodeLayout, LineFormat};
pub use lines::line_at;

use super::heap::{Heap, HeapError};

/// Bytes of a code object that are read at once: all fields that are used.
const HEADER: usize = 144;
/// `ob_size`, from 3.11 on: how many units of instructions it has.
const SIZE: usize = 16;
/// Bytes of a table of lines; code with a longer one is named without lines.
const MAX_LINES: u64 = 64 * 1024;

/// Why a code object was not read.
#[derive(Debug, Error)]
pub enum CodeError {
    /// It is gone: what lies there now is no code object, or another one.
    #[error("the code object at {0:#x} is gone")]
    Gone(u64),
    /// It could not be read.
    #[error(transparent)]
    Heap(#[from] HeapError),
}

/// A code object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// `co_name`.
    pub name: String,
    /// `co_qualname`; up to 3.10, which have none, the name.
    pub qualified: String,
    /// `co_filename`.
    pub file: String,
    /// `co_firstlineno`.
    pub first_line: u32,
    lines: Box<[u8]>,
    /// Address of the first instruction, and bytes of them; up to 3.10 both are 0.
    instructions: u64,
    length: u64,
    format: LineFormat,
    identity: Identity,
}

/// What makes a code object this one: the fields that name it never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    class: u64,
    file: u64,
    name: u64,
    qualified: u64,
    lines: u64,
    first_line: u32,
    checksum: u32,
    size: u64,
}

impl Identity {
    fn read(heap: &Heap<'_>, layout: &CodeLayout, address: u64) -> Result<Self, HeapError> {
        let header = heap.bytes::<HEADER>(address)?;
        let word = |at: usize| super::heap::word_at(&header, at);
        let half = |at: usize| word(at) as u32;
        let has_size = layout.line_format == LineFormat::Locations;
        Ok(Self {
            class: word(8),
            file: word(layout.file),
            name: word(layout.name),
            qualified: layout.qualified.map_or(0, word),
            lines: word(layout.lines),
            first_line: half(layout.first_line),
            checksum: code_checksum(
                half(layout.first_line),
                half(layout.flags),
                half(layout.argument_count),
            ),
            size: if has_size { word(SIZE) } else { 0 },
        })
    }

    fn is_still_at(&self, heap: &Heap<'_>, layout: &CodeLayout, address: u64) -> bool {
        Self::read(heap, layout, address).is_ok_and(|now| now == *self)
    }
}

impl Code {
    /// Reads the code object at an address, if it still is the one that had this checksum.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn read(
        heap: &Heap<'_>,
        layout: &CodeLayout,
        address: u64,
        checksum: u32,
    ) -> Result<Self, CodeError> {
        let gone = || CodeError::Gone(address);
        // What lies where it was may be anything, or nothing.
        let identity = Identity::read(heap, layout, address).map_err(|_| gone())?;
        if identity.checksum != checksum {
            return Err(gone());
        }
        let class = heap.type_info(identity.class).map_err(|_| gone())?;
        if !class.is_builtin("code") {
            return Err(gone());
        }
        let code = Self::described(heap, layout, address, identity);
        // It may have been freed while it was read.
        if identity.is_still_at(heap, layout, address) {
            Ok(code?)
        } else {
            Err(gone())
        }
    }

    fn described(
        heap: &Heap<'_>,
        layout: &CodeLayout,
        address: u64,
        identity: Identity,
    ) -> Result<Self, HeapError> {
        let name = heap.text(identity.name)?;
        Ok(Self {
            qualified: match layout.qualified {
                Some(_) => heap.text(identity.qualified)?,
                None => name.clone(),
            },
            name,
            file: heap.text(identity.file)?,
            first_line: identity.first_line,
            lines: match heap.byte_string(identity.lines, MAX_LINES) {
                Ok(lines) => lines.into(),
                Err(HeapError::TooLarge { .. }) => Box::default(),
                Err(error) => return Err(error),
            },
            instructions: match layout.instructions {
                0 => 0,
                offset => address.wrapping_add(offset as u64),
            },
            length: identity.size.saturating_mul(2),
            format: layout.line_format,
            identity,
        })
    }

    /// The line that a frame of this code is at; 0 if it is not known.
    ///
    /// `instruction` is what the frame has: an address from 3.11 on, else the number `f_lasti`.
    pub fn line(&self, instruction: u64) -> u32 {
        match self.offset(instruction) {
            Offset::Before => self.first_line,
            Offset::At(offset) => {
                line_at(self.format, &self.lines, self.first_line, offset).unwrap_or(0)
            }
            Offset::Outside => 0,
        }
    }

    /// Bytes of memory that it takes.
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + self.name.len()
            + self.qualified.len()
            + self.file.len()
            + self.lines.len()
    }

    fn is_still_at(&self, heap: &Heap<'_>, layout: &CodeLayout, address: u64) -> bool {
        self.identity.is_still_at(heap, layout, address)
    }

    fn offset(&self, instruction: u64) -> Offset {
        match self.format {
            LineFormat::Locations => match instruction.wrapping_sub(self.instructions) as i64 {
                // A frame that has not begun stands before its first instruction.
                -2 => Offset::Before,
                offset if (0..self.length as i64).contains(&offset) => Offset::At(offset as u64),
                _ => Offset::Outside,
            },
            LineFormat::Lnotab | LineFormat::Pep626 => {
                let units = if self.format == LineFormat::Pep626 {
                    2
                } else {
                    1
                };
                u64::try_from(instruction as u32 as i32)
                    .map_or(Offset::Before, |last| Offset::At(units * last))
            }
        }
    }
}

enum Offset {
    Before,
    At(u64),
    Outside,
}
