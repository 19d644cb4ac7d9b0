//! Ways into the straight code before a `ret`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use iced_x86::{FlowControl, Mnemonic};

use super::{
    LastCalls, Searched,
    callees::{Call, Calls},
    kept::Kept,
    listing::{self, Listing},
};

/// A way into the straight code before a `ret`.
pub(super) struct Way {
    /// Index of the instruction that it comes to.
    pub into: usize,
    /// What it leaves by: a jump, or what the code goes on from.
    pub at: u64,
    pub jumps: bool,
    /// Why that can't be probed.
    pub barred: Option<Kept>,
}

impl Way {
    fn new(into: usize, at: u64, jumps: bool) -> Self {
        Self {
            into,
            at,
            jumps,
            barred: None,
        }
    }

    fn barred(into: usize, why: Kept) -> Self {
        Self {
            into,
            at: 0,
            jumps: false,
            barred: Some(why),
        }
    }
}

/// What leads to the instructions of a function.
pub(super) struct Leads<'a> {
    searched: &'a Searched<'a>,
    listing: &'a Listing,
    /// Where calls and jumps of unknown origin lead.
    entries: &'a BTreeSet<u64>,
    calls: Calls<'a>,
    /// Indices of the jumps to each address.
    sources: BTreeMap<u64, Vec<usize>>,
}

fn sources(listing: &Listing) -> BTreeMap<u64, Vec<usize>> {
    let mut sources: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, instruction) in listing.all().iter().enumerate() {
        if let Some(target) = listing::jump_target(instruction) {
            sources.entry(target).or_default().push(index);
        }
    }
    sources
}

impl<'a> Leads<'a> {
    pub(super) fn new(
        searched: &'a Searched<'a>,
        listing: &'a Listing,
        entries: &'a BTreeSet<u64>,
        ends_before: &'a LastCalls,
    ) -> Self {
        Self {
            searched,
            listing,
            entries,
            calls: Calls::new(ends_before),
            sources: sources(listing),
        }
    }

    /// What is known of calls.
    pub(super) fn calls(&mut self) -> &mut Calls<'a> {
        &mut self.calls
    }

    fn at(&self, index: usize) -> u64 {
        self.listing.all()[index].ip()
    }

    /// All ways into the run, by where they come in.
    pub(super) fn ways_into(&mut self, run: &RangeInclusive<usize>) -> Vec<Way> {
        let start = *run.start();
        let mut ways = Vec::new();
        match self.falls_into(start) {
            Ok(None) => {}
            Ok(Some(at)) => ways.push(Way::new(start, at, false)),
            Err(why) => ways.push(Way::barred(start, why)),
        }
        for index in run.clone() {
            let at = self.at(index);
            if self.entries.contains(&at) {
                ways.push(Way::barred(index, Kept::Entered(at)));
            }
            for &source in self.sources.get(&at).into_iter().flatten() {
                ways.push(match self.check_jump(source) {
                    Ok(()) => Way::new(index, self.at(source), true),
                    Err(why) => Way::barred(index, why),
                });
            }
        }
        ways
    }

    fn check_jump(&self, index: usize) -> Result<(), Kept> {
        let jump = &self.listing.all()[index];
        if listing::is_emulated(jump) {
            Ok(())
        } else {
            Err(Kept::Stepped(jump.ip()))
        }
    }

    /// What falls into the run that begins at index `start`, if anything does.
    fn falls_into(&mut self, start: usize) -> Result<Option<u64>, Kept> {
        let Some(before) = self.listing.before(start) else {
            return self.nothing_falls_into(start);
        };
        let at = before.ip();
        match before.flow_control() {
            FlowControl::ConditionalBranch => {
                self.check_jump(start - 1)?;
                Ok(Some(at))
            }
            FlowControl::Call | FlowControl::IndirectCall => {
                match self.calls.of(self.searched, before) {
                    Call::Endless => self.nothing_falls_into(start),
                    Call::Quiet | Call::Last if listing::is_emulated(before) => Ok(Some(at)),
                    Call::Quiet | Call::Last => Err(Kept::Stepped(at)),
                    Call::Short | Call::Unknown => Err(Kept::LongCall(at)),
                }
            }
            FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::Return
            | FlowControl::Exception => self.nothing_falls_into(start),
            _ if before.mnemonic() == Mnemonic::Int3 => self.nothing_falls_into(start),
            _ => Err(Kept::Continued(at)),
        }
    }

    /// Then something must jump to the first instruction that does anything: what else is it for?
    fn nothing_falls_into(&self, start: usize) -> Result<Option<u64>, Kept> {
        let rest = self.listing.all()[start..].iter();
        let first = rest.map_while(|padding| {
            let is_padding = padding.mnemonic() == Mnemonic::Nop;
            let is_target = self.sources.contains_key(&padding.ip());
            (is_padding && !is_target).then_some(())
        });
        let first = &self.listing.all()[start + first.count()];
        if self.sources.contains_key(&first.ip()) {
            Ok(None)
        } else {
            Err(Kept::Entered(first.ip()))
        }
    }
}
