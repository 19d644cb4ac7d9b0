//! Byte strings.

use super::{Heap, HeapError, word_at};

/// `PyBytesObject.ob_size` and `.ob_sval`, the same from 3.8 to 3.15.
const SIZE: usize = 16;
const DATA: u64 = 32;

impl Heap<'_> {
    /// The content of a `bytes` of at most `limit` bytes.
    pub fn byte_string(&self, object: u64, limit: u64) -> Result<Vec<u8>, HeapError> {
        let class = self.type_of(object)?;
        if !class.is_builtin("bytes") {
            return Err(HeapError::Type {
                address: object,
                found: class.name,
                expected: "bytes",
            });
        }
        let size = word_at(&self.bytes::<24>(object)?, SIZE);
        if size > limit {
            return Err(HeapError::TooLarge {
                address: object,
                size,
                limit,
            });
        }
        self.vector(object.wrapping_add(DATA), size as usize)
    }
}
