//! Where one function calls another.

use iced_x86::{FlowControl, Instruction};

use super::{Execution, Exits, Function, Searched, listing, listing::Listing, probes::probeable};
use crate::object::links::{called_slot, memory_slot, stub_slot};

/// See [`super::only_call`].
pub(super) fn only_call(
    searched: &Searched<'_>,
    function: &Function,
    target: u64,
) -> Option<Exits> {
    let mut pieces = vec![function.bounds(searched)?];
    pieces.extend(function.fragments.iter().cloned());
    let listing = Listing::of(searched, &pieces)?;
    let sought = Sought {
        address: target,
        slots: searched.links.slots_of(target, searched.dynamic),
    };
    let all = listing.all().iter();
    let mut calls = all.filter(|instruction| sought.is_reached_by(searched, instruction));
    let call = calls.next()?;
    let is_cheap = listing::execution(call) == Execution::EmulatedCall;
    if !is_cheap || calls.next().is_some() {
        return None;
    }
    Some(Exits {
        entry_offset: probeable(searched, call.ip()).ok()?,
        points: Vec::new(),
        early: None,
        unpassed: None,
        kept: Vec::new(),
        tail_callees: Vec::new(),
    })
}

/// A function that is looked for.
struct Sought {
    address: u64,
    /// What stubs and indirect calls reach it through.
    slots: Vec<u64>,
}

impl Sought {
    /// By a call or a jump, its own or a stub's.
    fn is_reached_by(&self, searched: &Searched<'_>, instruction: &Instruction) -> bool {
        let slot = match instruction.flow_control() {
            FlowControl::Call
            | FlowControl::UnconditionalBranch
            | FlowControl::ConditionalBranch => {
                let target = instruction.near_branch_target();
                if target == self.address {
                    return true;
                }
                stub_slot(searched.image, target)
            }
            FlowControl::IndirectCall => called_slot(instruction),
            FlowControl::IndirectBranch => memory_slot(instruction),
            _ => None,
        };
        slot.is_some_and(|slot| self.slots.contains(&slot))
    }
}
