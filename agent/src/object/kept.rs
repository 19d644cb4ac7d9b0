//! What is known of many files, bounded in number and bytes.

use lru::LruCache;

use super::FileKey;

/// Files that are kept. A Python service maps some hundred, and stacks fall into a few of them.
const MAX_FILES: usize = 256;

/// Something that takes up memory.
pub trait Weighed {
    /// Bytes that it takes, about.
    fn bytes(&self) -> usize;
}

/// Something made of a file, by the file's state; the least recently used goes first.
pub struct Kept<V> {
    /// `None`: the file cannot be read, or is not of that kind.
    files: LruCache<FileKey, Option<V>>,
    limit: usize,
    bytes: usize,
    evicted: u64,
}

impl<V: Weighed> Kept<V> {
    /// Keeps about `limit` bytes; what is in use is kept however large it is.
    pub fn new(limit: usize) -> Self {
        Self {
            files: LruCache::unbounded(),
            limit,
            bytes: 0,
            evicted: 0,
        }
    }

    /// What was made of the file, or is made of it now.
    pub(crate) fn get_or_make(
        &mut self,
        key: FileKey,
        make: impl FnOnce() -> Option<V>,
    ) -> Option<&mut V> {
        if !self.files.contains(&key) {
            let value = make();
            self.bytes += bytes(value.as_ref());
            self.files.put(key, value);
            self.shrink();
        }
        self.files.get_mut(&key)?.as_mut()
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Files that were given up for others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn shrink(&mut self) {
        while self.files.len() > 1 && (self.bytes > self.limit || self.files.len() > MAX_FILES) {
            let Some((_, given_up)) = self.files.pop_lru() else {
                break;
            };
            self.bytes -= bytes(given_up.as_ref());
            self.evicted += 1;
        }
    }
}

fn bytes<V: Weighed>(made: Option<&V>) -> usize {
    made.map_or(0, Weighed::bytes)
}
