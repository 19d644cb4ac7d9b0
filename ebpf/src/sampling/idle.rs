//! Until when a thread worked for nobody: what it does next begins then, at the earliest.

use hotspan_common::Parent;

use crate::context::Entered;

/// What is known of a thread that had nothing to do.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Idle {
    /// When it last ran again after a wait in which it worked for nobody; 0: not known.
    until_ns: u64,
    /// A part of the trace that it was first seen to work for after that; 0: none yet.
    trace: u64,
    /// Where it was when it was last found to work for nobody.
    pub place: Entered,
    /// What the context there held: the variables of a context are replaced, not changed.
    pub variables: u64,
}

impl Idle {
    /// It worked for nobody until then.
    #[inline(always)]
    pub fn until(&mut self, now: u64) {
        (self.until_ns, self.trace) = (now, 0);
    }

    /// It may have worked for somebody meanwhile.
    #[inline(always)]
    pub fn forget(&mut self) {
        self.until_ns = 0;
    }

    /// It has not been seen at work since.
    #[inline(always)]
    pub fn is_open(&self) -> bool {
        self.until_ns != 0 && self.trace == 0
    }

    /// It is at work: until when it was not, if this is what it has worked for ever since; else 0.
    #[inline(always)]
    pub fn before(&mut self, parent: &Parent) -> u64 {
        let trace = part_of(parent.trace_id);
        if self.trace == 0 {
            self.trace = trace;
        }
        if self.trace == trace {
            self.until_ns
        } else {
            0
        }
    }
}

#[inline(always)]
fn part_of(trace: [u8; 16]) -> u64 {
    u128::from_ne_bytes(trace) as u64
}
