//! A wait's pieces: itself, and what it shows at work before it and after it.

use super::{
    evidence::Evidence,
    piece::Piece,
    sides::{End, SideError, Start},
};
use crate::inference::evidence::waits::Cause;

/// A wait's pieces, in the order of time. One that is not shown does not become a span.
pub(super) fn pieces(
    wait: &Evidence,
    (cause, is_shown): (Cause, bool),
    (start, end): (&Start, &End),
) -> impl Iterator<Item = Piece> {
    let all = Piece::new(wait, start, end);
    let own = Piece {
        start: wait.start,
        end: wait.end,
        wait: is_shown.then_some(cause),
        lost: (!is_shown).then_some(cause),
        ..all.clone()
    };
    let beside = Piece {
        early_ns: 0,
        is_between: true,
        ..all
    };
    let before = Piece {
        end: wait.start,
        end_error: SideError::of_all(0),
        before_hole: false,
        ..beside.clone()
    };
    let after = Piece {
        start: wait.end,
        start_error: SideError::of_all(0),
        after_hole: false,
        ..beside
    };
    let runs = |piece: &Piece| piece.start < piece.end;
    let before = Some(before).filter(runs);
    let after = Some(after).filter(runs);
    before.into_iter().chain([own]).chain(after)
}
