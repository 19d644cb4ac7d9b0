//! Functions found by the strings that they refer to, where a stripped object names none.

use std::collections::BTreeSet;

use memchr::memmem::Finder;

use super::{image::Image, unwind::Unwind};

/// Why no function was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReference {
    /// At least one of the strings is not there: the object holds another library.
    #[error("the string `{0}` is not there")]
    NoString(String),
    /// The strings are there, and no function refers to all of them.
    #[error("no function refers to {0}")]
    NoFunction(String),
    /// Several do.
    #[error("{count} functions refer to {strings}")]
    Ambiguous {
        /// How many.
        count: usize,
        /// The strings.
        strings: String,
    },
}

/// The one function that refers to all strings: its first address. A string is written whole, or with
/// a `*` before its end.
///
/// References are `lea DISPLACEMENT(%rip), %register`, as x86-64 compilers take the address of a
/// string in position-independent code; the function around each comes from the unwind information.
pub fn function_with(
    image: &Image,
    unwind: &Unwind,
    strings: &[String],
) -> Result<u64, NoReference> {
    let rodata = image.section(".rodata");
    let text = image.section(".text");
    let mut common: Option<BTreeSet<u64>> = None;
    for string in strings {
        let missing = || NoReference::NoString(string.clone());
        let (address, data) = rodata.as_ref().ok_or_else(missing)?;
        let places = places(*address, data, string);
        if places.is_empty() {
            return Err(missing());
        }
        let functions: BTreeSet<u64> = text
            .iter()
            .flat_map(|(address, code)| references(*address, code, &places))
            .filter_map(|at| Some(unwind.bounds_at(at)?.start))
            .collect();
        common = Some(match common {
            Some(common) => common.intersection(&functions).copied().collect(),
            None => functions,
        });
    }
    let common: Vec<u64> = common.into_iter().flatten().collect();
    match common[..] {
        [only] => Ok(only),
        [] => Err(NoReference::NoFunction(strings.join(" and "))),
        _ => Err(NoReference::Ambiguous {
            count: common.len(),
            strings: strings.join(" and "),
        }),
    }
}

/// Addresses of a string in the read-only data. Linkers merge strings by their ends, so that a whole
/// string may lie at the end of a longer one.
fn places(address: u64, data: &[u8], string: &str) -> BTreeSet<u64> {
    let (end, is_whole) = match string.strip_prefix('*') {
        Some(end) => (end, false),
        None => (string, true),
    };
    let mut needle = end.as_bytes().to_vec();
    needle.push(0);
    Finder::new(&needle)
        .find_iter(data)
        .map(|at| {
            let before = &data[..at];
            let start = match memchr::memrchr(0, before) {
                _ if is_whole => at,
                Some(nul) => nul + 1,
                None => 0,
            };
            address + start as u64
        })
        .collect()
}

/// Addresses of the instructions in `code` that take the address of one of `places`.
fn references<'a>(
    address: u64,
    code: &'a [u8],
    places: &'a BTreeSet<u64>,
) -> impl Iterator<Item = u64> + 'a {
    /// `lea`, and a `ModRM` byte that means "32 bits from the next instruction".
    const LEA: u8 = 0x8d;
    const RELATIVE: u8 = 0x05;
    const LENGTH: usize = 7;
    code.windows(LENGTH)
        .enumerate()
        .filter(|(_, bytes)| {
            matches!(bytes[0], 0x48 | 0x4c) && bytes[1] == LEA && bytes[2] & 0xc7 == RELATIVE
        })
        .filter_map(move |(at, bytes)| {
            let displacement = i32::from_le_bytes(*bytes.last_chunk()?);
            let at = address + at as u64;
            let target = (at + LENGTH as u64).wrapping_add_signed(i64::from(displacement));
            places.contains(&target).then_some(at)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_whole_and_by_their_end() {
        let data = b"xx\0/src/engine.cc\0Run\0ReRun\0";
        let found = |string: &str| -> Vec<u64> { places(100, data, string).into_iter().collect() };
        assert_eq!(found("Run"), [118, 124]);
        assert_eq!(found("*engine.cc"), [103]);
        assert_eq!(found("*/src/engine.cc"), [103]);
        assert!(found("engine").is_empty());
    }

    #[test]
    fn references_are_relative_to_the_next_instruction() {
        // lea 0x10(%rip), %rdx at 0x1001.
        let code = [0x90, 0x48, 0x8d, 0x15, 0x10, 0, 0, 0, 0x90];
        let places = BTreeSet::from([0x1018]);
        let found: Vec<u64> = references(0x1000, &code, &places).collect();
        assert_eq!(found, [0x1001]);
        let places = BTreeSet::from([0x1019]);
        assert_eq!(references(0x1000, &code, &places).count(), 0);
    }
}
