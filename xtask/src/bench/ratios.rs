//! Ratios of one measurement to another, many times over: their median, and how sure that is.

use anyhow::{Context, Result};
use hotspan_tests::load::quantile;

/// Most that may speak against the interval.
const DOUBT: f64 = 0.05;

/// Measurements, each as a ratio to what it is compared with.
#[derive(Default)]
pub struct Ratios(Vec<f64>);

impl Ratios {
    /// One more.
    pub fn add(&mut self, ratio: f64) {
        self.0.push(ratio);
    }

    /// How much more it is, in percent: the median, and the interval that the true median lies in with 95 %
    /// confidence, or all of them if they are too few to tell.
    ///
    /// # Errors
    /// There are none.
    pub fn change(&mut self) -> Result<String> {
        self.0.sort_by(f64::total_cmp);
        let median = quantile(&self.0, 0.5).context("no rounds")?;
        let left_out = left_out(self.0.len());
        let (least, most) = (self.0[left_out], self.0[self.0.len() - 1 - left_out]);
        let [median, least, most] = [median, least, most].map(|ratio| (ratio - 1.0) * 100.0);
        Ok(format!("{median:+.1} % ({least:+.1} % to {most:+.1} %)"))
    }
}

/// How many of `count` sorted measurements lie outside of the interval on each side. The true median is
/// beyond the k-th with the chance that fewer than k of `count` coins show heads (the sign test).
fn left_out(count: usize) -> usize {
    let mut chance = 0.5_f64.powi(count as i32);
    let mut beyond = chance;
    let mut left_out = 0;
    while 2.0 * beyond <= DOUBT && left_out < count / 2 {
        left_out += 1;
        chance *= (count + 1 - left_out) as f64 / left_out as f64;
        beyond += chance;
    }
    left_out.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::left_out;

    /// Table of the sign test for 5 % on both sides, e.g. Conover, Practical Nonparametric Statistics, 3.4: the
    /// k-th smallest and largest are the interval's ends.
    #[test]
    fn the_interval_is_that_of_the_sign_test() {
        for (count, rank) in [(6, 1), (8, 1), (9, 2), (12, 3), (20, 6), (50, 18)] {
            assert_eq!(left_out(count), rank - 1, "of {count}");
        }
        assert_eq!(left_out(3), 0, "too few to leave any out");
    }
}
