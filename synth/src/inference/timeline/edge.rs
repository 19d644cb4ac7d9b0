//! The sides of a segment of a lane, and what is known of them.

use std::sync::Arc;

use crate::{event::Frame, time::KernelTime};

/// One side of a segment.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub time: KernelTime,
    pub bound: Bound,
    /// For how long the thread could have run and did not before it, since its last stack.
    pub queued_ns: u64,
    /// How much earlier what lies behind it may have begun, in nanoseconds.
    pub early_ns: u64,
    /// The region on the other side.
    pub region: Option<Arc<str>>,
    /// The functions that called it, outermost first, down to the innermost of the application's.
    pub callers: Vec<Frame>,
}

impl Edge {
    /// One without a region beyond it.
    pub fn plain(time: KernelTime, bound: Bound) -> Self {
        Self {
            time,
            bound,
            queued_ns: 0,
            early_ns: 0,
            region: None,
            callers: Vec::new(),
        }
    }
}

/// What is known of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Nothing.
    Open,
    /// It is the request's start, by the target's own record.
    Start,
    /// The request's task waited for this thread until then, or from then on.
    Handed,
    /// The thread had waited for work until then, and ran again.
    Idle,
    /// The thread began then, or ended.
    Life,
    /// It is a crossing's.
    Exact,
}
