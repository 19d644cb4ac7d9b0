//! How long the steps took that one span stands for.

use std::collections::BTreeMap;

/// Buckets for each power of two: a duration is known to 1 part in 128.
const BUCKETS: u32 = 64;
const BUCKET_BITS: u32 = BUCKETS.trailing_zeros();

/// Durations in nanoseconds, counted by size: as large as their spread, not as their number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    pub count: u64,
    pub sum_ns: u64,
    pub slowest_ns: u64,
    by_size: BTreeMap<u32, u64>,
}

impl Steps {
    pub fn add(&mut self, ns: u64) {
        self.count += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.slowest_ns = self.slowest_ns.max(ns);
        *self.by_size.entry(bucket(ns)).or_default() += 1;
    }

    /// The duration that a share of `percent` of the steps does not exceed, by the nearest rank; 0
    /// without steps.
    pub fn percentile_ns(&self, percent: u64) -> u64 {
        let rank = (self.count.saturating_mul(percent))
            .div_ceil(100)
            .clamp(1, self.count.max(1));
        let mut seen = 0;
        for (&bucket, &count) in &self.by_size {
            seen += count;
            if seen >= rank {
                return middle(bucket).min(self.slowest_ns);
            }
        }
        0
    }
}

/// Number of the bucket: exact below [`BUCKETS`], then the exponent and the bits behind the first.
fn bucket(ns: u64) -> u32 {
    let Some(shift) = ns
        .checked_ilog2()
        .and_then(|log| log.checked_sub(BUCKET_BITS))
    else {
        return ns as u32;
    };
    (shift + 1) * BUCKETS + ((ns >> shift) as u32 - BUCKETS)
}

fn middle(bucket: u32) -> u64 {
    let Some(shift) = (bucket / BUCKETS).checked_sub(1) else {
        return u64::from(bucket);
    };
    let low = u64::from(bucket % BUCKETS + BUCKETS) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(durations: impl IntoIterator<Item = u64>) -> Steps {
        let mut steps = Steps::default();
        for ns in durations {
            steps.add(ns);
        }
        steps
    }

    #[test]
    fn small_durations_are_exact() {
        let found = steps([5, 1, 9, 63]);
        assert_eq!((found.count, found.sum_ns, found.slowest_ns), (4, 78, 63));
        assert_eq!(found.percentile_ns(50), 5);
        assert_eq!(found.percentile_ns(99), 63);
        assert_eq!(Steps::default().percentile_ns(50), 0);
    }

    #[test]
    fn large_ones_are_off_by_less_than_a_hundredth() {
        let found = steps((1..=1_000).map(|n| n * 1_000_003));
        for (percent, exact) in [
            (1, 10 * 1_000_003_u64),
            (50, 500 * 1_000_003),
            (99, 990 * 1_000_003),
        ] {
            let ns = found.percentile_ns(percent);
            assert!(
                ns.abs_diff(exact) * 100 < exact,
                "p{percent}: {ns} for {exact}"
            );
        }
        assert_eq!(found.percentile_ns(100), found.slowest_ns);
        assert_eq!(
            steps([u64::MAX]).percentile_ns(50),
            middle(bucket(u64::MAX))
        );
    }

    #[test]
    fn each_duration_lies_in_its_bucket() {
        for ns in [0, 1, 63, 64, 65, 127, 128, 129, 1 << 20, (1 << 20) + 12_345] {
            assert!(middle(bucket(ns)).abs_diff(ns) * 128 <= ns, "{ns}");
        }
    }
}
