//! Which mapped file contains the interpreter, which version it is, and where its runtime lies.

use std::{collections::HashSet, fs, path::Path};

use super::{ContextRefusal, layout::Version, static_types, static_types::TypeAddresses};
use crate::{
    context::{
        image::{Image, ImageFile},
        memory::Memory,
    },
    target::mapping::{Mapping, ObjectId},
};

/// The runtime of an interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runtime {
    pub version: Version,
    /// `_PyRuntime`.
    pub address: u64,
    pub types: TypeAddresses,
    /// The file that it lies in.
    pub object: ObjectId,
}

/// Looks first where an interpreter is likely: files named like one, then the executable (which may
/// embed it), then any with CPython's own section.
pub fn find(pid: u32, memory: &Memory, mappings: &[Mapping]) -> Result<Runtime, ContextRefusal> {
    let executable = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let mut seen = HashSet::new();
    let mut candidates: Vec<_> = mappings
        .iter()
        .filter(|mapping| seen.insert(mapping.object))
        .map(|mapping| (rank(mapping, executable.as_deref()), mapping))
        .collect();
    candidates.sort_by_key(|(rank, _)| *rank);
    for (rank, mapping) in candidates {
        // A file that cannot be opened or is no ELF file (fonts, caches) holds no interpreter.
        let Ok(file) = ImageFile::open(mapping) else {
            continue;
        };
        let Ok(image) = file.parse(mapping) else {
            continue;
        };
        if let Some(address) = runtime_address(&image, rank) {
            return describe(memory, mapping, &image, address);
        }
    }
    Err(ContextRefusal::NotPython)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Named,
    Executable,
    Other,
}

fn rank(mapping: &Mapping, executable: Option<&Path>) -> Rank {
    let name = file_name(mapping);
    if name.starts_with("libpython") || name.starts_with("python") {
        Rank::Named
    } else if executable == Some(mapping.path.as_path()) {
        Rank::Executable
    } else {
        Rank::Other
    }
}

fn file_name(mapping: &Mapping) -> String {
    let name = mapping.path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Symbols are searched only where they are likely: libraries can have 100,000 of them.
fn runtime_address(image: &Image<'_>, rank: Rank) -> Option<u64> {
    let by_symbol = || {
        (rank != Rank::Other)
            .then(|| image.symbol_address("_PyRuntime"))
            .flatten()
    };
    by_symbol().or_else(|| image.section(".PyRuntime"))
}

fn describe(
    memory: &Memory,
    mapping: &Mapping,
    image: &Image<'_>,
    address: u64,
) -> Result<Runtime, ContextRefusal> {
    let version = match debug_offsets(memory, address)? {
        Some(offsets) if offsets.free_threaded => {
            return Err(ContextRefusal::FreeThreaded(offsets.version));
        }
        Some(offsets) => offsets.version,
        None => by_symbol(memory, image)?
            .or_else(|| by_path(image))
            .or_else(|| by_file_name(&file_name(mapping)))
            .ok_or_else(|| ContextRefusal::VersionNotFound(mapping.path.display().to_string()))?,
    };
    let types = static_types::find(memory, image, version)?;
    Ok(Runtime {
        version,
        address,
        types,
        object: mapping.object,
    })
}

/// The beginning of `_Py_DebugOffsets`, which is the beginning of `_PyRuntime` from 3.13 on
/// (`Include/internal/pycore_debug_offsets.h`).
struct DebugOffsets {
    version: Version,
    free_threaded: bool,
}

fn debug_offsets(memory: &Memory, runtime: u64) -> Result<Option<DebugOffsets>, ContextRefusal> {
    if memory.bytes::<8>(runtime)? != *b"xdebugpy" {
        return Ok(None);
    }
    Ok(Some(DebugOffsets {
        version: from_hex(memory.read_u64(runtime + 8)? as u32),
        free_threaded: memory.read_u64(runtime + 16)? != 0,
    }))
}

/// `Py_Version`, exported from 3.11 on.
fn by_symbol(memory: &Memory, image: &Image<'_>) -> Result<Option<Version>, ContextRefusal> {
    match image.symbol_address("Py_Version") {
        Some(address) => Ok(Some(from_hex(memory.read_u32(address)?))),
        None => Ok(None),
    }
}

/// `PY_VERSION_HEX`.
fn from_hex(hex: u32) -> Version {
    Version {
        major: hex >> 24,
        minor: hex >> 16 & 0xff,
    }
}

/// The directory of the standard library, which `Modules/getpath.c` has built in up to 3.10.
fn by_path(image: &Image<'_>) -> Option<Version> {
    let text = b"lib/python3.";
    image.find_constant(text).into_iter().find_map(|address| {
        let rest = image.constant(address + text.len() as u64, 3)?;
        minor_of(std::str::from_utf8(rest).ok()?.split('\0').next()?)
    })
}

/// `libpython3.8.so.1.0`, `python3.8`.
fn by_file_name(name: &str) -> Option<Version> {
    minor_of(name.split_once("python3.")?.1)
}

/// The number that a text begins with.
fn minor_of(text: &str) -> Option<Version> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let minor = text[..digits].parse().ok()?;
    Some(Version { major: 3, minor })
}

#[cfg(test)]
mod tests {
    use super::{Version, by_file_name, from_hex};

    #[test]
    fn versions_are_read_from_names_and_numbers() {
        let version = |minor| Some(Version { major: 3, minor });
        for (name, expected) in [
            ("libpython3.8.so.1.0", version(8)),
            ("python3.10", version(10)),
            ("libpython3.13t.so.1.0", version(13)),
            ("uwsgi", None),
            ("libpython3.so", None),
        ] {
            assert_eq!(by_file_name(name), expected, "{name}");
        }
        assert_eq!(Some(from_hex(0x030b_07f0)), version(11));
    }
}
