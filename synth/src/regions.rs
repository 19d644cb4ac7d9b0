//! The regions that can be crossed, by number.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::{ids::RegionId, region::Region};

/// A region and its name, shared by all its spans.
#[derive(Debug)]
pub(crate) struct KnownRegion {
    pub region: Region,
    pub name: Arc<str>,
}

/// All regions announced so far. As many as the catalogue arms, so not bounded here.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    by_id: FxHashMap<RegionId, Arc<KnownRegion>>,
}

impl Regions {
    /// Adds a region or replaces it.
    pub fn announce(&mut self, region: Region) {
        let name = Arc::from(region.name.as_str());
        self.by_id
            .insert(region.id, Arc::new(KnownRegion { region, name }));
    }

    /// The region of that number.
    pub fn get(&self, id: RegionId) -> Option<Arc<KnownRegion>> {
        self.by_id.get(&id).cloned()
    }
}
