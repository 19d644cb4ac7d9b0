//! The objects that targets map, read once for all of them, bounded in number and bytes.

use std::{path::Path, rc::Rc};

use lru::LruCache;

use super::object::CodeObject;
use crate::object::FileKey;

/// Objects that are kept. A Python service maps some hundred, and samples fall into a few of them.
const MAX_OBJECTS: usize = 256;

/// Objects by the state of their file, the least recently used first to go.
pub struct ObjectStore {
    /// `None`: it cannot be read, or is no ELF file.
    objects: LruCache<FileKey, Option<Rc<CodeObject>>>,
    limit: usize,
    size: usize,
    evicted: u64,
}

impl ObjectStore {
    /// A store that keeps about `limit` bytes; the object in use is kept however large it is.
    pub fn new(limit: usize) -> Self {
        Self {
            objects: LruCache::unbounded(),
            limit,
            size: 0,
            evicted: 0,
        }
    }

    /// The object in a file, opened by a path that leads to the mapped inode.
    pub fn get(&mut self, key: FileKey, path: &Path, name: &Path) -> Option<Rc<CodeObject>> {
        if let Some(known) = self.objects.get(&key) {
            return known.clone();
        }
        // It may have been replaced since its key was taken.
        let opened = CodeObject::open(path, name).ok();
        let object = opened.filter(|object| object.key() == key).map(Rc::new);
        self.size += object.as_ref().map_or(0, |object| object.size());
        self.objects.put(key, object.clone());
        self.shrink();
        object
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
            let Some((_, object)) = self.objects.pop_lru() else {
                break;
            };
            self.size -= object.map_or(0, |object| object.size());
            self.evicted += 1;
        }
    }
}
