//! Where in the kernel a span's time was spent.

use std::ops::Range;

use super::{choose::Chooser, tree::Node};
use crate::{event::Frame, inference::timeline::Piece};

impl Chooser<'_> {
    /// What most samples of a function have in common below it, if that ends in the kernel. It is shown, and names
    /// nothing: whoever asked the kernel for its work is what a person would look for.
    pub(super) fn in_kernel(&self, node: &Node) -> Vec<Frame> {
        self.in_kernel_below(node.pieces.clone(), node.depth + 1)
    }

    /// The same of pieces whose first `depth` frames are above.
    pub(in crate::inference) fn in_kernel_below(
        &self,
        pieces: Range<usize>,
        depth: usize,
    ) -> Vec<Frame> {
        let pieces = self.pieces.get(pieces).unwrap_or_default();
        let sampled = pieces.iter().filter(|piece| piece.samples > 0);
        let mut on: Vec<Vec<Frame>> = sampled.map(|piece| below(piece, depth)).collect();
        let all = on.len();
        let mut common: Vec<Frame> = Vec::new();
        while let Some(frame) = most(&on, common.len(), all) {
            on.retain(|stack| {
                let at = stack.get(common.len());
                at.is_some_and(|at| at.function == frame.function)
            });
            common.push(frame);
        }
        let is_kernel = |frame: &Frame| self.functions.is_kernel(frame.function);
        if common.last().is_some_and(is_kernel) {
            common
        } else {
            Vec::new()
        }
    }
}

/// What a piece shows from a depth on, down to where it was in the kernel.
fn below(piece: &Piece, depth: usize) -> Vec<Frame> {
    let own = piece.frames.get(depth..).unwrap_or_default();
    own.iter().chain(&piece.kernel).copied().collect()
}

/// The frame at a depth of these stacks whose function more than half of `all` have there.
fn most(stacks: &[Vec<Frame>], depth: usize, all: usize) -> Option<Frame> {
    let frames = stacks.iter().filter_map(|stack| stack.get(depth));
    let mut functions: Vec<Frame> = frames.copied().collect();
    functions.sort_by_key(|frame| frame.function);
    let mut same = functions.chunk_by(|a, b| a.function == b.function);
    let most = same.find(|same| same.len() * 2 > all)?;
    most.first().copied()
}
