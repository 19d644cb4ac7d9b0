//! How long the innermost Python functions of a thread have gone on.
//!
//! The stacks of a request are the further apart the older it is, but the timer ticks between them. Each such tick looks at
//! the innermost frames, which takes a twentieth of a stack's time. When one is gone that was there for as long as a span lasts, a
//! stack is taken at once; and each stack says between which two ticks what it shows took the place of what the one before
//! showed. So where one function gives way to another is known to a tick, however far apart stacks are.

use hotspan_common::{Change, PythonFramesLayout, Target};

use super::{frames, work::Work, worker::Worker};
use crate::{
    maps::LIVES_LOOK,
    repeat::{CONTINUE, STOP, repeat},
};

/// Frames that are looked at, innermost first. A power of two.
const WINDOW: usize = 16;
/// Frames that are gone through for that, those of the interpreter's C calls among them.
const MAX_STEPS: u32 = 2 * WINDOW as u32;
/// In place of an index in the window.
const NOWHERE: u64 = WINDOW as u64;
/// A function that ticks have met for so long will most likely be a span (of 10 ms, unless told otherwise: the ticks next to its sides
/// are up to 1 ms inside of them). What is over sooner would ask for stacks all the time.
const LONG_NS: u64 = 8_000_000;

/// The innermost frames of a thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Lives {
    /// At the last look, innermost first.
    frames: [Life; WINDOW],
    /// So many.
    len: u64,
    /// When that was.
    looked_ns: u64,
    /// The request that its last stack was of; 0: none, or what was between then and now is not known.
    span: u64,
    /// When that was taken.
    stack_ns: u64,
    /// When the outermost of that stack's frames that are gone was last met; 0: none is gone.
    gone_after_ns: u64,
    /// The tick that did not meet it any more.
    gone_by_ns: u64,
}

/// A frame that ticks have met.
#[repr(C)]
#[derive(Clone, Copy)]
struct Life {
    /// Tells frames apart. A function that its caller calls again at once is the same.
    key: u64,
    /// The tick that first met it.
    since_ns: u64,
    /// The one before that.
    after_ns: u64,
}

/// A look under way. A tick is not interrupted by another, so there is one at a time on a CPU. It is kept here, and not on the
/// stack, as the verifier follows each value that it sees there.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Look {
    now: u64,
    /// Of the last look.
    looked_ns: u64,
    /// The frame to look at next; 0: there is none.
    frame: u64,
    /// Frames that were met, innermost first.
    frames: [Life; WINDOW],
    /// So many.
    len: u64,
    /// A frame that goes on was so much further in at the last look.
    shift: u64,
    /// Where the innermost that goes on was then; [`NOWHERE`]: none does, as far as is known.
    innermost: u64,
    /// Whether one does not that lies around those that are left.
    has_ended: u64,
    /// Whether those inside of the innermost that goes on are known to be gone.
    is_known: u64,
    /// Whether one of them was there for long.
    is_long: u64,
}

/// Whether a function of the current thread is over that went on for long, now that a tick finds it at work.
#[inline(always)]
pub fn has_ended(target: &Target, worker: &mut Worker, now: u64) -> bool {
    worker.is_python(now) && sampling_lives(&target.frames, worker, now) != 0
}

/// A stack of the current thread is taken: says when what it shows took the place of what the one before showed.
#[inline(always)]
pub fn stack(target: &Target, worker: &mut Worker, work: &Work, now: u64, change: &mut Change) {
    if worker.lives.looked_ns != now {
        sampling_lives(&target.frames, worker, now);
    }
    let span = u64::from_ne_bytes(work.active.parent.span_id);
    sampling_change(worker, span, now, change);
}

/// What the turns of a loop share.
struct Turn {
    layout: *const PythonFramesLayout,
    lives: *mut Lives,
    look: *mut Look,
}

impl Turn {
    #[inline(always)]
    fn parts(&mut self) -> (&mut Lives, &mut Look) {
        // SAFETY: the pointers are those of references that outlive the loop.
        unsafe { (&mut *self.lives, &mut *self.look) }
    }
}

