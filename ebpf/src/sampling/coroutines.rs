//! How far a task and its coroutine are, as CPython's own objects say (`Modules/_asynciomodule.c`,
//! `Include/cpython/genobject.h`).

use hotspan_common::CoroutineLayout;

use crate::memory::{Access, Resident, Unreadable};

/// `PyObject.ob_type`, the same in all versions.
pub const OB_TYPE: u64 = 8;
/// From `TaskObj.task_coro` to `.task_context`, the same in all versions.
const CONTEXT: u64 = 16;
/// The state of a coroutine that has no frame any more.
const FINISHED: i32 = i32::MAX;

/// How far a task is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has no coroutine: it is just being made, or over.
    Empty,
    /// It has not begun.
    New,
    /// A step of it is under way.
    Stepping,
    /// It waits for its next step.
    Suspended,
    /// It is over, gone, or its coroutine is none of the interpreter's own.
    Over,
}

/// What a task runs, if that has begun, is not over, and is not at work now.
#[inline(always)]
pub fn suspended_coroutine<M: Access>(
    layout: &CoroutineLayout,
    task: u64,
) -> Result<Option<u64>, Unreadable> {
    let at = task.wrapping_add(u64::from(layout.task_coroutine));
    let coroutine = M::read::<u64>(at)?;
    let state = state_of::<M>(layout, coroutine)?;
    let is_suspended = state.is_some_and(|state| state > layout.created && state < layout.running);
    Ok(is_suspended.then_some(coroutine))
}

/// How far a task is, of this type.
#[inline(always)]
pub fn phase(layout: &CoroutineLayout, task: u64, class: u64) -> Result<Phase, Unreadable> {
    if Resident::read::<u64>(task.wrapping_add(OB_TYPE))? != class {
        return Ok(Phase::Over);
    }
    let at = task.wrapping_add(u64::from(layout.task_coroutine));
    let coroutine = Resident::read::<u64>(at)?;
    if coroutine == 0 {
        return Ok(Phase::Empty);
    }
    Ok(match state_of::<Resident>(layout, coroutine)? {
        None | Some(FINISHED) => Phase::Over,
        Some(state) if state <= layout.created => Phase::New,
        Some(state) if state < layout.running => Phase::Suspended,
        Some(state) if state == layout.running => Phase::Stepping,
        Some(_) => Phase::Over,
    })
}

/// The context in which a task's steps run.
#[inline(always)]
pub fn context_of(layout: &CoroutineLayout, task: u64) -> Result<u64, Unreadable> {
    Resident::read(task.wrapping_add(u64::from(layout.task_coroutine) + CONTEXT))
}

/// What tells whether a coroutine has begun, or is at work; `None`: it is not one of the interpreter's.
#[inline(always)]
fn state_of<M: Access>(
    layout: &CoroutineLayout,
    coroutine: u64,
) -> Result<Option<i32>, Unreadable> {
    let class = M::read::<u64>(coroutine.wrapping_add(OB_TYPE))?;
    if class != layout.coroutine_type && class != layout.generator_type {
        return Ok(None);
    }
    let frame = frame_of::<M>(layout, coroutine)?;
    if frame == 0 {
        return Ok(Some(FINISHED));
    }
    let holder = if layout.state_in_frame != 0 {
        frame
    } else {
        coroutine
    };
    let at = holder.wrapping_add(u64::from(layout.state));
    let state = if layout.state_is_int != 0 {
        M::read::<i32>(at)?
    } else {
        i32::from(M::read::<i8>(at)?)
    };
    Ok(Some(state))
}

#[inline(always)]
fn frame_of<M: Access>(layout: &CoroutineLayout, coroutine: u64) -> Result<u64, Unreadable> {
    let at = coroutine.wrapping_add(u64::from(layout.frame));
    if layout.frame_is_pointer != 0 {
        M::read(at)
    } else {
        Ok(at)
    }
}
