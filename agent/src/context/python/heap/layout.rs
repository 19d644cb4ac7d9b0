//! What differs between CPython's versions in the objects that are read here, beyond what
//! [`ObjectOffsets`] has.
//!
//! Offsets are those of 64-bit builds with the GIL; free-threaded builds have another object header
//! and are not described.

use thiserror::Error;

use crate::context::python::layout::ObjectOffsets;

/// A version of CPython whose heap is not described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the heap of CPython 3.{0} is not known to this version of hotspan")]
pub struct UnknownVersion(pub u32);

/// How the bit field `PyASCIIObject.state` is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextState {
    /// `interned:2, kind:3, compact:1, ascii:1`.
    Packed,
    /// `interned:16, kind:3, compact:1, ascii:1`.
    Wide,
}

/// The layout of one version's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapLayout {
    /// The version's minor number: 11 for CPython 3.11.
    pub minor: u32,
    /// How strings say what they are. [`crate::context::python::modules::Modules::find`] checks it.
    pub text_state: TextState,
    /// `sizeof(PyCompactUnicodeObject)`: where the text of strings that are not ASCII begins.
    pub(super) compact_text: u64,
    /// What the kernel's walk needs to know too.
    pub(super) objects: ObjectOffsets,
}

impl HeapLayout {
    /// The layout of CPython 3.`minor`.
    pub fn for_version(minor: u32) -> Result<Self, UnknownVersion> {
        if !(8..=15).contains(&minor) {
            return Err(UnknownVersion(minor));
        }
        Ok(Self {
            minor,
            text_state: TextState::Packed,
            compact_text: if minor <= 11 { 72 } else { 56 },
            objects: ObjectOffsets::of(minor),
        })
    }
}
