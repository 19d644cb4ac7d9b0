//! Whether pieces show a call: enough of one, one or several, one that goes on.

use std::ops::Range;

use super::{
    choose::Chooser,
    tree::{Kid, Node},
};
use crate::{ids::FunctionId, inference::timeline::Piece};

/// Pieces that separate two calls of a function beyond doubt that it is one loop, if they last as long as a span.
const APART_PIECES: usize = 2;

/// Whether nothing but a framework was seen between two parts of a handler: it goes on with a task, and does not
/// call it again.
fn is_framework_between(node: &Node, between: &[Kid]) -> bool {
    node.depth == 0 && between.iter().all(|kid| matches!(kid, Kid::Own))
}

impl Chooser<'_> {
    /// Whether calls of a function come so closely that they are its caller's loop.
    pub(super) fn is_loop(&self, function: FunctionId, siblings: &[Kid]) -> bool {
        let mut last: Option<(usize, usize)> = None;
        for (at, kid) in siblings.iter().enumerate() {
            let Kid::Node(node) = kid else { continue };
            if node.function != function {
                continue;
            }
            if let Some((before, past)) = last {
                let between = siblings.get(before + 1..at).unwrap_or_default();
                let is_apart = between.iter().any(|kid| self.separates(kid))
                    || self.lies_apart(past..node.pieces.start)
                    || self.has_hole(past..node.pieces.start + 1)
                    || is_framework_between(node, between);
                if !is_apart {
                    return true;
                }
            }
            last = Some((at, node.pieces.end));
        }
        false
    }

    fn lies_apart(&self, between: Range<usize>) -> bool {
        between.len() >= APART_PIECES
            && self.of_pieces(String::new(), between).duration_ns() >= self.rules.min_span_ns
    }

    /// Whether nobody knows for a while what came before one of these pieces.
    fn has_hole(&self, pieces: Range<usize>) -> bool {
        let mut pieces = self.pieces.get(pieces).unwrap_or_default().iter();
        pieces.any(|piece| piece.after_hole)
    }

    fn separates(&self, kid: &Kid) -> bool {
        match kid {
            Kid::Wait(_) => true,
            Kid::Node(node) => self.is_enough(node.pieces.clone()),
            Kid::Own => false,
        }
    }

    /// Whether the evidence is enough for a span: two samples, or one and an exact side or a wait; and that
    /// it may have lasted as long as a span must.
    pub(in crate::inference) fn is_enough(&self, range: Range<usize>) -> bool {
        let finding = self.of_pieces(String::new(), range.clone());
        let pieces = self.pieces.get(range).unwrap_or_default();
        let has_wait = pieces.iter().any(|piece| piece.wait.is_some());
        let is_wait = |piece: &Piece| piece.wait.is_some() || piece.lost.is_some();
        // What a wait's function did before and after that is no reason for a span.
        let side_ns = |piece: Option<&Piece>, error_ns: fn(&Piece) -> u64| {
            piece.map_or(0, |piece| if is_wait(piece) { 0 } else { error_ns(piece) })
        };
        let left_ns = side_ns(pieces.first(), |piece| piece.start_error.ns);
        let right_ns = side_ns(pieces.last(), |piece| piece.end_error.ns);
        let is_exact = left_ns == 0 || right_ns == 0;
        let is_shown = finding.samples >= 2 || has_wait || (finding.samples == 1 && is_exact);
        let longest_ns = finding.duration_ns().saturating_add(left_ns.max(right_ns));
        is_shown && longest_ns >= self.rules.min_span_ns
    }
}
