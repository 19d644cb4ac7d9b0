//! Where each version of CPython keeps what a coroutine awaits, and where asyncio begins a task's steps.
//!
//! Sources: `Include/cpython/genobject.h`, `Include/internal/pycore_frame.h`, `Objects/genobject.c`,
//! `Modules/_asynciomodule.c` of each version. The kernel programs do the walk
//! (`ebpf/src/sampling/awaits.rs`).

use std::path::PathBuf;

use hotspan_common::{CoroutineLayout, PointKind, StackTop};

use super::{
    data::{OB_TYPE, Part, writable_data},
    runtime::Runtime,
};
use crate::{
    context::{
        image::{Image, ImageFile},
        memory::Memory,
    },
    target::mapping::Mapping,
};

/// `PyTypeObject.tp_call` and `.tp_init`, the same in all versions.
const TP_CALL: u64 = 128;
const TP_INIT: u64 = 296;
/// `PyType_Spec.slots`.
const SPEC_SLOTS: u64 = 24;
/// `Py_tp_call` and `Py_tp_init` of `Include/typeslots.h`.
const SLOT_TP_CALL: u32 = 50;
const SLOT_TP_INIT: u32 = 60;
/// Slots of a type that are looked at.
const MAX_SLOTS: u64 = 32;
/// `METH_O`: how `task_wakeup` is called.
const METH_O: u32 = 8;
/// `endbr64`, which the kernel would have to step over; what follows it is as good a place.
const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// An instruction of an object at which a step of a task begins, or a task is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepPoint {
    /// The object, by a path that opens its inode.
    pub object: PathBuf,
    /// Offset in the file.
    pub file_offset: u64,
    /// Says what the function is called with.
    pub kind: PointKind,
}

/// How suspended tasks are told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coroutines {
    /// For the kernel programs.
    pub layout: CoroutineLayout,
    /// Where steps begin: of a task that begins or asked for another turn, and of one whose future is done.
    pub steps: Vec<StepPoint>,
    /// Where tasks are made, if that was found.
    pub created: Option<StepPoint>,
}

/// All zero if something is missing: then no suspension is told of. The program may import asyncio later.
pub fn find(memory: &Memory, runtime: &Runtime, mappings: &[Mapping]) -> Coroutines {
    let found = || -> Option<Coroutines> {
        let layout = CoroutineLayout {
            enabled: 1,
            coroutine_type: runtime.types.coroutine?,
            generator_type: runtime.types.generator?,
            ..layout(runtime.version.minor)?
        };
        let holder = holder(runtime, mappings)?;
        let file = ImageFile::open(holder).ok()?;
        let tables = Tables::read(memory, runtime, &file, holder)?;
        let point = |(address, kind)| step_point(memory, address, kind, mappings);
        Some(Coroutines {
            layout,
            steps: tables
                .steps()?
                .into_iter()
                .map(point)
                .collect::<Option<_>>()?,
            created: tables.created().and_then(point),
        })
    };
    found().unwrap_or_default()
}

/// Whether a file is the module that [`find`] looks into.
pub fn is_asyncio(file_name: &str) -> bool {
    file_name.starts_with("_asyncio.")
}

/// Where asyncio's C code is: in a module of its own, or in the interpreter.
fn holder<'a>(runtime: &Runtime, mappings: &'a [Mapping]) -> Option<&'a Mapping> {
    let is_module = |mapping: &&Mapping| {
        let name = mapping.path.file_name().unwrap_or_default();
        is_asyncio(&name.to_string_lossy())
    };
    let module = mappings.iter().find(is_module);
    let mut mapped = mappings.iter();
    module.or_else(|| mapped.find(|mapping| mapping.object == runtime.object))
}

/// The tables that a loader or the interpreter reads: a stripped build has no other names.
struct Tables<'a> {
    memory: &'a Memory,
    image: Image<'a>,
    data: Vec<Part>,
    /// The type of types.
    metatype: u64,
    /// Of the interpreter: 3.`minor`.
    minor: u32,
}

impl<'a> Tables<'a> {
    fn read(
        memory: &'a Memory,
        runtime: &Runtime,
        file: &'a ImageFile,
        holder: &Mapping,
    ) -> Option<Self> {
        let image = file.parse(holder).ok()?;
        Some(Self {
            memory,
            data: writable_data(memory, &image).ok()?,
            image,
            metatype: memory.read_u64(runtime.types.context + OB_TYPE).ok()?,
            minor: runtime.version.minor,
        })
    }

