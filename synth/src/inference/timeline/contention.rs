//! Which waits become spans: those on others that run are many, and mostly short.

use super::{
    super::waits::Cause,
    evidence::{Evidence, Kind},
};
use crate::settings::Inference;

/// Waits for a CPU and for the interpreter's lock that are shorter than a span and make up no more
/// than this part of the time are summed and not shown: they hit whoever runs.
const CONTENTION_PART: u64 = 10;

pub(super) fn is_span(
    here: &Evidence,
    cause: Cause,
    contention_shown: bool,
    rules: &Inference,
) -> bool {
    let ns = here.end.since(here.start);
    ns >= rules.min_wait_ns
        && (!cause.is_contention() || contention_shown || ns >= rules.min_span_ns)
}

pub(super) fn is_contention_shown(evidence: &[Evidence], rules: &Inference) -> bool {
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
