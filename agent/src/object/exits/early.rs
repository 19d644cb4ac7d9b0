//! Exits before the `ret`: where the kernel need not single-step.
//!
//! A probe on `ret` costs the target ten times as much as one on a jump or a call, which the kernel emulates. What leads
//! into the straight code before a `ret` never comes back, so where all of that is known, and is emulated, it takes the
//! place of the `ret`:
//!
//! - a jump into it; a conditional one with its condition, as it is only hit as an exit when it leads there; one that
//!   falls into it with the opposite condition;
//! - a call to a function that is known to be short, and that falls into it;
//! - what never falls into it is no way there.
//!
//! Anything else keeps the `ret`: other code or another call that runs on into it, an entry or a landing pad in it, a
//! stack pointer that does not follow from `rsp` or `rbp` at the point. So does a function with an indirect jump in it,
//! which may lead anywhere, and a point that a loop without a call passes again and again.

use std::collections::{BTreeMap, BTreeSet};

use hotspan_common::ReturnSp;
use iced_x86::{FlowControl, Mnemonic};

use super::{
    callees::{Call, Calls},
    cycles, epilogue,
    listing::{self, Listing},
    sweep::{self, Condition},
    ways::{Kept, Point, Stays, Ways},
};
use crate::object::exits::Searched;

/// Conditional jumps that a function may have for exits: a call may pass all of them before it leaves by the last, and
/// that many cost as much as one single step.
const MAX_CONDITIONAL: usize = 8;

/// What is known of a function besides its instructions.
pub(super) struct Known<'a> {
    /// What it leaves by, with their conditions, as `ExitPoint` has them.
    pub points: &'a BTreeMap<u64, u8>,
    /// Where calls and jumps of unknown origin lead.
    pub entries: BTreeSet<u64>,
    /// What jumps out of the listing lead to.
    pub callees: &'a BTreeSet<u64>,
}

/// Whether all ways through the instructions are known, but for what `Known` tells.
pub(super) fn is_followable(listing: &Listing) -> bool {
    listing.all().iter().all(|instruction| {
        let target = listing::jump_target(instruction);
        instruction.flow_control() != FlowControl::XbeginXabortXend
            && !target.is_some_and(|target| listing.is_inside(target))
    })
}

/// Points by address, and which `ret`s are kept among them, and why.
pub(super) type Replaced = (BTreeMap<u64, Point>, Vec<(u64, Kept)>);

/// The points that serve in place of `known.points`.
pub(super) fn find(searched: &Searched<'_>, listing: &Listing, known: &Known<'_>) -> Replaced {
    let mut search = Search {
        searched,
        listing,
        known,
        calls: Calls::default(),
        sources: sources(listing),
    };
    search.run()
}

struct Search<'a> {
    searched: &'a Searched<'a>,
    listing: &'a Listing,
    known: &'a Known<'a>,
    calls: Calls,
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

