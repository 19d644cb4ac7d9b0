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
//! Other ways there are single-stepped: other code or another call that runs on into it, an entry or a landing pad in it, a
//! stack pointer that does not follow from `rsp` or `rbp` at the point, a result that is read and is not yet there. If they
//! come in before the others do, an instruction that they alone pass takes the place of the `ret`; else it stays. So does
//! that of a function with an indirect jump in it, which may lead anywhere, and of a point that a loop without a call passes
//! again and again.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use hotspan_common::ResultAt;
use iced_x86::FlowControl;

use super::{
    LastCalls, cycles, epilogue,
    kept::Kept,
    leads::{Leads, Way},
    listing::{self, Listing},
    result,
    sweep::{self, Condition},
    ways::{Left, Point, Stays, Ways},
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
    /// Whether its result is read at its exits.
    pub reads_result: bool,
    /// Where it may end before its `ret`.
    pub ends_before: &'a LastCalls,
    /// What to do with those that may stand for a `ret`.
    pub conditionals: Conditionals,
}

/// Conditional jumps that lead to a `ret` or go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conditionals {
    /// They stand for it, and calls that go on pass them.
    Probed,
    /// The `ret` is probed itself.
    LeftOut,
}

impl Conditionals {
    /// How many of them a function may have for exits.
    fn most(self) -> usize {
        match self {
            Self::Probed => MAX_CONDITIONAL,
            Self::LeftOut => 0,
        }
    }
}

/// Whether all ways through the instructions are known, but for what `Known` tells.
pub(super) fn is_followable(listing: &Listing) -> bool {
    listing.all().iter().all(|instruction| {
        let target = listing::jump_target(instruction);
        instruction.flow_control() != FlowControl::XbeginXabortXend
            && !target.is_some_and(|target| listing.is_inside(target))
    })
}

/// Points by address, and which of them are single-stepped, and why.
pub(super) type Replaced = (BTreeMap<u64, Point>, Vec<(u64, Kept)>);

/// What stands for a `ret`.
struct Instead {
    more: BTreeMap<u64, Ways>,
    /// An instruction on its own ways to it, and why those have no better one.
    cut: Option<(u64, Left, Kept)>,
}

/// The points that serve in place of `known.points`.
pub(super) fn find(searched: &Searched<'_>, listing: &Listing, known: &Known<'_>) -> Replaced {
    let mut search = Search {
        searched,
        listing,
        known,
        leads: Leads::new(searched, listing, &known.entries, known.ends_before),
    };
    search.run()
}

struct Search<'a> {
    searched: &'a Searched<'a>,
    listing: &'a Listing,
    known: &'a Known<'a>,
    leads: Leads<'a>,
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
                Ok(Instead { more, cut }) => {
                    ways.extend(more);
                    if let Some((at, left, why)) = cut {
                        points.insert(at, Point { condition: 0, left });
                        kept.push((at, why));
                    }
                }
                Err(why) => {
                    let left = Left::HERE;
                    points.insert(at, Point { condition, left });
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
            jumping: Some(Left::HERE),
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
        let left = ways.left()?;
        Some(Point { condition, left })
    }

    /// What can stand for the `ret` at index `ret`, joined with what is a point already. Ways for which nothing can, or
    /// that come into the straight code before such a one, are left to one of its instructions that none of the others passes.
    fn instead_of(&mut self, ret: usize, so_far: &BTreeMap<u64, Ways>) -> Result<Instead, Kept> {
        let run = epilogue::straight(self.listing, ret);
        let all = self.leads.ways_into(&run);
        let mut first = *run.start();
        let mut barred = None;
        loop {
            let ways: Vec<&Way> = all.iter().filter(|way| way.into >= first).collect();
            match (self.join(&ways, ret, so_far), barred) {
                (Ok(more), None) => return Ok(Instead { more, cut: None }),
                (Ok(more), Some(why)) => {
                    let next = ways.iter().map(|way| way.into).min().ok_or(why)?;
                    let at = self.cut(first - 1..next).ok_or(why)?;
                    let cut = Some((self.at(at), self.left(at, ret)?, why));
                    return Ok(Instead { more, cut });
                }
                (Err((into, why)), _) => {
                    barred = Some(why);
                    first = into + 1;
                }
            }
        }
    }

    fn at(&self, index: usize) -> u64 {
        self.listing.all()[index].ip()
    }

    /// The last of these instructions that can be probed.
    fn cut(&self, between: Range<usize>) -> Option<usize> {
        let mut between = between.rev();
        between.find(|&index| {
            let instruction = &self.listing.all()[index];
            !self.known.entries.contains(&instruction.ip()) && epilogue::is_plain(instruction)
        })
    }

    /// What is known of the `ret` before the instruction at `from`.
    fn left(&self, from: usize, ret: usize) -> Result<Left, Kept> {
        let run = &self.listing.all()[from..=ret];
        let sp = epilogue::return_sp(run).ok_or(Kept::UnknownSp(self.at(from)))?;
        let result = if self.known.reads_result {
            result::before(run).ok_or(Kept::UnknownResult(self.at(from)))?
        } else {
            ResultAt::RAX
        };
        Ok(Left { sp, result })
    }

    /// The points of these ways, joined with what is a point already; else where a way comes in that has none, and why.
    fn join(
        &mut self,
        ways: &[&Way],
        ret: usize,
        so_far: &BTreeMap<u64, Ways>,
    ) -> Result<BTreeMap<u64, Ways>, (usize, Kept)> {
        let mut found: BTreeMap<u64, Ways> = BTreeMap::new();
        for way in ways {
            let barred = |why| (way.into, why);
            let more = self.leaving(way, ret).map_err(barred)?;
            let before = found.get(&way.at).or_else(|| so_far.get(&way.at));
            let joined = before.copied().unwrap_or_default().and(more);
            found.insert(way.at, joined.ok_or(barred(Kept::Conflict(way.at)))?);
        }
        for way in ways {
            let joined = found[&way.at];
            self.check_loop(way.at, joined)
                .map_err(|why| (way.into, why))?;
        }
        let may_be_passed =
            |(at, ways): &(&u64, &Ways)| ways.staying().is_some() && self.is_conditional(**at);
        let more = found.iter().filter(may_be_passed).count();
        let others = so_far.iter().filter(|(at, _)| !found.contains_key(at));
        let all = more + others.filter(may_be_passed).count();
        if more > 0 && all > self.known.conditionals.most() {
            return Err((ret, Kept::TooMany));
        }
        Ok(found)
    }

    /// What one way leaves with.
    fn leaving(&self, way: &Way, ret: usize) -> Result<Ways, Kept> {
        way.barred.map_or(Ok(()), Err)?;
        let left = self.left(way.into, ret)?;
        if way.jumps {
            return Ok(Ways {
                jumping: Some(left),
                going_on: None,
            });
        }
        let is_call = !self.is_conditional(way.at);
        if is_call && self.known.reads_result && !result::survives_calls(left.result) {
            return Err(Kept::UnknownResult(way.at));
        }
        Ok(Ways {
            jumping: None,
            going_on: Some(left),
        })
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
            calls: self.leads.calls(),
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
