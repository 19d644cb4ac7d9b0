//! Code objects of damaged bytes, laid out in this process's own memory as CPython 3.11 lays them out: less is
//! named then, and nothing panics or goes on for ever.

use hotspan::context::{
    memory::Memory,
    python::{
        code::{Code, CodeLayout},
        heap::{Heap, HeapLayout},
    },
};
use hotspan_common::code_checksum;
use proptest::{collection::vec, prelude::*};

const MINOR: u32 = 11;
/// Where things lie in the arena, in bytes.
const CODE: usize = 0;
const METATYPE: usize = 512;
const CODE_TYPE: usize = 1024;
const STR_TYPE: usize = 1536;
const BYTES_TYPE: usize = 2048;
const TYPE_NAMES: usize = 2560;
const NAME: usize = 3072;
const QUALIFIED: usize = 3200;
const FILE: usize = 3328;
const LINES: usize = 3456;
const SIZE: usize = 4096;

const FIRST_LINE: u32 = 7;
const FLAGS: u32 = 3;
const ARGUMENTS: u32 = 2;

/// Bytes that stand for a process's heap, and where they begin.
struct Arena {
    bytes: Vec<u8>,
}

impl Arena {
    fn sound() -> Self {
        let mut arena = Self {
            bytes: vec![0; SIZE],
        };
        // `Py_TPFLAGS_TYPE_SUBCLASS` and `_UNICODE_SUBCLASS`.
        arena.class(METATYPE, "type", 0, 1 << 31);
        arena.class(CODE_TYPE, "code", 8, 0);
        arena.class(STR_TYPE, "str", 16, 1 << 28);
        arena.class(BYTES_TYPE, "bytes", 24, 0);
        arena.text(NAME, "solve");
        arena.text(QUALIFIED, "Model.solve");
        arena.text(FILE, "/srv/model.py");
        arena.pointer(LINES + 8, BYTES_TYPE);
        arena.word(LINES + 16, 3);
        arena.bytes[LINES + 32..LINES + 35].copy_from_slice(&[0xd8, 1, 2]);
        arena.code();
        arena
    }

    fn code(&mut self) {
        self.pointer(CODE + 8, CODE_TYPE);
        self.word(CODE + 16, 1);
        self.word(CODE + 48, FLAGS.into());
        self.word(CODE + 56, ARGUMENTS.into());
        self.word(CODE + 72, FIRST_LINE.into());
        self.pointer(CODE + 112, FILE);
        self.pointer(CODE + 120, NAME);
        self.pointer(CODE + 128, QUALIFIED);
        self.pointer(CODE + 136, LINES);
    }

    fn at(&self, offset: usize) -> u64 {
        self.bytes.as_ptr() as u64 + offset as u64
    }

    fn word(&mut self, offset: usize, value: u64) {
        self.bytes[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn pointer(&mut self, offset: usize, to: usize) {
        self.word(offset, self.at(to));
    }

    fn class(&mut self, offset: usize, name: &str, name_at: usize, flags: u64) {
        let name_at = TYPE_NAMES + name_at;
        self.bytes[name_at..name_at + name.len()].copy_from_slice(name.as_bytes());
        self.pointer(offset + 8, METATYPE);
        self.pointer(offset + 24, name_at);
        self.word(offset + 168, flags);
    }

    /// Compact and ASCII, one byte a code point.
    fn text(&mut self, offset: usize, text: &str) {
        self.pointer(offset + 8, STR_TYPE);
        self.word(offset + 16, text.len() as u64);
        self.word(offset + 32, (1 | 8 | 16) << 2);
        self.bytes[offset + 48..offset + 48 + text.len()].copy_from_slice(text.as_bytes());
    }

    fn read(&self, checksum: u32) -> Option<Code> {
        let memory = Memory::open(std::process::id()).unwrap();
        let heap = Heap::new(&memory, HeapLayout::for_version(MINOR).unwrap());
        let layout = CodeLayout::of(MINOR).unwrap();
        Code::read(&heap, &layout, self.at(CODE), checksum).ok()
    }
}

fn checksum() -> u32 {
    code_checksum(FIRST_LINE, FLAGS, ARGUMENTS)
}

#[test]
fn a_sound_code_object_is_read() {
    let arena = Arena::sound();
    let code = arena.read(checksum()).unwrap();
    assert_eq!(
        (&*code.name, &*code.qualified, &*code.file),
        ("solve", "Model.solve", "/srv/model.py")
    );
    assert_eq!(code.line(arena.at(CODE + 184)), FIRST_LINE + 1);
    assert!(arena.read(checksum() ^ 1).is_none());
}

proptest! {
    #[test]
    fn damaged_code_objects_have_some_name_or_none(
        damage in vec((0..SIZE / 8, any::<u64>()), 1..6),
        bytes in vec((0..SIZE, any::<u8>()), 0..6),
        loops in vec((0..SIZE / 8, 0..SIZE / 8), 0..3),
        instruction in any::<u64>(),
    ) {
        let mut arena = Arena::sound();
        for (word, value) in damage {
            arena.word(8 * word, value);
        }
        // Pointers that are sound and lead to the wrong object, or in a ring.
        for (word, to) in loops {
            arena.pointer(8 * word, 8 * to);
        }
        for (at, byte) in bytes {
            arena.bytes[at] = byte;
        }
        if let Some(code) = arena.read(checksum()) {
            code.line(instruction);
            code.line(arena.at(CODE + 184));
            prop_assert!(code.size() < 1 << 20);
        }
    }
}
