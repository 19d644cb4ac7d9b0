//! Waits whose stacks do not reach their thread's start: a native thread's shows where it stopped, and not who
//! called that. What is seen of the thread beside them tells, or nothing does.

use super::{Evidence, is_hole};
use crate::{event::Frame, ids::FunctionId, inference::functions::Functions, settings::Inference};

/// Completes the stacks of such waits, in evidence that is in the order of time and lies between two crossings:
/// 1. one that begins with a function that both nearest whole stacks have below the same callers lies below these; so
///    does one that only one of them has, unless it is the C library's, which anybody calls;
/// 2. another lies below what the nearest stacks on both sides have in common;
/// 3. where none on one side is whole, the same goes by the nearest samples, cut or not, if those on both sides agree.
///
/// Across a hole nothing tells.
pub(in crate::inference) fn complete(
    evidence: &mut [Evidence],
    functions: &Functions,
    rules: &Inference,
) {
    let is_row = |first: &Evidence, second: &Evidence| !is_hole(first, second, rules);
    for row in evidence.chunk_by_mut(is_row) {
        let mut is_whole: Vec<bool> = row.iter().map(|here| !here.is_cut).collect();
        let below_both = |_: &[Frame], before: Option<&[Frame]>, after: Option<&[Frame]>| {
            // What the C library's functions call is its own business.
            let is_known = |frame: &&Frame| !functions.is_runtimes(frame.function);
            let both = common(before?, after?);
            let known = both.iter().take_while(is_known).count();
            Some(both[..known].to_vec())
        };
        place(row, &mut is_whole, |here, before, after| {
            let first = here.first()?.function;
            callers(first, before, after, !functions.is_runtimes(first))
        });
        place(row, &mut is_whole, below_both);
        let seen = row.iter().zip(&is_whole);
        let mut is_seen: Vec<bool> = seen
            .map(|(here, whole)| *whole || !here.is_wait())
            .collect();
        place(row, &mut is_seen, |here, before, after| {
            let first = here.first()?.function;
            // Cut stacks know less: one is enough at the row's ends only.
            let is_enough = before.is_none() || after.is_none();
            callers(
                first,
                before,
                after,
                is_enough && !functions.is_runtimes(first),
            )
        });
        place(row, &mut is_seen, below_both);
    }
}

/// Puts frames above each stack that is not whole, as `above` tells by it and by the nearest whole ones.
fn place(
    row: &mut [Evidence],
    is_whole: &mut [bool],
    above: impl Fn(&[Frame], Option<&[Frame]>, Option<&[Frame]>) -> Option<Vec<Frame>>,
) {
    let whole: Vec<usize> = (0..row.len()).filter(|at| is_whole[*at]).collect();
    let cut: Vec<usize> = (0..row.len()).filter(|at| !is_whole[*at]).collect();
    for at in cut {
        let next = whole.partition_point(|whole| *whole < at);
        let stack = |index: Option<&usize>| Some(&*row.get(*index?)?.stack);
        let before = stack(next.checked_sub(1).and_then(|before| whole.get(before)));
        let above = above(&row[at].stack, before, stack(whole.get(next)));
        if let Some(above) = above {
            row[at].stack = [&above, &*row[at].stack].concat().into();
            is_whole[at] = true;
        }
    }
}

/// Who called a function, by the stacks beside it: by one of them, if that is enough.
fn callers(
    function: FunctionId,
    before: Option<&[Frame]>,
    after: Option<&[Frame]>,
    is_one_enough: bool,
) -> Option<Vec<Frame>> {
    let above = |stack: Option<&[Frame]>| {
        let stack = stack?;
        let at = stack.iter().rposition(|frame| frame.function == function)?;
        Some(stack[..at].to_vec())
    };
    match (above(before), above(after)) {
        (Some(before), Some(after)) => {
            let is_same =
                before.len() == after.len() && common(&before, &after).len() == before.len();
            is_same.then_some(before)
        }
        (one, other) => one.or(other).filter(|_| is_one_enough),
    }
}

/// What two stacks begin with.
fn common<'a>(first: &'a [Frame], second: &[Frame]) -> &'a [Frame] {
    let same = first.iter().zip(second);
    let same = same.take_while(|(a, b)| a.function == b.function).count();
    &first[..same]
}
