//! Lookup in dicts (`Objects/dictobject.c`) by going through the entries: the dicts here are small.

use hotspan_common::{ContextOutcome, PythonLayout, Trail};

use super::{
    Walk,
    python::{OB_TYPE, TP_FLAGS},
};
use crate::{
    memory::Access,
    repeat::{CONTINUE, STOP, repeat},
};

/// `PyDictObject.ma_keys`; `ma_values` follows.
pub const MA_KEYS: u64 = 32;
/// Size and kind in a `PyDictKeysObject`, from 3.11 on.
const KEYS_KIND: u64 = 8;
/// `Py_TPFLAGS_DICT_SUBCLASS`.
const DICT_SUBCLASS: u64 = 1 << 29;
/// Entries that are looked at.
const MAX_ENTRIES: u32 = 64;
/// `PyUnicodeObject.length`.
const TEXT_LENGTH: u64 = 16;

/// The entries of a dict, or those that instances of a class share.
#[derive(Clone, Copy)]
pub struct Entries {
    /// Address of the first entry's key; its value is the next word.
    first_key: u64,
    /// Bytes from one entry to the next.
    stride: u64,
    count: u64,
}

/// A dict: its keys, and its values if they are apart from the keys (else 0).
#[derive(Clone, Copy)]
pub struct Tables {
    pub keys: u64,
    pub values: u64,
}

/// A name that is looked for.
#[derive(Clone, Copy)]
pub struct Name {
    /// Its characters.
    length: u64,
    /// The first eight of them.
    begins: u64,
}

impl Name {
    /// Of one or more characters; no two that are looked up differ beyond the eighth alone.
    pub const fn of(text: &[u8]) -> Self {
        let mut name = Self {
            length: text.len() as u64,
            begins: 0,
        };
        let mut at = 0;
        while at < text.len() && at < 8 {
            name.begins |= (text[at] as u64) << (8 * at);
            at += 1;
        }
        name
    }

    /// Where its characters are in a word that begins with them.
    #[inline(always)]
    const fn mask(self) -> u64 {
        let missing = 8u64.saturating_sub(self.length);
        u64::MAX >> (8 * missing)
    }
}

/// The value under the very object `key`; its absence means that no span is active.
#[inline(always)]
pub fn value_of_key<M: Access>(
    layout: &PythonLayout,
    dict: u64,
    key: u64,
    trail: Option<&mut Trail>,
) -> Walk<u64> {
    let tables = tables::<M>(layout, dict)?;
    if tables.values != 0 {
        // Only the dicts of instances are split.
        return Err(ContextOutcome::UnexpectedType);
    }
    let entries = entries::<M>(layout, tables.keys)?;
    let sought = Sought {
        name: Name {
            length: 0,
            begins: key,
        },
        ascii_text: 0,
    };
    match Search::run::<M>(entries, sought)? {
        None => Err(ContextOutcome::NoActiveSpan),
        Some(index) => {
            if let Some(trail) = trail {
                trail.dict_entry = entries.key_at(index).wrapping_sub(tables.keys) as u32;
                trail.dict_shape = [M::read(tables.keys.wrapping_add(KEYS_KIND))?, entries.count];
            }
            match M::read(entries.key_at(index).wrapping_add(8))? {
                0 => Err(ContextOutcome::NoActiveSpan),
                value => Ok(value),
            }
        }
    }
}

/// The value under the string `name`; 0 if there is none.
#[inline(always)]
pub fn value_of_name<M: Access>(
    layout: &PythonLayout,
    tables: Tables,
    name: Name,
    trail: Option<&mut Trail>,
) -> Walk<u64> {
    let entries = entries::<M>(layout, tables.keys)?;
    let sought = Sought {
        name,
        ascii_text: u64::from(layout.ascii_text),
    };
    match Search::run::<M>(entries, sought)? {
        None => Ok(0),
        Some(index) if tables.values == 0 => Ok(M::read(entries.key_at(index).wrapping_add(8))?),
        Some(index) => {
            let place = tables.values.wrapping_add(8 * index);
            if let Some(trail) = trail {
                trail.attribute = trail.attribute.wrapping_add(place);
            }
            Ok(M::read(place)?)
        }
    }
}

/// What a search looks for.
#[derive(Clone, Copy)]
struct Sought {
    /// The text of the key, or its address in place of that.
    name: Name,
    /// Where in a `str` its characters begin; 0: the key is sought by its address.
    ascii_text: u64,
}

