//! Which waits on others that run become spans: they are many, and mostly short.

use super::evidence::{Evidence, Kind};
use crate::{inference::evidence::waits::Cause, settings::Inference};

/// Waits for a CPU and for the interpreter's lock that are shorter than a span and make up no more
/// than this part of the time are summed and not shown: they hit whoever runs.
const CONTENTION_PART: u64 = 10;
/// Nor are those shown that are less than this part of the crossing that they are in, or of the thread's part of the request where
/// they are in none.
const HOST_PART: u64 = 20;
/// Nor those that are less than this part of the thread's part of the request: with more work than CPUs, a thread waits after each of its time
/// slices, and hundreds of such waits would hide what they interrupt.
const LANE_PART: u64 = 200;

/// Lengths, in nanoseconds, by which it is told whether a wait is worth a span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Within {
    /// Of the crossing that is laid out, else of the thread's part of the request.
    pub host_ns: u64,
    /// Of the thread's part of the request.
    pub lane_ns: u64,
}

impl Within {
    /// From how many nanoseconds on a wait on others that run is a span, beside this evidence.
    pub(super) fn least_ns(self, evidence: &[Evidence], rules: &Inference) -> u64 {
        let least = if is_contended(evidence, rules) {
            rules.min_wait_ns
        } else {
            rules.min_span_ns.max(rules.min_wait_ns)
        };
        least
            .max(self.host_ns / HOST_PART)
            .max(self.lane_ns / LANE_PART)
    }
}

fn is_contended(evidence: &[Evidence], rules: &Inference) -> bool {
    let Some((first, last)) = evidence.first().zip(evidence.last()) else {
        return false;
    };
    let is_short = |here: &&Evidence| {
        matches!(here.kind, Kind::Wait(cause) if cause.is_contention())
            && here.end.since(here.start) < rules.min_span_ns
    };
    let short: u64 = evidence
        .iter()
        .filter(is_short)
        .map(|here| here.end.since(here.start))
        .fold(0, u64::saturating_add);
    short.saturating_mul(CONTENTION_PART) > last.end.since(first.start)
}

impl Cause {
    /// Whether a wait of this length becomes a span, where `contention_ns` are enough for one on others that run.
    pub(super) fn is_shown(self, wait_ns: u64, contention_ns: u64, rules: &Inference) -> bool {
        wait_ns
            >= if self.is_contention() {
                contention_ns
            } else {
                rules.min_wait_ns
            }
    }
}
