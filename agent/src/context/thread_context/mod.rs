//! OTEP 4947: a thread-local pointer to a record of what the thread works for.
//!
//! The publisher exports the variable `otel_thread_ctx_v1`. Where it lies for a thread follows from
//! the thread's FS base and from how the dynamic loader placed the publisher's block; the kernel
//! programs do the rest (`ebpf/src/context/thread_context.rs`).

mod tls;

use std::{collections::HashSet, fs, path::PathBuf};

use hotspan_common::ThreadContextLayout;
use thiserror::Error;

use super::{
    image::{Image, ImageFile, Symbol},
    memory::{Memory, MemoryError},
    task::{self, TaskUnknown},
};
use crate::target::mapping::Mapping;

/// The exported name.
const VARIABLE: &str = "otel_thread_ctx_v1";

/// Why there is no thread context to read.
#[derive(Debug, Error)]
pub enum ThreadContextRefusal {
    /// No mapped file publishes one.
    #[error("no mapped file exports {VARIABLE}")]
    NotPublished,
    /// The kernel does not tell where the FS base is.
    #[error(transparent)]
    FsBase(#[from] TaskUnknown),
    /// The loader has not placed the variable yet, or in a way that is not known.
    #[error("{path} exports {VARIABLE}, and where a thread has it is not known: {reason}")]
    Unplaced {
        /// The publisher.
        path: PathBuf,
        /// What was looked for.
        reason: &'static str,
    },
    /// The memory could not be opened.
    #[error("the process's memory cannot be opened: {0}")]
    Memory(#[from] std::io::Error),
    /// A read failed.
    #[error(transparent)]
    Read(#[from] MemoryError),
}

impl ThreadContextRefusal {
    /// Whether it may be otherwise a moment later, with the same files mapped. A publisher that is
    /// loaded later brings another look anyway.
    pub fn may_change(&self) -> bool {
        matches!(self, Self::Unplaced { .. } | Self::Read(_))
    }
}

/// Finds the variable in a process.
///
/// # Errors
/// [`ThreadContextRefusal`]; most processes have none.
pub fn inspect(
    pid: u32,
    mappings: &[Mapping],
) -> Result<ThreadContextLayout, ThreadContextRefusal> {
    let executable = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let mut seen = HashSet::new();
    for mapping in mappings
        .iter()
        .filter(|mapping| seen.insert(mapping.object))
    {
        // What cannot be opened or is no ELF file publishes nothing.
        let Ok(file) = ImageFile::open(mapping) else {
            continue;
        };
        let Ok(image) = file.parse(mapping) else {
            continue;
        };
        let is_executable = executable.as_ref() == Some(&mapping.path);
        if let Some(symbol) = publisher(&image, is_executable) {
            return place(pid, mappings, mapping, &image, symbol, is_executable);
        }
    }
    Err(ThreadContextRefusal::NotPublished)
}

/// The specification wants it exported; a static executable exports nothing and names it anyway.
fn publisher(image: &Image<'_>, is_executable: bool) -> Option<Symbol> {
    image.tls_block()?;
    let by_name = || {
        is_executable
            .then(|| image.static_symbol(VARIABLE))
            .flatten()
    };
    image.dynamic_symbol(VARIABLE).or_else(by_name)
}

fn place(
    pid: u32,
    mappings: &[Mapping],
    mapping: &Mapping,
    image: &Image<'_>,
    symbol: Symbol,
    is_executable: bool,
) -> Result<ThreadContextLayout, ThreadContextRefusal> {
    let unplaced = |reason| ThreadContextRefusal::Unplaced {
        path: mapping.path.clone(),
        reason,
    };
    let task_fs_base = task::layout()?.fs_base;
    let placed = if is_executable {
        image
            .tls_block()
            .map(|block| tls::in_executable(block, symbol.value))
    } else {
        tls::in_library(&Memory::open(pid)?, image, symbol)?
    };
    let place = placed.ok_or(unplaced("the loader has not resolved it"))?;
    let (kind, module, offset) = place.wire();
    if module != 0 && is_musl(mappings) {
        return Err(unplaced("musl keeps blocks of libraries in its own way"));
    }
    Ok(ThreadContextLayout {
        enabled: 1,
        task_fs_base,
        kind: kind.wire(),
        module,
        offset,
    })
}

fn is_musl(mappings: &[Mapping]) -> bool {
    mappings.iter().any(|mapping| {
        let name = mapping.path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("ld-musl")
    })
}
