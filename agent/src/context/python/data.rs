//! The live data of an object, in which static tables are found by what they point to.

use crate::context::{
    image::Image,
    memory::{Memory, MemoryError},
};

/// `PyTypeObject.tp_name` and `PyObject.ob_type`, the same in all versions.
const TP_NAME: u64 = 24;
pub(super) const OB_TYPE: u64 = 8;

/// A part of the live data.
pub struct Part {
    start: u64,
    bytes: Vec<u8>,
}

pub fn writable_data(memory: &Memory, image: &Image<'_>) -> Result<Vec<Part>, MemoryError> {
    image
        .data_ranges()
        .into_iter()
        .map(|range| {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            memory.read(range.start, &mut bytes)?;
            Ok(Part {
                start: range.start,
                bytes,
            })
        })
        .collect()
}

impl Part {
    /// The addresses of the words that are one of `values`.
    pub fn words_among<'a>(&'a self, values: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
        let (first, words) = self.words();
        let found = words
            .iter()
            .enumerate()
            .filter(|(_, word)| values.contains(&u64::from_le_bytes(**word)));
        found.map(move |(index, _)| first + 8 * index as u64)
    }

    /// Aligned words, and the address of the first.
    fn words(&self) -> (u64, &[[u8; 8]]) {
        let skipped = self.start.wrapping_neg() % 8;
        let inside = self.bytes.get(skipped as usize..).unwrap_or_default();
        (self.start + skipped, inside.as_chunks::<8>().0)
    }

    /// The object of type `metatype` whose `tp_name` is one of `names`.
    pub fn type_named(&self, names: &[u64], metatype: u64) -> Option<u64> {
        let (first, words) = self.words();
        let word = |index: usize| words.get(index).map(|word| u64::from_le_bytes(*word));
        let back = (TP_NAME - OB_TYPE) as usize / 8;
        (back..words.len())
            .find(|&index| {
                word(index).is_some_and(|value| names.contains(&value))
                    && word(index - back) == Some(metatype)
            })
            .map(|index| first + 8 * index as u64 - TP_NAME)
    }
}
