//! What a region reads in one build of its library.

use hotspan_common::{Base, ReadSpec};

use super::{Object, scan::Hit};
use crate::object::{BuildId, constant};

/// The reads of a rule, for one build.
#[derive(Default)]
pub(super) struct Reads {
    pub done: Vec<ReadSpec>,
    /// Slots, by name, that no read is known for.
    pub unknown: Vec<String>,
}

impl Reads {
    pub(super) fn of_result(&self) -> bool {
        (self.done.iter()).any(|read| read.base == Base::Result.wire())
    }
}

impl Object<'_> {
    /// What the hit's rule reads in this build.
    pub(super) fn reads(&self, hit: &Hit, build_id: Option<&BuildId>) -> Reads {
        let rule = &self.catalogue.rules[hit.rule];
        let version = self.versions[rule.library].as_ref();
        let getter_offset =
            |symbol: &str| constant::getter_offset(self.image, *self.named.get(symbol)?);
        let mut reads = Reads::default();
        for read in &rule.reads {
            let is_filled = |slot: u32| reads.done.iter().any(|read| read.slot == slot);
            if !is_filled(read.number())
                && let Some(spec) = read.resolve(version, build_id, getter_offset)
            {
                reads.done.push(spec);
            }
        }
        for read in &rule.reads {
            let filled = reads.done.iter().any(|done| done.slot == read.number());
            if !filled && !reads.unknown.contains(&read.slot) {
                reads.unknown.push(read.slot.clone());
            }
        }
        reads
    }
}
