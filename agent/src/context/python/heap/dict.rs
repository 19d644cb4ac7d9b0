//! Dicts: combined and split tables, of all versions.

use super::{Heap, HeapError, confirmed, stable, word_at, words_of};

/// Most entries of a dict's table that are read, deleted ones included.
pub const MAX_ENTRIES: u64 = 1 << 16;

/// `PyDictObject.ma_keys`, the same from 3.8 to 3.15.
const MA_KEYS: usize = 32;
/// Bytes of a `PyDictObject`.
const DICT_SIZE: usize = 48;
/// Bytes of the header of a `PyDictKeysObject`.
const KEYS_HEADER: usize = 40;

/// A key and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Address of the key.
    pub key: u64,
    /// Address of the value.
    pub value: u64,
}

/// The fields of a dict's header but its reference count, and its keys' header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct DictState {
    /// `ob_type`, `ma_used`, `ma_version_tag`, `ma_keys`, `ma_values`: the same from 3.8 to 3.15, but
    /// that the third has become flags in 3.14.
    fields: [u64; 5],
    table: KeyTable,
}

impl DictState {
    fn class(&self) -> u64 {
        self.fields[0]
    }

    fn used(&self) -> u64 {
        self.fields[1]
    }

    fn values(&self) -> u64 {
        self.fields[4]
    }
}

/// Where a keys object has its entries.
#[derive(Clone, Copy, PartialEq, Eq)]
struct KeyTable {
    entries: u64,
    /// Entries in use, deleted ones included.
    count: usize,
    /// Bytes of an entry.
    stride: usize,
}

impl KeyTable {
    /// `PyDictKeysObject` of 3.8 to 3.10.
    fn with_sizes(address: u64, header: &[u8; KEYS_HEADER]) -> Option<Self> {
        let size = word_at(header, 8);
        let index_width = match size {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            _ => 4,
        };
        Some(Self {
            entries: address
                .checked_add(KEYS_HEADER as u64)?
                .checked_add(size.checked_mul(index_width)?)?,
            count: usize::try_from(word_at(header, 32)).ok()?,
            stride: 24,
        })
    }

    /// `PyDictKeysObject` of 3.11 on: tables whose keys are all strings keep no hashes.
    fn with_logarithms(address: u64, header: &[u8; KEYS_HEADER]) -> Option<Self> {
        let (log2_index_bytes, kind) = (header[9], header[10]);
        Some(Self {
            entries: address
                .checked_add(32)?
                .checked_add(1_u64.checked_shl(log2_index_bytes.into())?)?,
            count: usize::try_from(word_at(header, 24)).ok()?,
            stride: match kind {
                0 => 24,
                1 | 2 => 16,
                _ => return None,
            },
        })
    }
}

impl Heap<'_> {
    /// All entries of a dict or of an instance of a type derived from it, in order of insertion.
    pub fn dict_entries(&self, dict: u64) -> Result<Vec<Entry>, HeapError> {
        self.with_entries(dict, Ok)
    }

    /// The value under a key that is a `str` of this ASCII text.
    pub fn dict_get(&self, dict: u64, key: &str) -> Result<Option<u64>, HeapError> {
        let entry = self.dict_entry(dict, key)?;
        Ok(entry.map(|entry| entry.value))
    }

    /// As [`Heap::dict_get`], with the key's own address.
    pub fn dict_entry(&self, dict: u64, key: &str) -> Result<Option<Entry>, HeapError> {
        confirmed(|| self.look_up(dict, key))
    }

    /// One look.
    pub(super) fn look_up(&self, dict: u64, key: &str) -> Result<Option<Entry>, HeapError> {
        self.with_entries(dict, |entries| {
            for entry in entries {
                if self.is_text(entry.key, key)? {
                    return Ok(Some(entry));
                }
            }
            Ok(None)
        })
    }

    /// What a dict looks like from outside: two equal states, and nothing changed between them. Up
    /// to 3.13 that is certain, for a dict has a version number that no two changes share.
    pub(super) fn dict_state(&self, dict: u64) -> Result<DictState, HeapError> {
        let header = self.bytes::<DICT_SIZE>(dict)?;
        let table = self.key_table(word_at(&header, MA_KEYS))?;
        let [_reference_count, fields @ ..] = [0, 1, 2, 3, 4, 5].map(|n| word_at(&header, 8 * n));
        Ok(DictState { fields, table })
    }

    /// Uses entries that were there together, until `read` is done with them.
    fn with_entries<T>(
        &self,
        dict: u64,
        read: impl Fn(Vec<Entry>) -> Result<T, HeapError>,
    ) -> Result<T, HeapError> {
        let class = self.type_of(dict)?;
        if !class.is_dict() {
            return Err(HeapError::Type {
                address: dict,
                found: class.name,
                expected: "a dict",
            });
        }
        stable(dict, || {
            let state = self.dict_state(dict)?;
            let entries = self.table_entries(&state)?;
            // A target that stands still amid an insertion or a resize shows a part of its entries.
            let whole = state.class() == class.address && entries.len() as u64 == state.used();
            let value = read(entries)?;
            Ok((whole && self.dict_state(dict)? == state).then_some(value))
        })
    }

    /// The keys of a table that instances share, in the order of their values.
    pub(super) fn shared_keys(&self, keys: u64) -> Result<Vec<u64>, HeapError> {
        let table = self.key_table(keys)?;
        Ok(self.raw_entries(table)?.map(|(key, _)| key).collect())
    }

    fn key_table(&self, keys: u64) -> Result<KeyTable, HeapError> {
        let header = self.bytes::<KEYS_HEADER>(keys)?;
        let table = if self.layout.objects.log2_keys {
            KeyTable::with_logarithms(keys, &header)
        } else {
            KeyTable::with_sizes(keys, &header)
        };
        let table = table.ok_or(HeapError::Malformed {
            address: keys,
            what: "a dict's keys of an unknown kind",
        })?;
        if table.count as u64 > MAX_ENTRIES {
            return Err(HeapError::TooLarge {
                address: keys,
                size: table.count as u64,
                limit: MAX_ENTRIES,
            });
        }
        Ok(table)
    }

    /// The entries in use: the values are in the table, or for a split table in a block of their own.
    fn table_entries(&self, state: &DictState) -> Result<Vec<Entry>, HeapError> {
        let split = match state.values() {
            0 => None,
            values => {
                let first = values.wrapping_add(self.layout.objects.values_header);
                Some(self.words(first, state.table.count)?)
            }
        };
        let entries = self
            .raw_entries(state.table)?
            .enumerate()
            .map(|(index, (key, value))| Entry {
                key,
                value: split.as_ref().map_or(value, |split| split[index]),
            });
        Ok(entries
            .filter(|entry| entry.key != 0 && entry.value != 0)
            .collect())
    }

    /// Keys and values as the table has them, deleted entries included.
    fn raw_entries(&self, table: KeyTable) -> Result<impl Iterator<Item = (u64, u64)>, HeapError> {
        let bytes = self.vector(table.entries, table.count * table.stride)?;
        let words: Vec<u64> = words_of(&bytes).collect();
        let (stride, count) = (table.stride / 8, table.count);
        // Entries end with key and value; a hash may come before them.
        Ok((0..count).map(move |index| {
            let end = (index + 1) * stride;
            (words[end - 2], words[end - 1])
        }))
    }
}