/// A global function, which the verifier checks once and on its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_lives(
    layout: *const PythonFramesLayout,
    worker: *mut Worker,
    now: u64,
) -> u32 {
    if layout.is_null() || worker.is_null() {
        return 0;
    }
    // SAFETY: not null, and the callers' references are valid.
    let (frames, worker) = unsafe { (&*layout, &mut *worker) };
    let Some(look) = LIVES_LOOK.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: this CPU's, see `Look`.
    let look = unsafe { &mut *look };
    let lives = &mut worker.lives;
    look.begin(
        lives,
        frames::innermost_now(frames, worker.python.state),
        now,
    );
    let mut turn = Turn {
        layout,
        lives,
        look,
    };
    repeat(MAX_STEPS, meet, &mut turn);
    repeat(WINDOW as u32, align, &mut turn);
    repeat(WINDOW as u32, follow, &mut turn);
    let (lives, look) = turn.parts();
    look.is_known = u64::from(look.innermost != NOWHERE || look.frame == 0);
    if look.innermost == NOWHERE {
        lives.span = 0;
    }
    repeat(WINDOW as u32, conclude, &mut turn);
    let (lives, look) = turn.parts();
    (lives.len, lives.looked_ns) = (look.len, look.now);
    look.is_long as u32
}

/// The next frame further out.
extern "C" fn meet(_: u64, turn: &mut Turn) -> u64 {
    // SAFETY: the pointer is that of a reference that outlives the loop.
    let layout = unsafe { &*turn.layout };
    let (_, look) = turn.parts();
    if look.frame == 0 || look.len >= WINDOW as u64 {
        return STOP;
    }
    let Ok((code, previous)) = frames::code_and_previous(layout, look.frame) else {
        return STOP;
    };
    if code != 0 {
        *slot(&mut look.frames, look.len) = Life {
            // Addresses of frames come again and again, so does a function's code: together they are a call, or a loop of them.
            key: look.frame.rotate_left(32) ^ code,
            since_ns: look.now,
            after_ns: look.looked_ns,
        };
        look.len += 1;
    }
    look.frame = previous;
    CONTINUE
}

/// How far the frames of this look and of the last one are from each other: by the outermost of either that is in the other.
extern "C" fn align(index: u64, turn: &mut Turn) -> u64 {
    let (lives, look) = turn.parts();
    let (last, outermost) = (lives.len.wrapping_sub(1), look.len.wrapping_sub(1));
    if lives.len == 0 || look.len == 0 {
        return STOP;
    }
    if index <= last && slot(&mut lives.frames, index).key == slot(&mut look.frames, outermost).key
    {
        look.shift = index.wrapping_sub(outermost);
    } else if index <= outermost
        && slot(&mut look.frames, index).key == slot(&mut lives.frames, last).key
    {
        look.shift = last.wrapping_sub(index);
    } else {
        return CONTINUE;
    }
    look.has_ended = 0;
    STOP
}

/// A frame goes on, from the outermost inwards: what lies inside of a new one is new, though it may be the same function at the same
/// place.
extern "C" fn follow(turns: u64, turn: &mut Turn) -> u64 {
    let (lives, look) = turn.parts();
    if turns >= look.len || look.has_ended != 0 {
        return STOP;
    }
    let index = look.len - 1 - turns;
    let was = index.wrapping_add(look.shift);
    let here = slot(&mut look.frames, index);
    if was as i64 >= lives.len as i64 {
        // Further out than the last look has gone.
        here.since_ns = 0;
    } else if was < WINDOW as u64 && slot(&mut lives.frames, was).key == here.key {
        *here = *slot(&mut lives.frames, was);
        look.innermost = was;
    } else {
        look.has_ended = 1;
    }
    CONTINUE
}

