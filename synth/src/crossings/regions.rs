//! The regions that can be crossed, by number.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::{
    event::Function,
    ids::RegionId,
    region::{Meaning, Region},
};

/// A region and its name, shared by all its spans.
#[derive(Debug)]
pub(crate) struct KnownRegion {
    pub region: Region,
    pub name: Arc<str>,
    /// The same region, as crossings appear that open a repetition.
    pub opening: Option<Arc<KnownRegion>>,
    /// The same region, as its steps appear that are several requests' together.
    pub batch: Option<Arc<KnownRegion>>,
}

impl KnownRegion {
    fn new(region: Region) -> Self {
        Self {
            name: Arc::from(region.name.as_str()),
            opening: opening(&region).map(Arc::new),
            batch: batch(&region).map(Arc::new),
            region,
        }
    }

    /// What becomes of its crossings.
    pub fn meaning(&self) -> &Meaning {
        &self.region.meaning
    }

    /// Whether a function that stacks show is the one whose entries are its crossings.
    pub fn is_function(&self, shown: &Function) -> bool {
        let own = &self.region.function;
        shown.qualified == *own || shown.name == *own
    }
}

fn opening(region: &Region) -> Option<KnownRegion> {
    let opening = region.meaning.fold.as_ref()?.opening.as_ref()?;
    let face = Region {
        name: opening.name.clone(),
        meaning: Meaning {
            numbered: opening.numbered,
            attributes: opening.attributes.clone(),
            ..region.meaning.clone()
        },
        ..region.clone()
    };
    Some(KnownRegion {
        name: Arc::from(face.name.as_str()),
        region: face,
        opening: None,
        batch: None,
    })
}

fn batch(region: &Region) -> Option<KnownRegion> {
    let name = region.meaning.batch.as_deref()?;
    Some(KnownRegion {
        name: Arc::from(name),
        region: Region {
            name: name.to_owned(),
            ..region.clone()
        },
        opening: None,
        batch: None,
    })
}

/// All regions announced so far. As many as the catalogue arms, so not bounded here.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    by_id: FxHashMap<RegionId, Arc<KnownRegion>>,
}

impl Regions {
    /// Adds a region or replaces it.
    pub fn announce(&mut self, region: Region) {
        self.by_id
            .insert(region.id, Arc::new(KnownRegion::new(region)));
    }

    /// The region of that number.
    pub fn get(&self, id: RegionId) -> Option<Arc<KnownRegion>> {
        self.by_id.get(&id).cloned()
    }
}
