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
        let (mut without, mut without_on_main) = (BTreeSet::new(), BTreeSet::new());
        let mut other: BTreeMap<&str, u64> = BTreeMap::new();
        for entry in &summary.unattributed {
            let calls = entry.work.crossings;
            if entry.reason == UNSAMPLED {
                facts.found += calls;
            } else if NO_SPAN.contains(&entry.reason.as_str()) {
                let on_main = entry.on_main.crossings;
                facts.none_on_main += on_main;
                facts.no_active_span += calls - on_main;
                if on_main > 0 {
                    without_on_main.insert(entry.region.clone());
                }
                if calls > on_main {
                    without.insert(entry.region.clone());
                }
            } else {
                *other.entry(&entry.reason).or_default() += calls;
            }
        }
        facts.without = without.into_iter().collect();
        facts.without_on_main = without_on_main.into_iter().collect();
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

    /// So many calls, and how many of them on the first thread.
    fn unattributed(region: &str, reason: &str, [all, on_main]: [u64; 2]) -> Unattributed {
        let work = |crossings| Work { crossings, ns: 1 };
        Unattributed {
            region: region.to_owned(),
            reason: reason.to_owned(),
            work: work(all),
            on_main: work(on_main),
        }
    }

    #[test]
    fn calls_by_what_was_active() {
        let mut summary = Summary::default();
        summary.by_source.insert("otel.python", 4);
        summary.by_source.insert("lineage", 2);
        summary.unattributed = vec![
            unattributed("cpsat.solve", "no_active_span", [3, 1]),
            unattributed("cpsat.solve", "unsampled", [5, 5]),
            unattributed("blas.gemm", "not_a_python_thread", [1, 0]),
            unattributed("python.regex", "no_active_span", [2, 2]),
            unattributed("blas.gemm", "read_failed", [7, 2]),
        ];
        assert_eq!(
            OutcomeFacts::from(&summary),
            OutcomeFacts {
                found: 11,
                no_active_span: 3,
                without: vec!["blas.gemm".to_owned(), "cpsat.solve".to_owned()],
                none_on_main: 3,
                without_on_main: vec!["cpsat.solve".to_owned(), "python.regex".to_owned()],
                other: vec![("read_failed".to_owned(), 7)],
            }
        );
    }
}
