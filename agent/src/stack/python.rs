//! A target's interpreter, as far as stacks need it.

use std::path::Path;

use hotspan_common::{PythonFrame, SampleEvent};
use hotspan_synth::event::{Frame, Language};

use super::{
    functions::{Described, FunctionTable},
    join::PythonPart,
};
use crate::{
    context::{
        memory::Memory,
        python::{
            self,
            code::{Code, CodeCache, CodeLayout},
            heap::{Heap, HeapLayout},
            modules::Modules,
        },
    },
    target::{Process, mapping::ObjectId},
};

/// What is said of a frame whose code object is gone.
const UNKNOWN: &str = "unknown";

/// The interpreter of a target.
pub(super) struct Interpreter {
    memory: Memory,
    heap: HeapLayout,
    code: CodeLayout,
    /// The file that holds it, if one is known.
    pub object: Option<ObjectId>,
}

impl Interpreter {
    /// Finds it; `None` if there is none, or one of an unknown version.
    pub fn find(process: &Process) -> Option<Self> {
        let mappings = process.mappings().ok()?;
        let found = python::inspect(process.pid(), &mappings).ok()?;
        let memory = Memory::open(process.pid()).ok()?;
        let layout = HeapLayout::for_version(found.version.minor).ok()?;
        let mut heap = Heap::new(&memory, layout);
        // Settles how strings are kept.
        Modules::find(&mut heap, found.interpreter).ok()?;
        let layout = *heap.layout();
        Some(Self {
            object: process.object_at(found.types.context).ok().flatten(),
            heap: layout,
            code: CodeLayout::of(found.version.minor)?,
            memory,
        })
    }

    /// A reader of its objects.
    pub fn heap(&self) -> Heap<'_> {
        Heap::new(&self.memory, self.heap)
    }

    /// The Python frames of a sample, innermost first.
    pub fn parts(
        &self,
        event: &SampleEvent,
        codes: &mut CodeCache,
        functions: &mut FunctionTable,
    ) -> Vec<PythonPart> {
        let heap = self.heap();
        let frames = event.python.iter().take(event.python_len as usize);
        frames
            .map(|frame| {
                let key = (event.tgid, frame.code, frame.checksum);
                let code = codes.get(&heap, &self.code, key, event.time_ns);
                part(frame, code.as_deref(), functions)
            })
            .collect()
    }
}

/// The frames of a sample whose interpreter is not known: there, and without names.
pub(super) fn unknown_parts(event: &SampleEvent, functions: &mut FunctionTable) -> Vec<PythonPart> {
    let frames = event.python.iter().take(event.python_len as usize);
    frames.map(|frame| part(frame, None, functions)).collect()
}

fn part(frame: &PythonFrame, code: Option<&Code>, functions: &mut FunctionTable) -> PythonPart {
    let line = code.map_or(0, |code| code.line(frame.instruction));
    let function = functions.number(code.map_or_else(unknown, described));
    PythonPart {
        frame: function.map(|function| Frame { function, line }),
        is_entry: frame.is_entry != 0,
    }
}

fn described(code: &Code) -> Described {
    let object = Path::new(&code.file).file_name().unwrap_or_default();
    Described {
        language: Language::Python,
        name: code.name.clone(),
        qualified: code.qualified.clone(),
        object: object.to_string_lossy().into_owned(),
        file: code.file.clone(),
    }
}

fn unknown() -> Described {
    Described {
        language: Language::Python,
        name: UNKNOWN.to_owned(),
        qualified: UNKNOWN.to_owned(),
        file: String::new(),
        object: String::new(),
    }
}
