//! Which functions a region is worth.

use hotspan_synth::ids::FunctionId;

use super::tally::{Seen, Tally};

/// A function to suggest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Demangled, without parameters.
    pub function: String,
    /// File name of its object.
    pub object: String,
    /// In how many of the stacks it was, in thousandths.
    pub within: u64,
    /// In how many as what ran, in thousandths.
    pub itself: u64,
}

/// Seen in less of the stacks than this, in thousandths, it matters little.
const LEAST: u64 = 20;
/// Suggestions, at the most.
const MOST: usize = 16;
/// Of two functions that are in each other's stacks so often, in percent, one says all.
const SAME: u64 = 90;

/// What every program has: the C library and its kin, the interpreter.
const RUNTIMES: &[&str] = &[
    "libc.",
    "libc-",
    "libm.",
    "libm-",
    "ld-",
    "libpthread",
    "libstdc++",
    "libgcc_s",
    "libpython",
    "python",
    "[",
];

/// Cython's own functions, of which each module has copies; they call whatever Python asks for.
const CYTHON: &str = "__Pyx_";

/// The functions that most of the time is spent in or below, the most frequent first.
///
/// Of a chain of single callers one stays: under an interpreter the outermost, which it calls; under
/// native callers alone the innermost, as the outer ones may be a thread's whole life.
pub fn choose(tally: &Tally) -> Vec<Candidate> {
    let thousandths = |count: u64| count * 1_000 / tally.stacks().max(1);
    let mut all: Vec<Hot<'_>> = tally
        .native()
        .into_iter()
        .map(|((function, object), (id, seen))| Hot {
            function,
            object,
            id,
            seen,
        })
        .filter(|hot| thousandths(hot.seen.within) >= LEAST && !hot.is_runtime())
        .collect();
    let doubled: Vec<FunctionId> = all
        .iter()
        .flat_map(|one| all.iter().map(move |other| (one, other)))
        .filter_map(|(outer, inner)| doubled(tally, outer, inner))
        .collect();
    all.retain(|hot| !doubled.contains(&hot.id));
    all.sort_by_key(|hot| std::cmp::Reverse(hot.seen.within));
    let suggested = all.into_iter().take(MOST).map(|hot| Candidate {
        function: hot.function.to_owned(),
        object: hot.object.to_owned(),
        within: thousandths(hot.seen.within),
        itself: thousandths(hot.seen.itself),
    });
    suggested.collect()
}

struct Hot<'a> {
    function: &'a str,
    object: &'a str,
    id: FunctionId,
    seen: Seen,
}

/// The one of the two that says nothing that the other does not.
fn doubled(tally: &Tally, outer: &Hot<'_>, inner: &Hot<'_>) -> Option<FunctionId> {
    let together = tally.calls(outer.id, inner.id);
    let is_most_of = |seen: Seen| together * 100 >= seen.within * SAME;
    if outer.id == inner.id || !is_most_of(outer.seen) || !is_most_of(inner.seen) {
        return None;
    }
    let is_rooted = outer.seen.rooted * 2 > outer.seen.within;
    Some(if is_rooted { outer.id } else { inner.id })
}

impl Hot<'_> {
    fn is_runtime(&self) -> bool {
        let in_one = RUNTIMES
            .iter()
            .any(|runtime| self.object.starts_with(runtime));
        in_one || self.function.starts_with(CYTHON)
    }
}
