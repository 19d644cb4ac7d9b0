//! The symbols of all objects, bounded in bytes.

use lru::LruCache;

use super::object::ObjectSymbols;
use crate::object::{FileKey, Image};

/// Objects that are kept, in number.
const MAX_OBJECTS: usize = 256;

/// Symbols by the state of their file, the least recently used first to go.
pub struct SymbolStore {
    /// `None`: they cannot be read.
    objects: LruCache<FileKey, Option<ObjectSymbols>>,
    limit: usize,
    size: usize,
    evicted: u64,
}

impl SymbolStore {
    /// A store that keeps about `limit` bytes; the object in use is kept however large it is.
    pub fn new(limit: usize) -> Self {
        Self {
            objects: LruCache::unbounded(),
            limit,
            size: 0,
            evicted: 0,
        }
    }

    /// The symbols of an object.
    pub fn get(&mut self, image: &Image) -> Option<&mut ObjectSymbols> {
        let key = image.key();
        if !self.objects.contains(&key) {
            let symbols = ObjectSymbols::of(image).ok();
            self.size += symbols.as_ref().map_or(0, ObjectSymbols::size);
            self.objects.put(key, symbols);
            self.shrink();
        }
        self.objects.get_mut(&key)?.as_mut()
    }

    /// Bytes in use.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Objects that were given up for others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn shrink(&mut self) {
        while self.objects.len() > 1 && (self.size > self.limit || self.objects.len() > MAX_OBJECTS)
        {
            let Some((_, symbols)) = self.objects.pop_lru() else {
                break;
            };
            self.size -= symbols.map_or(0, |symbols| symbols.size());
            self.evicted += 1;
        }
    }
}