    fn steps(&self) -> Option<Vec<(u64, PointKind)>> {
        let step = if self.minor < 12 {
            self.of_type(b"TaskStepMethWrapper\0", TP_CALL)
        } else {
            self.of_spec(b"_asyncio.TaskStepMethWrapper\0", SLOT_TP_CALL)
        };
        let woken = if self.minor < 10 {
            let called = self.of_type(b"TaskWakeupMethWrapper\0", TP_CALL)?;
            (called, PointKind::Resume)
        } else {
            let names = self.image.find_constant(b"task_wakeup\0");
            let mut methods = self.data.iter().flat_map(|part| part.words_among(&names));
            let called = methods.find_map(|method| method_of_one(self.memory, method))?;
            (called, PointKind::Woken)
        };
        Some(vec![(step?, PointKind::Resume), woken])
    }

    /// `_asyncio.Task.__init__`.
    fn created(&self) -> Option<(u64, PointKind)> {
        const NAME: &[u8] = b"_asyncio.Task\0";
        let init = if self.minor < 12 {
            self.of_type(NAME, TP_INIT)
        } else {
            self.of_spec(NAME, SLOT_TP_INIT)
        };
        Some((init?, PointKind::Created))
    }

    /// A function of a static type.
    fn of_type(&self, name: &[u8], place: u64) -> Option<u64> {
        let names = self.image.find_constant(name);
        let mut parts = self.data.iter();
        let found = parts.find_map(|part| part.type_named(&names, self.metatype))?;
        self.memory.read_u64(found + place).ok()
    }

    /// A function of a type that is made of a `PyType_Spec`.
    fn of_spec(&self, name: &[u8], slot: u32) -> Option<u64> {
        let names = self.image.find_constant(name);
        let mut specs = self.data.iter().flat_map(|part| part.words_among(&names));
        specs.find_map(|spec| in_slot(self.memory, spec, slot))
    }
}

/// The function that a `PyType_Spec` has in a slot.
fn in_slot(memory: &Memory, spec: u64, wanted: u32) -> Option<u64> {
    let slots = memory.read_u64(spec + SPEC_SLOTS).ok()?;
    for index in 0..MAX_SLOTS {
        let slot = slots.checked_add(index * 16)?;
        match memory.read_u32(slot).ok()? {
            0 => break,
            number if number == wanted => return memory.read_u64(slot + 8).ok(),
            _ => {}
        }
    }
    None
}

/// The function of a `PyMethodDef` that takes one argument.
fn method_of_one(memory: &Memory, method: u64) -> Option<u64> {
    let is_it = memory.read_u32(method + 16).ok()? == METH_O;
    is_it.then(|| memory.read_u64(method + 8).ok())?
}

/// Of CPython 3.`minor`, without the addresses.
fn layout(minor: u32) -> Option<CoroutineLayout> {
    let layout = match minor {
        8 | 9 => CoroutineLayout {
            task_coroutine: if minor == 8 { 112 } else { 152 },
            frame: 16,
            frame_is_pointer: 1,
            state: 104,
            state_in_frame: 1,
            state_is_int: 1,
            created: -1,
            running: i32::MAX,
            stack_top: StackTop::Pointer.wire(),
            stack: 72,
            stack_depth: 8,
            ..CoroutineLayout::default()
        },
        10 => CoroutineLayout {
            task_coroutine: 160,
            frame: 16,
            frame_is_pointer: 1,
            state: 108,
            state_in_frame: 1,
            created: -2,
            stack_top: StackTop::Depth.wire(),
            stack: 64,
            stack_depth: 80,
            ..CoroutineLayout::default()
        },
        11..=13 => CoroutineLayout {
            task_coroutine: if minor == 13 { 120 } else { 136 },
            frame: if minor == 11 { 80 } else { 72 },
            state: if minor == 11 { 75 } else { 67 },
            created: if minor == 13 { -3 } else { -2 },
            stack_top: StackTop::Inline.wire(),
            stack: 72,
            stack_depth: 64,
            ..CoroutineLayout::default()
        },
        14 | 15 => CoroutineLayout {
            task_coroutine: 128,
            frame: 72,
            state: 67,
            created: if minor == 14 { -3 } else { 0 },
            running: if minor == 14 { 0 } else { 4 },
            stack_top: StackTop::Pointer.wire(),
            // _PyInterpreterFrame.stackpointer; from 3.15 on, SEND has another value above the receiver.
            stack: 64,
            stack_depth: if minor == 14 { 8 } else { 16 },
            ..CoroutineLayout::default()
        },
        _ => return None,
    };
    Some(layout)
}

fn step_point(
    memory: &Memory,
    address: u64,
    kind: PointKind,
    mappings: &[Mapping],
) -> Option<StepPoint> {
    let begins_with_endbr = memory.bytes::<4>(address).ok()? == ENDBR64;
    let address = address + if begins_with_endbr { 4 } else { 0 };
    let mapping = mappings
        .iter()
        .find(|mapping| mapping.addresses.contains(&address))?;
    let first = mappings
        .iter()
        .find(|other| other.object == mapping.object)?;
    Some(StepPoint {
        object: first.map_file.clone(),
        file_offset: address - mapping.addresses.start + mapping.file_offset,
        kind,
    })
}
