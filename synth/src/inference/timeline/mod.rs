//! A thread's evidence in the order of time, each piece with the interval that it stands for.
//!
//! Evidence (`evidence`) between the edges of a segment (`edge`) is laid out: waits that are one are
//! joined (`merge`), each piece (`piece`) gets its sides (`sides`), where ticks between two stacks saw when one function gave way to
//! the next (`parting`) those that they tell; waits (`wait`) those that they show at work beside
//! them, and waits that are long enough to be shown are told from those that are only summed (`contention`).

mod contention;
mod edge;
mod evidence;
mod merge;
mod parting;
mod piece;
pub(super) mod roots;
mod sides;
mod wait;

pub(crate) use contention::Within;
pub(crate) use edge::{Bound, Edge};
pub(crate) use evidence::{Evidence, Kind};
pub(crate) use parting::Parting;
pub(super) use piece::Piece;
pub(crate) use sides::SideError;
pub(super) use sides::is_hole;

use merge::merge_waits;
use sides::{between, first, last};

use crate::settings::Inference;

/// Lays evidence, which is in the order of time and inside of the edges, out between them.
pub(super) fn lay_out(
    evidence: &[Evidence],
    left: &Edge,
    right: &Edge,
    within: Within,
    rules: &Inference,
) -> Vec<Piece> {
    let merged = merge_waits(evidence);
    let contention_ns = within.least_ns(&merged, rules);
    let mut pieces: Vec<Piece> = Vec::with_capacity(merged.len());
    for (index, here) in merged.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| merged.get(before));
        let start = match before {
            Some(before) => between(before, here, rules).start_of_second(here, rules),
            None => first(here, left, rules),
        };
        let end = match merged.get(index + 1) {
            Some(after) => between(here, after, rules).end_of_first(here, rules),
            None => last(here, right, rules),
        };
        if let Some(before) = before
            && !before.shows_around()
            && !here.shows_around()
            && !start.after_hole
            && before.end < here.start
        {
            pieces.push(Piece::between(before, here));
        }
        match here.kind {
            Kind::Wait(cause) => {
                let wait_ns = here.end.since(here.start);
                let is_shown = cause.is_shown(wait_ns, contention_ns, rules);
                pieces.extend(wait::pieces(here, (cause, is_shown), (&start, &end)));
            }
            Kind::Sample { .. } => pieces.push(Piece::new(here, &start, &end)),
        }
        if before.is_none()
            && let Some(first) = pieces.first_mut()
        {
            first.start = first.start.max(left.time);
            if first.has_worked() {
                first.early_ns = left.early_ns;
            }
        }
    }
    pieces
}