/// A frame of the last look may be gone; one of this takes its place.
extern "C" fn conclude(index: u64, turn: &mut Turn) -> u64 {
    let (lives, look) = turn.parts();
    let life = *slot(&mut lives.frames, index);
    if look.is_known != 0 && index < look.innermost && index < lives.len {
        if life.since_ns <= lives.stack_ns {
            (lives.gone_after_ns, lives.gone_by_ns) = (look.looked_ns, look.now);
        }
        if look.now.saturating_sub(life.since_ns) >= LONG_NS {
            look.is_long = 1;
        }
    }
    *slot(&mut lives.frames, index) = *slot(&mut look.frames, index);
    CONTINUE
}

impl Look {
    #[inline(always)]
    fn begin(&mut self, lives: &Lives, frame: u64, now: u64) {
        (self.now, self.looked_ns) = (now, lives.looked_ns);
        (self.frame, self.len, self.shift) = (frame, 0, 0);
        (self.innermost, self.has_ended, self.is_long) = (NOWHERE, 1, 0);
    }
}

#[inline(always)]
fn slot(frames: &mut [Life; WINDOW], index: u64) -> &mut Life {
    let index = (index & (WINDOW as u64 - 1)) as usize;
    // SAFETY: in bounds by the mask. A slice index would leave a panic in the program.
    unsafe { &mut *frames.as_mut_ptr().add(index) }
}

/// A global function, which the verifier checks once and on its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_change(
    worker: *mut Worker,
    span: u64,
    now: u64,
    change: *mut Change,
) -> u32 {
    if worker.is_null() || change.is_null() {
        return 0;
    }
    // SAFETY: not null, and the caller's references are valid.
    let lives = unsafe { &mut (*worker).lives };
    if lives.span == span {
        let mut telling = Telling { lives, change };
        repeat(WINDOW as u32, tell, &mut telling);
        // SAFETY: not null, and the caller's reference is valid.
        lives.confirm(unsafe { &mut *change });
    } else {
        // What was before the request is no part of it.
        repeat(WINDOW as u32, renew, &mut Renewal { lives, now });
        lives.span = span;
    }
    lives.stack_ns = now;
    lives.gone_by_ns = 0;
    0
}

/// What is told of a change.
struct Telling {
    lives: *const Lives,
    change: *mut Change,
}

/// The outermost of the frames that are new since the last stack tells when that was.
extern "C" fn tell(index: u64, telling: &mut Telling) -> u64 {
    // SAFETY: the pointers are those of references that outlive the loop.
    let (lives, change) = unsafe { (&*telling.lives, &mut *telling.change) };
    let index = index & (WINDOW as u64 - 1);
    // SAFETY: in bounds by the mask. A slice index would leave a panic in the program.
    let life = unsafe { &*lives.frames.as_ptr().add(index as usize) };
    if index >= lives.len {
        return STOP;
    }
    if life.since_ns > lives.stack_ns {
        (change.after_ns, change.by_ns) = (life.after_ns, life.since_ns);
        change.frames = index as u32 + 1;
    }
    CONTINUE
}

/// Frames that are renewed.
struct Renewal {
    lives: *mut Lives,
    now: u64,
}

extern "C" fn renew(index: u64, renewal: &mut Renewal) -> u64 {
    // SAFETY: the pointer is that of a reference that outlives the loop.
    let lives = unsafe { &mut *renewal.lives };
    slot(&mut lives.frames, index).since_ns = renewal.now;
    CONTINUE
}

impl Lives {
    /// Lets what is told stand if the frames that are gone are so since the same tick, and what is around them is known.
    #[inline(always)]
    fn confirm(&self, change: &mut Change) {
        if change.by_ns == 0 {
            (change.after_ns, change.by_ns) = (self.gone_after_ns, self.gone_by_ns);
        }
        let is_one = self.gone_by_ns == 0 || self.gone_by_ns == change.by_ns;
        if is_one && change.by_ns != 0 && u64::from(change.frames) < self.len {
            change.since_ns = self.stack_ns;
        } else {
            *change = Change::default();
        }
    }
}
