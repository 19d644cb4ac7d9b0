//! The Python frames of a thread, innermost first.
//!
//! Up to 3.10 they are objects (`Include/cpython/frameobject.h`), later `_PyInterpreterFrame`s
//! (`Include/internal/pycore_frame.h`). The thread stands still, so its chain is whole; a frame that is
//! just being made may have no code yet, which ends the walk.

use hotspan_common::{
    Counter, MAX_PYTHON_FRAMES, PythonFrame, PythonFramesLayout, SampleEvent, SampleFlags,
    code_checksum,
};

use super::head::{Fields, Head};
use crate::{
    counters::count,
    memory::{Access as _, Resident, Unreadable},
    repeat::{CONTINUE, STOP, repeat},
};

/// `PyObject.ob_type`, the same in all versions.
const OB_TYPE: u32 = 8;
/// `CO_OPTIMIZED` and `CO_NEWLOCALS` of `Include/cpython/code.h`: functions have both, the bodies of modules
/// and classes none.
const OF_FUNCTIONS: u32 = 3;
/// `CO_COROUTINE`, `CO_ITERABLE_COROUTINE` and `CO_ASYNC_GENERATOR`.
const OF_COROUTINES: u32 = 0x80 | 0x100 | 0x200;
/// Frames that are gone through in search of a coroutine.
const MAX_SEARCHED: u32 = 256;
/// Frames that are gone through, those of the interpreter's C calls among them.
const MAX_STEPS: u32 = 2 * MAX_PYTHON_FRAMES as u32;

/// Fills in the Python frames of the thread with this `PyThreadState`.
#[inline(always)]
pub fn read_now(layout: &PythonFramesLayout, thread: u64, event: &mut SampleEvent) {
    sampling_frames_now(layout, thread, event);
}

/// Whether a coroutine is at work on the thread with this `PyThreadState`, as in each step of a task. What cannot be told
/// counts as one.
#[inline(always)]
pub fn is_in_coroutine_now(layout: &PythonFramesLayout, thread: u64) -> bool {
    sampling_coroutine_now(layout, thread) != 0
}

/// A global function, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_coroutine_now(layout: *const PythonFramesLayout, thread: u64) -> u32 {
    if layout.is_null() {
        return 1;
    }
    // SAFETY: not null, and the caller's reference is valid.
    let frames = unsafe { &*layout };
    let mut search = Search { layout, frame: 0 };
    match current(frames, thread) {
        Ok(frame) if frames.enabled != 0 && thread != 0 => search.frame = frame,
        _ => return 1,
    }
    repeat(MAX_SEARCHED, pass, &mut search);
    u32::from(search.frame != 0)
}

/// A search for a coroutine's frame.
struct Search {
    layout: *const PythonFramesLayout,
    /// The frame to look at next, or where the search has ended; 0: there is none.
    frame: u64,
}

extern "C" fn pass(_: u64, search: &mut Search) -> u64 {
    if search.frame == 0 {
        return STOP;
    }
    // SAFETY: the pointer is that of a reference that outlives the search.
    let layout = unsafe { &*search.layout };
    match around(layout, search.frame) {
        Ok(Some(previous)) => {
            search.frame = previous;
            CONTINUE
        }
        Ok(None) | Err(Unreadable) => STOP,
    }
}

/// The frame around this one, unless this is a coroutine's.
#[inline(always)]
fn around(layout: &PythonFramesLayout, frame: u64) -> Result<Option<u64>, Unreadable> {
    let (code, previous) = code_and_previous(layout, frame)?;
    if code == 0 {
        return Ok(Some(previous));
    }
    if Resident::read::<u64>(code.wrapping_add(u64::from(OB_TYPE)))? != layout.code_type {
        return Err(Unreadable);
    }
    let flags = Resident::read::<u32>(code.wrapping_add(u64::from(layout.code_flags)))?;
    Ok((flags & OF_COROUTINES == 0).then_some(previous))
}

