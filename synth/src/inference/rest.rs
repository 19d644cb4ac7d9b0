//! What is left of a function's time beside the spans in it.

use std::ops::Range;

use super::{choose::Chooser, findings::Finding, timeline::Piece};
use crate::{event::Frame, time::KernelTime};

/// A part of a segment's time.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
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
    /// What is left of a function's time beside the spans in it, by its name and theirs.
    pub(super) fn rest(
        &self,
        name: &str,
        frame: Option<Frame>,
        range: Range<usize>,
        children: &[Finding],
    ) -> Vec<Finding> {
        let mut rest = Vec::new();
        for stretch in self.uncovered(range, children) {
            let samples = self.of_pieces(String::new(), stretch.pieces.clone());
            let pieces = self.pieces.get(stretch.pieces.clone()).unwrap_or_default();
            let has_worked = pieces.iter().any(Piece::has_worked);
            if stretch.duration_ns() < self.least_ns(&stretch) || !has_worked {
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
