//! What a suspended task waits for: its coroutine, what that awaits, and so on.

use hotspan_common::{
    CoroutineLayout, PythonFrame, PythonFramesLayout, SampleEvent, SampleFlags, StackTop,
};

use super::{
    coroutines::OB_TYPE,
    frames::Seen,
    head::{Fields, Head, Window, Within},
};
use crate::{
    memory::{Access as _, Resident, Unreadable},
    repeat::{CONTINUE, STOP, repeat},
};

/// Coroutines that await each other, at the most.
const MAX_CHAIN: u32 = 32;
/// Depths of a stack of values beyond this are none.
const MAX_DEPTH: u32 = 1 << 16;

/// A walk from a coroutine to what it awaits.
struct Chain {
    frames: *const PythonFramesLayout,
    layout: *const CoroutineLayout,
    event: *mut SampleEvent,
    /// The coroutine to look at next; 0: the walk is over.
    at: u64,
    /// Frames written.
    count: u64,
    /// `SampleFlags`.
    flags: u32,
}

/// Fills in the Python frames of what a coroutine waits for, outermost first.
#[inline(always)]
pub fn read_now(
    frames: &PythonFramesLayout,
    layout: &CoroutineLayout,
    coroutine: u64,
    event: &mut SampleEvent,
) {
    sampling_awaits(frames, layout, coroutine, event);
}

/// A global function, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_awaits(
    frames: *const PythonFramesLayout,
    layout: *const CoroutineLayout,
    coroutine: u64,
    event: *mut SampleEvent,
) -> u32 {
    if frames.is_null() || layout.is_null() || event.is_null() {
        return 0;
    }
    let mut chain = Chain {
        frames,
        layout,
        event,
        at: coroutine,
        count: 0,
        flags: 0,
    };
    repeat(MAX_CHAIN, look_at, &mut chain);
    if chain.at != 0 {
        chain.flags |= SampleFlags::PYTHON_CUT;
    }
    // SAFETY: not null, and the caller's reference is valid.
    let event = unsafe { &mut *event };
    event.python_len = chain.count as u32;
    event.flags |= chain.flags;
    0
}

/// Each turn but the last writes one frame. Its number is the turn's: one that is counted here would be another
/// state of the program each time, and the verifier would follow them all.
extern "C" fn look_at(turn: u64, chain: &mut Chain) -> u64 {
    if chain.at == 0 {
        return STOP;
    }
    match chain.next(turn) {
        Ok(awaited) => {
            chain.at = awaited;
            CONTINUE
        }
        Err(flags) => {
            chain.flags |= flags;
            STOP
        }
    }
}

impl Chain {
    /// Writes down where the coroutine is suspended; returns what it awaits, 0 if that is no coroutine.
    #[inline(always)]
    fn next(&mut self, turn: u64) -> Result<u64, u32> {
        // SAFETY: the pointers are those of references that outlive the walk.
        let frames = unsafe { &*self.frames };
        let Some((seen, awaited)) = self.look().map_err(|Unreadable| SampleFlags::PYTHON_CUT)?
        else {
            return Ok(0);
        };
        *self.slot(turn) = seen.described(frames)?.frame;
        self.count = turn + 1;
        Ok(awaited)
    }

    /// Where the coroutine is suspended, and what it awaits; `None`: it is none, or over.
    #[inline(always)]
    fn look(&self) -> Result<Option<(Seen, u64)>, Unreadable> {
        // SAFETY: the pointer is that of a reference that outlives the walk.
        let layout = unsafe { &*self.layout };
        let object = Window::read(self.event, self.at)?;
        let class = object.field::<u64>(OB_TYPE as u32)?;
        if class != layout.coroutine_type && class != layout.generator_type {
            return Ok(None);
        }
        if layout.frame_is_pointer == 0 {
            let frame = Within {
                outer: &object,
                offset: layout.frame,
            };
            return self.seen(class, &frame).map(Some);
        }
        match object.field::<u64>(layout.frame)? {
            0 => Ok(None),
            frame => Head::with(frame, |frame| self.seen(class, frame)).map(Some),
        }
    }

    #[inline(always)]
    fn seen(&self, class: u64, frame: &impl Fields) -> Result<(Seen, u64), Unreadable> {
        // SAFETY: the pointers are those of references that outlive the walk.
        let (frames, layout) = unsafe { (&*self.frames, &*self.layout) };
        let awaited = if class == layout.generator_type {
            // What it yields can lie where else there is what it awaits.
            0
        } else {
            awaited(layout, frame)? & !frames.code_tag
        };
        Ok((Seen::of(frames, frame)?, awaited))
    }

    #[inline(always)]
    fn slot(&mut self, index: u64) -> &mut PythonFrame {
        let index = (index & (u64::from(MAX_CHAIN) - 1)) as usize;
        // SAFETY: in bounds by the mask. A slice index would leave a panic in the program.
        unsafe {
            &mut *(&raw mut (*self.event).python)
                .cast::<PythonFrame>()
                .add(index)
        }
    }
}

/// The topmost value of a suspended frame's stack; 0: there is none.
#[inline(always)]
fn awaited(layout: &CoroutineLayout, frame: &impl Fields) -> Result<u64, Unreadable> {
    if layout.stack_top == StackTop::Pointer.wire() {
        let top = frame.field::<u64>(layout.stack)?;
        return if top == 0 {
            Ok(0)
        } else {
            Resident::read(top.wrapping_sub(u64::from(layout.stack_depth)))
        };
    }
    let depth = frame.field::<i32>(layout.stack_depth)? as u32;
    if depth == 0 || depth > MAX_DEPTH {
        return Ok(0);
    }
    let topmost = 8 * (depth - 1);
    if layout.stack_top == StackTop::Inline.wire() {
        return frame.field(layout.stack.wrapping_add(topmost));
    }
    let lowest = frame.field::<u64>(layout.stack)?;
    Resident::read(lowest.wrapping_add(u64::from(topmost)))
}