/// A frame's code object, 0 if it is not one of Python's; and the frame around it.
#[inline(always)]
pub fn code_and_previous(
    layout: &PythonFramesLayout,
    frame: u64,
) -> Result<(u64, u64), Unreadable> {
    let previous = Resident::read::<u64>(frame.wrapping_add(u64::from(layout.previous)))?;
    let owner = frame.wrapping_add(u64::from(layout.owner));
    if layout.owner != 0 && u32::from(Resident::read::<u8>(owner)?) >= layout.first_c_owner {
        return Ok((0, previous));
    }
    let code = Resident::read::<u64>(frame.wrapping_add(u64::from(layout.code)))?;
    Ok((code & !layout.code_tag, previous))
}

/// Address of the frame that the thread with this `PyThreadState` is in; 0: none.
#[inline(always)]
pub fn innermost_now(layout: &PythonFramesLayout, thread: u64) -> u64 {
    if layout.enabled == 0 || thread == 0 {
        return 0;
    }
    current(layout, thread).unwrap_or(0)
}

/// A global function, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_frames_now(
    layout: *const PythonFramesLayout,
    thread: u64,
    event: *mut SampleEvent,
) -> u32 {
    walk(layout, thread, event)
}

/// A walk from frame to frame.
struct Walk {
    layout: *const PythonFramesLayout,
    event: *mut SampleEvent,
    /// The frame to look at next; 0: the walk is over.
    frame: u64,
    /// [`SampleFlags`].
    flags: u32,
    /// Set if the last frame is of code that runs once.
    runs_once: u32,
}

/// A frame with what its code object says.
pub struct Described {
    pub frame: PythonFrame,
    /// `co_flags`.
    flags: u32,
}

#[inline(always)]
fn walk(layout: *const PythonFramesLayout, thread: u64, event: *mut SampleEvent) -> u32 {
    if layout.is_null() || event.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (frames, sample) = unsafe { (&*layout, &mut *event) };
    sample.python_len = 0;
    let mut walk = Walk {
        layout,
        event,
        frame: 0,
        flags: 0,
        runs_once: 0,
    };
    match current(frames, thread) {
        Ok(frame) => walk.frame = frame,
        Err(Unreadable) => walk.flags = SampleFlags::PYTHON_CUT,
    }
    repeat(MAX_STEPS, step, &mut walk);
    if walk.frame != 0 {
        walk.flags |= SampleFlags::PYTHON_CUT;
    }
    if walk.flags & SampleFlags::PYTHON_BROKEN != 0 {
        count(Counter::PythonFramesBroken);
    } else if walk.flags & SampleFlags::PYTHON_CUT != 0 {
        count(Counter::PythonFramesCut);
    }
    sample.flags |= walk.flags;
    0
}

/// The frame that the thread is in.
#[inline(always)]
fn current(layout: &PythonFramesLayout, thread: u64) -> Result<u64, Unreadable> {
    let mut at = thread.wrapping_add(u64::from(layout.thread_frame));
    if layout.in_cframe != 0 {
        at = Resident::read::<u64>(at)?.wrapping_add(u64::from(layout.cframe_current));
    }
    Resident::read(at)
}

extern "C" fn step(_: u64, walk: &mut Walk) -> u64 {
    if walk.frame == 0 || walk.count() >= MAX_PYTHON_FRAMES as u32 {
        return STOP;
    }
    match walk.next() {
        Ok(previous) => {
            walk.frame = previous;
            CONTINUE
        }
        Err(flags) => {
            walk.flags |= flags;
            STOP
        }
    }
}

impl Walk {
    /// Writes the frame down, if it is one of Python's; returns the one around it, or why there is none.
    #[inline(always)]
    fn next(&mut self) -> Result<u64, u32> {
        // SAFETY: the pointer is that of a reference that outlives the walk.
        let layout = unsafe { &*self.layout };
        let (seen, previous) =
            look(layout, self.frame).map_err(|Unreadable| SampleFlags::PYTHON_CUT)?;
        let Some(seen) = seen else {
            self.mark_entry();
            return Ok(previous);
        };
        let described = seen.described(layout)?;
        let count = self.count();
        *self.slot(count) = described.frame;
        // SAFETY: the pointer is that of a reference that outlives the walk.
        unsafe { (&raw mut (*self.event).python_len).write_volatile(count + 1) };
        // The program's own body is the outermost frame, and stays.
        self.flags |= self.runs_once;
        self.runs_once = if described.flags & OF_FUNCTIONS == 0 {
            SampleFlags::PYTHON_RUNS_ONCE
        } else {
            0
        };
        Ok(previous)
    }

