//! The Python frames of a thread that stands still, innermost first, read from user space; the kernel
//! programs' walk is in `ebpf/src/sampling/frames.rs`.

use hotspan_common::{
    MAX_PYTHON_FRAMES, PythonFrame, PythonFramesLayout, SampleFlags, code_checksum,
};

use crate::context::memory::{Memory, MemoryError};

/// `PyObject.ob_type`.
const OB_TYPE: u64 = 8;
/// Frames that are gone through, those of the interpreter's C calls among them.
const MAX_STEPS: usize = 2 * MAX_PYTHON_FRAMES;

/// Frames, and [`SampleFlags`] that say why there are no more.
#[derive(Clone, Debug, Default)]
pub struct FrameWalk {
    /// Innermost first.
    pub frames: Vec<PythonFrame>,
    /// `PYTHON_CUT`, `PYTHON_BROKEN`, or nothing.
    pub flags: u32,
}

/// Walks from the current frame of the thread with the `PyThreadState` at `state`.
pub fn walk(memory: &Memory, layout: &PythonFramesLayout, state: u64) -> FrameWalk {
    let mut walk = FrameWalk::default();
    if layout.enabled == 0 {
        return walk;
    }
    if let Err(flags) = fill(memory, layout, state, &mut walk.frames) {
        walk.flags = flags;
    }
    walk
}

fn fill(
    memory: &Memory,
    layout: &PythonFramesLayout,
    state: u64,
    frames: &mut Vec<PythonFrame>,
) -> Result<(), u32> {
    let cut = |_: MemoryError| SampleFlags::PYTHON_CUT;
    let mut frame = current(memory, layout, state).map_err(cut)?;
    for _ in 0..MAX_STEPS {
        if frame == 0 {
            return Ok(());
        }
        if frames.len() == MAX_PYTHON_FRAMES {
            break;
        }
        let field = |offset: u32| frame.wrapping_add(u64::from(offset));
        let previous = memory.read_u64(field(layout.previous)).map_err(cut)?;
        if is_interpreters_own(memory, layout, frame).map_err(cut)? {
            if let Some(entered) = frames.last_mut() {
                entered.is_entry = 1;
            }
        } else {
            frames.push(one(memory, layout, frame)?);
        }
        frame = previous;
    }
    Err(SampleFlags::PYTHON_CUT)
}

fn current(memory: &Memory, layout: &PythonFramesLayout, state: u64) -> Result<u64, MemoryError> {
    let mut at = state.wrapping_add(u64::from(layout.thread_frame));
    if layout.in_cframe != 0 {
        at = memory
            .read_u64(at)?
            .wrapping_add(u64::from(layout.cframe_current));
    }
    memory.read_u64(at)
}

/// It stands for a C call of the interpreter.
fn is_interpreters_own(
    memory: &Memory,
    layout: &PythonFramesLayout,
    frame: u64,
) -> Result<bool, MemoryError> {
    if layout.owner == 0 {
        return Ok(false);
    }
    let [owner] = memory.bytes::<1>(frame.wrapping_add(u64::from(layout.owner)))?;
    Ok(u32::from(owner) >= layout.first_c_owner)
}

fn one(memory: &Memory, layout: &PythonFramesLayout, frame: u64) -> Result<PythonFrame, u32> {
    let cut = |_: MemoryError| SampleFlags::PYTHON_CUT;
    let field = |offset: u32| frame.wrapping_add(u64::from(offset));
    let code = memory.read_u64(field(layout.code)).map_err(cut)? & !layout.code_tag;
    let instruction = if layout.wide_instruction != 0 {
        memory.read_u64(field(layout.instruction)).map_err(cut)?
    } else {
        u64::from(memory.read_u32(field(layout.instruction)).map_err(cut)?)
    };
    let is_entry = if layout.is_entry != 0 {
        let [entry] = memory.bytes::<1>(field(layout.is_entry)).map_err(cut)?;
        u32::from(entry != 0)
    } else {
        layout.all_entries
    };
    Ok(PythonFrame {
        code,
        instruction,
        checksum: checksum(memory, layout, code)
            .ok_or(SampleFlags::PYTHON_CUT | SampleFlags::PYTHON_BROKEN)?,
        is_entry,
    })
}

/// Of a code object, checked to be one.
fn checksum(memory: &Memory, layout: &PythonFramesLayout, code: u64) -> Option<u32> {
    if memory.read_u64(code.wrapping_add(OB_TYPE)).ok()? != layout.code_type {
        return None;
    }
    let field = |offset: u32| memory.read_u32(code.wrapping_add(u64::from(offset))).ok();
    Some(code_checksum(
        field(layout.first_line)?,
        field(layout.code_flags)?,
        field(layout.argument_count)?,
    ))
}
