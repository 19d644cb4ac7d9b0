//! Work that nobody may be named as the parent of, by region and reason.

use std::{collections::BTreeMap, sync::Arc};

use super::{item::Item, regions::KnownRegion};
use crate::{
    event::Target,
    ids::TargetId,
    summary::{Unattributed, Work},
};

/// Targets that are remembered; those that end are not told of.
const REMEMBERED: usize = 4_096;

/// How much there was of it.
#[derive(Debug, Default)]
pub(crate) struct UnattributedWork {
    work: BTreeMap<(Arc<str>, String), Share>,
    /// First threads, as their crossings name them.
    first_threads: BTreeMap<TargetId, u32>,
}

#[derive(Debug, Default)]
struct Share {
    all: Work,
    on_main: Work,
}

impl UnattributedWork {
    /// Takes in what is known of a target.
    pub fn target(&mut self, target: &Target) {
        self.first_threads.insert(target.id, target.ns_pid);
        if self.first_threads.len() > REMEMBERED {
            self.first_threads.pop_first();
        }
    }

    pub fn add(&mut self, region: &KnownRegion, reason: &str, item: &Item) {
        let key = (Arc::clone(&region.name), reason.to_owned());
        let share = self.work.entry(key).or_default();
        let ns = item.duration_ns();
        share.all.add(ns);
        if self.first_threads.get(&item.key.target) == Some(&item.thread) {
            share.on_main.add(ns);
        }
    }

    pub fn summary(&self) -> Vec<Unattributed> {
        let entry = |((region, reason), share): (&(Arc<str>, String), &Share)| Unattributed {
            region: region.to_string(),
            reason: reason.clone(),
            work: share.all,
            on_main: share.on_main,
        };
        self.work.iter().map(entry).collect()
    }
}
