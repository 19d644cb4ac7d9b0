//! What became of a target's calls while it was traced.

use std::collections::{BTreeMap, BTreeSet};

use hotspan_synth::summary::Summary;

use super::OutcomeFacts;

/// Reasons, as `hotspan_common::ContextOutcome` names them, that say that no span was active: the
/// interpreter has none there, or does not know the thread.
const NO_SPAN: [&str; 2] = ["no_active_span", "not_a_python_thread"];
/// Not among them, but the core's own: a span was active, and it is not sampled.
const UNSAMPLED: &str = "unsampled";

impl From<&Summary> for OutcomeFacts {
    fn from(summary: &Summary) -> Self {
        let mut facts = Self {
            found: summary.by_source.values().sum(),
            ..Self::default()
        };
        let mut without = BTreeSet::new();
        let mut other: BTreeMap<&str, u64> = BTreeMap::new();
        for entry in &summary.unattributed {
            let calls = entry.work.crossings;
            if entry.reason == UNSAMPLED {
                facts.found += calls;
            } else if NO_SPAN.contains(&entry.reason.as_str()) {
                facts.no_active_span += calls;
                without.insert(entry.region.clone());
            } else {
                *other.entry(&entry.reason).or_default() += calls;
            }
        }
        facts.without = without.into_iter().collect();
        facts.other = other
            .into_iter()
            .map(|(reason, calls)| (reason.to_owned(), calls))
            .collect();
        facts
    }
}

#[cfg(test)]
mod tests {
    use hotspan_synth::summary::{Summary, Unattributed, Work};

    use crate::doctor::OutcomeFacts;

    fn unattributed(region: &str, reason: &str, crossings: u64) -> Unattributed {
        Unattributed {
            region: region.to_owned(),
            reason: reason.to_owned(),
            work: Work { crossings, ns: 1 },
        }
    }

    #[test]
    fn calls_by_what_was_active() {
        let mut summary = Summary::default();
        summary.by_source.insert("otel.python", 4);
        summary.by_source.insert("lineage", 2);
        summary.unattributed = vec![
            unattributed("cpsat.solve", "no_active_span", 3),
            unattributed("cpsat.solve", "unsampled", 5),
            unattributed("blas.gemm", "not_a_python_thread", 1),
            unattributed("blas.gemm", "read_failed", 7),
        ];
        assert_eq!(
            OutcomeFacts::from(&summary),
            OutcomeFacts {
                found: 11,
                no_active_span: 4,
                without: vec!["blas.gemm".to_owned(), "cpsat.solve".to_owned()],
                other: vec![("read_failed".to_owned(), 7)],
            }
        );
    }
}
