//! Code objects of every version that is found on this machine: names, and the line of each instruction.

use std::path::Path;

use hotspan::context::{
    memory::Memory,
    python::{
        code::{Code, CodeLayout, LineFormat},
        heap::{Heap, HeapLayout},
        modules::Modules,
    },
};
use hotspan_common::code_checksum;
use serde::Deserialize;

use crate::interpreters::{self, Subject};

const PROGRAM: &str = include_str!("code.py");

/// What `code.py` prints.
#[derive(Deserialize)]
struct Truth {
    minor: u32,
    interpreter: u64,
    codes: Vec<CodeTruth>,
}

#[derive(Deserialize)]
struct CodeTruth {
    address: u64,
    name: String,
    qualified: String,
    file: String,
    first_line: u32,
    flags: u32,
    arguments: u32,
    /// Bytes of instructions, and their line; 0: none.
    lines: Vec<(u64, u32)>,
}

impl CodeTruth {
    fn checksum(&self) -> u32 {
        code_checksum(self.first_line, self.flags, self.arguments)
    }

    fn check(&self, heap: &Heap<'_>, layout: &CodeLayout) {
        let code = Code::read(heap, layout, self.address, self.checksum()).unwrap();
        assert_eq!(code.name, self.name);
        assert_eq!(code.qualified, self.qualified);
        assert_eq!(code.file, self.file);
        assert_eq!(code.first_line, self.first_line);
        let mut offset = 0;
        for (bytes, line) in &self.lines {
            for at in [offset, offset + bytes - 2] {
                let found = code.line(self.instruction(layout, at));
                assert_eq!(found, *line, "{}:{} at {at}", self.file, self.qualified);
            }
            offset += bytes;
        }
        // Another code object would have another checksum.
        assert!(Code::read(heap, layout, self.address, self.checksum() ^ 1).is_err());
    }

    /// What a frame has that is at this byte of the instructions.
    fn instruction(&self, layout: &CodeLayout, offset: u64) -> u64 {
        match layout.line_format {
            LineFormat::Lnotab => offset,
            LineFormat::Pep626 => offset / 2,
            LineFormat::Locations => self.address + layout.instructions as u64 + offset,
        }
    }
}

fn check(interpreter: &Path) {
    let mut subject = Subject::start(interpreter, PROGRAM);
    let truth: Truth = subject.truth();
    let Some(layout) = CodeLayout::of(truth.minor) else {
        eprintln!("NOT COVERED: code objects of CPython 3.{}", truth.minor);
        return;
    };
    let memory = Memory::open(subject.pid()).unwrap();
    let heap = heap(&memory, &truth);
    assert!(truth.codes.len() > 500, "{}", truth.codes.len());
    for code in &truth.codes {
        code.check(&heap, &layout);
    }
    misplaced(&truth, &heap, &layout);
    let far = truth.codes.last().unwrap();
    assert_eq!(far.name, "far");
    let address: u64 = subject.ask("free");
    assert_eq!(address, far.address);
    assert!(
        Code::read(&heap, &layout, address, far.checksum()).is_err(),
        "a freed code object is not named"
    );
}

/// What lies beside code objects, and where no memory is, is no code object.
fn misplaced(truth: &Truth, heap: &Heap<'_>, layout: &CodeLayout) {
    for code in &truth.codes {
        for distance in [-64, -16, -8, -1, 1, 8, 16, 64, 4096, 1 << 46] {
            let address = code.address.wrapping_add_signed(distance);
            let read = Code::read(heap, layout, address, code.checksum());
            assert!(read.is_err(), "{distance} from {}", code.name);
        }
    }
}

/// Strings of 3.14 are in one of two layouts, which only modules tell.
fn heap<'memory>(memory: &'memory Memory, truth: &Truth) -> Heap<'memory> {
    let mut heap = Heap::new(memory, HeapLayout::for_version(truth.minor).unwrap());
    Modules::find(&mut heap, truth.interpreter).unwrap();
    heap
}

#[test]
fn code_objects_read_as_the_interpreter_shows_them() {
    interpreters::for_each("code objects", check);
}
