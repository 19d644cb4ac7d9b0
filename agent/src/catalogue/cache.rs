//! Analyses, kept: many processes map the same objects.

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use lru::LruCache;

use super::{Analysis, Catalogue};
use crate::object::{FileKey, Image, OpenError};

/// Analyses by the state of the file; the least recently used goes first.
#[derive(Debug)]
pub struct AnalysisCache {
    analyses: LruCache<FileKey, Arc<Analysis>>,
}

impl AnalysisCache {
    /// Keeps at most `capacity` analyses.
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self {
            analyses: LruCache::new(capacity),
        }
    }

    /// What the catalogue finds in a file; see [`Catalogue::analyse`]. Errors are not kept.
    pub fn analyse(
        &mut self,
        catalogue: &Catalogue,
        file: &Path,
        name: &Path,
    ) -> Result<Arc<Analysis>, OpenError> {
        let image = Image::open(file)?;
        if let Some(known) = self.analyses.get(&image.key()) {
            return Ok(Arc::clone(known));
        }
        let analysis = Arc::new(catalogue.analyse_image(&image, name)?);
        self.analyses.put(image.key(), Arc::clone(&analysis));
        Ok(analysis)
    }
}
