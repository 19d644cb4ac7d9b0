//! Where each version of CPython keeps a thread's frames and its lock, checked on the live process.
//!
//! Sources: `Include/cpython/{pystate,code,frameobject}.h`, `Include/internal/pycore_{frame,gil,ceval_state,
//! interp,runtime}.h` of each version. The kernel programs do the walk (`ebpf/src/sampling/frames.rs`).

use std::ops::Range;

use hotspan_common::PythonFramesLayout;
use thiserror::Error;

use super::runtime::Runtime;
use crate::context::memory::{Memory, MemoryError};

/// Frames of one thread that are looked at; recursion can be deeper than any stack that is shown.
const MAX_FRAMES: usize = 4096;
/// A thread runs while its frames are read, so that what is read may not fit together.
const ATTEMPTS: usize = 5;
/// `PyObject.ob_type`.
const OB_TYPE: u64 = 8;
/// `struct _gil_runtime_state`: `interval`, `last_holder`, `locked`; the same from 3.8 to 3.13.
const GIL_LAST_HOLDER: u64 = 8;
const GIL_LOCKED: u64 = 16;
/// With conditions and mutexes of the C library.
const GIL_BYTES: u64 = 208;
/// Switch intervals beyond this are none, in microseconds.
const LONGEST_INTERVAL: u64 = 1_000_000_000;

/// Why stacks have no Python frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FramesRefusal {
    /// The version is not in the table.
    #[error("the frames of this version are not known")]
    UnknownVersion,
    /// There is no `PyCode_Type`.
    #[error("there is no PyCode_Type")]
    NoCodeType,
    /// No thread's frames are where the table says.
    #[error("no thread has frames where this version keeps them")]
    NotFound,
}

impl FramesRefusal {
    /// Whether it may be otherwise a moment later: a thread that is just starting has no frame.
    pub fn may_change(self) -> bool {
        self == Self::NotFound
    }
}

/// Where the frames are, and the lock if it can be proven to be where the table says.
///
/// `interpreter` is the main `PyInterpreterState`, `threads` its `PyThreadState`s.
pub fn find(
    memory: &Memory,
    runtime: &Runtime,
    interpreter: u64,
    threads: &[u64],
) -> Result<PythonFramesLayout, FramesRefusal> {
    let minor = runtime.version.minor;
    let mut layout = layout(minor).ok_or(FramesRefusal::UnknownVersion)?;
    layout.code_type = runtime.types.code.ok_or(FramesRefusal::NoCodeType)?;
    let has_frames = |thread: &u64| matches!(chain(memory, &layout, *thread), Ok(1..));
    if !(0..ATTEMPTS).any(|_| threads.iter().any(has_frames)) {
        return Err(FramesRefusal::NotFound);
    }
    layout.enabled = 1;
    if let Some(gil) = gil(memory, runtime, interpreter, threads) {
        layout.gil_start = gil.start;
        layout.gil_end = gil.end;
    }
    Ok(layout)
}

/// Of CPython 3.`minor`, without the addresses.
fn layout(minor: u32) -> Option<PythonFramesLayout> {
    let layout = match minor {
        8..=10 => PythonFramesLayout {
            thread_frame: 24,
            code: 32,
            previous: 24,
            instruction: if minor == 10 { 96 } else { 104 },
            all_entries: 1,
            first_line: 40,
            code_flags: 36,
            argument_count: 16,
            ..PythonFramesLayout::default()
        },
        11 => PythonFramesLayout {
            thread_frame: 56,
            in_cframe: 1,
            cframe_current: 8,
            code: 32,
            previous: 48,
            instruction: 56,
            wide_instruction: 1,
            is_entry: 68,
            first_line: 72,
            code_flags: 48,
            argument_count: 56,
            ..PythonFramesLayout::default()
        },
        12..=15 => PythonFramesLayout {
            thread_frame: if minor == 12 { 56 } else { 72 },
            in_cframe: u32::from(minor == 12),
            code: 0,
            // Py_TAG_BITS of _PyStackRef.
            code_tag: if minor >= 14 { 3 } else { 0 },
            previous: 8,
            instruction: 56,
            wide_instruction: 1,
            owner: if minor >= 14 { 74 } else { 70 },
            // FRAME_OWNED_BY_CSTACK, and from 3.14 on FRAME_OWNED_BY_INTERPRETER.
            first_c_owner: 3,
            first_line: 68,
            code_flags: 48,
            argument_count: 52,
            ..PythonFramesLayout::default()
        },
        _ => return None,
    };
    Some(layout)
}

/// How many of Python's frames a thread has; an error if one is no frame.
fn chain(memory: &Memory, layout: &PythonFramesLayout, thread: u64) -> Result<usize, MemoryError> {
    let mut at = thread + u64::from(layout.thread_frame);
    if layout.in_cframe != 0 {
        at = memory.read_u64(at)? + u64::from(layout.cframe_current);
    }
    let mut frame = memory.read_u64(at)?;
    let mut count = 0;
    while frame != 0 {
        let field = |offset: u32| frame.wrapping_add(u64::from(offset));
        let owner = match layout.owner {
            0 => 0,
            offset => u32::from(memory.bytes::<1>(field(offset))?[0]),
        };
        if owner < layout.first_c_owner || layout.owner == 0 {
            let code = memory.read_u64(field(layout.code))? & !layout.code_tag;
            if count == MAX_FRAMES
                || memory.read_u64(code.wrapping_add(OB_TYPE))? != layout.code_type
            {
                return Err(MemoryError {
                    address: frame,
                    length: 0,
                });
            }
            count += 1;
        }
        frame = memory.read_u64(field(layout.previous))?;
    }
    Ok(count)
}

/// The interpreter's lock: in the runtime up to 3.11, from 3.12 on where the interpreter points to.
fn gil(
    memory: &Memory,
    runtime: &Runtime,
    interpreter: u64,
    threads: &[u64],
) -> Option<Range<u64>> {
    let start = match runtime.version.minor {
        8 => runtime.address + 1152,
        9 | 10 => runtime.address + 352,
        11 => runtime.address + 360,
        12 => memory.read_u64(interpreter + 384).ok()?,
        13..=15 => memory.read_u64(interpreter + 16).ok()?,
        _ => return None,
    };
    let interval = memory.read_u64(start).ok()?;
    let holder = memory.read_u64(start + GIL_LAST_HOLDER).ok()?;
    let locked = memory.read_u32(start + GIL_LOCKED).ok()?;
    let is_lock = (1..=LONGEST_INTERVAL).contains(&interval)
        && (holder == 0 || threads.contains(&holder))
        && locked <= 1;
    is_lock.then_some(start..start + GIL_BYTES)
}
