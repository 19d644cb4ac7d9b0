//! A target's interpreter, as far as stacks need it.

use std::path::Path;

use hotspan_common::{PythonFrame, SampleEvent};
use hotspan_synth::{
    event::{Frame, Language},
    ids::FunctionId,
};

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
            heap::{Heap, HeapLayout, Remembered},
            modules::Modules,
        },
    },
    target::{Process, mapping::ObjectId},
};

/// Instructions of a code object whose lines are remembered.
const LINES: usize = 8;

/// The interpreter of a target.
pub(super) struct Interpreter {
    memory: Memory,
    heap: HeapLayout,
    remembered: Remembered,
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
            remembered: Remembered::default(),
            code: CodeLayout::of(found.version.minor)?,
            memory,
        })
    }

    /// A reader of its objects.
    pub fn heap(&self) -> Heap<'_> {
        Heap::new(&self.memory, self.heap)
    }

    /// A reader of spans, whose ids tell whether what was read is right.
    pub fn heap_for_spans(&self, now_ns: u64) -> Heap<'_> {
        self.remembered.age(now_ns);
        self.heap().with(&self.remembered)
    }

    /// The Python frames of a sample, in its order. One whose code object cannot be read has no name:
    /// its time is its caller's.
    pub fn parts(
        &self,
        event: &SampleEvent,
        codes: &mut CodeCache<Numbered>,
        functions: &mut FunctionTable,
    ) -> Vec<PythonPart> {
        let heap = self.heap();
        let frames = event.python.iter().take(event.python_len as usize);
        frames
            .map(|frame| {
                let key = (event.tgid, frame.code, frame.checksum);
                let known = codes.get(&heap, &self.code, key, event.time_ns);
                PythonPart {
                    frame: known
                        .and_then(|(code, note)| note.frame(code, frame.instruction, functions)),
                    is_entry: frame.is_entry != 0,
                }
            })
            .collect()
    }
}

/// The frames of a sample whose interpreter is not known: there, and without names.
pub(super) fn unknown_parts(event: &SampleEvent) -> Vec<PythonPart> {
    let frames = event.python.iter().take(event.python_len as usize);
    let nameless = |frame: &PythonFrame| PythonPart {
        frame: None,
        is_entry: frame.is_entry != 0,
    };
    frames.map(nameless).collect()
}

/// What was made of a code object.
#[derive(Default)]
pub(super) struct Numbered {
    /// `None`: not numbered yet, or there are too many functions.
    function: Option<FunctionId>,
    /// By the lower half of the instruction, which tells those of one code object apart; the oldest gives way.
    lines: [(u32, u32); LINES],
    /// How many were learned.
    learned: usize,
}

impl Numbered {
    fn frame(
        &mut self,
        code: &Code,
        instruction: u64,
        functions: &mut FunctionTable,
    ) -> Option<Frame> {
        if self.function.is_none() {
            self.function = functions.number(described(code));
        }
        let function = self.function?;
        let line = self.line(code, instruction);
        Some(Frame { function, line })
    }

    fn line(&mut self, code: &Code, instruction: u64) -> u32 {
        let key = instruction as u32;
        let mut known = self.lines.iter().take(self.learned);
        if let Some((_, line)) = known.find(|(known, _)| *known == key) {
            return *line;
        }
        let line = code.line(instruction);
        self.lines[self.learned % LINES] = (key, line);
        self.learned += 1;
        line
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
