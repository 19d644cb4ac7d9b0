//! What is left of a function's time beside the spans in it.

use std::ops::Range;

use super::{choose::Chooser, findings::Finding};
use crate::{
    event::Frame,
    inference::{functions::Layer, timeline::Piece},
    time::KernelTime,
};

/// A part of a segment's time.
#[derive(Clone, Debug)]
pub(in crate::inference) struct Stretch {
    pub start: KernelTime,
    pub end: KernelTime,
    pub pieces: Range<usize>,
}

impl Stretch {
    pub fn duration_ns(&self) -> u64 {
        self.end.since(self.start)
    }
}

impl Chooser<'_> {
    /// What is left of a function's time beside the spans in it: by the name of the function that it called then, if stacks
    /// show one from close by, else by its own and theirs.
    pub(in crate::inference) fn rest(
        &self,
        name: &str,
        frame: Option<Frame>,
        range: Range<usize>,
        children: &[Finding],
    ) -> Vec<Finding> {
        let mut rest = Vec::new();
        let above = self.in_common(range.clone());
        for stretch in self.uncovered(range, children) {
            let samples = self.of_pieces(String::new(), stretch.pieces.clone());
            let pieces = self.pieces.get(stretch.pieces.clone()).unwrap_or_default();
            let has_worked = pieces.iter().any(Piece::has_worked);
            if stretch.duration_ns() < self.least_ns(&stretch) || !has_worked {
                continue;
            }
            if let Some(called) = self.called(&stretch, above) {
                rest.push(called);
                continue;
            }
            let before = children.iter().rfind(|child| child.end <= stretch.start);
            let after = children.iter().find(|child| child.start >= stretch.end);
            let beside = match (before, after) {
                (Some(before), _) => format!("{name}.after_{}", before.name),
                (None, Some(after)) => format!("{name}.before_{}", after.name),
                (None, None) => continue,
            };
            rest.push(Finding {
                name: beside,
                start: stretch.start,
                end: stretch.end,
                frame,
                ..samples
            });
        }
        rest
    }

    /// How many frames all stacks in these pieces have in common.
    fn in_common(&self, range: Range<usize>) -> usize {
        let pieces = self.pieces.get(range).unwrap_or_default();
        let mut stacks = pieces.iter().filter(|piece| piece.samples > 0);
        let first = stacks.next().map_or(&[][..], |piece| &*piece.frames);
        stacks.fold(first.len(), |common, piece| {
            let same = first.iter().zip(&*piece.frames).take(common);
            same.take_while(|(a, b)| a.function == b.function).count()
        })
    }

    /// The span of the application's function that all of a stretch was spent in, below so many frames.
    fn called(&self, stretch: &Stretch, above: usize) -> Option<Finding> {
        let pieces = self.pieces.get(stretch.pieces.clone())?;
        let first = pieces.iter().find(|piece| piece.samples > 0)?;
        let called = first
            .frames
            .get(above..self.in_common(stretch.pieces.clone()))?;
        let mut own = called.iter();
        let frame = own.find(|frame| self.is_named(**frame, Layer::User))?;
        let span = self.of_pieces(self.name(frame.function), stretch.pieces.clone());
        self.is_close(&span).then_some(Finding {
            frame: Some(*frame),
            ..span
        })
    }

    /// What lies between a crossing and a span is worth one sooner.
    fn least_ns(&self, stretch: &Stretch) -> u64 {
        match self.touches(stretch.start, stretch.end) {
            (false, false) => self.rules.min_wait_ns,
            _ => self.rules.min_phase_ns,
        }
    }

    /// The parts of the pieces that no finding covers; a hole covers nothing and ends a part.
    pub fn uncovered(&self, range: Range<usize>, findings: &[Finding]) -> Vec<Stretch> {
        let mut parts: Vec<Stretch> = Vec::new();
        for index in range {
            let Some(piece) = self.pieces.get(index) else {
                continue;
            };
            let covered = findings
                .iter()
                .find(|finding| finding.start <= piece.start && piece.end <= finding.end);
            if covered.is_some() {
                continue;
            }
            match parts.last_mut() {
                Some(part) if part.pieces.end == index && !piece.after_hole => {
                    part.pieces.end += 1;
                    part.end = piece.end;
                }
                _ => parts.push(Stretch {
                    start: piece.start,
                    end: piece.end,
                    pieces: index..index + 1,
                }),
            }
        }
        parts
    }
}
