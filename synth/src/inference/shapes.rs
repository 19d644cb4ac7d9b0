//! Which kinds of requests there are: what they are called, and whose work the longest span directly in them is. All of
//! their spans would tell kinds apart that are one: of the brief ones, stacks show others each time. A kind in which
//! stacks show brief work never becomes known: at the usual frequency nobody would see that work again, or where it gives way
//! to the next.

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::FxHasher;

use super::{
    choice::findings::{Finding, Origin},
    segments::Found,
};
use crate::{ids::TargetId, latest::Latest};

/// Requests of one kind after which it is known.
const KNOWN_AFTER: u32 = 16;
/// Work of fewer sampling intervals is brief: it would show in two or three stacks, or in none.
const BRIEF_INTERVALS: u64 = 4;
/// So is work of fewer beside others' work: where one gives way to the other would be known half way between two stacks, which
/// is wrong by a quarter of an interval as a rule, and so by more than a fiftieth of the work.
const BRIEF_BESIDE_INTERVALS: u64 = 12;
/// Kinds that are remembered; of more, the latest that came up.
const KINDS: usize = 4_096;

type Kind = (TargetId, u64);

/// How often each kind was met.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    met: Latest<Kind, u32>,
}

impl Shapes {
    /// A request of this name and with these spans; whether such a one was known. Of one without, there is nothing to
    /// know.
    pub fn met<'a>(
        &mut self,
        target: TargetId,
        name: Option<&str>,
        found: impl Iterator<Item = &'a Found> + Clone,
        interval_ns: u64,
    ) -> bool {
        let findings = found.flat_map(|found| &found.findings);
        // Waits come as they will.
        let work = findings.filter(|finding| finding.origin != Origin::Wait);
        let Some(longest) = work.clone().max_by_key(|finding| finding.duration_ns()) else {
            return true;
        };
        let mut hasher = FxHasher::default();
        (name, worker(&longest.name)).hash(&mut hasher);
        let kind = (target, hasher.finish());
        let met = self.met.entry(kind, KINDS);
        *met = met.saturating_add(1);
        *met > KNOWN_AFTER && !has_brief(work, interval_ns)
    }
}

/// Whether something of this, or in it, was found by stacks, and would hardly have been by those at the usual frequency, or not
/// where it ends.
fn has_brief<'a>(work: impl Iterator<Item = &'a Finding> + Clone, interval_ns: u64) -> bool {
    let mut sampled = work.clone().filter(|one| one.origin == Origin::Sample);
    let first = sampled.clone().next().map(|one| worker(&one.name));
    let are_several = sampled.clone().any(|one| Some(worker(&one.name)) != first);
    let intervals = if are_several {
        BRIEF_BESIDE_INTERVALS
    } else {
        BRIEF_INTERVALS
    };
    let brief = interval_ns / 2..intervals * interval_ns;
    sampled.any(|one| brief.contains(&one.at_work_ns()))
        || work
            .into_iter()
            .any(|one| has_brief(one.children.iter(), interval_ns))
}

/// Who works in a span: it may be a phase of the same work as another, and which of them is the longest is chance.
fn worker(span: &str) -> &str {
    let phases = [".before_", ".after_"].map(|phase| span.find(phase));
    let end = phases.into_iter().flatten().min();
    end.map_or(span, |end| &span[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::KernelTime;

    const MS: u64 = 1_000_000;
    const INTERVAL_NS: u64 = 10 * MS;

    fn finding(origin: Origin, length_ms: u64, children: Vec<Finding>) -> Finding {
        Finding {
            name: "f".to_owned(),
            origin,
            start: KernelTime(0),
            end: KernelTime(length_ms * MS),
            error_ns: 0,
            frame: None,
            stack: Vec::new(),
            samples: 0,
            is_merged: false,
            is_continued: false,
            runqueue_ns: 0,
            gil_ns: 0,
            native: Vec::new(),
            children,
            left_out: 0,
            workers: None,
        }
    }

    /// Whether a kind of which each request shows this gets known.
    fn gets_known(finding: Finding) -> bool {
        let found = [Found {
            host: None,
            findings: vec![finding],
        }];
        let mut shapes = Shapes::default();
        let mut met = || shapes.met(TargetId(1), Some("GET /"), found.iter(), INTERVAL_NS);
        assert!((0..KNOWN_AFTER).all(|_| !met()));
        met()
    }

    #[test]
    fn a_kind_is_known_when_it_was_met_often() {
        assert!(gets_known(finding(Origin::Sample, 40, Vec::new())));
        assert!(gets_known(finding(Origin::Gap, 5, Vec::new())));
        assert!(gets_known(finding(Origin::Probe, 20, Vec::new())));
    }

    #[test]
    fn one_with_brief_work_that_only_stacks_show_never_is() {
        let brief = || finding(Origin::Sample, 12, Vec::new());
        assert!(!gets_known(brief()));
        assert!(!gets_known(finding(Origin::Sample, 90, vec![brief()])));
    }

    #[test]
    fn nor_does_one_in_which_work_of_some_length_gives_way_to_others() {
        let named = |name: &str, length_ms| Finding {
            name: name.to_owned(),
            ..finding(Origin::Sample, length_ms, Vec::new())
        };
        let both = |first: &str, second: &str, each_ms| {
            let parts = vec![named(first, each_ms), named(second, each_ms)];
            finding(Origin::Sample, 2 * each_ms, parts)
        };
        assert!(!gets_known(both("load", "compute", 119)));
        assert!(gets_known(both("load", "compute", 120)));
        let (before, after) = ("load.before_wait.lock", "load.after_wait.lock");
        assert!(gets_known(both(before, after, 50)), "one and the same");
    }

    #[test]
    fn work_is_as_brief_as_it_is_without_its_waits() {
        let wait = finding(Origin::Wait, 60, Vec::new());
        assert!(!gets_known(finding(Origin::Sample, 90, vec![wait])));
        let mut slowed = finding(Origin::Sample, 40, Vec::new());
        (slowed.runqueue_ns, slowed.gil_ns) = (20 * MS, 16 * MS);
        assert!(gets_known(slowed), "at work for less than half an interval");
    }

    #[test]
    fn phases_are_of_who_works_in_them() {
        let names = [
            ("solve", "solve"),
            ("solve.before_cpsat.solve", "solve"),
            ("cpsat.search.after_wait.gil", "cpsat.search"),
            ("a.after_b.before_c", "a"),
            ("a.before_b.after_c", "a"),
        ];
        for (span, who) in names {
            assert_eq!(worker(span), who, "{span}");
        }
    }
}
