//! Lists and tuples.

use super::{Heap, HeapError, stable, word_at, words_of};

/// Most items of a list or tuple that are read.
pub const MAX_ITEMS: u64 = 1024;

const SIZE: usize = 16;
/// `PyListObject.ob_item`, a pointer.
const LIST_ITEMS: usize = 24;

impl Heap<'_> {
    /// The addresses of the items of a list, a tuple, or an instance of a type derived from one.
    pub fn items(&self, object: u64) -> Result<Vec<u64>, HeapError> {
        let head = self.head(object)?;
        let class = self.type_info(head.class())?;
        if class.is_tuple() {
            let size = bounded(object, head.word(SIZE))?;
            let items = self.part(&head, self.layout.objects.tuple_items, 8 * size)?;
            return Ok(words_of(&items).collect());
        }
        if !class.is_list() {
            return Err(HeapError::Type {
                address: object,
                found: class.name,
                expected: "a list or tuple",
            });
        }
        stable(object, || {
            let header = self.bytes::<32>(object)?;
            let size = bounded(object, word_at(&header, SIZE))?;
            let items = self.words(word_at(&header, LIST_ITEMS), size)?;
            let again = self.bytes::<32>(object)?;
            // The reference count may move; type, size and items must not.
            Ok((header[8..] == again[8..]).then_some(items))
        })
    }
}

fn bounded(address: u64, size: u64) -> Result<usize, HeapError> {
    if size > MAX_ITEMS {
        return Err(HeapError::TooLarge {
            address,
            size,
            limit: MAX_ITEMS,
        });
    }
    Ok(size as usize)
}
