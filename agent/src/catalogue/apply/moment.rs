//! Moments: events of a function's calling another one. What is probed is that call, where there is one and no other; else
//! the entry of that function, and who called it is told by the return address.

use super::{FoundRegion, Object, RefusedBecause};
use crate::object::exits::{self, Exits, Function, Refusal, Searched, shadow_stacks};

/// Where a region is probed.
pub(super) struct Placed {
    pub exits: Exits,
    /// Of a moment: the code that calls, in bytes from the entry probe; empty if the call itself is probed.
    pub caller: [i32; 2],
}

impl Placed {
    /// Two crossings that begin at one instruction can't be told apart.
    pub(super) fn alone_among(self, armed: &[FoundRegion]) -> Result<Self, RefusedBecause> {
        let entry = self.exits.entry_offset;
        match armed.iter().find(|other| other.entry == entry) {
            Some(other) => Err(RefusedBecause::SameFunction(other.name.clone())),
            None => Ok(self),
        }
    }
}

impl From<Exits> for Placed {
    fn from(exits: Exits) -> Self {
        Self {
            exits,
            caller: [0; 2],
        }
    }
}

impl Object<'_> {
    /// Where `caller` calls `symbol`'s function.
    pub(super) fn moment(
        &self,
        searched: &Searched<'_>,
        caller: &Function,
        symbol: &str,
    ) -> Result<Placed, RefusedBecause> {
        let function = Function {
            entry: *(self.named.get(symbol))
                .ok_or_else(|| RefusedBecause::NoCallee(symbol.to_owned()))?,
            ..Function::default()
        };
        if !shadow_stacks::are_possible()
            && let Some(call) = exits::only_call(searched, caller, function.entry)
        {
            return Ok(call.into());
        }
        let exits = exits::entry_only(searched, &function)?;
        let bounds = caller
            .bounds(searched)
            .ok_or(Refusal::NoBounds(caller.entry))?;
        let probe = (self.image.code_address(exits.entry_offset))
            .ok_or(Refusal::NoCode(exits.entry_offset))?;
        let from_probe = |address: u64| {
            let offset = address.wrapping_sub(probe).cast_signed();
            i32::try_from(offset).map_err(|_| RefusedBecause::FarCallee(symbol.to_owned()))
        };
        Ok(Placed {
            exits,
            caller: [from_probe(bounds.start)?, from_probe(bounds.end)?],
        })
    }
}
