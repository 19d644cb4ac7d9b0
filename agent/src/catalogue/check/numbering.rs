//! Numbers that regions of several files share: of groups, of the slots that they read into, of bursts.

use std::collections::HashMap;

use hotspan_common::MAX_READS;

use super::{
    Source,
    error::CatalogueError,
    reads::ReadRule,
    schema::{Region, Role},
    slots::Slots,
};

/// Numbers for groups and slots, over all files: a note may be in another file than its group.
#[derive(Default)]
pub(super) struct Numbering {
    groups: HashMap<String, (u32, Slots)>,
    /// Slots of regions without a group, by the address of their name in the file.
    own: HashMap<(String, usize), Slots>,
    bursts: Vec<String>,
}

impl Numbering {
    pub fn reads(
        &mut self,
        source: &Source,
        region: &Region,
    ) -> Result<Vec<ReadRule>, CatalogueError> {
        let slots = self.slots(region);
        let reads: Vec<ReadRule> = region
            .reads
            .iter()
            .map(|read| ReadRule::check(source, read, slots))
            .collect::<Result<_, _>>()?;
        let mut slots: Vec<&str> = reads.iter().map(|read| read.slot.as_str()).collect();
        slots.sort_unstable();
        slots.dedup();
        if slots.len() > MAX_READS {
            let reason = format!("more than {MAX_READS} slots are read");
            return Err(CatalogueError::at(source, &region.name, reason));
        }
        Ok(reads)
    }

    pub fn group(&mut self, region: &Region) -> u32 {
        region
            .group
            .as_ref()
            .map_or(0, |name| self.entry(name.get_ref()).0)
    }

    /// 0 for what is no tally.
    pub fn burst(&mut self, region: &Region) -> u32 {
        if region.role != Role::Tally {
            return 0;
        }
        let name = region.name.get_ref();
        let known = self.bursts.iter().position(|burst| burst == name);
        let at = known.unwrap_or_else(|| {
            self.bursts.push(name.clone());
            self.bursts.len() - 1
        });
        at as u32 + 1
    }

    pub fn slots(&mut self, region: &Region) -> &mut Slots {
        match &region.group {
            Some(name) => &mut self.entry(name.get_ref()).1,
            None => self
                .own
                .entry((region.name.get_ref().clone(), region.name.span().start))
                .or_default(),
        }
    }

    fn entry(&mut self, name: &str) -> &mut (u32, Slots) {
        // 0 is "no group".
        let next = self.groups.len() as u32 + 1;
        self.groups
            .entry(name.to_owned())
            .or_insert_with(|| (next, Slots::default()))
    }
}
