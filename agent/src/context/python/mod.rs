//! CPython: where an interpreter keeps the active span of each thread.
//!
//! [`runtime`] finds the interpreter, [`layout`] says where its version keeps what,
//! [`calibrate`] checks that on the live process. The kernel programs do the walk itself
//! (`ebpf/src/context/python.rs`).
//!
//! [`heap`] reads objects, [`modules`] finds `sys.modules`; from there [`otel`] finds OpenTelemetry's
//! context, [`sdk`] reports its SDK, [`span`] tells of spans, and
//! [`code`] names what frames run.

mod calibrate;
pub mod code;
pub mod coroutines;
mod data;
mod frame_walk;
mod frames;
mod hamt;
pub mod heap;
pub mod layout;
pub mod modules;
pub mod otel;
mod refusal;
mod runtime;
pub mod sdk;
pub mod span;
mod static_types;
pub mod threads;

use std::fmt;

use hotspan_common::{AttributeStore, PythonFramesLayout, PythonLayout};

pub use self::{
    coroutines::{Coroutines, StepPoint},
    frames::FramesRefusal,
    refusal::ContextRefusal,
};
use self::{
    layout::{Attributes, ObjectOffsets, StateOffsets, Version},
    static_types::TypeAddresses,
};
use crate::{
    context::{memory::Memory, task},
    target::mapping::Mapping,
};

/// Where the active span is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtelAddresses {
    /// The `ContextVar` named `current_context`.
    pub context_var: u64,
    /// Its hash (`PyContextVar.var_hash`, the bits of a signed number), by which a HAMT is searched.
    pub hash: u64,
    /// The `str` under which the `Context` keeps the active span.
    pub span_key: u64,
}

/// A process's interpreter, with a layout that was checked on it. All addresses are the process's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonProcess {
    /// Which CPython it is.
    pub version: Version,
    /// The main `PyInterpreterState`.
    pub interpreter: u64,
    /// Offsets from runtime to thread and context.
    pub state: StateOffsets,
    /// Offsets in objects.
    pub objects: ObjectOffsets,
    /// Types that the walk meets.
    pub types: TypeAddresses,
    /// Where frames are, or why stacks have none.
    pub frames: Result<PythonFramesLayout, FramesRefusal>,
    /// How suspended coroutines are told of.
    pub coroutines: Coroutines,
    /// Offset of the FS base in the kernel's `task_struct`, if the kernel tells it.
    pub task_fs_base: Option<u32>,
}

/// Finds the interpreter of a process and checks the layout on it.
///
/// # Errors
/// [`ContextRefusal`] says why no parent can be read from contextvars.
pub fn inspect(pid: u32, mappings: &[Mapping]) -> Result<PythonProcess, ContextRefusal> {
    let memory = Memory::open(pid).map_err(|error| ContextRefusal::Memory(error.to_string()))?;
    let runtime = runtime::find(pid, &memory, mappings)?;
    let state = StateOffsets::of(runtime.version.minor)
        .ok_or(ContextRefusal::UnknownVersion(runtime.version))?;
    let task_fs_base = task::layout().map(|layout| layout.fs_base);
    if let (Err(reason), None) = (&task_fs_base, state.native_thread_id) {
        return Err(ContextRefusal::ThreadsNotTold(reason.clone()));
    }
    let calibrate::Checked {
        interpreter,
        threads,
    } = calibrate::check(pid, &memory, &runtime, &state)?;
    Ok(PythonProcess {
        version: runtime.version,
        interpreter,
        state,
        objects: ObjectOffsets::of(runtime.version.minor),
        types: runtime.types,
        frames: frames::find(&memory, &runtime, interpreter, &threads),
        coroutines: coroutines::find(&memory, &runtime, mappings),
        task_fs_base: task_fs_base.ok(),
    })
}

impl PythonProcess {
    /// What the kernel programs need. Without OpenTelemetry's addresses they find no parents, but
    /// still tell the contexts of a thread apart.
    pub fn layout(&self, otel: Option<&OtelAddresses>) -> PythonLayout {
        PythonLayout {
            enabled: 1,
            attribute_store: attribute_store(self.objects.attributes).wire(),
            threads_head: self.interpreter + self.state.threads_head,
            context_type: self.types.context,
            bitmap_node_type: self.types.bitmap_node,
            array_node_type: self.types.array_node,
            collision_node_type: self.types.collision_node,
            context_var: otel.map_or(0, |otel| otel.context_var),
            span_key: otel.map_or(0, |otel| otel.span_key),
            context_var_hash: otel.map_or(0, |otel| hamt_hash(otel.hash)),
            task_fs_base: self.task_fs_base.unwrap_or(0),
            thread_id: self.state.thread_id as u32,
            native_thread_id: self.state.native_thread_id.unwrap_or(0) as u32,
            thread_context: self.state.context as u32,
            cached_keys: self.objects.cached_keys as u32,
            tuple_items: self.objects.tuple_items as u32,
            ascii_text: self.objects.ascii_text as u32,
            values: self.objects.values_header as u32,
            tagged_ints: u32::from(self.objects.tagged_ints),
            log2_keys: u32::from(self.objects.log2_keys),
            reserved: 0,
        }
    }
}

impl fmt::Display for PythonProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPython {}", self.version)
    }
}

fn attribute_store(attributes: Attributes) -> AttributeStore {
    match attributes {
        Attributes::DictOffset => AttributeStore::DictOffset,
        Attributes::TwoPointers => AttributeStore::TwoPointers,
        Attributes::Tagged => AttributeStore::Tagged,
        Attributes::Inline => AttributeStore::Inline,
    }
}

/// `hamt_hash` of `Python/hamt.c`: both halves, and -1 is kept for errors.
fn hamt_hash(hash: u64) -> u32 {
    match (hash as u32) ^ ((hash >> 32) as u32) {
        u32::MAX => u32::MAX - 1,
        folded => folded,
    }
}

#[cfg(test)]
mod tests {
    use super::hamt_hash;

    #[test]
    fn hashes_fold_as_in_hamt_c() {
        let cases = [
            (0x0000_0001_0000_0002, 3),
            (0xffff_ffff_0000_0000, 0xffff_fffe),
            (0, 0),
        ];
        for (hash, folded) in cases {
            assert_eq!(hamt_hash(hash), folded, "{hash:#x}");
        }
    }
}
