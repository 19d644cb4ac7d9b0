//! Struct members in the kernel's own description of its types (BTF).
//!
//! By hand, because `btf-rs` builds an index of all types: 440 ms and 41 MB for two members, measured;
//! the parser that aya has keeps members to itself. Format: `include/uapi/linux/btf.h`.

use std::{fs, io, path::Path};

/// `struct btf_header`: magic, version, flags, `hdr_len`, `type_off`, `type_len`, `str_off`, `str_len`.
const MAGIC: u16 = 0xeb9f;
const HEADER: usize = 24;
/// `struct btf_type`: `name_off`, `info`, and a size or type.
const TYPE: usize = 12;
/// `struct btf_member`: `name_off`, `type`, `offset`.
const MEMBER: usize = 12;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_TYPEDEF: u32 = 8;
/// Nameless parts inside of each other that are looked into.
const NESTED: u32 = 4;
/// With this flag the upper 8 bits of a member's offset are a bit field's width.
const KIND_FLAG: u32 = 1 << 31;

/// The types of a kernel.
pub struct KernelTypes {
    bytes: Vec<u8>,
    types: (usize, usize),
    strings: usize,
}

impl KernelTypes {
    /// Reads a file such as `/sys/kernel/btf/vmlinux`.
    ///
    /// # Errors
    /// The file cannot be read, or is not BTF of this machine's byte order.
    pub fn read(path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        Self::parse(bytes).ok_or_else(|| io::Error::other("not a BTF file"))
    }

    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let magic = u16::from_le_bytes(*bytes.first_chunk()?);
        let length = word(&bytes, 4)? as usize;
        if magic != MAGIC || length < HEADER {
            return None;
        }
        let types = length.checked_add(word(&bytes, 8)? as usize)?;
        let end = types.checked_add(word(&bytes, 12)? as usize)?;
        let strings = length.checked_add(word(&bytes, 16)? as usize)?;
        Some(Self {
            bytes,
            types: (types, end),
            strings,
        })
    }

    /// The offset of a struct's member, in bytes, also of one in a nameless part of the struct.
    pub fn member_offset(&self, structure: &str, member: &str) -> Option<u32> {
        self.member_bit(structure, member).map(|bit| bit / 8)
    }

    /// The same in bits: of a bit field, where it begins.
    pub fn member_bit(&self, structure: &str, member: &str) -> Option<u32> {
        // An inner declaration of the same name may lack it.
        let mut all = self.structs(structure);
        all.find_map(|at| self.member_in(at, member, NESTED))
    }

    /// The size of a struct, in bytes.
    pub fn size_of(&self, structure: &str) -> Option<u32> {
        word(&self.bytes, self.structs(structure).next()? + 8)
    }

    /// Whether there is a type definition of this name.
    pub fn has_typedef(&self, name: &str) -> bool {
        self.entries().any(|at| {
            self.kind(at).is_some_and(|(kind, _)| kind == KIND_TYPEDEF) && self.is_named(at, name)
        })
    }

    fn structs<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        let is_it = move |&at: &usize| {
            self.kind(at).is_some_and(|(kind, _)| kind == KIND_STRUCT) && self.is_named(at, name)
        };
        self.entries().filter(is_it)
    }

    /// Where each type is described, in the order of their numbers, which begin at 1.
    fn entries(&self) -> impl Iterator<Item = usize> + '_ {
        let (start, end) = self.types;
        let after = |&at: &usize| {
            let (kind, count) = self.kind(at)?;
            Some(at + TYPE + trailer(kind, count)?)
        };
        std::iter::successors(Some(start), after).take_while(move |at| *at < end)
    }

    fn kind(&self, at: usize) -> Option<(u32, usize)> {
        let info = word(&self.bytes, at + 4)?;
        Some((info >> 24 & 0x1f, (info & 0xffff) as usize))
    }

    fn member_in(&self, at: usize, member: &str, nested: u32) -> Option<u32> {
        let (kind, count) = self.kind(at)?;
        let has_bit_fields = word(&self.bytes, at + 4)? & KIND_FLAG != 0;
        if !matches!(kind, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        let members = (0..count).map(|index| at + TYPE + index * MEMBER);
        let offset = |at: usize| {
            let bits = word(&self.bytes, at + 8)?;
            Some(if has_bit_fields {
                bits & 0x00ff_ffff
            } else {
                bits
            })
        };
        if let Some(found) = members.clone().find(|&at| self.is_named(at, member)) {
            return offset(found);
        }
        let nested = nested.checked_sub(1)?;
        let mut nameless = members.filter(|&at| self.is_named(at, ""));
        nameless.find_map(|at| {
            let inner = (word(&self.bytes, at + 4)? as usize).checked_sub(1)?;
            let inner = self.entries().nth(inner)?;
            Some(offset(at)? + self.member_in(inner, member, nested)?)
        })
    }

    /// Whether the name that the entry at `at` begins with is this one.
    fn is_named(&self, at: usize, name: &str) -> bool {
        let text = || {
            let start = self.strings.checked_add(word(&self.bytes, at)? as usize)?;
            self.bytes.get(start..start + name.len() + 1)
        };
        text().is_some_and(|text| text.split_last() == Some((&0, name.as_bytes())))
    }
}

/// Bytes behind a `struct btf_type`, by its kind; `None` for kinds of later kernels.
fn trailer(kind: u32, count: usize) -> Option<usize> {
    Some(match kind {
        // Pointers, forwards, typedefs, qualifiers, functions, floats, type tags.
        2 | 7..=12 | 16 | 18 => 0,
        // Integers, variables, declaration tags.
        1 | 14 | 17 => 4,
        // Arrays.
        3 => 12,
        // Structs, unions, data sections, 64-bit enums.
        4 | 5 | 15 | 19 => 12 * count,
        // Enums, function prototypes.
        6 | 13 => 8 * count,
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| u32::from_le_bytes(*word))
}
