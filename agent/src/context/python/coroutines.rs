//! Where each version of CPython keeps what a coroutine awaits, and where it begins a coroutine's steps.
//!
//! Sources: `Include/cpython/genobject.h`, `Include/internal/pycore_frame.h`, `Objects/genobject.c` of each
//! version. The kernel programs do the walk (`ebpf/src/sampling/awaits.rs`).

use std::path::PathBuf;

use hotspan_common::{CoroutineLayout, StackTop};

use super::{layout::Version, static_types::TypeAddresses};
use crate::{
    context::memory::{Memory, MemoryError},
    target::mapping::Mapping,
};

/// `PyTypeObject.tp_methods`, the same in all versions.
const TP_METHODS: u64 = 232;
/// `sizeof(PyMethodDef)`: name, function, flags, text.
const METHOD_BYTES: u64 = 32;
/// Methods of a type that are looked at.
const MAX_METHODS: u64 = 32;
/// `endbr64`, which the kernel would have to step over; what follows it is as good a place.
const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// An instruction of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePoint {
    /// The object, by a path that opens its inode.
    pub object: PathBuf,
    /// Offset in the file.
    pub file_offset: u64,
}

/// How suspended coroutines are told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coroutines {
    /// For the kernel programs.
    pub layout: CoroutineLayout,
    /// Where steps begin: the functions that send into a coroutine, and that throw into one.
    pub steps: Vec<CodePoint>,
}

/// All zero if something is missing: then no suspension is told of.
pub fn find(
    memory: &Memory,
    version: Version,
    types: &TypeAddresses,
    mappings: &[Mapping],
) -> Coroutines {
    let found = || -> Option<Coroutines> {
        let coroutine_type = types.coroutine?;
        let layout = CoroutineLayout {
            enabled: 1,
            coroutine_type,
            generator_type: types.generator?,
            ..layout(version.minor)?
        };
        let mut addresses = methods(memory, coroutine_type).ok()?;
        addresses.push(types.send?);
        addresses.sort_unstable();
        addresses.dedup();
        let steps = addresses
            .into_iter()
            .map(|address| code_point(memory, address, mappings))
            .collect::<Option<_>>()?;
        Some(Coroutines { layout, steps })
    };
    found().unwrap_or_default()
}

/// Of CPython 3.`minor`, without the addresses.
fn layout(minor: u32) -> Option<CoroutineLayout> {
    let layout = match minor {
        8 | 9 => CoroutineLayout {
            frame: 16,
            frame_is_pointer: 1,
            state: 104,
            state_in_frame: 1,
            state_is_int: 1,
            created: -1,
            stack_top: StackTop::Pointer.wire(),
            stack: 72,
            ..CoroutineLayout::default()
        },
        10 => CoroutineLayout {
            frame: 16,
            frame_is_pointer: 1,
            state: 108,
            state_in_frame: 1,
            created: -2,
            stack_top: StackTop::Depth.wire(),
            stack: 64,
            stack_depth: 80,
            ..CoroutineLayout::default()
        },
        11..=13 => CoroutineLayout {
            frame: if minor == 11 { 80 } else { 72 },
            state: if minor == 11 { 75 } else { 67 },
            created: if minor == 13 { -3 } else { -2 },
            stack_top: StackTop::Inline.wire(),
            stack: 72,
            stack_depth: 64,
            ..CoroutineLayout::default()
        },
        _ => return None,
    };
    Some(layout)
}

/// The functions behind a coroutine's `send` and `throw`, which no symbol names in a stripped build.
fn methods(memory: &Memory, coroutine_type: u64) -> Result<Vec<u64>, MemoryError> {
    let mut found = Vec::new();
    let first = memory.read_u64(coroutine_type + TP_METHODS)?;
    for index in 0..MAX_METHODS {
        let method = first + index * METHOD_BYTES;
        let name = memory.read_u64(method)?;
        if name == 0 {
            break;
        }
        let name = memory.read_c_string(name, 64)?;
        if matches!(name.as_deref(), Some(b"send" | b"throw")) {
            found.push(memory.read_u64(method + 8)?);
        }
    }
    Ok(found)
}

fn code_point(memory: &Memory, address: u64, mappings: &[Mapping]) -> Option<CodePoint> {
    let begins_with_endbr = memory.bytes::<4>(address).ok()? == ENDBR64;
    let address = address + if begins_with_endbr { 4 } else { 0 };
    let mapping = mappings
        .iter()
        .find(|mapping| mapping.addresses.contains(&address))?;
    let first = mappings
        .iter()
        .find(|other| other.object == mapping.object)?;
    Some(CodePoint {
        object: first.map_file.clone(),
        file_offset: address - mapping.addresses.start + mapping.file_offset,
    })
}
