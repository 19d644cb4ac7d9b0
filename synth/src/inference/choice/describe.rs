//! What a span says that was chosen: its sides, where it is, what called it.

use std::ops::Range;

use super::{
    choose::Chooser,
    findings::{Finding, Origin},
    tree::Node,
};
use crate::{
    event::Frame,
    inference::{
        evidence::waits::Cause,
        functions::Layer,
        timeline::{Piece, SideError},
    },
    time::KernelTime,
};

impl Chooser<'_> {
    /// A span of this name for the pieces of a function.
    pub(super) fn finding(&self, name: String, node: &Node) -> Finding {
        let mut finding = self.of_pieces(name, node.pieces.clone());
        finding.error_ns = self.error_ns(node.pieces.clone(), |side| side.at(node.depth));
        let frame_at = |piece: &Piece| piece.frames.get(node.depth).copied();
        let pieces = self.pieces.get(node.pieces.clone()).unwrap_or_default();
        finding.frame = pieces.first().and_then(frame_at);
        // A call is made on one line of its caller: more lines are more calls.
        let caller_line = |piece: &Piece| {
            let above = node.depth.checked_sub(1)?;
            piece.frames.get(above).map(|frame| frame.line)
        };
        finding.is_merged = pieces
            .windows(2)
            .any(|pair| caller_line(&pair[0]) != caller_line(&pair[1]))
            || is_seen_in_waits_only(pieces);
        finding
    }

    /// A span for pieces that follow each other.
    pub fn of_pieces(&self, name: String, range: Range<usize>) -> Finding {
        let pieces = self.pieces.get(range.clone()).unwrap_or_default();
        let (first, last) = (pieces.first(), pieces.last());
        let error_ns = self.error_ns(range, |side| side.ns);
        let is_continued = first.is_some_and(|piece| piece.after_hole)
            || last.is_some_and(|piece| piece.before_hole);
        let summed_ns = |cause: Cause| {
            let of_cause = pieces.iter().filter(|piece| piece.lost == Some(cause));
            of_cause
                .map(Piece::duration_ns)
                .fold(0, u64::saturating_add)
        };
        Finding {
            name,
            origin: Origin::Sample,
            start: first.map_or(KernelTime::default(), |piece| piece.start),
            end: last.map_or(KernelTime::default(), |piece| piece.end),
            error_ns,
            frame: None,
            stack: Vec::new(),
            samples: pieces.iter().map(|piece| piece.samples).sum(),
            is_merged: false,
            is_continued,
            runqueue_ns: summed_ns(Cause::RunQueue),
            gil_ns: summed_ns(Cause::Gil),
            native: Vec::new(),
            children: Vec::new(),
            left_out: 0,
            workers: None,
        }
    }

    /// How far the sides of pieces that follow each other may be off.
    fn error_ns(&self, range: Range<usize>, of: impl Fn(&SideError) -> u64) -> u64 {
        let pieces = self.pieces.get(range).unwrap_or_default();
        let start = pieces
            .first()
            .map(|piece| of(&piece.start_error).max(piece.early_ns));
        let end = pieces.last().map(|piece| of(&piece.end_error));
        start.max(end).unwrap_or(0)
    }

    /// All waits in these pieces.
    pub(super) fn waits(&self, pieces: Range<usize>) -> Vec<Finding> {
        pieces.filter_map(|piece| self.wait(piece)).collect()
    }

    pub(super) fn wait(&self, index: usize) -> Option<Finding> {
        let piece = self.pieces.get(index)?;
        let mut finding = self.of_pieces(piece.wait?.span_name().to_owned(), index..index + 1);
        finding.origin = Origin::Wait;
        finding.error_ns = piece.early_ns;
        finding.is_continued = false;
        finding.frame = self.caller(&piece.frames);
        finding.stack = [&*piece.frames, &*piece.kernel].concat();
        Some(finding)
    }

    /// The innermost function of the application's, else of Python's.
    fn caller(&self, frames: &[Frame]) -> Option<Frame> {
        let layer = |frame: &&Frame| self.functions.layer(frame.function, self.application);
        let own = frames.iter().rfind(|frame| layer(frame) == Layer::User);
        own.or_else(|| frames.last()).copied()
    }

    /// The stack of a function, outermost first.
    pub(super) fn shown(&self, node: &Node) -> &[Frame] {
        let first = self.pieces.get(node.pieces.start);
        first
            .and_then(|piece| piece.frames.get(..=node.depth))
            .unwrap_or_default()
    }
}

/// Whether waits alone show a function, without who called it: each may have been in another call.
fn is_seen_in_waits_only(pieces: &[Piece]) -> bool {
    let waits = pieces.iter().filter(|piece| piece.is_cut).count();
    waits > 1 && pieces.iter().all(|piece| piece.samples == 0)
}
