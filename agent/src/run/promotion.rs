//! Which functions that sampling finds hot get exact probes, and which lose them again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Evidence older than this counts no more.
const WINDOW: Duration = Duration::from_secs(10);
/// Spans that sampling must have made of a function within the window.
const SPANS: u32 = 3;
/// Or one of this length: a long call need not come again.
const LONG: Duration = Duration::from_millis(500);
/// Functions that have probes at a time.
const PROMOTED: usize = 32;
/// Functions that are counted at a time, and that are remembered as given up.
const COUNTED: usize = 1024;

/// What speaks for a function.
struct Evidence {
    since: Instant,
    spans: u32,
}

/// Why a function stays with its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// It is called too often, and so are those that it calls.
    TooOften,
    /// It can't be probed usefully; what it calls perhaps can.
    Unfit,
}

/// What sampling has found of each function `F`, and what came of it. Functions that were given up
/// are not tried again: one that is called too often today is called too often tomorrow.
pub struct Promotion<F> {
    counted: BTreeMap<F, Evidence>,
    promoted: BTreeSet<F>,
    given_up: BTreeMap<F, GivenUp>,
    beyond_limit: u64,
}

impl<F: Clone + Ord> Promotion<F> {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self {
            counted: BTreeMap::new(),
            promoted: BTreeSet::new(),
            given_up: BTreeMap::new(),
            beyond_limit: 0,
        }
    }

    /// Sampling made a span of `length` of functions that each call the next. Which of them is to get
    /// probes now, the outermost that can have them; it counts as promoted then, until
    /// [`Promotion::give_up`] or [`Promotion::forget`].
    pub fn saw(&mut self, chain: &[F], length: Duration, now: Instant) -> Option<F> {
        let is_fit = |function: &&F| self.given_up.get(function) != Some(&GivenUp::Unfit);
        let function = chain.iter().find(is_fit)?;
        if self.promoted.contains(function) || self.given_up.contains_key(function) {
            return None;
        }
        if !self.has_enough(function, length, now) {
            return None;
        }
        self.counted.remove(function);
        if self.promoted.len() >= PROMOTED {
            self.beyond_limit += 1;
            return None;
        }
        self.promoted.insert(function.clone());
        Some(function.clone())
    }

    /// It stays with its samples.
    pub fn give_up(&mut self, function: &F, why: GivenUp) {
        self.promoted.remove(function);
        self.given_up.insert(function.clone(), why);
        // By no order that matters; what comes back is given up again.
        while self.given_up.len() > COUNTED {
            self.given_up.pop_first();
        }
    }

    /// Forgets all functions of which `is_gone` says so.
    pub fn forget(&mut self, is_gone: impl Fn(&F) -> bool) {
        self.promoted.retain(|function| !is_gone(function));
        self.counted.retain(|function, _| !is_gone(function));
        self.given_up.retain(|function, _| !is_gone(function));
    }

    /// Times that a function was hot enough, and beyond the limit.
    pub fn beyond_limit(&self) -> u64 {
        self.beyond_limit
    }

    fn has_enough(&mut self, function: &F, length: Duration, now: Instant) -> bool {
        if length >= LONG {
            return true;
        }
        if self.counted.len() >= COUNTED && !self.counted.contains_key(function) {
            self.counted
                .retain(|_, evidence| now.duration_since(evidence.since) <= WINDOW);
            if self.counted.len() >= COUNTED {
                self.beyond_limit += 1;
                return false;
            }
        }
        let fresh = || Evidence {
            since: now,
            spans: 0,
        };
        let evidence = self.counted.entry(function.clone()).or_insert_with(fresh);
        if now.duration_since(evidence.since) > WINDOW {
            *evidence = fresh();
        }
        evidence.spans += 1;
        evidence.spans >= SPANS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn a_function_is_promoted_once_when_it_comes_again() {
        let (mut promotion, now) = (Promotion::new(), Instant::now());
        let asked: Vec<_> = (0..5).map(|_| promotion.saw(&["f"], SHORT, now)).collect();
        assert_eq!(asked, [None, None, Some("f"), None, None]);
    }

    #[test]
    fn one_long_call_is_enough_and_the_outermost_gets_the_probes() {
        let mut promotion = Promotion::new();
        let now = Instant::now();
        assert_eq!(promotion.saw(&["f", "g"], LONG, now), Some("f"));
        assert_eq!(promotion.saw(&["f", "g"], LONG, now), None);
    }

    #[test]
    fn old_evidence_does_not_add_up() {
        let (mut promotion, start) = (Promotion::new(), Instant::now());
        for turn in 0..6 {
            let now = start + turn * (WINDOW / 2 + SHORT);
            assert_eq!(promotion.saw(&["f"], SHORT, now), None);
        }
    }

    #[test]
    fn what_was_given_up_stays_so() {
        let (mut promotion, now) = (Promotion::new(), Instant::now());
        promotion.saw(&["f"], LONG, now);
        promotion.give_up(&"f", GivenUp::TooOften);
        assert_eq!(promotion.saw(&["f", "g"], LONG, now), None);
    }

    #[test]
    fn what_an_unfit_function_calls_is_tried() {
        let (mut promotion, now) = (Promotion::new(), Instant::now());
        promotion.saw(&["f", "g"], LONG, now);
        promotion.give_up(&"f", GivenUp::Unfit);
        assert_eq!(promotion.saw(&["f", "g"], LONG, now), Some("g"));
        assert_eq!(promotion.saw(&["f"], LONG, now), None);
    }

    #[test]
    fn the_budget_is_kept_and_what_is_beyond_counted() {
        let (mut promotion, now) = (Promotion::new(), Instant::now());
        let promoted = (0..=PROMOTED).filter_map(|number| promotion.saw(&[number], LONG, now));
        assert_eq!(promoted.count(), PROMOTED);
        assert_eq!(promotion.beyond_limit(), 1);
        promotion.forget(|number| *number == 0);
        assert_eq!(promotion.saw(&[PROMOTED], LONG, now), Some(PROMOTED));
    }
}
