//! Waits that are one.

use super::evidence::{Evidence, Kind};
use crate::{event::Frame, inference::evidence::waits::Cause};

/// Waits on the interpreter's lock that follow each other this closely are one, in nanoseconds: a
/// waiter wakes up every 5 ms to ask for the lock.
const SAME_WAIT_NS: u64 = 200_000;

/// Waits that lie in each other or follow each other closely for the same cause become one; of
/// others that overlap, the later is cut.
pub(super) fn merge_waits(evidence: &[Evidence]) -> Vec<Evidence> {
    let mut merged: Vec<Evidence> = Vec::with_capacity(evidence.len());
    for here in evidence {
        let mut here = here.clone();
        if let Some(last) = merged.last_mut() {
            if last.kind == Kind::Wait(Cause::Gil)
                && here.kind == last.kind
                && here.start.since(last.end) <= SAME_WAIT_NS
                && is_same_place(&last.stack, &here.stack)
            {
                last.end = last.end.max(here.end);
                continue;
            }
            if here.end <= last.end && here.start < last.end {
                continue;
            }
            here.start = here.start.max(last.end);
        }
        merged.push(here);
    }
    merged
}

fn is_same_place(first: &[Frame], second: &[Frame]) -> bool {
    let is_same = |(a, b): (&Frame, &Frame)| a.function == b.function;
    first.len() == second.len() && first.iter().zip(second).all(is_same)
}
