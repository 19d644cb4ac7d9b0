//! Kernel time to Unix time, with a bound on the error.

use std::collections::VecDeque;

use crate::time::{ClockAnchor, KernelTime, UnixTime};

/// Anchors kept. One a second covers a minute; a crossing older than all of them is converted by
/// the oldest.
const KEPT: usize = 64;

/// The latest comparisons of the two clocks, in the order of kernel time.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    anchors: VecDeque<ClockAnchor>,
}

/// A converted instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    pub unix: UnixTime,
    pub error_ns: u64,
}

impl Clock {
    /// Takes in a comparison; one of the same kernel time replaces the earlier.
    pub fn anchor(&mut self, anchor: ClockAnchor) {
        let at = self
            .anchors
            .partition_point(|other| other.kernel < anchor.kernel);
        match self.anchors.get_mut(at) {
            Some(same) if same.kernel == anchor.kernel => *same = anchor,
            _ => self.anchors.insert(at, anchor),
        }
        if self.anchors.len() > KEPT {
            self.anchors.pop_front();
        }
    }

    /// Converts by the nearest anchor; `None` before the first one.
    ///
    /// `CLOCK_MONOTONIC` and `CLOCK_REALTIME` run at the same rate (NTP slews both), so that their
    /// distance changes by steps only. If the anchors around an instant disagree, a step lies
    /// between them, before or after the instant: their disagreement is added to the error.
    pub fn convert(&self, time: KernelTime) -> Option<Instant> {
        let at = self.anchors.partition_point(|anchor| anchor.kernel <= time);
        let before = at.checked_sub(1).and_then(|at| self.anchors.get(at));
        let after = self.anchors.get(at);
        let (nearest, other) = match (before, after) {
            (Some(before), Some(after)) => {
                if time.since(before.kernel) <= after.kernel.since(time) {
                    (before, Some(after))
                } else {
                    (after, Some(before))
                }
            }
            (one, two) => (one.or(two)?, None),
        };
        let unix = nearest.to_unix(time);
        let step = other.map_or(0, |other| other.to_unix(time).0.abs_diff(unix.0));
        Some(Instant {
            unix,
            error_ns: nearest.error_ns.saturating_add(step),
        })
    }
}

impl Clock {
    /// The kernel's time of an instant that the target stamped, by the latest anchor; `None` before
    /// the first one.
    pub fn kernel_time(&self, time: UnixTime) -> Option<KernelTime> {
        let anchor = self.anchors.back()?;
        let since = i128::from(time.0) - i128::from(anchor.unix.0);
        let kernel = i128::from(anchor.kernel.0) + since;
        Some(KernelTime(u64::try_from(kernel).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(anchors: &[(u64, u64, u64)], time: u64, expected: Option<(u64, u64)>) {
        let mut clock = Clock::default();
        for &(kernel, unix, error_ns) in anchors {
            clock.anchor(ClockAnchor {
                kernel: KernelTime(kernel),
                unix: UnixTime(unix),
                error_ns,
            });
        }
        let found = clock
            .convert(KernelTime(time))
            .map(|at| (at.unix.0, at.error_ns));
        assert_eq!(found, expected);
    }

    #[test]
    fn converts_by_the_nearest_anchor() {
        check(&[], 5, None);
        check(&[(100, 1_100, 3)], 50, Some((1_050, 3)));
        check(&[(100, 1_100, 3)], 500, Some((1_500, 3)));
        check(&[(100, 1_100, 3), (200, 1_200, 4)], 140, Some((1_140, 3)));
        check(&[(200, 1_200, 4), (100, 1_100, 3)], 160, Some((1_160, 4)));
        check(&[(100, 1_100, 3), (100, 1_105, 1)], 100, Some((1_105, 1)));
    }

    #[test]
    fn a_step_between_two_anchors_widens_the_error() {
        check(&[(100, 1_100, 3), (200, 1_700, 4)], 140, Some((1_140, 503)));
        check(&[(100, 1_100, 3), (200, 1_700, 4)], 160, Some((1_660, 504)));
        check(&[(100, 1_100, 3), (200, 1_700, 4)], 200, Some((1_700, 4)));
    }
}
