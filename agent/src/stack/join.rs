//! One stack of native and Python frames.
//!
//! Each call of the interpreter's loop runs one or more Python frames, the last of which it was entered
//! for. So the loop's native frames, from the innermost on, stand for runs of Python frames; what is native
//! between two of them was called by the inner end of the outer run.

use std::cmp::Ordering;

use hotspan_synth::event::Frame;

use super::interpreter::Role;

/// A native frame, or a function inlined there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativePart {
    /// The frame; `None`: it is counted elsewhere that it has no number.
    pub frame: Option<Frame>,
    /// What it is.
    pub role: Role,
}

/// A Python frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PythonPart {
    /// The frame.
    pub frame: Option<Frame>,
    /// Whether a call of the interpreter's loop began with it.
    pub is_entry: bool,
}

/// The stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Frames, outermost first.
    pub frames: Vec<Frame>,
    /// Whether it reaches the thread's start, with nothing missing between.
    pub is_complete: bool,
    /// Whether the loop's frames and the Python frames did not fit together, so that native frames between
    /// Python frames are left out.
    pub is_loose: bool,
}

/// Joins the two stacks of one thread, both innermost first.
///
/// `native_is_complete`: the native one reaches the thread's start. `python_is_complete`: no Python frame
/// is missing.
pub fn join(
    native: &[NativePart],
    native_is_complete: bool,
    python: &[PythonPart],
    python_is_complete: bool,
) -> Joined {
    let runs = runs(python);
    let loops = native.iter().filter(|part| part.role == Role::Eval).count();
    let fit = Fit::of(loops, runs.len(), native_is_complete, python_is_complete);
    let (mut frames, is_loose) = match fit {
        // Its frames could not be read: what is native there has lost its callers.
        _ if python.is_empty() && loops > 0 => (leaf_and_python(native, python), true),
        _ if python.is_empty() => (functions(native).collect(), false),
        Fit::After(idle) => (interleaved(native, &runs, idle), false),
        Fit::Unknown => (leaf_and_python(native, python), true),
    };
    frames.reverse();
    // Where the native part ends early, Python's frames tell the rest if they meet it.
    let is_complete = if python.is_empty() {
        native_is_complete && loops == 0
    } else {
        python_is_complete && (native_is_complete || loops > 0)
    };
    Joined {
        frames,
        is_complete,
        is_loose,
    }
}

/// How the loop's frames and the runs correspond.
enum Fit {
    /// One to one, after so many loops that run nothing yet, or nothing any more.
    After(usize),
    Unknown,
}

impl Fit {
    fn of(loops: usize, runs: usize, native_is_complete: bool, python_is_complete: bool) -> Self {
        match (loops, loops.cmp(&runs)) {
            (0, _) => Self::Unknown,
            (_, Ordering::Equal) => Self::After(0),
            // The outer ones of either side are missing.
            (_, Ordering::Greater) if !python_is_complete => Self::After(0),
            (_, Ordering::Less) if !native_is_complete => Self::After(0),
            // The innermost loop is entered before it has a frame, and left after.
            (_, Ordering::Greater) if loops - runs == 1 => Self::After(1),
            _ => Self::Unknown,
        }
    }
}

/// The frames of each call of the loop.
fn runs(python: &[PythonPart]) -> Vec<&[PythonPart]> {
    let entries = python.iter().filter(|part| part.is_entry).count();
    // What was cut off has no entry.
    let mut runs = Vec::with_capacity(entries + 1);
    runs.extend(python.split_inclusive(|part| part.is_entry));
    runs
}

fn functions(native: &[NativePart]) -> impl Iterator<Item = Frame> + '_ {
    native
        .iter()
        .filter(|part| part.role == Role::Function)
        .filter_map(|part| part.frame)
}

fn interleaved(native: &[NativePart], runs: &[&[PythonPart]], idle: usize) -> Vec<Frame> {
    let python: usize = runs.iter().map(|run| run.len()).sum();
    let mut frames = Vec::with_capacity(native.len() + python);
    let mut runs = runs.iter();
    let mut loops = 0;
    for part in native {
        match part.role {
            Role::Eval => {
                loops += 1;
                if loops > idle {
                    frames.extend(runs.next().into_iter().flat_map(|run| frames_of(run)));
                }
            }
            Role::Function => frames.extend(part.frame),
            Role::Interpreter => {}
        }
    }
    frames.extend(runs.flat_map(|run| frames_of(run)));
    frames
}

/// What runs above the innermost loop, or above the interpreter if no loop is known, and then all of Python.
fn leaf_and_python(native: &[NativePart], python: &[PythonPart]) -> Vec<Frame> {
    let has_loop = native.iter().any(|part| part.role == Role::Eval);
    let end = native
        .iter()
        .position(|part| match part.role {
            Role::Eval => true,
            Role::Interpreter => !has_loop,
            Role::Function => false,
        })
        .unwrap_or(native.len());
    functions(&native[..end]).chain(frames_of(python)).collect()
}

fn frames_of(python: &[PythonPart]) -> impl Iterator<Item = Frame> + '_ {
    python.iter().filter_map(|part| part.frame)
}
