//! From a function to all the code that can run in its frame, or end it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    Execution, ExitPoint, Exits, Function, Searched, callees,
    early::{self, Conditionals},
    kept::Kept,
    listing::{self, Listing},
    probes::{instruction_at, probeable},
    refusal::{MAX_LEVELS, Refusal},
    sweep::{self, Condition, Leave},
    ways::{Left, Point},
};
use crate::object::{
    links::{self, Link},
    pads,
    unwind::FrameRows,
};

/// Exits, and pieces of code, that one region may have.
const MAX_POINTS: usize = 512;

/// A piece of code still to be searched.
#[derive(Debug)]
struct Piece {
    range: Range<u64>,
    /// Tail calls between the region's function and this one.
    level: u8,
}

/// Where a jump out of a piece leads.
enum Destination {
    Code(u64),
    Short,
    Endless,
}

pub(super) struct Explorer<'a> {
    searched: &'a Searched<'a>,
    function: &'a Function,
    entry: u64,
    /// Address of the entry probe.
    probe: u64,
    pending: Vec<Piece>,
    known: Vec<Range<u64>>,
    points: BTreeMap<u64, u8>,
    tail_callees: BTreeSet<u64>,
    /// Whether a jump leads to places that are not known.
    is_switched: bool,
}

impl<'a> Explorer<'a> {
    /// With the entry probe at address `probe`.
    pub(super) fn new(
        searched: &'a Searched<'a>,
        function: &'a Function,
        probe: u64,
    ) -> Result<Self, Refusal> {
        let entry = function.entry;
        let bounds = function.bounds(searched).ok_or(Refusal::NoBounds(entry))?;
        let mut explorer = Self {
            searched,
            function,
            entry,
            probe,
            pending: Vec::new(),
            known: Vec::new(),
            points: BTreeMap::new(),
            tail_callees: BTreeSet::new(),
            is_switched: false,
        };
        explorer.add(entry..bounds.end, 0)?;
        for fragment in &function.fragments {
            explorer.add(fragment.clone(), 0)?;
        }
        Ok(explorer)
    }

    pub(super) fn run(mut self) -> Result<Exits, Refusal> {
        while let Some(piece) = self.pending.pop() {
            self.search(&piece)?;
        }
        if self.points.is_empty() {
            return Err(Refusal::NoExit);
        }
        let points = self.points.iter().map(|(&at, &condition)| {
            let left = Left::HERE;
            (at, Point { condition, left })
        });
        let (early, kept) = match self.replaced(Conditionals::Probed) {
            Some((points, kept)) => (Some(points), kept.into_iter().map(|(_, why)| why).collect()),
            None => (None, vec![Kept::NotFollowed]),
        };
        let is_other = |replaced: &BTreeMap<u64, Point>| replaced.keys().ne(self.points.keys());
        let early = early.filter(is_other);
        let may_be_passed =
            |early: &BTreeMap<u64, Point>| early.values().any(|at| at.condition != 0);
        let unpassed = early
            .as_ref()
            .filter(|early| may_be_passed(early))
            .and_then(|_| {
                let (points, _) = self.replaced(Conditionals::LeftOut)?;
                Some(points).filter(is_other)
            });
        Ok(Exits {
            entry_offset: probeable(self.searched, self.probe)?,
            points: self.placed(points)?,
            early: early.map(|points| self.placed(points)).transpose()?,
            unpassed: unpassed.map(|points| self.placed(points)).transpose()?,
            kept,
            tail_callees: self.tail_callees.into_iter().collect(),
        })
    }

    fn placed(
        &self,
        points: impl IntoIterator<Item = (u64, Point)>,
    ) -> Result<Vec<ExitPoint>, Refusal> {
        let place = |(address, point): (u64, Point)| {
            let instruction = instruction_at(self.searched, address);
            Ok(ExitPoint {
                file_offset: probeable(self.searched, address)?,
                condition: point.condition,
                sp: point.left.sp,
                result: point.left.result,
                execution: instruction.map_or(Execution::Stepped, |at| listing::execution(&at)),
            })
        };
        points.into_iter().map(place).collect()
    }

    fn replaced(&self, conditionals: Conditionals) -> Option<early::Replaced> {
        let mut entries = self.landing_pads().filter(|_| !self.is_switched)?;
        entries.extend([self.entry, self.probe]);
        entries.extend(&self.tail_callees);
        let listing = Listing::of(self.searched, &self.known)?;
        if !early::is_followable(&listing) {
            return None;
        }
        let known = early::Known {
            points: &self.points,
            entries,
            callees: &self.tail_callees,
            reads_result: self.function.reads_result,
            ends_before: &self.function.ends_before,
            conditionals,
        };
        Some(early::find(self.searched, &listing, &known))
    }

    /// Where exceptions go on; `None` if that is not known, or outside of what is.
    fn landing_pads(&self) -> Option<BTreeSet<u64>> {
        let mut all = BTreeSet::new();
        let Some(unwind) = self.searched.unwind else {
            return Some(all);
        };
        for piece in &self.known {
            let mut at = piece.start;
            while at < piece.end {
                let (pads, end) = pads::landing_pads(self.searched.image, unwind, at)?;
                all.extend(pads);
                at = end;
            }
        }
        all.iter().all(|&pad| self.is_known(pad)).then_some(all)
    }

