//! Stacks: at ticks of a timer, at the ends of outermost crossings, when a thread stops running, when a
//! coroutine is resumed.
//!
//! Nothing here writes to a [`ThreadState`](hotspan_common::ThreadState) but its cache of the
//! interpreter's thread: a tick may come while the crossing program is at work on the same thread.

pub mod awaits;
pub mod budget;
pub mod density;
mod enclosing;
mod frames;
pub mod region;
mod registers;
mod send;
mod stack;
mod timer;
pub mod wait;
mod work;
pub mod worker;
