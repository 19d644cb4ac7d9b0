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
/// Functions that are counted at a time.
const COUNTED: usize = 1024;

/// What speaks for a function.
struct Evidence {
    since: Instant,
    spans: u32,
}

/// What sampling has found of each function `F`, and what came of it. Functions that were given up
/// are not tried again: one that is called too often today is called too often tomorrow.
pub struct Promotion<F> {
    counted: BTreeMap<F, Evidence>,
    promoted: BTreeSet<F>,
    given_up: BTreeSet<F>,
    beyond_limit: u64,
}

impl<F: Clone + Ord> Promotion<F> {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self {
            counted: BTreeMap::new(),
            promoted: BTreeSet::new(),
            given_up: BTreeSet::new(),
            beyond_limit: 0,
        }
    }

    /// Sampling made a span of `function`, of `length`. True if it is to get probes now; it counts
    /// as promoted then, until [`Promotion::give_up`].
    pub fn saw(&mut self, function: &F, length: Duration, now: Instant) -> bool {
        if self.promoted.contains(function) || self.given_up.contains(function) {
            return false;
        }
        if !self.has_enough(function, length, now) {
            return false;
        }
        self.counted.remove(function);
        if self.promoted.len() >= PROMOTED {
            self.beyond_limit += 1;
            return false;
        }
        self.promoted.insert(function.clone())
    }

    /// It can't be probed, or is called too often: it stays with its samples.
    pub fn give_up(&mut self, function: &F) {
        self.promoted.remove(function);
        self.given_up.insert(function.clone());
        // The oldest names go first by no order that matters; what comes back is given up again.
        while self.given_up.len() > COUNTED {
            self.given_up.pop_first();
        }
    }

    /// Functions that have probes.
    pub fn promoted(&self) -> usize {
        self.promoted.len()
    }

    /// Functions that were hot enough, and beyond the limit.
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
        let fresh = Evidence {
            since: now,
            spans: 0,
        };
        let evidence = self.counted.entry(function.clone()).or_insert(fresh);
        if now.duration_since(evidence.since) > WINDOW {
            *evidence = Evidence {
                since: now,
                spans: 0,
            };
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
        let asked: Vec<bool> = (0..5).map(|_| promotion.saw(&"f", SHORT, now)).collect();
        assert_eq!(asked, [false, false, true, false, false]);
    }

    #[test]
    fn one_long_call_is_enough() {
        let mut promotion = Promotion::new();
        assert!(promotion.saw(&"f", LONG, Instant::now()));
    }

    #[test]
    fn old_evidence_does_not_add_up() {
        let (mut promotion, start) = (Promotion::new(), Instant::now());
        for turn in 0..6 {
            assert!(!promotion.saw(&"f", SHORT, start + turn * (WINDOW / 2 + SHORT)));
        }
    }

    #[test]
    fn what_was_given_up_stays_so() {
        let (mut promotion, now) = (Promotion::new(), Instant::now());
        assert!(promotion.saw(&"f", LONG, now));
        promotion.give_up(&"f");
        assert!(!promotion.saw(&"f", LONG, now));
        assert_eq!(promotion.promoted(), 0);
    }

    #[test]
    fn the_budget_is_kept_and_what_is_beyond_counted() {
        let (mut promotion, now) = (Promotion::new(), Instant::now());
        for number in 0..=PROMOTED {
            promotion.saw(&number, LONG, now);
        }
        assert_eq!(
            (promotion.promoted(), promotion.beyond_limit()),
            (PROMOTED, 1)
        );
    }
}
