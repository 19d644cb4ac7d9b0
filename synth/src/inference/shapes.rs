//! Which kinds of requests there are: what they are called, and whose work the longest span directly in them is. All of
//! their spans would tell kinds apart that are one: of the brief ones, stacks show others each time.

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::FxHasher;

use super::{findings::Origin, segments::Found};
use crate::{ids::TargetId, latest::Latest};

/// Requests of one kind after which it is known.
const KNOWN_AFTER: u32 = 16;
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
        found: impl Iterator<Item = &'a Found>,
    ) -> bool {
        let findings = found.flat_map(|found| &found.findings);
        // Waits come as they will.
        let work = findings.filter(|finding| finding.origin != Origin::Wait);
        let Some(longest) = work.max_by_key(|finding| finding.end.since(finding.start)) else {
            return true;
        };
        let mut hasher = FxHasher::default();
        (name, worker(&longest.name)).hash(&mut hasher);
        let kind = (target, hasher.finish());
        let met = self.met.entry(kind, KINDS);
        *met = met.saturating_add(1);
        *met > KNOWN_AFTER
    }
}

/// Who works in a span: it may be a phase of the same work as another, and which of them is the longest is chance.
fn worker(span: &str) -> &str {
    let phases = [".before_", ".after_"].map(|phase| span.find(phase));
    let end = phases.into_iter().flatten().min();
    end.map_or(span, |end| &span[..end])
}

#[cfg(test)]
mod tests {
    use super::worker;

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
