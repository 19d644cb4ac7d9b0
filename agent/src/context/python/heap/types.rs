//! Types: what an object is.

use super::{Heap, HeapError, word_at};

/// Longest type name that is read, in bytes.
const MAX_NAME: usize = 128;
/// Deepest inheritance that is followed.
const MAX_BASES: usize = 32;
/// Bytes of a `PyTypeObject` up to `tp_dictoffset`.
const TYPE_SIZE: usize = 296;

// Offsets in PyTypeObject, the same from 3.8 to 3.15.
const TP_NAME: usize = 24;
const TP_BASICSIZE: usize = 32;
const TP_FLAGS: usize = 168;
const TP_BASE: usize = 256;
const TP_DICT: usize = 264;
const TP_DICTOFFSET: usize = 288;

/// What a type says of its instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeInfo {
    /// Its own address.
    pub address: u64,
    /// Its name, without the module that built-in types have before it.
    pub name: String,
    /// The type it derives from; 0 for `object`.
    pub(super) base: u64,
    /// Its own namespace.
    pub(super) dict: u64,
    pub(super) basic_size: u64,
    pub(super) dict_offset: i64,
    flags: u64,
}

impl TypeInfo {
    // Py_TPFLAGS_*, the same from 3.8 on where they exist.
    const INLINE_VALUES: u64 = 1 << 2;
    const MANAGED_DICT: u64 = 1 << 4;
    const HEAP: u64 = 1 << 9;
    const LONG: u64 = 1 << 24;
    const LIST: u64 = 1 << 25;
    const TUPLE: u64 = 1 << 26;
    const UNICODE: u64 = 1 << 28;
    const DICT: u64 = 1 << 29;
    const TYPE: u64 = 1 << 31;

    fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn is_int(&self) -> bool {
        self.has(Self::LONG)
    }

    pub(super) fn is_list(&self) -> bool {
        self.has(Self::LIST)
    }

    pub(super) fn is_tuple(&self) -> bool {
        self.has(Self::TUPLE)
    }

    pub(super) fn is_str(&self) -> bool {
        self.has(Self::UNICODE)
    }

    /// `dict` or a type derived from it.
    pub fn is_dict(&self) -> bool {
        self.has(Self::DICT)
    }

    /// Made by a `class` statement or `PyType_FromSpec`, not a static object of the interpreter.
    pub(super) fn is_heap_type(&self) -> bool {
        self.has(Self::HEAP)
    }

    pub(super) fn has_inline_values(&self) -> bool {
        self.has(Self::INLINE_VALUES)
    }

    pub(super) fn has_managed_dict(&self) -> bool {
        self.has(Self::MANAGED_DICT)
    }

    /// Whether it is the interpreter's own type of this name.
    pub(in crate::context::python) fn is_builtin(&self, name: &str) -> bool {
        !self.is_heap_type() && self.name == name
    }
}

impl Heap<'_> {
    /// The type of an object.
    pub fn type_of(&self, object: u64) -> Result<TypeInfo, HeapError> {
        self.type_info(self.type_address(object)?)
    }

    /// The type of an object, if anything refers to it: the count of one that was freed is 0 until its memory is
    /// used again. Flags share the count's word from 3.12 on (`Include/refcount.h`).
    pub fn type_if_referenced(&self, object: u64) -> Result<Option<TypeInfo>, HeapError> {
        let header = self.bytes::<16>(object)?;
        if word_at(&header, 0) as u32 == 0 {
            return Ok(None);
        }
        self.type_info(word_at(&header, 8)).map(Some)
    }

    /// The address of an object's type, not checked to be one.
    pub(in crate::context::python) fn type_address(&self, object: u64) -> Result<u64, HeapError> {
        self.word(object.wrapping_add(8))
    }

    /// The type at an address, checked to be a type by its own type's flags.
    pub fn type_info(&self, address: u64) -> Result<TypeInfo, HeapError> {
        if let Some(known) = self.remembered.and_then(|known| known.type_at(address)) {
            return Ok(known);
        }
        let class = self.read_type(address)?;
        if let Some(remembered) = self.remembered {
            remembered.learn_type(&class);
        }
        Ok(class)
    }

    fn read_type(&self, address: u64) -> Result<TypeInfo, HeapError> {
        let bytes = self.bytes::<TYPE_SIZE>(address)?;
        let metatype = word_at(&bytes, 8);
        if self.word(metatype.wrapping_add(TP_FLAGS as u64))? & TypeInfo::TYPE == 0 {
            return Err(HeapError::Malformed {
                address,
                what: "it stands for a type and is none",
            });
        }
        Ok(TypeInfo {
            address,
            name: self.type_name(address, word_at(&bytes, TP_NAME))?,
            base: word_at(&bytes, TP_BASE),
            dict: word_at(&bytes, TP_DICT),
            basic_size: word_at(&bytes, TP_BASICSIZE),
            dict_offset: word_at(&bytes, TP_DICTOFFSET) as i64,
            flags: word_at(&bytes, TP_FLAGS),
        })
    }

    /// Whether the object's type is the built-in type `name`, or derives from it.
    pub fn is_instance(&self, object: u64, name: &str) -> Result<bool, HeapError> {
        let mut class = self.type_of(object)?;
        for _ in 0..MAX_BASES {
            if class.is_builtin(name) {
                return Ok(true);
            }
            if class.base == 0 {
                return Ok(false);
            }
            class = self.type_info(class.base)?;
        }
        Err(HeapError::Malformed {
            address: object,
            what: "its type's bases do not end",
        })
    }

    /// The module that defines a class, as its `__module__` says; `None` for built-in types.
    pub fn module_of(&self, class: &TypeInfo) -> Result<Option<String>, HeapError> {
        if !class.is_heap_type() || class.dict == 0 {
            return Ok(None);
        }
        match self.dict_get(class.dict, "__module__")? {
            Some(module) => self.text(module).map(Some),
            None => Ok(None),
        }
    }

    /// The C string `tp_name`, without its dotted prefix.
    fn type_name(&self, class: u64, pointer: u64) -> Result<String, HeapError> {
        let bytes = self
            .memory
            .read_c_string(pointer, MAX_NAME)?
            .unwrap_or_default();
        let name = std::str::from_utf8(&bytes)
            .ok()
            .filter(|name| !name.is_empty());
        name.and_then(|name| name.rsplit('.').next())
            .map(str::to_owned)
            .ok_or(HeapError::Malformed {
                address: class,
                what: "a type without a readable name",
            })
    }
}