    fn search(&mut self, piece: &Piece) -> Result<(), Refusal> {
        let Range { start, end } = piece.range;
        let bytes = self
            .searched
            .image
            .bytes_at(start, end - start)
            .map_err(|_| Refusal::NoCode(start))?;
        let found = sweep::sweep(&bytes, start)?;
        if found.falls_through && !self.is_known(end) {
            return Err(Refusal::FallsThrough(end));
        }
        let mut rows = Rows::default();
        for (at, leave) in found.leaves {
            self.leave(at, leave, piece, &mut rows)?;
        }
        Ok(())
    }

    fn leave(
        &mut self,
        at: u64,
        leave: Leave,
        piece: &Piece,
        rows: &mut Rows,
    ) -> Result<(), Refusal> {
        match leave {
            Leave::Return => self.exit(at, 0),
            Leave::Jump { target, .. } if (self.entry..=self.probe).contains(&target) => {
                Err(Refusal::JumpsToItself(at))
            }
            Leave::Jump { target, .. } if self.is_known(target) => Ok(()),
            Leave::Jump { target, condition } => {
                if rows.is_bare(self.searched, at)? {
                    self.tail_jump(at, target, condition, piece.level)
                } else {
                    self.follow(at, target, piece.level)
                }
            }
            Leave::ThroughSlot { slot } => {
                if rows.is_bare(self.searched, at)? {
                    let destination = self.through_slot(at, slot)?;
                    self.arrive(at, &destination, Condition::Always, piece.level)
                } else {
                    self.is_switched = true;
                    Ok(())
                }
            }
            Leave::Indirect { is_switch: true } => {
                self.is_switched = true;
                Ok(())
            }
            Leave::Indirect { is_switch: false } => {
                if rows.is_bare(self.searched, at)? {
                    Err(Refusal::TailPointer(at))
                } else {
                    self.is_switched = true;
                    Ok(())
                }
            }
        }
    }

    fn tail_jump(
        &mut self,
        at: u64,
        target: u64,
        condition: Condition,
        level: u8,
    ) -> Result<(), Refusal> {
        let destination = match links::stub_slot(self.searched.image, target) {
            Some(slot) => self.through_slot(at, slot)?,
            None => Destination::Code(target),
        };
        self.arrive(at, &destination, condition, level)
    }

    fn through_slot(&self, at: u64, slot: u64) -> Result<Destination, Refusal> {
        let Searched { links, dynamic, .. } = self.searched;
        match links.target(slot, dynamic) {
            Some(Link::Local(address)) => Ok(Destination::Code(address)),
            Some(Link::Import(name)) if callees::is_short(&name) => Ok(Destination::Short),
            Some(Link::Import(name)) if callees::is_endless(&name) => Ok(Destination::Endless),
            Some(Link::Import(name)) => Err(Refusal::TailImport { at, name }),
            None => Err(Refusal::TailPointer(at)),
        }
    }

    fn arrive(
        &mut self,
        at: u64,
        destination: &Destination,
        condition: Condition,
        level: u8,
    ) -> Result<(), Refusal> {
        match *destination {
            Destination::Endless => Ok(()),
            Destination::Short => match condition {
                Condition::Always => self.exit(at, 0),
                Condition::Flags(code) => self.exit(at, code + 1),
                Condition::Other => Err(Refusal::UnknownCondition(at)),
            },
            Destination::Code(target) if target == self.entry => Err(Refusal::JumpsToItself(at)),
            Destination::Code(target) if self.is_known(target) => Ok(()),
            Destination::Code(_) if level == MAX_LEVELS => Err(Refusal::TailTooDeep { at }),
            Destination::Code(target) => {
                self.tail_callees.insert(target);
                self.follow(at, target, level + 1)
            }
        }
    }

    /// Searches the function or fragment around `target` too.
    fn follow(&mut self, at: u64, target: u64, level: u8) -> Result<(), Refusal> {
        let range =
            bounds_at(self.searched, target).ok_or(Refusal::UnknownTarget { at, target })?;
        self.add(range, level)
    }

    fn add(&mut self, range: Range<u64>, level: u8) -> Result<(), Refusal> {
        if self.known.len() == MAX_POINTS {
            return Err(Refusal::TooMany(MAX_POINTS));
        }
        self.known.push(range.clone());
        self.pending.push(Piece { range, level });
        Ok(())
    }

    fn exit(&mut self, at: u64, condition: u8) -> Result<(), Refusal> {
        self.points.insert(at, condition);
        if self.points.len() > MAX_POINTS {
            return Err(Refusal::TooMany(MAX_POINTS));
        }
        Ok(())
    }

    fn is_known(&self, address: u64) -> bool {
        self.known.iter().any(|range| range.contains(&address))
    }
}

/// The unwind entry of the piece at hand: looked up once.
#[derive(Default)]
struct Rows {
    current: Option<FrameRows>,
}

impl Rows {
    fn is_bare(&mut self, searched: &Searched<'_>, address: u64) -> Result<bool, Refusal> {
        let holds = |rows: &FrameRows| rows.range.contains(&address);
        if !self.current.as_ref().is_some_and(holds) {
            self.current = searched.unwind.and_then(|unwind| unwind.rows_at(address));
        }
        match &self.current {
            Some(rows) => Ok(rows.is_bare(address)),
            None => Err(Refusal::NoUnwindInfo(address)),
        }
    }
}

pub(super) fn bounds_at(searched: &Searched<'_>, address: u64) -> Option<Range<u64>> {
    searched.unwind.and_then(|unwind| unwind.bounds_at(address))
}
