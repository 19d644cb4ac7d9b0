//! Stacks over time to a call tree.

use std::ops::Range;

use crate::{ids::FunctionId, inference::timeline::Piece};

/// A function that is on the stack in consecutive pieces, at one depth below the same callers.
#[derive(Debug)]
pub(in crate::inference) struct Node {
    pub function: FunctionId,
    /// Frames above it.
    pub depth: usize,
    pub pieces: Range<usize>,
    /// In the order of time, without gaps.
    pub kids: Vec<Kid>,
}

/// What a function did in a stretch of pieces.
#[derive(Debug)]
pub(in crate::inference) enum Kid {
    /// It called another.
    Node(Node),
    /// It waited, in a wait that becomes a span.
    Wait(usize),
    /// It worked itself.
    Own,
}

/// What the pieces `range` show below `depth` frames. A hole ends everything.
pub(in crate::inference) fn kids(pieces: &[Piece], range: Range<usize>, depth: usize) -> Vec<Kid> {
    let mut kids = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let function = pieces[at].function(depth);
        let is_wait = function.is_none() && pieces[at].wait.is_some();
        let mut past = at + 1;
        while past < range.end
            && !is_wait
            && !pieces[past].after_hole
            && pieces[past].function(depth) == function
            && !(function.is_none() && pieces[past].wait.is_some())
        {
            past += 1;
        }
        kids.push(match function {
            Some(function) => Kid::Node(Node {
                function,
                depth,
                pieces: at..past,
                kids: self::kids(pieces, at..past, depth + 1),
            }),
            None if is_wait => Kid::Wait(at),
            None => Kid::Own,
        });
        at = past;
    }
    kids
}