/// A search through entries.
struct Search {
    entries: Entries,
    sought: Sought,
    /// [`SEARCHING`], or where the key is, or one of the other ends.
    at: u64,
}

const SEARCHING: u64 = u64::MAX;
const ABSENT: u64 = u64::MAX - 1;
const FAILED: u64 = u64::MAX - 2;

impl Search {
    #[inline(always)]
    fn run<M: Access>(entries: Entries, sought: Sought) -> Walk<Option<u64>> {
        let mut search = Self {
            entries,
            sought,
            at: SEARCHING,
        };
        repeat(MAX_ENTRIES, look_at::<M>, &mut search);
        match search.at {
            SEARCHING => Err(ContextOutcome::TooLarge),
            ABSENT => Ok(None),
            FAILED => Err(ContextOutcome::ReadFailed),
            index => Ok(Some(index)),
        }
    }

    #[inline(always)]
    fn is_sought<M: Access>(&self, key: u64) -> Walk<bool> {
        if self.sought.ascii_text == 0 {
            return Ok(key == self.sought.name.begins);
        }
        let name = self.sought.name;
        Ok(key != 0
            && M::read::<u64>(key.wrapping_add(TEXT_LENGTH))? == name.length
            && M::read::<u64>(key.wrapping_add(self.sought.ascii_text))? & name.mask()
                == name.begins)
    }
}

extern "C" fn look_at<M: Access>(index: u64, search: &mut Search) -> u64 {
    if index >= search.entries.count {
        search.at = ABSENT;
        return STOP;
    }
    let key = M::read::<u64>(search.entries.key_at(index));
    match key
        .map_err(ContextOutcome::from)
        .and_then(|key| search.is_sought::<M>(key))
    {
        Ok(false) => return CONTINUE,
        Ok(true) => search.at = index,
        Err(_) => search.at = FAILED,
    }
    STOP
}

/// The tables of a dict, checked to be one.
#[inline(always)]
pub fn tables<M: Access>(layout: &PythonLayout, dict: u64) -> Walk<Tables> {
    let class = M::read::<u64>(dict.wrapping_add(OB_TYPE))?;
    if M::read::<u64>(class.wrapping_add(TP_FLAGS))? & DICT_SUBCLASS == 0 {
        return Err(ContextOutcome::UnexpectedType);
    }
    let [keys, values] = M::read::<[u64; 2]>(dict.wrapping_add(MA_KEYS))?;
    let values = if values == 0 {
        0
    } else {
        values.wrapping_add(u64::from(layout.values))
    };
    Ok(Tables { keys, values })
}

impl Entries {
    #[inline(always)]
    fn key_at(self, index: u64) -> u64 {
        self.first_key.wrapping_add(index.wrapping_mul(self.stride))
    }
}

/// Reads the header of a `PyDictKeysObject`.
#[inline(always)]
fn entries<M: Access>(layout: &PythonLayout, keys: u64) -> Walk<Entries> {
    if layout.log2_keys == 0 {
        return entries_before_3_11::<M>(keys);
    }
    // dk_refcnt, then dk_log2_size, dk_log2_index_bytes, dk_kind; dk_usable, dk_nentries; indices.
    let header = M::read::<[u64; 4]>(keys)?;
    let (index_bytes, kind) = (header[1] >> 8 & 0x3f, header[1] >> 16 & 0xff);
    let entries = keys.wrapping_add(32).wrapping_add(1 << index_bytes);
    Ok(if kind == 0 {
        // Keys of all kinds: hash, key, value.
        Entries {
            first_key: entries.wrapping_add(8),
            stride: 24,
            count: header[3],
        }
    } else {
        Entries {
            first_key: entries,
            stride: 16,
            count: header[3],
        }
    })
}

/// dk_refcnt, dk_size, dk_lookup, dk_usable, dk_nentries; indices, whose width dk_size decides.
#[inline(always)]
fn entries_before_3_11<M: Access>(keys: u64) -> Walk<Entries> {
    let header = M::read::<[u64; 5]>(keys)?;
    let size = header[1];
    let width = match size {
        ..=0xff => 0,
        ..=0xffff => 1,
        ..=0xffff_ffff => 2,
        _ => 3,
    };
    let entries = keys.wrapping_add(40).wrapping_add(size << width);
    Ok(Entries {
        first_key: entries.wrapping_add(8),
        stride: 24,
        count: header[4],
    })
}
