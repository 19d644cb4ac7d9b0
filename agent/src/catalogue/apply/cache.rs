//! Analyses, kept: many processes map the same objects.

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use lru::LruCache;

use super::Analysis;
use crate::{
    catalogue::Catalogue,
    object::{FileId, FileKey, Image, OpenError},
};

/// What is in a file.
#[derive(Clone, Debug)]
pub struct Analysed {
    /// The file.
    pub file: FileId,
    /// What the catalogue finds there.
    pub analysis: Arc<Analysis>,
}

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
    ) -> Result<Analysed, OpenError> {
        let image = Image::open(file)?;
        let file = image.key().id();
        if let Some(known) = self.analyses.get(&image.key()) {
            let analysis = Arc::clone(known);
            return Ok(Analysed { file, analysis });
        }
        let analysis = Arc::new(catalogue.analyse_image(&image, name)?);
        self.analyses.put(image.key(), Arc::clone(&analysis));
        Ok(Analysed { file, analysis })
    }
}
