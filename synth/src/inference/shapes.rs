//! Which kinds of requests there are: what they are called, and the longest span directly in them. All of their spans
//! would tell kinds apart that are one: of the brief ones, stacks show others each time.

use std::{
    collections::VecDeque,
    hash::{Hash, Hasher as _},
};

use rustc_hash::{FxHashMap, FxHasher};

use super::{findings::Origin, lane::Found};
use crate::ids::TargetId;

/// Requests of one kind after which it is known.
const KNOWN_AFTER: u32 = 12;
/// Requests of one name after which all are: what it has shown by then is most of what it does, and a request that
/// does something else each time would be new for ever.
const NAME_KNOWN_AFTER: u32 = 48;
/// Kinds that are remembered; of more, the latest that came up.
const KINDS: usize = 4_096;

type Kind = (TargetId, u64);

/// How often each kind was met.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    met: FxHashMap<Kind, u32>,
    order: VecDeque<Kind>,
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
        let kind = self.count((target, hash((name, &longest.name))));
        let of_name = name.map_or(0, |name| self.count((target, hash(name))));
        kind > KNOWN_AFTER || of_name > NAME_KNOWN_AFTER
    }

    /// How often it was met, with this time.
    fn count(&mut self, kind: Kind) -> u32 {
        let met = self.met.entry(kind).or_insert_with(|| {
            self.order.push_back(kind);
            0
        });
        *met = met.saturating_add(1);
        let met = *met;
        if self.order.len() > KINDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.met.remove(&oldest);
        }
        met
    }
}

fn hash(kind: impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    kind.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{inference::findings::Finding, time::KernelTime};

    fn met(shapes: &mut Shapes, name: &str, work: &str) -> bool {
        let finding = Finding {
            name: work.to_owned(),
            origin: Origin::Sample,
            start: KernelTime(0),
            end: KernelTime(1),
            error_ns: 0,
            frame: None,
            stack: Vec::new(),
            samples: 1,
            is_merged: false,
            is_continued: false,
            runqueue_ns: 0,
            gil_ns: 0,
            native: Vec::new(),
            children: Vec::new(),
            left_out: 0,
            workers: None,
        };
        let found = Found {
            host: None,
            findings: vec![finding],
        };
        shapes.met(TargetId(1), Some(name), [&found].into_iter())
    }

    #[test]
    fn a_kind_is_known_by_its_work_or_at_last_by_its_name() {
        let mut shapes = Shapes::default();
        let same = (0..20).filter(|_| met(&mut shapes, "GET /a", "solve"));
        assert_eq!(same.count(), 20 - KNOWN_AFTER as usize);
        let others = (0..100).filter(|n| met(&mut shapes, "GET /b", &format!("work_{n}")));
        assert_eq!(others.count(), 100 - NAME_KNOWN_AFTER as usize);
        assert!(!met(&mut shapes, "GET /c", "solve"));
    }
}
