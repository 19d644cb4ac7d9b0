//! How long the innermost Python functions of a thread have gone on.
//!
//! The stacks of a request are the further apart the older it is, but the timer ticks between them. Each such tick looks at
//! the innermost frames, which takes a twentieth of a stack's time. When one is gone that was there for as long as a span lasts, a
//! stack is taken at once; and each stack says between which two ticks what it shows took the place of what the one before
//! showed. So where one function gives way to another is known to a tick, however far apart stacks are.

use hotspan_common::{Change, PythonFramesLayout, Target};

use super::{frames, work::Work, worker::Worker};
use crate::repeat::{CONTINUE, STOP, repeat};

/// Frames that are looked at, innermost first. What a handler calls, and what that calls, is rarely deeper.
const WINDOW: usize = 8;
/// Frames that are gone through for that, those of the interpreter's C calls among them.
const MAX_STEPS: u32 = 2 * WINDOW as u32;
/// A function that ticks have met for so long will most likely be a span (of 10 ms, unless told otherwise: the ticks next to its sides
/// are up to 1 ms inside of them). What is over sooner would ask for stacks all the time.
const LONG_NS: u64 = 8_000_000;

/// The innermost frames of a thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Lives {
    /// At the last look, innermost first.
    frames: [Life; WINDOW],
    /// At the look under way.
    now: [Life; WINDOW],
    /// So many of those.
    len: u64,
    /// When the last look was.
    looked_ns: u64,
    /// The request that its last stack was of; 0: none.
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
    /// Tells frames apart; 0: none. A function that its caller calls again at once is the same.
    key: u64,
    /// The tick that first met it.
    since_ns: u64,
    /// The one before that.
    after_ns: u64,
    /// Where it was at the last look; [`WINDOW`]: nowhere.
    was: u64,
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

/// A look under way.
struct Look {
    layout: *const PythonFramesLayout,
    lives: *mut Lives,
    /// The frame to look at next; 0: there is none.
    frame: u64,
    now: u64,
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
    let lives = &mut worker.lives;
    lives.len = 0;
    let mut look = Look {
        layout,
        lives,
        frame: frames::innermost_now(frames, worker.python.state),
        now,
    };
    repeat(MAX_STEPS, step, &mut look);
    let is_whole = look.frame == 0;
    lives.conclude(is_whole, now)
}

extern "C" fn step(_: u64, look: &mut Look) -> u64 {
    // SAFETY: the pointers are those of references that outlive the look.
    let (layout, lives) = unsafe { (&*look.layout, &mut *look.lives) };
    if look.frame == 0 || lives.len >= WINDOW as u64 {
        return STOP;
    }
    let Ok((code, previous)) = frames::code_and_previous(layout, look.frame) else {
        return STOP;
    };
    if code != 0 {
        // Addresses of frames come again and again, so does a function's code: together they are a call, or a loop of them.
        lives.meet(look.frame.rotate_left(32) ^ code, look.now);
    }
    look.frame = previous;
    CONTINUE
}

impl Lives {
    /// The next frame further out.
    #[inline(always)]
    fn meet(&mut self, key: u64, now: u64) {
        let mut life = Life {
            key,
            since_ns: now,
            after_ns: self.looked_ns,
            was: WINDOW as u64,
        };
        for index in 0..WINDOW {
            if self.frames[index].key == key {
                life = self.frames[index];
                life.was = index as u64;
            }
        }
        let slot = (self.len & (WINDOW as u64 - 1)) as usize;
        self.now[slot] = life;
        self.len += 1;
    }

    /// All were met. Whether one is gone that was there for long.
    #[inline(always)]
    fn conclude(&mut self, is_whole: bool, now: u64) -> u32 {
        let innermost = self.goes_on(now);
        if innermost == WINDOW as u64 && !is_whole {
            // Those that are still there may be further out.
            self.span = 0;
        }
        let mut is_long = 0;
        for index in 0..WINDOW {
            let life = self.frames[index];
            if life.key != 0 && (index as u64) < innermost {
                if life.since_ns <= self.stack_ns {
                    (self.gone_after_ns, self.gone_by_ns) = (self.looked_ns, now);
                }
                is_long |= u32::from(now.saturating_sub(life.since_ns) >= LONG_NS);
            }
            self.frames[index] = self.now[index];
            if index as u64 >= self.len {
                self.frames[index].key = 0;
            }
        }
        self.looked_ns = now;
        is_long
    }

    /// Where the innermost of the frames that go on was at the last look; [`WINDOW`]: none does, as far as is known. What lies
    /// inside of a new one is new, though it may be the same function at the same place.
    #[inline(always)]
    fn goes_on(&mut self, now: u64) -> u64 {
        let mut innermost = WINDOW as u64;
        let mut has_ended = false;
        for outer in 1..=WINDOW {
            let index = WINDOW - outer;
            if index as u64 >= self.len {
                continue;
            }
            let life = &mut self.now[index];
            let is_met = life.was != WINDOW as u64;
            if is_met && !has_ended {
                innermost = life.was;
            } else if is_met || innermost != WINDOW as u64 {
                has_ended = true;
                (life.since_ns, life.after_ns) = (now, self.looked_ns);
            } else {
                // Further out than the last look has gone.
                life.since_ns = 0;
            }
        }
        innermost
    }
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
    let (lives, change) = unsafe { (&mut (*worker).lives, &mut *change) };
    if lives.span == span {
        lives.tell(change);
    } else {
        // What was before the request is no part of it.
        for index in 0..WINDOW {
            lives.frames[index].since_ns = now;
        }
        lives.span = span;
    }
    lives.stack_ns = now;
    lives.gone_by_ns = 0;
    0
}

impl Lives {
    #[inline(always)]
    fn tell(&self, change: &mut Change) {
        let (mut after_ns, mut by_ns, mut frames) = (self.gone_after_ns, self.gone_by_ns, 0);
        for index in 0..WINDOW {
            let life = &self.frames[index];
            if life.key != 0 && life.since_ns > self.stack_ns {
                (after_ns, by_ns, frames) = (life.after_ns, life.since_ns, index as u32 + 1);
            }
        }
        // Of what is further out nothing is known.
        let is_seen = u64::from(frames) < self.len && by_ns != 0;
        let is_one = self.gone_by_ns == 0 || self.gone_by_ns == by_ns;
        if is_seen && is_one {
            *change = Change {
                since_ns: self.stack_ns,
                after_ns,
                by_ns,
                frames,
                reserved: 0,
            };
        }
    }
}
