//! Where each version of CPython keeps what leads from a thread to its active span.
//!
//! Offsets in bytes, of 64-bit builds with the GIL. Sources, for each version: `Include/internal/
//! pycore_{runtime,interp,context,hamt,dict,object}.h`, `Include/cpython/{pystate,object,context}.h`;
//! [`calibrate`](super::calibrate) checks them on each live process.

use std::fmt;

/// A version of CPython.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 3.
    pub major: u32,
    /// 11 for CPython 3.11.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Where the walk finds its way from the runtime to a thread's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateOffsets {
    /// `_PyRuntime.interpreters.head`; the field after it, `main`, is what is followed.
    pub interpreters_head: u64,
    /// `PyInterpreterState.threads.head` (up to 3.10 `tstate_head`).
    pub threads_head: u64,
    /// `PyThreadState.thread_id`: what `pthread_self()` returned.
    pub thread_id: u64,
    /// `PyThreadState.native_thread_id`, from 3.11 on: the thread id in its own pid namespace.
    pub native_thread_id: Option<u64>,
    /// `PyThreadState.context`.
    pub context: u64,
}

/// How objects lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectOffsets {
    /// `PyTupleObject.ob_item`.
    pub tuple_items: u64,
    /// `sizeof(PyASCIIObject)`: where the characters of an ASCII `str` begin.
    pub ascii_text: u64,
    /// `PyHeapTypeObject.ht_cached_keys`: the keys that a type's instances share.
    pub cached_keys: u64,
    /// Whether an int's digit count is `lv_tag >> 3` (3.12 on), else `|ob_size|`.
    pub tagged_ints: bool,
    /// Whether dict keys state logarithms of sizes and may lack hashes (3.11 on).
    pub log2_keys: bool,
    /// From the start of a block of attribute values to the first one (0 up to 3.12).
    pub values_header: u64,
    /// Where an instance keeps its attributes.
    pub attributes: Attributes,
}

/// Where an instance of a Python class keeps its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// Up to 3.10: in the dict at `tp_dictoffset`, which may share its keys with other instances.
    DictOffset,
    /// 3.11: values at -32, else a dict at -24.
    TwoPointers,
    /// 3.12: one word at -24; its low bit marks values, at the next byte.
    Tagged,
    /// 3.13 on: values inside the object, behind its basic size, else a dict at -24.
    Inline,
}

/// `PyThreadState.prev`, the same in all versions.
pub const TSTATE_PREV: u64 = 0;
/// `PyThreadState.next`, the same in all versions.
pub const TSTATE_NEXT: u64 = 8;
/// `PyThreadState.interp`, the same in all versions.
pub const TSTATE_INTERP: u64 = 16;

impl StateOffsets {
    /// Those of CPython 3.`minor`; `None` if it is not in the table.
    pub fn of(minor: u32) -> Option<Self> {
        let (interpreters_head, threads_head, thread_id, native_thread_id, context) = match minor {
            8..=10 => (32, 8, 176, None, 240),
            11 => (40, 16, 152, Some(160), 224),
            12 => (40, 72, 136, Some(144), 208),
            13 => (632, 7344, 152, Some(160), 208),
            14 => (808, 7344, 152, Some(160), 208),
            15 => (936, 7336, 176, Some(184), 232),
            _ => return None,
        };
        Some(Self {
            interpreters_head,
            threads_head,
            thread_id,
            native_thread_id,
            context,
        })
    }
}

impl ObjectOffsets {
    /// Those of CPython 3.`minor`, for a version that [`StateOffsets::of`] knows.
    pub fn of(minor: u32) -> Self {
        Self {
            tuple_items: if minor <= 13 { 24 } else { 32 },
            ascii_text: if minor <= 11 { 48 } else { 40 },
            cached_keys: match minor {
                9 => 864,
                ..=11 => 872,
                12..=14 => 880,
                _ => 888,
            },
            tagged_ints: minor >= 12,
            log2_keys: minor >= 11,
            values_header: if minor <= 12 { 0 } else { 8 },
            attributes: match minor {
                ..=10 => Attributes::DictOffset,
                11 => Attributes::TwoPointers,
                12 => Attributes::Tagged,
                _ => Attributes::Inline,
            },
        }
    }
}
