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

    /// The offset of a struct's member, in bytes.
    pub fn member_offset(&self, structure: &str, member: &str) -> Option<u32> {
        let (mut at, end) = self.types;
        while at < end {
            let info = word(&self.bytes, at + 4)?;
            let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            let members = at + TYPE;
            if kind == KIND_STRUCT && self.is_named(at, structure) {
                let found = (0..count)
                    .map(|index| members + index * MEMBER)
                    .find(|&at| self.is_named(at, member));
                // An inner declaration of the same name may lack it.
                if let Some(found) = found {
                    let offset = word(&self.bytes, found + 8)?;
                    let bits = if info & KIND_FLAG == 0 {
                        offset
                    } else {
                        offset & 0x00ff_ffff
                    };
                    return Some(bits / 8);
                }
            }
            at = members + trailer(kind, count)?;
        }
        None
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