    /// The last frame was entered by the C call that the interpreter's own frame stands for.
    #[inline(always)]
    fn mark_entry(&mut self) {
        let count = self.count();
        if count != 0 {
            self.slot(count - 1).is_entry = 1;
        }
    }

    /// Frames written. In the event: kept in a register, each would be another state of the program, and the
    /// verifier would follow them all.
    #[inline(always)]
    fn count(&self) -> u32 {
        // SAFETY: the pointer is that of a reference that outlives the walk.
        unsafe { (&raw const (*self.event).python_len).read_volatile() }
    }

    #[inline(always)]
    fn slot(&mut self, index: u32) -> &mut PythonFrame {
        let index = (index & (MAX_PYTHON_FRAMES as u32 - 1)) as usize;
        // SAFETY: in bounds by the mask. A slice index would leave a panic in the program.
        unsafe {
            &mut *(&raw mut (*self.event).python)
                .cast::<PythonFrame>()
                .add(index)
        }
    }
}

/// What the frame itself shows, if it is one of Python's; and the one around it.
#[inline(always)]
fn look(layout: &PythonFramesLayout, frame: u64) -> Result<(Option<Seen>, u64), Unreadable> {
    Head::with(frame, |frame| {
        let previous = frame.field::<u64>(layout.previous)?;
        let is_of_c = layout.owner != 0
            && u32::from(frame.field::<u8>(layout.owner)?) >= layout.first_c_owner;
        let seen = if is_of_c {
            None
        } else {
            Some(Seen::of(layout, frame)?)
        };
        Ok((seen, previous))
    })
}

/// A frame as its own memory shows it. Its code object is looked at when that memory is no longer needed: the
/// two share their place on the stack, of which Linux before 6.13 gives 512 bytes to all functions together.
pub struct Seen {
    code: u64,
    instruction: u64,
    is_entry: u32,
}

impl Seen {
    #[inline(always)]
    pub fn of(layout: &PythonFramesLayout, frame: &impl Fields) -> Result<Self, Unreadable> {
        Ok(Self {
            code: frame.field::<u64>(layout.code)? & !layout.code_tag,
            instruction: if layout.wide_instruction != 0 {
                frame.field::<u64>(layout.instruction)?
            } else {
                u64::from(frame.field::<u32>(layout.instruction)?)
            },
            is_entry: if layout.is_entry != 0 {
                u32::from(frame.field::<u8>(layout.is_entry)? != 0)
            } else {
                layout.all_entries
            },
        })
    }

    /// With what its code object says, or the flags that say why there is nothing.
    #[inline(always)]
    pub fn described(self, layout: &PythonFramesLayout) -> Result<Described, u32> {
        let (checksum, flags) = checksum(layout, self.code)
            .map_err(|Unreadable| SampleFlags::PYTHON_CUT | SampleFlags::PYTHON_BROKEN)?;
        let frame = PythonFrame {
            code: self.code,
            instruction: self.instruction,
            checksum,
            is_entry: self.is_entry,
        };
        Ok(Described { frame, flags })
    }
}

/// Of a code object, checked to be one; and its `co_flags`.
#[inline(always)]
fn checksum(layout: &PythonFramesLayout, code: u64) -> Result<(u32, u32), Unreadable> {
    Head::with(code, |code| {
        if code.field::<u64>(OB_TYPE)? != layout.code_type {
            return Err(Unreadable);
        }
        let flags = code.field::<u32>(layout.code_flags)?;
        let checksum = code_checksum(
            code.field::<u32>(layout.first_line)?,
            flags,
            code.field::<u32>(layout.argument_count)?,
        );
        Ok((checksum, flags))
    })
}
