//! Stacks: at ticks of a timer, at the ends of outermost crossings, when a thread stops running, when a
//! coroutine is resumed.
//!
//! Nothing here writes to a [`ThreadState`](hotspan_common::ThreadState) but its cache of the
//! interpreter's thread: a tick may come while the crossing program is at work on the same thread.

mod account;
pub mod awaits;
pub mod budget;
mod chain;
mod coroutines;
pub mod density;
mod enclosing;
mod frames;
mod head;
mod idle;
mod inside;
pub mod lives;
mod look;
pub mod made;
pub mod region;
mod registers;
mod send;
mod stack;
mod timer;
pub mod wait;
mod work;
pub mod worker;

/// 1 if stacks are wanted. The agent sets it before the programs are loaded: where it is 0, the verifier passes
/// over what only stacks need.
#[unsafe(no_mangle)]
static IS_SAMPLING: u32 = 1;

/// 1 if stacks go on into the kernel. The agent sets it, too.
#[unsafe(no_mangle)]
static KERNEL_FRAMES: u32 = 0;

/// 1 if the kernel tells when a thread has come back from a switch (`sched_exit_tp`). The agent sets it, too.
#[unsafe(no_mangle)]
static TELLS_RETURNS: u32 = 0;

/// Whether threads are looked at when they are back from a wait, and not before it.
#[inline(always)]
pub fn tells_returns() -> bool {
    // SAFETY: the static is what the agent has set, which the compiler cannot know.
    unsafe { core::ptr::from_ref(&TELLS_RETURNS).read_volatile() != 0 }
}

/// Whether stacks go on into the kernel.
#[inline(always)]
fn has_kernel_frames() -> bool {
    // SAFETY: the static is what the agent has set, which the compiler cannot know.
    unsafe { core::ptr::from_ref(&KERNEL_FRAMES).read_volatile() != 0 }
}

/// Whether stacks are wanted of any target.
#[inline(always)]
pub fn is_on() -> bool {
    // SAFETY: the static is what the agent has set, which the compiler cannot know.
    unsafe { core::ptr::from_ref(&IS_SAMPLING).read_volatile() != 0 }
}
