//! Loops: whether a point can be passed again before anything takes time.

use std::collections::BTreeSet;

use iced_x86::FlowControl;

use super::{
    Searched,
    callees::{Call, Calls},
    listing::{self, Listing},
    ways::Stays,
};

/// The ways through a function from one instruction to the next.
pub(super) struct Graph<'a, 'c> {
    pub searched: &'a Searched<'a>,
    pub listing: &'a Listing,
    /// What jumps out of the listing may lead to.
    pub callees: &'a BTreeSet<u64>,
    pub calls: &'a mut Calls<'c>,
}

impl Graph<'_, '_> {
    /// Whether the conditional jump at index `point` can come again after it stayed in the function, without a call in
    /// between that may take long. A loop with such a call in it may turn often, too; the rate guard sees to that.
    pub(super) fn returns_to(&mut self, point: usize, stays: Stays) -> bool {
        let mut pending = match stays {
            Stays::GoingOn => self.listing.after(point).into_iter().collect(),
            Stays::Jumping => self.targets(point),
        };
        let mut seen = vec![false; self.listing.all().len()];
        while let Some(index) = pending.pop() {
            if index == point {
                return true;
            }
            if !std::mem::replace(&mut seen[index], true) {
                pending.extend(self.next(index));
            }
        }
        false
    }

    fn next(&mut self, index: usize) -> Vec<usize> {
        let instruction = &self.listing.all()[index];
        let on = self.listing.after(index);
        match instruction.flow_control() {
            FlowControl::UnconditionalBranch | FlowControl::IndirectBranch => self.targets(index),
            FlowControl::ConditionalBranch => self.targets(index).into_iter().chain(on).collect(),
            FlowControl::Call | FlowControl::IndirectCall => {
                match self.calls.of(self.searched, instruction) {
                    Call::Quiet | Call::Short | Call::Last => on.into_iter().collect(),
                    Call::Endless | Call::Unknown => Vec::new(),
                }
            }
            FlowControl::Return | FlowControl::Exception => Vec::new(),
            _ => on.into_iter().collect(),
        }
    }

    /// Where a jump leads: what leaves the listing goes to functions that the crossing ends in.
    fn targets(&self, index: usize) -> Vec<usize> {
        let target = listing::jump_target(&self.listing.all()[index]);
        if let Some(within) = target.and_then(|target| self.listing.index(target)) {
            return vec![within];
        }
        let callees = self.callees.iter();
        callees
            .filter_map(|&callee| self.listing.index(callee))
            .collect()
    }
}
