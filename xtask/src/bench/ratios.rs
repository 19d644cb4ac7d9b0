//! Ratios of one measurement to another, many times over: their middle, and how sure that is.

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

    /// How much more it is, in percent: the middle, and the interval that the true one lies in with 95 %
    /// confidence, or all of them if they are too few to tell. By the ranks of the ratios' logarithms, which lie as
    /// often above their middle as below it (Hodges and Lehmann's estimator, Wilcoxon's signed ranks).
    ///
    /// # Errors
    /// There are none.
    pub fn change(&self) -> Result<String> {
        let logs: Vec<f64> = self.0.iter().map(|ratio| ratio.ln()).collect();
        let Middle { is, least, most } = middle(&logs)?;
        let [is, least, most] = [is, least, most].map(|log| log.exp_m1() * 100.0);
        Ok(format!("{is:+.1} % ({least:+.1} % to {most:+.1} %)"))
    }
}

/// A middle, and how sure that is.
#[derive(Clone, Copy, Debug)]
pub struct Middle {
    pub is: f64,
    /// The true one is no less, with 95 % confidence together with
    pub least: f64,
    /// that it is no more.
    pub most: f64,
}

/// The middle of measurements that lie as often above it as below it, as far away.
///
/// # Errors
/// There are none.
pub fn middle(values: &[f64]) -> Result<Middle> {
    let averages = walsh_averages(values);
    let is = quantile(&averages, 0.5).context("no rounds")?;
    let left_out = left_out(values.len());
    Ok(Middle {
        is,
        least: averages[left_out],
        most: averages[averages.len() - 1 - left_out],
    })
}

/// The averages of all pairs, each with itself, too; the least first.
fn walsh_averages(values: &[f64]) -> Vec<f64> {
    let with_those_from = |(index, value): (usize, &f64)| {
        let value = *value;
        values[index..]
            .iter()
            .map(move |other| value.midpoint(*other))
    };
    let mut averages: Vec<f64> = values
        .iter()
        .enumerate()
        .flat_map(with_those_from)
        .collect();
    averages.sort_by(f64::total_cmp);
    averages
}

/// How many averages of `count` values lie outside of the interval on each side: the largest sum of ranks that, with
/// all smaller ones, is no likelier than half of the doubt.
fn left_out(count: usize) -> usize {
    let mut chance = 0.0;
    let likely = signed_ranks(count);
    let speaks_against = |each: &&f64| {
        chance += **each;
        2.0 * chance <= DOUBT
    };
    let sums = likely.iter().take_while(speaks_against).count();
    sums.saturating_sub(1)
}

/// How likely each sum of those ranks of `count` is that a coin chooses.
fn signed_ranks(count: usize) -> Vec<f64> {
    let mut likely = vec![0.0; count * (count + 1) / 2 + 1];
    likely[0] = 1.0;
    for rank in 1..=count {
        for sum in (0..likely.len()).rev() {
            let without = if sum >= rank { likely[sum - rank] } else { 0.0 };
            likely[sum] = f64::midpoint(likely[sum], without);
        }
    }
    likely
}

#[cfg(test)]
mod tests {
    use super::{Ratios, left_out};

    /// Table of the signed-rank test for 5 % on both sides, e.g. Hollander and Wolfe, Nonparametric Statistical
    /// Methods, table A.4: the sum of ranks up to which it speaks against the middle.
    #[test]
    fn the_interval_is_that_of_the_signed_ranks() {
        for (count, critical) in [(6, 0), (8, 3), (9, 5), (12, 13), (20, 52), (50, 434)] {
            assert_eq!(left_out(count), critical, "of {count}");
        }
        assert_eq!(left_out(3), 0, "too few to leave any out");
    }

    #[test]
    fn the_middle_of_ratios_is_between_a_half_and_a_double() {
        let mut ratios = Ratios::default();
        for ratio in [0.5, 1.0, 2.0] {
            ratios.add(ratio);
        }
        assert_eq!(
            ratios.change().unwrap(),
            "+0.0 % (-50.0 % to +100.0 %)",
            "too few to leave any out"
        );
    }
}
