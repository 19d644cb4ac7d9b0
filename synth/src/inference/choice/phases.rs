//! What comes before a region and after it, on the thread that called it.

use super::{
    choose::Chooser,
    findings::{Finding, Origin},
    rest::Stretch,
};
use crate::{
    event::Frame,
    inference::{
        functions::Layer,
        timeline::{Bound, Edge, Piece},
    },
    time::KernelTime,
};

/// Who works in a stretch, and how that is known.
struct Worker {
    frame: Frame,
    /// It holds the crossing at the left as well, and that at the right.
    holds: (bool, bool),
    samples: u32,
}

impl Worker {
    fn holds_region(&self) -> bool {
        self.holds.0 || self.holds.1
    }
}

impl Chooser<'_> {
    /// The spans of a segment beside a crossing: what was found in it, exact on the crossing's side,
    /// and the rest of it by the name of who works there.
    pub fn phases(&self) -> Vec<Finding> {
        let mut found = self.top();
        for finding in &mut found {
            self.sharpen(finding);
        }
        let rest: Vec<Stretch> = if self.pieces.is_empty() {
            self.whole().into_iter().collect()
        } else {
            self.uncovered(0..self.pieces.len(), &found)
        };
        let rest = rest
            .into_iter()
            .filter_map(|part| self.phase(&part, &found));
        let rest: Vec<Finding> = rest.collect();
        found.extend(rest);
        found.sort_by_key(|finding| finding.start);
        found
    }

    /// The spans inside of a region, beside the regions in it. Where there are none, the segment is the region's
    /// own work, between exact bounds.
    pub fn region(&self, name: &str, depth: usize) -> Vec<Finding> {
        let found = self.within(name, depth);
        if !found.is_empty() {
            return found;
        }
        self.own_work(name).into_iter().collect()
    }

    fn own_work(&self, name: &str) -> Option<Finding> {
        let is_exact = self.left.bound == Bound::Exact && self.right.bound == Bound::Exact;
        let beside = match (&self.left.region, &self.right.region) {
            (_, Some(after)) => format!("{name}.before_{after}"),
            (Some(before), None) => format!("{name}.after_{before}"),
            (None, None) => return None,
        };
        let mut own = self.of_pieces(beside, 0..self.pieces.len());
        (own.start, own.end) = (self.left.time, self.right.time);
        (own.error_ns, own.is_continued) = (0, false);
        own.origin = Origin::Gap;
        (is_exact && own.duration_ns() >= self.rules.min_phase_ns).then_some(own)
    }

    /// A segment that nothing was seen in, if it is so short that nothing need have been.
    fn whole(&self) -> Option<Stretch> {
        let is_bound = self.left.bound != Bound::Open && self.right.bound != Bound::Open;
        let stretch = Stretch {
            start: self.left.time,
            end: self.right.time,
            pieces: 0..0,
        };
        (is_bound && stretch.duration_ns() <= self.rules.hole_ns).then_some(stretch)
    }

    /// What touches a crossing is a phase beside it, and ends there at the latest. It is no nearer known for that: it
    /// is not what called the region, so something came between.
    fn sharpen(&self, finding: &mut Finding) {
        let (left, right) = self.touches(finding.start, finding.end);
        if finding.origin == Origin::Sample && (left || right) {
            finding.origin = Origin::Gap;
        }
    }

    /// Whether a stretch begins with a crossing's exact side, and ends with one.
    pub(super) fn touches(&self, start: KernelTime, end: KernelTime) -> (bool, bool) {
        (
            self.left.bound == Bound::Exact && start == self.left.time,
            self.right.bound == Bound::Exact && end == self.right.time,
        )
    }

    /// The error of a phase. A side that is a crossing's is exact if the function that the phase is named after holds
    /// that crossing.
    fn narrow(&self, finding: &mut Finding, holds: (bool, bool)) {
        let touches = self.touches(finding.start, finding.end);
        // Without a piece, it may have begun or ended anywhere up to the other side.
        let whole_ns = finding.duration_ns();
        let error = |piece: Option<&Piece>, of: fn(&Piece) -> u64| piece.map_or(whole_ns, of);
        let first = self
            .pieces
            .iter()
            .find(|piece| piece.start == finding.start);
        let last = self.pieces.iter().rfind(|piece| piece.end == finding.end);
        let left_ns = error(first, |piece| piece.start_error.ns).max(self.left.early_ns);
        let right_ns = error(last, |piece| piece.end_error.ns);
        let unless = |is_exact: bool, error_ns: u64| if is_exact { 0 } else { error_ns };
        finding.error_ns =
            unless(touches.0 && holds.0, left_ns).max(unless(touches.1 && holds.1, right_ns));
    }

    fn phase(&self, part: &Stretch, found: &[Finding]) -> Option<Finding> {
        let touches = self.touches(part.start, part.end);
        let is_phase = touches.0 || touches.1;
        let least = if is_phase {
            self.rules.min_phase_ns
        } else {
            self.rules.min_wait_ns
        };
        if part.duration_ns() < least {
            return None;
        }
        let worker = self.worker(part)?;
        // Away from crossings, one sample says too little.
        if !is_phase && worker.samples < 2 {
            return None;
        }
        let name = self.name(worker.frame.function);
        let name = if worker.holds_region() {
            format!("{name}.{}", self.beside(part, touches, found)?)
        } else {
            name
        };
        let mut phase = self.of_pieces(name, part.pieces.clone());
        (phase.start, phase.end) = (part.start, part.end);
        phase.frame = Some(worker.frame);
        if is_phase {
            phase.origin = Origin::Gap;
        }
        self.narrow(&mut phase, worker.holds);
        Some(phase)
    }

    /// `before_REGION` or `after_REGION`; away from crossings, by the span beside it.
    fn beside(&self, part: &Stretch, touches: (bool, bool), found: &[Finding]) -> Option<String> {
        if touches.1
            && let Some(region) = &self.right.region
        {
            return Some(format!("before_{region}"));
        }
        if touches.0
            && let Some(region) = &self.left.region
        {
            return Some(format!("after_{region}"));
        }
        if let Some(after) = found.iter().find(|finding| finding.start >= part.end) {
            return Some(format!("before_{}", after.name));
        }
        let before = found.iter().rfind(|finding| finding.end <= part.start)?;
        Some(format!("after_{}", before.name))
    }

    /// By most of the samples; without any, who called the region at its entry.
    fn worker(&self, part: &Stretch) -> Option<Worker> {
        let pieces = self.pieces.get(part.pieces.clone()).unwrap_or_default();
        let sampled: Vec<&Piece> = pieces.iter().filter(|piece| piece.samples > 0).collect();
        if sampled.is_empty() {
            return self.caller_of_region();
        }
        let seen = sampled.iter().map(|piece| piece.samples).sum();
        let mut best = None;
        let mut at = sampled;
        let mut holds = (true, true);
        for depth in 0.. {
            let Some((frame, here)) = majority(&at, depth) else {
                break;
            };
            let calls = |edge: &Edge| {
                edge.callers
                    .get(depth)
                    .is_some_and(|caller| caller.function == frame.function)
            };
            holds = (holds.0 && calls(self.left), holds.1 && calls(self.right));
            // Below a function that the holder called, its own callees are its business.
            if self.is_named(frame, Layer::User) {
                let worker = Worker {
                    frame,
                    holds,
                    samples: seen,
                };
                let is_innermost = !worker.holds_region();
                best = Some(worker);
                if is_innermost {
                    break;
                }
            }
            at = here;
        }
        best
    }

    /// The function that certainly held all of a stretch that nothing was seen in: between two regions the
    /// innermost that called both, beside one the outermost, as those below it may have been entered just then.
    fn caller_of_region(&self) -> Option<Worker> {
        let is_own = |frame: &&Frame| self.is_named(**frame, Layer::User);
        let (left, right) = (&self.left.callers, &self.right.callers);
        let regions = (self.left.region.is_some(), self.right.region.is_some());
        let frame = if regions == (true, true) {
            let both = left.iter().zip(right);
            let same = both.take_while(|(a, b)| a.function == b.function);
            same.map(|(_, after)| after).filter(is_own).last()
        } else {
            right.iter().chain(left).find(is_own)
        };
        Some(Worker {
            frame: *frame?,
            holds: regions,
            samples: 0,
        })
    }

    pub fn is_named(&self, frame: Frame, layer: Layer) -> bool {
        let traits = self.functions.traits(frame.function);
        traits.is_some_and(|traits| traits.has_name)
            && self.functions.layer(frame.function, self.application) == layer
    }
}

/// The function at a depth that more than half of the pieces have, its first line, and these pieces.
fn majority<'p>(pieces: &[&'p Piece], depth: usize) -> Option<(Frame, Vec<&'p Piece>)> {
    // Boyer and Moore: what more than half have survives when different ones cancel each other.
    let mut candidate = None;
    let mut votes = 0_usize;
    for function in pieces.iter().filter_map(|piece| piece.function(depth)) {
        if votes == 0 {
            candidate = Some(function);
        }
        votes = if candidate == Some(function) {
            votes + 1
        } else {
            votes - 1
        };
    }
    let same = |piece: &&&'p Piece| candidate.is_some() && piece.function(depth) == candidate;
    let with: Vec<&Piece> = pieces.iter().filter(same).copied().collect();
    let frame = *with.first()?.frames.get(depth)?;
    (with.len() * 2 > pieces.len()).then_some((frame, with))
}
