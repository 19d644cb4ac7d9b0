//! Attributes of instances: what `self.name = value` stored.

use std::rc::Rc;

use super::{Heap, HeapError, LOOKS, TypeInfo, stable, word_at};
use crate::context::python::layout::Attributes;

/// `__dict__` of an object with a managed dict, before the object.
const MANAGED_DICT: u64 = 24;
/// 3.11's pointer to values, before the object.
const MANAGED_VALUES: u64 = 32;
/// `_dictvalues.capacity` and `.valid` of 3.13 on.
const CAPACITY: usize = 0;
const VALID: usize = 3;
/// Most values that are kept without a dict: `SHARED_KEYS_MAX_SIZE` is 30.
const MAX_VALUES: usize = 32;

/// Where an instance keeps its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    /// Nothing is stored.
    Nothing,
    /// A dict.
    Dict(u64),
    /// A block of values (the first one's address), by the index of its type's shared keys.
    Values(u64),
}

impl Heap<'_> {
    /// The instance attribute of this (ASCII) name; `None` if the instance has none. Attributes of
    /// the class, slots and properties are not looked at.
    pub fn attribute(&self, object: u64, name: &str) -> Result<Option<u64>, HeapError> {
        let [value] = self.attributes(object, [name])?;
        Ok(value)
    }

    /// The same of several names, as they were together.
    pub fn attributes<const N: usize>(
        &self,
        object: u64,
        names: [&str; N],
    ) -> Result<[Option<u64>; N], HeapError> {
        self.attributes_of(object, &self.type_of(object)?, names)
    }

    /// The same of an object of a known type.
    pub fn attributes_of<const N: usize>(
        &self,
        object: u64,
        class: &TypeInfo,
        names: [&str; N],
    ) -> Result<[Option<u64>; N], HeapError> {
        let mut values = [None; N];
        for _ in 0..LOOKS {
            values = self.stored(object, class, names)?;
            if values.iter().all(Option::is_some) {
                break;
            }
        }
        Ok(values)
    }

    /// One look.
    fn stored<const N: usize>(
        &self,
        object: u64,
        class: &TypeInfo,
        names: [&str; N],
    ) -> Result<[Option<u64>; N], HeapError> {
        stable(object, || {
            let before = self.store(object, class)?;
            let mut found = [None; N];
            let same = match before {
                Store::Nothing => true,
                Store::Values(values) => {
                    found = self.shared_values(class, values, names)?;
                    true
                }
                Store::Dict(dict) => {
                    let state = self.dict_state(dict)?;
                    for (value, name) in found.iter_mut().zip(names) {
                        *value = self.look_up(dict, name)?.map(|entry| entry.value);
                    }
                    self.dict_state(dict)? == state
                }
            };
            Ok((same && self.store(object, class)? == before).then_some(found))
        })
    }

    fn store(&self, object: u64, class: &TypeInfo) -> Result<Store, HeapError> {
        if class.has_managed_dict() {
            match self.layout.objects.attributes {
                Attributes::DictOffset => {}
                Attributes::TwoPointers => return self.two_pointers(object),
                Attributes::Tagged => return self.tagged(object),
                Attributes::Inline => return self.inline(object, class),
            }
        }
        match class.dict_offset {
            0 => Ok(Store::Nothing),
            // Counted from the end of an object of variable size; no class of interest is one.
            ..0 => Err(HeapError::Malformed {
                address: object,
                what: "its dict lies at the end of a variable size",
            }),
            offset => self
                .word(object.wrapping_add(offset as u64))
                .map(dict_or_nothing),
        }
    }

    /// 3.11.
    fn two_pointers(&self, object: u64) -> Result<Store, HeapError> {
        let words = self.bytes::<16>(object.wrapping_sub(MANAGED_VALUES))?;
        Ok(match (word_at(&words, 0), word_at(&words, 8)) {
            (0, dict) => dict_or_nothing(dict),
            (values, _) => Store::Values(values.wrapping_add(self.layout.objects.values_header)),
        })
    }

    /// 3.12.
    fn tagged(&self, object: u64) -> Result<Store, HeapError> {
        let word = self.word(object.wrapping_sub(MANAGED_DICT))?;
        Ok(if word & 1 == 1 {
            Store::Values(word.wrapping_add(1 + self.layout.objects.values_header))
        } else {
            dict_or_nothing(word)
        })
    }

    /// 3.13 on.
    fn inline(&self, object: u64, class: &TypeInfo) -> Result<Store, HeapError> {
        let dict = self.word(object.wrapping_sub(MANAGED_DICT))?;
        if dict != 0 || !class.has_inline_values() {
            return Ok(dict_or_nothing(dict));
        }
        let values = object.wrapping_add(class.basic_size);
        let header = self.bytes::<4>(values)?;
        let usable = header[VALID] == 1 && usize::from(header[CAPACITY]) <= MAX_VALUES;
        Ok(if usable {
            Store::Values(values.wrapping_add(self.layout.objects.values_header))
        } else {
            Store::Nothing
        })
    }

    fn shared_values<const N: usize>(
        &self,
        class: &TypeInfo,
        values: u64,
        names: [&str; N],
    ) -> Result<[Option<u64>; N], HeapError> {
        let keys = self.keys_of(class)?;
        let mut places = [None; N];
        for (place, name) in places.iter_mut().zip(names) {
            *place = self.place_of(&keys, name)?;
        }
        let count = places.iter().flatten().max().map_or(0, |last| last + 1);
        let block = self.words(values, count)?;
        Ok(places.map(|place| Some(block[place?]).filter(|value| *value != 0)))
    }

    /// The place of a name among shared keys.
    fn place_of(&self, keys: &[u64], name: &str) -> Result<Option<usize>, HeapError> {
        for (place, &key) in keys.iter().enumerate().take(MAX_VALUES) {
            if key != 0 && self.is_key(key, name)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// The keys that instances of a class share. New ones come behind those that are there.
    fn keys_of(&self, class: &TypeInfo) -> Result<Rc<[u64]>, HeapError> {
        if let Some(known) = (self.remembered).and_then(|known| known.shared_keys(class.address)) {
            return Ok(known);
        }
        let keys = self.word(class.address.wrapping_add(self.layout.objects.cached_keys))?;
        let keys: Rc<[u64]> = self.shared_keys(keys)?.into();
        if let Some(remembered) = self.remembered {
            remembered.learn_shared_keys(class.address, &keys);
        }
        Ok(keys)
    }

    /// As `is_text`, of a key that instances share.
    fn is_key(&self, key: u64, name: &str) -> Result<bool, HeapError> {
        let Some(remembered) = self.remembered else {
            return self.is_text(key, name);
        };
        if let Some(answer) = remembered.is_text(key, name) {
            return Ok(answer);
        }
        let text = self.text(key)?;
        let is_name = text == name;
        remembered.learn_text(key, text);
        Ok(is_name)
    }
}

fn dict_or_nothing(dict: u64) -> Store {
    if dict == 0 {
        Store::Nothing
    } else {
        Store::Dict(dict)
    }
}