impl Search<'_> {
    fn run(&mut self) -> Replaced {
        let mut ways = self.tail_jumps();
        let mut points = BTreeMap::new();
        let mut kept = Vec::new();
        for (&at, &condition) in self.known.points {
            let Some(ret) = self.listing.index(at).filter(|&index| self.is_ret(index)) else {
                continue;
            };
            match self.instead_of(ret, &ways) {
                Ok(more) => ways.extend(more),
                Err(why) => {
                    let sp = ReturnSp::HERE;
                    points.insert(at, Point { condition, sp });
                    kept.push((at, why));
                }
            }
        }
        for (at, ways) in ways {
            if let Some(point) = self.point(at, ways) {
                points.insert(at, point);
            }
        }
        (points, kept)
    }

    fn is_ret(&self, index: usize) -> bool {
        self.listing.all()[index].flow_control() == FlowControl::Return
    }

    /// The exits that are jumps out of the function: its frame is gone there.
    fn tail_jumps(&self) -> BTreeMap<u64, Ways> {
        let points = self.known.points.keys();
        let jumps = points.filter(|&&at| !self.listing.index(at).is_some_and(|i| self.is_ret(i)));
        let ways = Ways {
            jumping: Some(ReturnSp::HERE),
            going_on: None,
        };
        jumps.map(|&at| (at, ways)).collect()
    }

    fn point(&self, at: u64, ways: Ways) -> Option<Point> {
        let jump = &self.listing.all()[self.listing.index(at)?];
        let condition = match (sweep::condition(jump), ways.staying()) {
            (Condition::Flags(code), Some(Stays::GoingOn)) => 1 + code,
            (Condition::Flags(code), Some(Stays::Jumping)) => 1 + (code ^ 1),
            _ => 0,
        };
        let sp = ways.sp()?;
        Some(Point { condition, sp })
    }

    /// What can stand for the `ret` at index `ret`, joined with what is a point already.
    fn instead_of(
        &mut self,
        ret: usize,
        so_far: &BTreeMap<u64, Ways>,
    ) -> Result<BTreeMap<u64, Ways>, Kept> {
        let run = epilogue::straight(self.listing, ret);
        let mut found: BTreeMap<u64, Ways> = BTreeMap::new();
        let mut add = |at: u64, ways: Ways| {
            let before = found.get(&at).or_else(|| so_far.get(&at));
            let joined = before.copied().unwrap_or_default().and(ways);
            found.insert(at, joined.ok_or(Kept::Conflict(at))?);
            Ok(())
        };
        for index in run.clone() {
            self.check_entries(index)?;
            for &source in self.sources.get(&self.at(index)).into_iter().flatten() {
                let jumping = Some(self.sp(index, ret)?);
                self.check_jump(source)?;
                add(
                    self.at(source),
                    Ways {
                        jumping,
                        ..Ways::default()
                    },
                )?;
            }
        }
        if let Some(at) = self.falls_into(*run.start())? {
            let going_on = Some(self.sp(*run.start(), ret)?);
            add(
                at,
                Ways {
                    going_on,
                    ..Ways::default()
                },
            )?;
        }
        let others = so_far.iter().filter(|(at, _)| !found.contains_key(at));
        let conditional = others
            .chain(&found)
            .filter(|(_, ways)| ways.staying().is_some());
        let conditional = conditional.filter(|(at, _)| self.is_conditional(**at));
        if conditional.count() > MAX_CONDITIONAL {
            return Err(Kept::TooMany);
        }
        for (&at, ways) in &found {
            self.check_loop(at, *ways)?;
        }
        Ok(found)
    }

    fn at(&self, index: usize) -> u64 {
        self.listing.all()[index].ip()
    }

    fn sp(&self, from: usize, ret: usize) -> Result<ReturnSp, Kept> {
        epilogue::return_sp(&self.listing.all()[from..=ret]).ok_or(Kept::UnknownSp(self.at(from)))
    }

    /// Nothing but jumps leads to the instruction.
    fn check_entries(&self, index: usize) -> Result<(), Kept> {
        let at = self.at(index);
        if self.known.entries.contains(&at) {
            return Err(Kept::Entered(at));
        }
        Ok(())
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
                    Call::Quiet if listing::is_emulated(before) => Ok(Some(at)),
                    Call::Quiet => Err(Kept::Stepped(at)),
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

    fn check_loop(&mut self, at: u64, ways: Ways) -> Result<(), Kept> {
        let (Some(stays), Some(index)) = (ways.staying(), self.listing.index(at)) else {
            return Ok(());
        };
        if !self.is_conditional(at) {
            return Ok(());
        }
        let mut graph = cycles::Graph {
            searched: self.searched,
            listing: self.listing,
            callees: self.known.callees,
            calls: &mut self.calls,
        };
        if graph.returns_to(index, stays) {
            return Err(Kept::Loop(at));
        }
        Ok(())
    }

    fn is_conditional(&self, at: u64) -> bool {
        let index = self.listing.index(at);
        index.is_some_and(|index| {
            self.listing.all()[index].flow_control() == FlowControl::ConditionalBranch
        })
    }
}
